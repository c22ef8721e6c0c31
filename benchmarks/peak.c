/* How fast this machine multiplies and adds, in loops that touch registers alone: the peaks that the kernels are measured against.
 *
 * LANES is that of the kernel's path: int32 or float in a vector.  int16_macs multiplies as src/kernel/restore.c does (two products
 * to a lane, then an addition); floats_flops as src/kernel/gradient.c does.
 */
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef float vf __attribute__((vector_size(LANES * 4)));

/* acc += x * y, 16 bits to 32. */
#if defined(__x86_64__)
enum { MACS = 2 * LANES };
#if LANES == 16 && defined(__AVX512VNNI__)
#define MADD(acc) acc = (vi)_mm512_dpwssd_epi32((__m512i)acc, (__m512i)x, (__m512i)y)
#define OPAQUE(v) __asm__ volatile("" : "+v"(v))
#elif LANES == 16
#define MADD(acc) acc += (vi)_mm512_madd_epi16((__m512i)x, (__m512i)y)
#define OPAQUE(v) __asm__ volatile("" : "+v"(v))
#elif LANES == 8
#define MADD(acc) acc += (vi)_mm256_madd_epi16((__m256i)x, (__m256i)y)
#define OPAQUE(v) __asm__ volatile("" : "+x"(v))
#else
#define MADD(acc) acc += (vi)_mm_madd_epi16((__m128i)x, (__m128i)y)
#define OPAQUE(v) __asm__ volatile("" : "+x"(v))
#endif
#elif defined(__aarch64__)
enum { MACS = LANES };
#define MADD(acc) acc = (vi)vmlal_s16((int32x4_t)acc, vget_low_s16((int16x8_t)x), vget_low_s16((int16x8_t)y))
#define OPAQUE(v) __asm__ volatile("" : "+w"(v))
#else
#error "expected x86-64 or arm64"
#endif

/* Enough that none waits for its last sum (4 or 5 cycles, two a cycle), few enough that all stay in 16 registers. */
enum { SUMS = 12, TIMES = 1 << 16 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Runs `body` on each of SUMS accumulators of a type, over and over, for at least so many seconds; returns `each` * runs a second. */
#define RATE(type, each, body)                                                   \
    do {                                                                         \
        type sums[SUMS] = {{0}};                                                 \
        const double begun = now();                                              \
        double runs = 0, taken;                                                  \
        do {                                                                     \
            for (int t = 0; t < TIMES; t++) {                                    \
                _Pragma("GCC unroll 12") for (int s = 0; s < SUMS; s++) {        \
                    OPAQUE(x); /* or the product would be computed once */       \
                    body(sums[s]);                                               \
                }                                                                \
            }                                                                    \
            runs += (double)TIMES * SUMS;                                        \
            taken = now() - begun;                                               \
        } while (taken < seconds);                                               \
        for (int s = 0; s < SUMS; s++) OPAQUE(sums[s]); /* somebody wants them */ \
        return (each) * runs / taken;                                            \
    } while (0)

double int16_macs(double seconds) {
    vi x = (vi){0} + 0x00030003, y = (vi){0} + 0x00050005;
    RATE(vi, MACS, MADD);
}

double float_flops(double seconds) {
    vf x = (vf){0} + 0.999f, y = (vf){0} + 0.001f;
#define FMA(acc) acc = acc * x + y
    RATE(vf, 2 * LANES, FMA);
}
