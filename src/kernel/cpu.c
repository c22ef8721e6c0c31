/* Which of the compiled paths this processor can run.  Compiled once, without a suffix of its own. */
#include "kernel.h"

EXPORT int inlaid_can_run(const char *path) {
    if (!strcmp(path, "portable")) return 1;
#if defined(__aarch64__)
    if (!strcmp(path, "neon")) return 1;
#endif
#if defined(__x86_64__) || defined(__i386__)
    if (!strcmp(path, "avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512dq");
    if (!strcmp(path, "avx512")) return avx512;
    if (!strcmp(path, "vnni")) return avx512 && __builtin_cpu_supports("avx512vnni");
#endif
    return 0;
}
