/* What the kernel needs of <stdlib.h>: web/kernel/memory.c has it. */
#ifndef INLAID_STDLIB_H
#define INLAID_STDLIB_H
#include <stddef.h>
void *malloc(size_t bytes);
void *aligned_alloc(size_t alignment, size_t bytes);
void free(void *p);
#endif
