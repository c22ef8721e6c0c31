/* The layers of the integer network, for restore.c.  They compute two rows at a time: what is loaded of an input row serves both. */
#ifndef INLAID_INTEGER_LAYERS_H
#define INLAID_INTEGER_LAYERS_H

#include <string.h>

#include VECTORS
#include "integer_weights.h"

enum { ROWS = 2, BLOCK = 2 * LANES /* columns in a vector of int16 */, RESIDUAL_SHIFT = 17 };

typedef int16_t number;
enum { pixel_unit = 1 << 5, phase_unit = 1 << 9 };

INLINE shorts load(const int16_t *p) { return *(const shorts *)p; }
INLINE void store(int16_t *p, shorts v) { *(shorts *)p = v; }
INLINE shorts splat_pair(int32_t v) { return (shorts)splat(v); }
INLINE shorts scaled(sums a, sums b) { return narrow(total(a) >> WEIGHT_BITS, total(b) >> WEIGHT_BITS); }

/* What a layer reads and writes.  A row has a plane for each channel, its columns in order.  The last layer sums over channels, so the rows
 * that it reads are `paired`: two channels c and d have a plane of pairs at the even columns and a plane of pairs at the odd columns.
 *
 *   plane c    c0 d0 c2 d2 c4 d4 ...
 *   plane d    c1 d1 c3 d3 c5 d5 ...
 */
typedef struct {
    const int16_t *in[ROWS][MAX_INPUTS * MAX_KERNEL]; /* in[r][plane * kernel + ty]: input row ty of output row r */
    int16_t *out[ROWS];
    int width, stride; /* columns that are computed; numbers from a plane to the next */
} rows;

/* Input row j of the kernel + 1 rows that two output rows share (dilation 1). */
INLINE const int16_t *shared_row(const rows *at, int kernel, int j) { return j < kernel ? at->in[0][j] : at->in[1][kernel - 1]; }

/* Pairs of taps 2 p and 2 p + 1 for columns x to x + BLOCK - 1.  There are `taps` taps; one after the last counts as 0. */
INLINE void zip_taps(shape s, int taps, int dilation, const int16_t *const *in, int x, int p, shorts *pairs) {
    shorts tap[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        const int k = 2 * p + i;
        if (k < taps) tap[i] = load(in[k / s.kernel] + x + (k % s.kernel - s.kernel / 2) * dilation);
    }
    pairs[0] = zip_low(tap[0], tap[1]), pairs[1] = zip_high(tap[0], tap[1]);
}

/* ---- first layer: k x k, from each input to each channel ---- */

/* `count` channels of the first layer at columns x to x + BLOCK - 1. */
INLINE void first_block(int count, int pairs, shorts in[][2], const int32_t *weight, const int32_t *bias, int16_t *out, int stride) {
    UNROLLED for (int c = 0; c < count; c++) {
        sums low = begin(bias[c]), high = low;
        UNROLLED for (int p = 0; p < pairs; p++) {
            const shorts w = splat_pair(weight[c * pairs + p]);
            low = add_products(low, in[p][0], w), high = add_products(high, in[p][1], w);
        }
        store(out + c * stride, leak(scaled(low, high)));
    }
}

INLINE void first_rows(shape s, const rows *at, const weights *w) {
    const int taps = s.inputs * s.kernel * s.kernel, pairs = (taps + 1) / 2, stride = at->stride;
    for (int r = 0; r < ROWS; r++)
        for (int x = 0; x < at->width; x += BLOCK) {
            int16_t *const out = at->out[r] + x;
            shorts in[(MAX_INPUTS * MAX_TAPS + 1) / 2][2];
            UNROLLED for (int p = 0; p < pairs; p++) zip_taps(s, taps, 1, at->in[r], x, p, in[p]);
            FOR_GROUPS(s.channels, c, count,
                       first_block(count, pairs, in, w->first + c * pairs, w->first_bias + c, out + c * stride, stride));
        }
}

/* ---- separable layer: k x k in each channel, then 1 x 1 from all channels to all ---- */

/* The rows between the two parts of a separable layer.  `pairs` has, for each two channels c and d, block after block:
 *
 *   c0 d0 c2 d2 c4 d4 ... c1 d1 c3 d3 c5 d5 ...    the pairs at the even columns, then those at the odd columns
 *
 * Channel d is computed first and waits in `second` for channel c. */
typedef struct {
    int16_t *pairs[ROWS], *second[ROWS];
    int pitch; /* numbers from two channels to the next two */
} middle;

/* The depthwise convolution of a channel at columns x to x + BLOCK - 1 of both rows.  The result has its columns apart (vectors.h).  `w`
 * has the pairs of weights that `put_kernel` writes.  Its pairs of taps:
 *
 *   loaded at column 0    (0 1) (2 3) (4 5) ...    for the sums of columns 0, 2, 4 ...
 *   loaded at column 1    (1 2) (3 4) (5 6) ...    for the sums of columns 1, 3, 5 ... */
INLINE void depthwise_block(int kernel, const rows *at, int x, const shorts *w, shorts *out) {
    const kernel_pairs found = pairs_of(kernel);
    const int half = kernel / 2, left = half ? half : 1;
    sums sum[ROWS][2]; /* of the even and of the odd columns */
    shorts in[MAX_KERNEL + 1][2 * (MAX_KERNEL / 2) + 1];
    for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = begin(ROUNDING);
    UNROLLED for (int j = 0; j <= kernel; j++) {
        const int early = j == kernel || (j && j % 2 == 0);
        UNROLLED for (int i = 0; i <= 2 * left; i++) {
            in[j][i] = load(shared_row(at, kernel, j) + x + i - left);
            if (j && j < kernel) { /* used for both rows */
                HELD(in[j][i]);
            }
        }
        UNROLLED for (int odd = 0; odd < 2; odd++) {
            const shorts *const taps = in[j] + left - half + odd; /* taps[i] begins with tap i */
            UNROLLED for (int r = 0; r < ROWS; r++) {
                if (j < r || j - r >= kernel) continue;
                UNROLLED for (int p = 0; p < half; p++) {
                    const int ty = j - r;
                    if (early) sum[r][odd] = add_products(sum[r][odd], taps[2 * p], w[found.early + ty * half + p]);
                    else sum[r][odd] = add_products(sum[r][odd], taps[2 * p + 1], w[found.late + ty * half + p]);
                }
            }
            if (j == 0) sum[0][odd] = add_products(sum[0][odd], taps[0], w[found.alone]);
            if (j == kernel) sum[1][odd] = add_products(sum[1][odd], taps[kernel - 2], w[found.alone + 1]);
            if (j && early && j < kernel) {
                const shorts crossed = halves(in[j - 1][left - half + odd], taps[kernel - 2]);
                UNROLLED for (int r = 0; r < ROWS; r++)
                    sum[r][odd] = add_products(sum[r][odd], crossed, w[found.crossed + r * half + j / 2 - 1]);
            }
        }
    }
    for (int r = 0; r < ROWS; r++) out[r] = scaled(sum[r][0], sum[r][1]);
}

/* The same with dilation: the two rows share no input row. */
INLINE void dilated_block(shape s, int dilation, const rows *at, int x, const shorts *w, shorts *out) {
    const int taps = s.kernel * s.kernel;
    for (int r = 0; r < ROWS; r++) {
        sums low = begin(ROUNDING), high = low;
        UNROLLED for (int p = 0; p < (taps + 1) / 2; p++) {
            shorts in[2];
            zip_taps(s, taps, dilation, at->in[r], x, p, in);
            low = add_products(low, in[0], w[p]), high = add_products(high, in[1], w[p]);
        }
        out[r] = apart(scaled(low, high));
    }
}

/* The depthwise convolution of channel c.  An odd channel goes into `second`; an even one, joined with what is there, into `pairs`. */
INLINE void depthwise_channel(shape s, int dilation, const rows *at, int c, const int32_t *weight, const middle *mid) {
    const int count = depthwise_count(s.kernel, dilation), plane = c * at->stride;
    shorts w[2 * MAX_KERNEL * (MAX_KERNEL / 2) + MAX_KERNEL + 1] = {{0}}, v[ROWS];
    UNROLLED for (int k = 0; k < count; k++) w[k] = splat_pair(weight[c * count + k]);
    for (int x = 0; x < at->width; x += BLOCK) {
        if (dilation == 1) depthwise_block(s.kernel, at, plane + x, w, v);
        else dilated_block(s, dilation, at, plane + x, w, v);
        UNROLLED for (int r = 0; r < ROWS; r++) {
            int16_t *const out = mid->pairs[r] + c / 2 * mid->pitch + 2 * x, *const second = mid->second[r] + x;
            if (c % 2) {
                store(second, v[r]);
            } else {
                const shorts other = load(second);
                store(out, zip_low(v[r], other)), store(out + BLOCK, zip_high(v[r], other));
            }
        }
    }
}

INLINE void depthwise_rows(shape s, int dilation, const rows *at, const int32_t *weight, const middle *mid) {
    for (int c = 0; c < s.channels; c += 2) {
        if (c + 1 < s.channels) depthwise_channel(s, dilation, at, c + 1, weight, mid);
        else
            for (int r = 0; r < ROWS; r++) memset(mid->second[r], 0, (size_t)at->width * sizeof *mid->second[r]);
        depthwise_channel(s, dilation, at, c, weight, mid);
    }
}

/* A 1 x 1 convolution at columns x to x + BLOCK - 1. */
typedef struct {
    const int16_t *in; /* `pairs` of the middle */
    int pitch, pairs;
    const int32_t *weight, *bias;
    int16_t *out;
    int stride;
} mix;

/* `count` channels of a 1 x 1 convolution, `paired` for the last layer or in order. */
INLINE void mix_block(int count, int paired, mix m) {
    sums even[GROUP], odd[GROUP];
    UNROLLED for (int o = 0; o < count; o++) even[o] = odd[o] = begin(m.bias[o]);
    UNROLLED for (int p = 0; p < m.pairs; p++) {
        const shorts e = load(m.in + p * m.pitch), d = load(m.in + p * m.pitch + BLOCK);
        UNROLLED for (int o = 0; o < count; o++) {
            const shorts w = splat_pair(m.weight[o * m.pairs + p]);
            even[o] = add_products(even[o], e, w), odd[o] = add_products(odd[o], d, w);
        }
    }
    UNROLLED for (int o = 0; o < count; o += 2) {
        shorts v[2] = {{0}}; /* the partner of a last odd channel stays 0 */
        UNROLLED for (int i = 0; i < 2; i++) {
            if (o + i == count) continue;
            v[i] = leak(scaled(even[o + i], odd[o + i]));
            if (!paired) store(m.out + (o + i) * m.stride, in_order(v[i]));
        }
        if (paired) store(m.out + o * m.stride, zip_low(v[0], v[1])), store(m.out + (o + 1) * m.stride, zip_high(v[0], v[1]));
    }
}

INLINE void mix_rows(shape s, int paired, const rows *at, const separable_weights *w, const middle *mid) {
    const int pairs = (s.channels + 1) / 2, stride = at->stride;
    for (int r = 0; r < ROWS; r++)
        for (int x = 0; x < at->width; x += BLOCK) {
            const int16_t *const in = mid->pairs[r] + 2 * x;
            int16_t *const out = at->out[r] + x;
            const int pitch = mid->pitch;
            FOR_GROUPS(s.channels, o, count,
                       mix_block(count, paired, (mix){in, pitch, pairs, w->pointwise + o * pairs, w->bias + o, out + o * stride, stride}));
        }
}

INLINE void separable_rows(shape s, int dilation, int paired, const rows *at, const separable_weights *w, const middle *mid) {
    if (dilation == 1) depthwise_rows(s, 1, at, w->depthwise, mid);
    else depthwise_rows(s, dilation, at, w->depthwise, mid);
    if (paired) mix_rows(s, 1, at, w, mid);
    else mix_rows(s, 0, at, w, mid);
}

/* ---- last layer: k x k, from all channels to the residual ---- */

/* Pairs the first layer's rows for the last layer: for networks without separable layers. */
INLINE void pair_rows(int channels, const rows *at) {
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < channels; c += 2)
            for (int x = 0; x < at->width; x += BLOCK) {
                const int16_t *const in = at->in[r][0] + c * at->stride + x;
                int16_t *const out = at->out[r] + c * at->stride + x;
                const shorts a = apart(load(in)), b = c + 1 < channels ? apart(load(in + at->stride)) : (shorts){0};
                store(out, zip_low(a, b)), store(out + at->stride, zip_high(a, b));
            }
}

INLINE void last_rows(shape s, const rows *at, const int32_t *weight) {
    const int pairs = (s.channels + 1) / 2, kernel = s.kernel, taps = kernel * kernel, radius = kernel / 2;
    for (int x = 0; x < at->width; x += BLOCK) {
        sums sum[ROWS][2]; /* of the even and of the odd columns */
        for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = begin(1 << (RESIDUAL_SHIFT - 1));
        for (int p = 0; p < pairs; p++) {
            shorts w[MAX_TAPS];
            UNROLLED for (int k = 0; k < taps; k++) {
                w[k] = splat_pair(weight[p * taps + k]);
                HELD(w[k]);
            }
            /* Column x + shift is a tap of the even column x and of the odd column x + 1. */
            UNROLLED for (int shift = -radius; shift <= radius + 1; shift++)
                UNROLLED for (int j = 0; j < kernel + ROWS - 1; j++) {
                    const int odd = shift & 1;
                    shorts in = load(shared_row(at, kernel, j) + (2 * p + odd) * at->stride + x + shift - odd);
                    HELD(in);
                    UNROLLED for (int r = 0; r < ROWS; r++) {
                        if (j < r || j - r >= kernel) continue;
                        const int k = (j - r) * kernel + radius + shift;
                        if (shift <= radius) sum[r][0] = add_products(sum[r][0], in, w[k]);
                        if (shift > -radius) sum[r][1] = add_products(sum[r][1], in, w[k - 1]);
                    }
                }
        }
        for (int r = 0; r < ROWS; r++)
            store(at->out[r] + x, in_order(narrow(total(sum[r][0]) >> RESIDUAL_SHIFT, total(sum[r][1]) >> RESIDUAL_SHIFT)));
    }
}

#endif
