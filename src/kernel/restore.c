/* Base pixels in, restored pixels out: the exact integer network of FORMAT.md section 6.  reference.py says the same in numpy.
 *
 * Why no sum can overflow: network.check_bounds in Python refuses parameters for which |bias| * 2^12 + 2^16 + sum |weight| * M
 * reaches 2^31, M being the largest input of the layer (4096 for the first, 32768 after), before any reaches this file.  A pair of
 * products is a part of such a sum.
 */
#include "pairs.h"

enum { WEIGHT_BITS = 12, PIXEL_BITS = 5, RESIDUAL_SHIFT = 17 };

/* ---- weights, as the rows below want them: in pairs ---- */

/* Of a depthwise kernel: pairs of neighbouring taps, row by row, which leave each row's last tap.  Of those, as depthwise_block wants them for
 * its first row: that of the first row alone, in the high half, the others in pairs; for its second row: pairs, that of the last row alone. */
static int32_t *put_kernel(int32_t *to, const int16_t *weight, int kernel) {
    const int16_t *last = weight + kernel - 1;
    for (int ty = 0; ty < kernel; ty++) to = put_pairs(to, weight + ty * kernel, kernel - 1, 1);
    *to++ = pair(0, last[0]);
    to = put_pairs(to, last + kernel, kernel - 1, kernel);
    to = put_pairs(to, last, kernel - 1, kernel);
    *to++ = pair(0, last[(kernel - 1) * kernel]);
    return to;
}

/* How many pairs a depthwise kernel has: as above, or of any taps, one after the other. */
INLINE int kernel_pairs(int kernel, int dilation) { return dilation == 1 ? kernel * (kernel / 2) + kernel + 1 : (kernel * kernel + 1) / 2; }

/* Weights and sums' beginnings: first layer, separable layers, last layer.  `to` has room for all. */
typedef struct {
    const int32_t *first, *first_bias, *depthwise[MAX_LAYERS], *pointwise[MAX_LAYERS], *bias[MAX_LAYERS], *last;
} weights;

static size_t weights_most(const network *net) {
    const size_t taps = (size_t)(net->kernel * net->kernel), channels = (size_t)net->channels;
    return channels * ((size_t)net->inputs * taps + 1 + (size_t)net->layers * (taps + channels + 2) + taps) + taps;
}

static weights arranged(const network *net, const int16_t *params, int32_t *to) {
    const int channels = net->channels, kernel = net->kernel, taps = kernel * kernel, half = 1 << (WEIGHT_BITS - 1);
    weights w = {.first = to};
    for (int c = 0; c < channels; c++, params += net->inputs * taps) to = put_pairs(to, params, net->inputs * taps, 1);
    w.first_bias = to;
    for (int c = 0; c < channels; c++) *to++ = *params++ * (1 << WEIGHT_BITS) + half;
    for (int l = 0; l < net->layers; l++) {
        w.depthwise[l] = to;
        for (int c = 0; c < channels; c++, params += taps)
            to = net->dilation[l] == 1 ? put_kernel(to, params, kernel) : put_pairs(to, params, taps, 1);
        w.pointwise[l] = to;
        for (int o = 0; o < channels; o++, params += channels) to = put_pairs(to, params, channels, 1);
        w.bias[l] = to;
        for (int c = 0; c < channels; c++) *to++ = *params++ * (1 << WEIGHT_BITS) + half;
    }
    w.last = to; /* all pairs of a tap, then those of the next */
    for (int k = 0; k < taps; k++) to = put_pairs(to, params + k, channels, taps);
    return w;
}

/* ---- rows ----
 *
 * Every layer computes two rows at once: what it loads of a row serves both.  Their inputs are rows[0][0 .. kernel - 1] and, one further
 * down, rows[1][...].  Between layers a row has its columns in order, a plane for each channel; but the last layer, which sums over
 * channels, gets them in pairs: for each two channels a plane of the even columns and one of the odd, where each has a number of both. */
enum { ROWS = 2 };
typedef const int16_t *const (*taps_of)[MAX_INPUTS * MAX_KERNEL];

/* Of the rows from the first tap of the first output to the last one of the second, row j. */
INLINE const int16_t *shared_row(int kernel, taps_of rows, int j) { return j < kernel ? rows[0][j] : rows[1][kernel - 1]; }

/* The taps 2 p and 2 p + 1 of a convolution, BLOCK columns from x on, in pairs: (low, high). */
INLINE void zip_taps(int count, int kernel, int dilation, const int16_t *const *rows, int x, int p, vs *low, vs *high) {
    vs tap[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        const int k = 2 * p + i;
        if (k < count) tap[i] = load(rows[k / kernel] + x + (k % kernel - kernel / 2) * dilation);
    }
    *low = zip_low(tap[0], tap[1]), *high = zip_high(tap[0], tap[1]);
}

/* `count` outputs of the first layer, BLOCK columns. */
INLINE void first_block(int count, int pairs, const vs *low, const vs *high, const int32_t *weight, const int32_t *bias, int16_t *out, int stride) {
    UNROLLED for (int c = 0; c < count; c++) {
        sums l = begin(bias[c]), h = l;
        UNROLLED for (int p = 0; p < pairs; p++) {
            const vs w = splat_pair(weight[c * pairs + p]);
            l = add_products(l, low[p], w), h = add_products(h, high[p], w);
        }
        store(out + c * stride, leak(narrow(total(l) >> WEIGHT_BITS, total(h) >> WEIGHT_BITS)));
    }
}

INLINE void first_row(int channels, int inputs, int kernel, int width, const int16_t *const *rows, const int32_t *weight, const int32_t *bias,
                      int16_t *out, int stride) {
    const int taps = inputs * kernel * kernel, pairs = (taps + 1) / 2;
    for (int x = 0; x < width; x += BLOCK) {
        vs low[(MAX_INPUTS * MAX_KERNEL * MAX_KERNEL + 1) / 2], high[(MAX_INPUTS * MAX_KERNEL * MAX_KERNEL + 1) / 2];
        UNROLLED for (int p = 0; p < pairs; p++) zip_taps(taps, kernel, 1, rows, x, p, &low[p], &high[p]);
#define FIRST(count, c) first_block(count, pairs, low, high, weight + (c) * pairs, bias + (c), out + (c) * stride + x, stride)
        IN_GROUPS(channels, FIRST);
#undef FIRST
    }
}

/* A depthwise convolution of one channel, BLOCK columns of two rows, columns apart; the weights as from put_kernel. */
INLINE void depthwise_block(int kernel, taps_of rows, int x, const vs *w, vs *out) {
    const int half = kernel / 2, left = half ? half : 1; /* columns to the left */
    const vs *const of_last = w + kernel * half;
    sums even[ROWS], odd[ROWS];
    vs in[MAX_KERNEL + 1][MAX_KERNEL + 2];
    for (int r = 0; r < ROWS; r++) even[r] = odd[r] = begin(1 << (WEIGHT_BITS - 1));
    UNROLLED for (int j = 0; j <= kernel; j++) {
        const int before_pair = j % 2 && j < kernel; /* its last tap is paired with that of the next row */
        UNROLLED for (int i = 0; i <= left + half + before_pair; i++) {
            in[j][i] = load(shared_row(kernel, rows, j) + x + i - left);
            if (j && j < kernel) HELD(in[j][i]); /* of both rows */
        }
        const vs *const last = in[j] + left + half; /* the last tap of odd columns in the low half; in last[-1] that of even ones */
        UNROLLED for (int r = 0; r < ROWS; r++) {
            UNROLLED for (int p = 0; p < half; p++) {
                if (j < r || j - r >= kernel) continue;
                even[r] = add_products(even[r], in[j][2 * p], w[(j - r) * half + p]);
                odd[r] = add_products(odd[r], in[j][2 * p + 1], w[(j - r) * half + p]);
            }
            if (j != r * kernel) continue;
            even[r] = add_products(even[r], last[-1], of_last[j]);
            odd[r] = add_products(odd[r], last[0], of_last[j]);
        }
        if (j == 0 || j % 2) continue;
        const vs *const above = in[j - 1] + left + half;
        vs e = halves(above[0], last[-1]), o = halves(above[1], last[0]);
        HELD(e);
        HELD(o);
        UNROLLED for (int r = 0; r < ROWS; r++) {
            const vs weight = of_last[r * half + j / 2];
            even[r] = add_products(even[r], e, weight), odd[r] = add_products(odd[r], o, weight);
        }
    }
    for (int r = 0; r < ROWS; r++) out[r] = narrow(total(even[r]) >> WEIGHT_BITS, total(odd[r]) >> WEIGHT_BITS);
}

/* The same where taps are `dilation` apart, so that two rows have none in common. */
INLINE void dilated_block(int kernel, int dilation, taps_of rows, int x, const vs *w, vs *out) {
    const int taps = kernel * kernel;
    for (int r = 0; r < ROWS; r++) {
        sums l = begin(1 << (WEIGHT_BITS - 1)), h = l;
        UNROLLED for (int p = 0; p < (taps + 1) / 2; p++) {
            vs low, high;
            zip_taps(taps, kernel, dilation, rows[r], x, p, &low, &high);
            l = add_products(l, low, w[p]), h = add_products(h, high, w[p]);
        }
        out[r] = apart(narrow(total(l) >> WEIGHT_BITS, total(h) >> WEIGHT_BITS));
    }
}

/* Between its depthwise and its pointwise part a separable layer has its channels in pairs, in rows twice as long: for each two channels
 * the even columns of a block and then its odd ones.  `alone` keeps the second channel of two until the first is there. */
typedef struct {
    int16_t *pairs[ROWS], *alone[ROWS];
    int pitch; /* from the row of two channels to that of the next two */
} middle;

/* The depthwise convolution of channel `c`, of which `rows` are from `at` on: alone, or with that of the next channel in pairs. */
INLINE void depthwise_rows(int in_pairs, int c, int kernel, int dilation, int width, taps_of rows, int at, const int32_t *weight, const middle *mid) {
    const int count = kernel_pairs(kernel, dilation);
    vs w[MAX_KERNEL * (MAX_KERNEL / 2) + MAX_KERNEL + 1] = {{0}}, v[ROWS];
    UNROLLED for (int k = 0; k < count; k++) w[k] = splat_pair(weight[k]);
    for (int x = 0; x < width; x += BLOCK) {
        if (dilation == 1) depthwise_block(kernel, rows, at + x, w, v);
        else dilated_block(kernel, dilation, rows, at + x, w, v);
        UNROLLED for (int r = 0; r < ROWS; r++) {
            if (!in_pairs) {
                store(mid->alone[r] + x, v[r]);
                continue;
            }
            int16_t *const out = mid->pairs[r] + c / 2 * mid->pitch + 2 * x;
            store(out, zip_low(v[r], load(mid->alone[r] + x)));
            store(out + BLOCK, zip_high(v[r], load(mid->alone[r] + x)));
        }
    }
}

/* `count` outputs of a 1x1 convolution, BLOCK columns; `paired` as the last layer wants them. */
INLINE void mix_block(int paired, int count, int pairs, const int16_t *in, int pitch, const int32_t *weight, const int32_t *bias, int16_t *out,
                      int stride) {
    sums even[GROUP], odd[GROUP];
    UNROLLED for (int o = 0; o < count; o++) even[o] = odd[o] = begin(bias[o]);
    UNROLLED for (int p = 0; p < pairs; p++) {
        const vs e = load(in + p * pitch), d = load(in + p * pitch + BLOCK);
        UNROLLED for (int o = 0; o < count; o++) {
            const vs w = splat_pair(weight[o * pairs + p]);
            even[o] = add_products(even[o], e, w), odd[o] = add_products(odd[o], d, w);
        }
    }
    UNROLLED for (int o = 0; o < count; o += 2) {
        vs v[2] = {{0}};
        UNROLLED for (int i = 0; i < 2; i++) {
            if (o + i == count) continue; /* the partner of an odd channel stays 0 */
            v[i] = leak(narrow(total(even[o + i]) >> WEIGHT_BITS, total(odd[o + i]) >> WEIGHT_BITS));
            if (!paired) store(out + (o + i) * stride, in_order(v[i]));
        }
        if (!paired) continue;
        store(out + o * stride, zip_low(v[0], v[1]));
        store(out + (o + 1) * stride, zip_high(v[0], v[1]));
    }
}

INLINE void separable_rows(int channels, int kernel, int dilation, int width, taps_of rows, const int32_t *weight, const int32_t *pointwise,
                           const int32_t *bias, const middle *mid, int paired, int16_t *const *out, int stride) {
    const int pairs = (channels + 1) / 2, count = kernel_pairs(kernel, dilation);
#define DEPTHWISE(in_pairs, dilation, c) depthwise_rows(in_pairs, c, kernel, dilation, width, rows, (c) * stride, weight + (c) * count, mid)
    for (int c = 0; c < channels; c += 2) {
        if (c + 1 == channels)
            for (int r = 0; r < ROWS; r++) memset(mid->alone[r], 0, (size_t)width * sizeof *mid->alone[r]);
        else if (dilation == 1) DEPTHWISE(0, 1, c + 1);
        else DEPTHWISE(0, dilation, c + 1);
        if (dilation == 1) DEPTHWISE(1, 1, c);
        else DEPTHWISE(1, dilation, c);
    }
#undef DEPTHWISE
#define MIX(paired, count, o) \
    mix_block(paired, count, pairs, mid->pairs[r] + 2 * x, mid->pitch, pointwise + (o) * pairs, bias + (o), out[r] + (o) * stride + x, stride)
#define ALONE(count, o) MIX(0, count, o)
#define PAIRED(count, o) MIX(1, count, o)
    for (int r = 0; r < ROWS; r++)
        if (paired)
            for (int x = 0; x < width; x += BLOCK) IN_GROUPS(channels, PAIRED);
        else
            for (int x = 0; x < width; x += BLOCK) IN_GROUPS(channels, ALONE);
#undef ALONE
#undef PAIRED
#undef MIX
}

/* A row of the first layer as the last one wants it, where there is none between. */
INLINE void pair_row(int channels, int width, const int16_t *in, int16_t *out, int stride) {
    for (int c = 0; c < channels; c += 2)
        for (int x = 0; x < width; x += BLOCK) {
            const vs a = apart(load(in + c * stride + x)), b = c + 1 < channels ? apart(load(in + (c + 1) * stride + x)) : (vs){0};
            store(out + c * stride + x, zip_low(a, b));
            store(out + (c + 1) * stride + x, zip_high(a, b));
        }
}

/* The last layer, two rows. */
INLINE void last_rows(int channels, int kernel, int width, taps_of rows, int in_stride, const int32_t *weight, int16_t *const *out) {
    const int pairs = (channels + 1) / 2, radius = kernel / 2;
    for (int x = 0; x < width; x += BLOCK) {
        sums even[ROWS], odd[ROWS];
        for (int r = 0; r < ROWS; r++) even[r] = odd[r] = begin(1 << (RESIDUAL_SHIFT - 1));
        for (int p = 0; p < pairs; p++)
            UNROLLED for (int s = -radius; s <= radius + 1; s++) /* the column x + s: a tap of both, of the even or of the odd one */
                UNROLLED for (int j = 0; j < kernel + ROWS - 1; j++) {
                    vs in = load(shared_row(kernel, rows, j) + (2 * p + (s & 1)) * in_stride + x + s - (s & 1));
                    HELD(in);
                    UNROLLED for (int r = 0; r < ROWS; r++) {
                        if (j < r || j - r >= kernel) continue;
                        const int32_t *w = weight + ((j - r) * kernel + s + radius) * pairs + p;
                        if (s <= radius) even[r] = add_products(even[r], in, splat_pair(*w));
                        if (s > -radius) odd[r] = add_products(odd[r], in, splat_pair(*(w - pairs)));
                    }
                }
        for (int r = 0; r < ROWS; r++) store(out[r] + x, in_order(narrow(total(even[r]) >> RESIDUAL_SHIFT, total(odd[r]) >> RESIDUAL_SHIFT)));
    }
}

/* The layers of a network, `net`.  Apart for those that are used most, each with what is known of it as constants: compiled as one they
 * would cost one another registers. */
typedef struct {
    void (*first)(const network *net, int width, const int16_t *const *rows, const weights *w, int16_t *out, int stride);
    void (*separable)(const network *net, int l, int width, taps_of rows, const weights *w, const middle *mid, int16_t *const *out, int stride);
    void (*last)(const network *net, int width, taps_of rows, const weights *w, int stride, int16_t *const *out);
} layers;

#define LAYERS(name, channels, kernel, inputs)                                                                                                 \
    static void name##_first(const network *net, int width, const int16_t *const *rows, const weights *w, int16_t *out, int stride) {          \
        (void)net;                                                                                                                             \
        first_row(channels, inputs, kernel, width, rows, w->first, w->first_bias, out, stride);                                                \
    }                                                                                                                                          \
    static void name##_separable(const network *net, int l, int width, taps_of rows, const weights *w, const middle *mid, int16_t *const *out, \
                                 int stride) {                                                                                                 \
        separable_rows(channels, kernel, net->dilation[l], width, rows, w->depthwise[l], w->pointwise[l], w->bias[l], mid,                     \
                       l + 1 == net->layers, out, stride);                                                                                     \
    }                                                                                                                                          \
    static void name##_last(const network *net, int width, taps_of rows, const weights *w, int stride, int16_t *const *out) {                  \
        (void)net;                                                                                                                             \
        last_rows(channels, kernel, width, rows, stride, w->last, out);                                                                        \
    }                                                                                                                                          \
    static const layers name = {name##_first, name##_separable, name##_last};

LAYERS(six_channels, 6, 3, 1)
LAYERS(sixteen_channels, 16, 3, 1)
LAYERS(kernel_of_3, net->channels, 3, 1)
LAYERS(any, net->channels, net->kernel, net->inputs)
#undef LAYERS

static const layers *layers_of(const network *net) {
    if (net->kernel != 3 || net->inputs != 1) return &any;
    return net->channels == 6 ? &six_channels : net->channels == 16 ? &sixteen_channels : &kernel_of_3;
}

/* ---- pictures ---- */

static void input_row(const network *net, const uint8_t *base, ptrdiff_t base_stride, int height, int width, int y, int left, int n, const ring *in) {
    const uint8_t *src = base + (ptrdiff_t)clamp_int(y, 0, height - 1) * base_stride;
    int16_t *luma = ring_row(in, y, 0);
    int from, to;
    columns_inside(left, n, width, &from, &to);
    for (int i = from; i < to; i++) luma[i] = (int16_t)((src[left + i] - 128) * (1 << PIXEL_BITS));
    for (int i = 0; i < from; i++) luma[i] = (int16_t)((src[0] - 128) * (1 << PIXEL_BITS));
    for (int i = to; i < n; i++) luma[i] = (int16_t)((src[width - 1] - 128) * (1 << PIXEL_BITS));
    if (net->inputs == 1) return;
    int16_t *column = ring_row(in, y, 1), *row = ring_row(in, y, 2);
    for (int i = 0; i < n; i++) column[i] = (int16_t)(block_phase(left + i) * 512), row[i] = (int16_t)(block_phase(y) * 512);
}

/* One strip of columns [x0, x1), rows [y0, y1). */
static int restore_strip(const network *net, const weights *w, const uint8_t *base, ptrdiff_t base_stride, int height, int width, uint8_t *out,
                         ptrdiff_t out_stride, int y0, int y1, int x0, int x1) {
    const layers *const layer = layers_of(net);
    const int channels = net->channels, kernel = net->kernel, radius = kernel / 2, last_one = net->layers + 1;
    int ahead[MAX_LAYERS + 2]; /* ahead[0]: the input; ahead[1]: the first layer; ahead[1 + l]: separable layer l */
    ahead[last_one] = radius;
    for (int l = last_one - 1; l >= 1; l--) ahead[l] = ahead[l + 1] + radius * net->dilation[l - 1];
    ahead[0] = ahead[1] + radius;

    const int span = round_up(x1 - x0 + 2 * ahead[0], BLOCK), stride = span + 2 * MAX_RADIUS, origin = y0 - ahead[0];
    ring rings[MAX_LAYERS + 2] = {{0}};
    /* What is between the parts of a separable layer; the residual, and in its place rows that pair_row takes. */
    const int pitch = 2 * span, pitches = round_up(channels, 2) / 2;
    int16_t *const room = aligned_zeros((size_t)(ROWS * (pitches * pitch + span + channels * stride)) * sizeof *room);
    int16_t *const last = room + ROWS * (pitches * pitch + span);
    const middle mid = {{room, room + pitches * pitch}, {last - 2 * span, last - span}, pitch};
    int ok = room != NULL;
    for (int l = 0; l <= last_one; l++) {
        int step = l >= 1 && l < last_one ? net->dilation[l - 1] : 1; /* the dilation of the layer that reads this ring */
        ok &= ring_alloc(&rings[l], 2 * radius * step + ROWS, l ? round_up(channels, 2) : net->inputs, stride, sizeof(int16_t));
        rings[l].origin = origin;
    }
    for (int t = y0 - 2 * ahead[0]; ok && t < y1; t += ROWS) {
        const int16_t *rows[ROWS][MAX_INPUTS * MAX_KERNEL];
        int16_t *to[ROWS];
        for (int l = 0; l <= last_one; l++) {
            const int y = t + ahead[l];
            if (y < y0 - ahead[l]) break; /* the later layers start later still */
            const int planes = l == 1 ? net->inputs : 1, dilation = l >= 2 ? net->dilation[l - 2] : 1;
            for (int r = 0; r < ROWS; r++) {
                to[r] = l == 1 && l == last_one ? last + r * channels * stride : ring_row(&rings[l], y + r, 0);
                for (int k = 0; l && k < planes * kernel; k++)
                    rows[r][k] = ring_row(&rings[l - 1], y + r + (k % kernel - radius) * dilation, k / kernel);
            }
            if (l == 0)
                for (int r = 0; r < ROWS; r++) input_row(net, base, base_stride, height, width, y + r, x0 - ahead[0], span, &rings[0]);
            else if (l == 1)
                for (int r = 0; r < ROWS; r++) layer->first(net, span, rows[r], w, to[r], stride);
            else
                layer->separable(net, l - 2, span, (taps_of)rows, w, &mid, to, stride);
            if (l == 1 && l == last_one)
                for (int r = 0; r < ROWS; r++) pair_row(channels, span, to[r], ring_row(&rings[l], y + r, 0), stride);
        }
        if (t < y0) continue;
        for (int r = 0; r < ROWS; r++) {
            to[r] = last + r * span;
            for (int ty = 0; ty < kernel; ty++) rows[r][ty] = ring_row(&rings[last_one], t + r + ty - radius, 0);
        }
        layer->last(net, span, (taps_of)rows, w, stride, to);
        for (int y = t; y < t + ROWS && y < y1; y++) {
            const uint8_t *src = base + (ptrdiff_t)y * base_stride;
            uint8_t *dst = out + (ptrdiff_t)y * out_stride;
            for (int x = x0; x < x1; x++) dst[x] = (uint8_t)clamp_int(src[x] + to[y - t][x - x0 + ahead[0]], 0, 255);
        }
    }
    for (int l = 0; l <= last_one; l++) free(rings[l].data);
    free(room);
    return ok ? 0 : -1;
}

/* Columns of a strip: the more, the less is computed twice, as long as the rings stay in the second cache. */
static int strip_most(const network *net) {
    int rows = 2 * (net->kernel + 1) * net->channels;
    for (int l = 0; l < net->layers; l++) rows += ((net->kernel - 1) * net->dilation[l] + ROWS) * net->channels;
    return clamp_int((1 << 20) / (rows * (int)sizeof(int16_t)), 512, 1024);
}

/* Restores rows [y0, y1) of a height x width plane; 0, or -1 where memory is short.  Bands may run in parallel. */
EXPORT int NAME(inlaid_restore)(const network *net, const int16_t *params, const uint8_t *base, ptrdiff_t base_stride, int height, int width,
                               uint8_t *out, ptrdiff_t out_stride, int y0, int y1) {
    int32_t *room = malloc(weights_most(net) * sizeof *room);
    if (!room) return -1;
    const weights w = arranged(net, params, room);
    const int strips = (width + strip_most(net) - 1) / strip_most(net);
    int status = 0;
    for (int i = 0; i < strips && !status; i++) {
        const int x0 = (int)((int64_t)width * i / strips), x1 = (int)((int64_t)width * (i + 1) / strips);
        status = restore_strip(net, &w, base, base_stride, height, width, out, out_stride, y0, y1, x0, x1);
    }
    free(room);
    return status;
}
