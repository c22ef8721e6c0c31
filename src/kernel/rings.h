/* The walk that restore.c and gradient.c make down a strip of the picture, and the rings of rows that it needs.
 *
 * Each layer keeps its newest rows in a ring, from which the next layer reads.  At time t, layer l computes its row t + ahead(l); ahead(l)
 * is the sum of the radii of the layers after it.  That is the one row that the next layer lacks.  So no row is computed twice in a strip,
 * and all rows stay in cache.  With radius 1 and one separable layer:
 *
 *   layer            0: base   1: first   2: separable   3: last
 *   ahead                  3          2              1         0
 *   row at time 0          3          2              1         0
 *   row at time 1          4          3              2         1
 *
 * gradient.c computes one row at a time.  restore.c computes two, t + ahead(l) and t + ahead(l) + 1, and its t goes up in steps of 2.
 * normed.c has rings that keep all rows, and computes one layer after another.
 *
 * A strip is widened by ahead(0) columns on both sides, the halo, and every layer computes the full width.  A layer's outer columns are
 * wrong where its taps reach beyond the strip: on each side as many as the radii of the layers so far.  After the last layer that is the
 * halo.
 *
 * Include integer_layers.h or float_layers.h first: it defines `number`, the type of the numbers in rows, and the units of the inputs.
 */
#ifndef INLAID_RINGS_H
#define INLAID_RINGS_H

#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum { CACHE_LINE = 64 };

#if defined(_WIN32)
#include <malloc.h>
static inline void *aligned_room(size_t bytes) { return _aligned_malloc(bytes, CACHE_LINE); }
static inline void aligned_free(void *p) { _aligned_free(p); }
#else
#if defined(__linux__)
#include <sys/mman.h>
#endif
enum { HUGE_PAGE = 1 << 21 };
static inline void *aligned_room(size_t bytes) {
#if defined(MADV_HUGEPAGE)
    /* Linux maps small pages one at a time, as each is first written.  For 100 MB that takes as long as a step of a fit. */
    if (bytes >= 2 * (size_t)HUGE_PAGE) {
        void *p = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
        if (p) madvise(p, bytes, MADV_HUGEPAGE);
        return p;
    }
#endif
    return aligned_alloc(CACHE_LINE, bytes);
}
static inline void aligned_free(void *p) { free(p); }
#endif

static inline int round_up(int v, int unit) { return (v + unit - 1) / unit * unit; }

/* `count` zeros that begin at a cache line, since a vector that lies across two lines costs twice.  NULL where memory is short. */
static inline number *aligned_zeros(size_t count) {
    const size_t bytes = (count * sizeof(number) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *p = aligned_room(bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

/* Zeros before and after a row, for taps beside it.  They fill a cache line, so that vectors in the row stay aligned. */
enum { MARGIN = CACHE_LINE / sizeof(number) };
_Static_assert((int)MARGIN >= (int)MAX_RADIUS, "expected margins as wide as the farthest tap");

/* From a plane of `span` numbers to the next. */
static inline int stride_of(int span) { return span + 2 * MARGIN; }

/* The newest `depth` rows of a layer, each of `planes` planes, `stride` numbers from a plane to the next.  Row r is in slot
 * (r - origin) mod depth; r is at least `origin`. */
typedef struct {
    number *data;
    int depth, planes, stride, origin;
} ring;

/* 0 where memory is short. */
static inline int ring_alloc(ring *r, int depth, int planes, int stride) {
    *r = (ring){NULL, depth, planes, stride, 0};
    r->data = aligned_zeros((size_t)depth * (size_t)planes * (size_t)stride);
    return r->data != NULL;
}

static inline number *ring_row(const ring *r, int row, int plane) {
    const size_t slot = (size_t)((row - r->origin) % r->depth);
    return r->data + (slot * (size_t)r->planes + (size_t)plane) * (size_t)r->stride + MARGIN;
}

/* Sets all planes of a row to zero. */
static inline void ring_clear(const ring *r, int row) {
    memset(ring_row(r, row, 0) - MARGIN, 0, (size_t)r->planes * (size_t)r->stride * sizeof(number));
}

/* The rows of `from` that a k x k convolution reads for its output row y: in[plane * kernel + ty]. */
INLINE void rows_for(int planes, int kernel, int dilation, const ring *from, int y, const number **in) {
    for (int k = 0; k < planes * kernel; k++) in[k] = ring_row(from, y + (k % kernel - kernel / 2) * dilation, k / kernel);
}

enum { RINGS = MAX_LAYERS + 2 }; /* the most layers that keep rows: all but the last */

static inline void ahead_of(const network *net, int ahead[RINGS + 1]) {
    const int last = last_layer(net);
    ahead[last] = 0;
    for (int l = last; l >= 1; l--) ahead[l - 1] = ahead[l] + net->kernel / 2 * dilation_of(net, l);
}

/* The luma of the base. */
typedef struct {
    const uint8_t *base;
    ptrdiff_t stride;
    int height, width;
} picture;

/* Rows y0 to y1 - 1, columns x0 to x1 - 1. */
typedef struct {
    int y0, y1, x0, x1;
} area;

/* Position within an 8x8 block as -7, -5, ... 7, for networks with three inputs; also outside the picture. */
INLINE int block_phase(int position) { return 2 * (position & 7) - 7; }

INLINE number pixel_input(int pixel) { return (number)((pixel - 128) * pixel_unit); }

/* Row y of layer 0, the network's inputs: `n` columns, from column `left` of the picture on.  Outside the picture its edge is repeated. */
INLINE void input_row(const picture *p, int inputs, int y, int left, int n, const ring *out) {
    const uint8_t *pixels = p->base + (ptrdiff_t)clamp_int(y, 0, p->height - 1) * p->stride;
    const int from = clamp_int(-left, 0, n), end = clamp_int(p->width - left, from, n); /* the columns inside the picture */
    number *luma = ring_row(out, y, 0);
    for (int i = from; i < end; i++) luma[i] = pixel_input(pixels[left + i]);
    for (int i = 0; i < from; i++) luma[i] = pixel_input(pixels[0]);
    for (int i = end; i < n; i++) luma[i] = pixel_input(pixels[p->width - 1]);
    if (inputs == 1) return;
    number *column = ring_row(out, y, 1), *row = ring_row(out, y, 2);
    for (int i = 0; i < n; i++) column[i] = (number)(block_phase(left + i) * phase_unit), row[i] = (number)(block_phase(y) * phase_unit);
}

#endif
