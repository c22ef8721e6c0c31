/* The parameters of the integer network, arranged in pairs for integer_layers.h. */
#ifndef INLAID_INTEGER_WEIGHTS_H
#define INLAID_INTEGER_WEIGHTS_H

#include "kernel.h"

enum { WEIGHT_BITS = 12, ROUNDING = 1 << (WEIGHT_BITS - 1) };

/* Two int16 as the halves of an int32. */
INLINE int32_t pair(int low, int high) { return (int32_t)((uint32_t)(low & 0xffff) | (uint32_t)high << 16); }

/* Writes `count` numbers in pairs; they are `step` apart in `from`.  If the count is odd, the last one's partner is 0.  This and the other
 * functions return where the next pair goes. */
static int32_t *put_pairs(int32_t *to, const int16_t *from, int count, int step) {
    for (int i = 0; i < count; i += 2) *to++ = pair(from[i * step], i + 1 < count ? from[(i + 1) * step] : 0);
    return to;
}

static int32_t *put_biases(int32_t *to, const int16_t *from, int count) {
    for (int c = 0; c < count; c++) *to++ = from[c] * (1 << WEIGHT_BITS) + ROUNDING;
    return to;
}

/* A depthwise kernel without dilation.  A row of it has an odd number of taps.  They make pairs, and the first or the last is left over.
 *
 *   late pairs     x  (t1 t2)  (t3 t4)     the first tap is left over
 *   early pairs    (t0 t1)  (t2 t3)  x     the last tap is left over
 *
 * Two output rows are computed together from `kernel + 1` input rows.  With kernel 3, output rows 0 and 1 use
 * these taps (tt: a pair, x: left over):
 *
 *   input row 0   late     0: x tt
 *   input row 1   late     0: x tt    1: x tt
 *   input row 2   early    0: tt x    1: tt x
 *   input row 3   early               1: tt x
 *
 * For each output row, the taps left over in input rows 1 and 2 make a `crossed` pair.  The tap left over in the first or last input row is
 * `alone`: its partner is 0.  Kernel 5 has two more input rows, one late and one early, which make another crossed pair.
 */
typedef struct {
    int late, early, crossed, alone, count; /* where each kind begins among all pairs; how many pairs there are */
} kernel_pairs;

INLINE kernel_pairs pairs_of(int kernel) {
    const int half = kernel / 2, each = kernel * half;
    return (kernel_pairs){0, each, 2 * each, 2 * each + 2 * half, 2 * each + 2 * half + 2};
}

/* Writes late[ty][p], early[ty][p], crossed[output row][p] and alone[output row], p counting pairs. */
static int32_t *put_kernel(int32_t *to, const int16_t *weight, int kernel) {
    const int16_t *const end = weight + kernel - 1;
    for (int ty = 0; ty < kernel; ty++) to = put_pairs(to, weight + ty * kernel + 1, kernel - 1, 1);
    for (int ty = 0; ty < kernel; ty++) to = put_pairs(to, weight + ty * kernel, kernel - 1, 1);
    for (int row = 0; row < 2; row++)
        for (int ty = 1 - row; ty + 1 < kernel; ty += 2) *to++ = pair(weight[ty * kernel], end[(ty + 1) * kernel]);
    *to++ = pair(weight[0], 0);
    *to++ = pair(0, end[(kernel - 1) * kernel]);
    return to;
}

INLINE int depthwise_count(int kernel, int dilation) { return dilation == 1 ? pairs_of(kernel).count : (kernel * kernel + 1) / 2; }

typedef struct {
    const int32_t *depthwise, *pointwise, *bias;
} separable_weights;

/* A layer's sums begin with its bias, which includes the rounding. */
typedef struct {
    const int32_t *first, *first_bias, *last;
    separable_weights separable[MAX_LAYERS]; /* layer 2, layer 3 ... */
} weights;

/* The most int32 that `arranged` writes. */
static size_t weights_most(const network *net) {
    const int channels = net->channels, kernel = net->kernel, taps = kernel * kernel;
    const int each = pairs_of(kernel).count + taps + channels + 1; /* of a separable layer, for each channel */
    return (size_t)(channels * (net->inputs * taps + 1 + net->layers * each + taps) + taps);
}

static weights arranged(const network *net, const int16_t *params, int32_t *to) {
    const int channels = net->channels, kernel = net->kernel, taps = kernel * kernel;
    weights w = {.first = to};
    for (int c = 0; c < channels; c++, params += net->inputs * taps) to = put_pairs(to, params, net->inputs * taps, 1);
    w.first_bias = to;
    to = put_biases(to, params, channels);
    params += channels;
    for (int l = 2; l < last_layer(net); l++) {
        separable_weights *const layer = &w.separable[l - 2];
        layer->depthwise = to;
        for (int c = 0; c < channels; c++, params += taps)
            to = dilation_of(net, l) == 1 ? put_kernel(to, params, kernel) : put_pairs(to, params, taps, 1);
        layer->pointwise = to;
        for (int o = 0; o < channels; o++, params += channels) to = put_pairs(to, params, channels, 1);
        layer->bias = to;
        to = put_biases(to, params, channels);
        params += channels;
    }
    w.last = to; /* for each two channels c and d, tap by tap: the weight of c and that of d */
    for (int c = 0; c < channels; c += 2)
        for (int k = 0; k < taps; k++) to = put_pairs(to, params + c * taps + k, c + 1 < channels ? 2 : 1, taps);
    return w;
}

#endif
