/* How fast this machine multiplies and adds, in loops that touch registers alone: the peaks that the kernels are measured against.
 *
 * VECTORS is the file in src/kernel/vectors of the kernel's path.  int16_macs multiplies as src/kernel/restore.c does, float_flops as
 * src/kernel/gradient.c does.
 */
#include <time.h>

#include VECTORS

/* Hides what is in v from the compiler, so that it computes each product anew. */
#if defined(__x86_64__)
#define OPAQUE(v) __asm__ volatile("" : "+v"(v))
#elif defined(__aarch64__)
#define OPAQUE(v) __asm__ volatile("" : "+w"(v))
#else
#error "expected x86-64 or arm64"
#endif

/* SUMS: enough that none waits for its last sum (4 or 5 cycles, two a cycle), few enough that all stay in 16 registers. */
enum { SUMS = 12, TURNS = 1 << 16 };

static void int16_turns(void) {
    shorts x = (shorts)splat(0x00030003), y = (shorts)splat(0x00050005);
    sums sum[SUMS];
    for (int i = 0; i < SUMS; i++) sum[i] = begin(0);
    for (int t = 0; t < TURNS; t++)
        UNROLLED for (int i = 0; i < SUMS; i++) {
            OPAQUE(x);
            sum[i] = add_products(sum[i], x, y);
        }
    for (int i = 0; i < SUMS; i++) {
        ints used = total(sum[i]);
        OPAQUE(used);
    }
}

static void float_turns(void) {
    floats x = (floats){0} + 0.999f, y = (floats){0} + 0.001f, sum[SUMS] = {{0}};
    for (int t = 0; t < TURNS; t++)
        UNROLLED for (int i = 0; i < SUMS; i++) {
            OPAQUE(x);
            sum[i] = sum[i] * x + y;
        }
    for (int i = 0; i < SUMS; i++) OPAQUE(sum[i]);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Operations a second, of turns that have `each` for every sum, run for at least so many seconds. */
static double rate(void (*turns)(void), double each, double seconds) {
    const double begun = now();
    double sums_run = 0, taken;
    do {
        turns();
        sums_run += (double)TURNS * SUMS;
        taken = now() - begun;
    } while (taken < seconds);
    return each * sums_run / taken;
}

double int16_macs(double seconds) { return rate(int16_turns, 2 * LANES, seconds); }
double float_flops(double seconds) { return rate(float_turns, 2 * LANES, seconds); }
