/* What the two kernels share: the network's description, vectors, and the ring of rows in which every layer keeps its output.
 *
 * Both kernels walk down a strip of the picture row by row (restore.c takes two at a time).  At time t, layer l computes its row
 * t + ahead(l), where ahead(l) is the sum of the radii of the layers after it: exactly the row that the next layer misses.  So every layer
 * holds a few rows, all of them stay in cache, and nothing is computed twice.  Columns: a strip is widened by the halo on both sides, every
 * layer is computed on the full width, and the wrong columns that creep in from the sides (one radius a layer) end where the halo ends.
 *
 * Every source is compiled once for each instruction set, with SUFFIX and LANES set by the build; the caller picks by name.
 */
#ifndef INLAID_KERNEL_H
#define INLAID_KERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef LANES
#define LANES 4
#endif
#ifndef SUFFIX
#define SUFFIX portable
#endif
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(stem) JOIN(stem, SUFFIX)

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#define INLINE static inline __attribute__((always_inline))

enum { MAX_CHANNELS = 32, MAX_LAYERS = 8, MAX_INPUTS = 3, MAX_KERNEL = 5, MAX_RADIUS = 16 };

/* Keeps a vector in its register.  gcc would rather load it again for each of its uses, or compute all products of a sum first, more than
 * the registers hold, and add them up afterwards. */
#if defined(__AVX512F__)
#define HELD(v) __asm__("" : "+v"(v))
#elif defined(__AVX__) && LANES == 8 || defined(__SSE__) && LANES == 4
#define HELD(v) __asm__("" : "+x"(v))
#else
#define HELD(v)
#endif

/* Before a loop whose turns are few and known: it is written out, and what an index decides is decided in compiling.  By itself gcc leaves
 * loops of more than a few dozen instructions as they are. */
#define UNROLLED _Pragma("GCC unroll 16")

/* Mirrors network.Network; Python has checked the ranges. */
typedef struct {
    int32_t channels, layers, kernel, inputs;
    int32_t dilation[MAX_LAYERS];
} network;

/* Where a layer's rows are: `depth` slots of `planes` rows, `stride` apart; row r sits in slot (r - origin) mod depth. */
typedef struct {
    void *data;
    int depth, planes, stride, origin;
    size_t item;
} ring;

static inline void *ring_row(const ring *r, int row, int plane) {
    size_t slot = (size_t)((row - r->origin) % r->depth);
    return (char *)r->data + ((slot * (size_t)r->planes + (size_t)plane) * (size_t)r->stride + MAX_RADIUS) * r->item;
}

/* Zeros on a cache line's edge: a vector that lies across two lines costs twice. */
static inline void *aligned_zeros(size_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
    void *p = aligned_alloc(64, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

static inline int ring_alloc(ring *r, int depth, int planes, int stride, size_t item) {
    *r = (ring){NULL, depth, planes, stride, 0, item};
    r->data = aligned_zeros((size_t)depth * (size_t)planes * (size_t)stride * item);
    return r->data != NULL;
}

static inline int clamp_int(int v, int low, int high) { return v < low ? low : v > high ? high : v; }
static inline int round_up(int v, int unit) { return (v + unit - 1) / unit * unit; }

/* Of n columns from `left` on, those inside a picture: [*from, *to).  The others repeat its edge. */
static inline void columns_inside(int left, int n, int width, int *from, int *to) {
    *from = clamp_int(-left, 0, n);
    *to = clamp_int(width - left, *from, n);
}

/* The side of the 8x8 block phase, for networks with three inputs: -7, -5, ... 7 over a block, also left of and above the picture. */
static inline int block_phase(int position) { return 2 * (position & 7) - 7; }

enum { GROUP = 6, HALF_GROUP = 4 }; /* outputs whose sums are kept in registers together */

/* Calls block(n, first) for runs of n channels that cover all of them; n is a constant in each call, so that accumulators stay in
 * registers. */
#define IN_GROUPS(channels, block)                                                             \
    do {                                                                                       \
        int o_ = 0;                                                                            \
        if ((channels) % GROUP == 0)                                                           \
            for (; o_ < (channels); o_ += GROUP) block(GROUP, o_);                             \
        for (; o_ + HALF_GROUP <= (channels); o_ += HALF_GROUP) block(HALF_GROUP, o_);         \
        for (; o_ + 2 <= (channels); o_ += 2) block(2, o_);                                    \
        for (; o_ < (channels); o_++) block(1, o_);                                            \
    } while (0)

#endif
