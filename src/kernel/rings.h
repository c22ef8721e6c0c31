/* The walk that both kernels make down a strip of the picture, and the rings of rows that it needs.
 *
 * Every layer keeps its last few rows in a ring.  At time t, layer l computes its row t + ahead(l); ahead(l) is the sum of the radii of the
 * layers after it.  So a layer computes exactly the row that the next layer lacks, all rows stay in cache, and no row is computed twice:
 *
 *   radius 1         base   first  layer 1  last
 *   ahead               3       2        1     0
 *   rows at time 0      3       2        1     0
 *   rows at time 1      4       3        2     1
 *
 * A strip is widened by the halo on both sides, and every layer computes the full width.  Its outer columns are wrong, one radius more in
 * each layer; after the last layer that is the halo.
 */
#ifndef INLAID_RINGS_H
#define INLAID_RINGS_H

#include <stdlib.h>
#include <string.h>

#include "kernel.h"

#if defined(_WIN32)
#include <malloc.h>
static inline void *aligned_room(size_t bytes) { return _aligned_malloc(bytes, 64); }
static inline void aligned_free(void *p) { _aligned_free(p); }
#else
static inline void *aligned_room(size_t bytes) { return aligned_alloc(64, bytes); }
static inline void aligned_free(void *p) { free(p); }
#endif

/* Zeros that begin at a cache line: a vector that lies across two lines costs twice.  NULL where memory is short. */
static inline void *aligned_zeros(size_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
    void *p = aligned_room(bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

/* Bytes of zeros before and after a row, for taps beside it: a cache line, so that rows begin at one. */
enum { MARGIN = 64 };

/* `depth` slots of `planes` rows of numbers of `item` bytes, `stride` numbers from a row to the next.  Row r is in slot (r - origin) mod
 * depth. */
typedef struct {
    void *data;
    int depth, planes, stride, origin;
    size_t item;
} ring;

static inline void *ring_row(const ring *r, int row, int plane) {
    const size_t slot = (size_t)((row - r->origin) % r->depth);
    return (char *)r->data + (slot * (size_t)r->planes + (size_t)plane) * (size_t)r->stride * r->item + MARGIN;
}

static inline int round_up(int v, int unit) { return (v + unit - 1) / unit * unit; }

/* `span` numbers and the margins beside them. */
static inline int stride_of(int span, size_t item) { return span + 2 * MARGIN / (int)item; }

/* 0 where memory is short. */
static inline int ring_alloc(ring *r, int depth, int planes, int stride, size_t item) {
    *r = (ring){NULL, depth, planes, stride, 0, item};
    r->data = aligned_zeros((size_t)depth * (size_t)planes * (size_t)stride * item);
    return r->data != NULL;
}

/* ahead[0]: the base; ahead[1]: the first layer; ahead[1 + l]: separable layer l; ahead[layers + 2] would be the last layer's, 0. */
static inline void ahead_of(const network *net, int *ahead) {
    const int radius = net->kernel / 2;
    ahead[net->layers + 1] = radius;
    for (int l = net->layers; l >= 1; l--) ahead[l] = ahead[l + 1] + radius * net->dilation[l - 1];
    ahead[0] = ahead[1] + radius;
}

/* Of n columns from `left` on, those inside a picture: [*from, *to).  The others repeat its edge. */
static inline void columns_inside(int left, int n, int width, int *from, int *to) {
    *from = clamp_int(-left, 0, n);
    *to = clamp_int(width - left, *from, n);
}

/* The side of the 8x8 block phase, for networks with three inputs: -7, -5, ... 7 over a block, also left of and above the picture. */
static inline int block_phase(int position) { return 2 * (position & 7) - 7; }

#endif
