/* What the kernel needs of <string.h>: WebAssembly has it as an instruction. */
#ifndef INLAID_STRING_H
#define INLAID_STRING_H
#define memset(p, value, bytes) __builtin_memset(p, value, bytes)
#endif
