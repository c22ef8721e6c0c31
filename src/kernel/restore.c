/* Base pixels in, restored pixels out: the exact integer network of FORMAT.md section 6.  reference.py says the same in numpy.
 *
 * Why no sum can overflow: network.check_bounds in Python refuses parameters for which |bias| * 2^12 + 2^16 + sum |weight| * M
 * reaches 2^31, M being the largest input of the layer (4096 for the first, 32768 after), before any reaches this file.  A pair of
 * products is a part of such a sum.
 */
#include "kernel.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the columns of a pair are taken for the halves of an int32 in their order: expected a little-endian machine"
#endif

#if defined(INLAY_NEON)
#include <arm_neon.h>
#elif LANES > 4
#include <immintrin.h>
#endif

/* Everything is multiplied in pairs: `add_products` takes two vectors of int16 and adds each two neighbouring products to one int32.
 * The two columns of a pair are two taps of a row, or two channels at a pixel; where there is no second one its weight is 0. */
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef int16_t vs __attribute__((vector_size(LANES * 4), aligned(2)));

enum { WEIGHT_BITS = 12, PIXEL_BITS = 5, RESIDUAL_SHIFT = 17, BLOCK = 2 * LANES };

INLINE vs load(const int16_t *p) { return *(const vs *)p; }
INLINE void store(int16_t *p, vs v) { *(vs *)p = v; }
INLINE vi splat(int32_t v) { return (vi){0} + v; }
INLINE vs splat_pair(int32_t v) { return (vs)splat(v); }

/* Of int32 vectors, saturated to int16: `weave` puts the first into the even places, the second into the odd ones; `narrow` undoes
 * what `zip_low` and `zip_high` did to the order.  `leak` is the leaky ReLU, an eighth, rounded down, of what is below zero. */
#if LANES == 16
INLINE vi madd(vs a, vs b) { return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b); }
INLINE vs narrow(vi a, vi b) { return (vs)_mm512_packs_epi32((__m512i)a, (__m512i)b); }
INLINE vs zip_low(vs a, vs b) { return (vs)_mm512_unpacklo_epi16((__m512i)a, (__m512i)b); }
INLINE vs zip_high(vs a, vs b) { return (vs)_mm512_unpackhi_epi16((__m512i)a, (__m512i)b); }
INLINE vs weave(vi even, vi odd) {
    const __m128i order = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    return (vs)_mm512_shuffle_epi8((__m512i)narrow(even, odd), _mm512_broadcast_i32x4(order));
}
INLINE vs leak(vs v) { return (vs)_mm512_max_epi16((__m512i)v, _mm512_srai_epi16((__m512i)v, 3)); }
#elif LANES == 8
INLINE vi madd(vs a, vs b) { return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b); }
INLINE vs narrow(vi a, vi b) { return (vs)_mm256_packs_epi32((__m256i)a, (__m256i)b); }
INLINE vs zip_low(vs a, vs b) { return (vs)_mm256_unpacklo_epi16((__m256i)a, (__m256i)b); }
INLINE vs zip_high(vs a, vs b) { return (vs)_mm256_unpackhi_epi16((__m256i)a, (__m256i)b); }
INLINE vs weave(vi even, vi odd) {
    const __m128i order = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    return (vs)_mm256_shuffle_epi8((__m256i)narrow(even, odd), _mm256_broadcastsi128_si256(order));
}
INLINE vs leak(vs v) { return (vs)_mm256_max_epi16((__m256i)v, _mm256_srai_epi16((__m256i)v, 3)); }
#elif defined(INLAY_NEON)
INLINE vs narrow(vi a, vi b) { return (vs)vqmovn_high_s32(vqmovn_s32((int32x4_t)a), (int32x4_t)b); }
INLINE vs zip_low(vs a, vs b) { return (vs)vzip1q_s16((int16x8_t)a, (int16x8_t)b); }
INLINE vs zip_high(vs a, vs b) { return (vs)vzip2q_s16((int16x8_t)a, (int16x8_t)b); }
INLINE vs weave(vi even, vi odd) {
    const int16x8_t v = (int16x8_t)narrow(even, odd);
    return (vs)vzip1q_s16(v, vextq_s16(v, v, 4));
}
INLINE vs leak(vs v) { return (vs)vmaxq_s16((int16x8_t)v, vshrq_n_s16((int16x8_t)v, 3)); }
#else
INLINE vi choose(vi mask, vi yes, vi no) { return (yes & mask) | (no & ~mask); }
INLINE vi saturate(vi v) {
    v = choose(v < -32768, splat(-32768), v);
    return choose(v > 32767, splat(32767), v);
}
INLINE vi low(vi v) { return (vi)((vi)((v & 0xffff) ^ 0x8000) - 0x8000); }
INLINE vi madd(vs a, vs b) { return low((vi)a) * low((vi)b) + ((vi)a >> 16) * ((vi)b >> 16); }
INLINE vs weave(vi even, vi odd) { return (vs)((saturate(even) & 0xffff) | saturate(odd) << 16); }
/* No order to undo: the low half of a pair of columns goes one way, the high half the other. */
INLINE vs zip_low(vs a, vs b) { return (vs)(((vi)a & 0xffff) | (vi)b << 16); }
INLINE vs zip_high(vs a, vs b) { return (vs)((((vi)a >> 16) & 0xffff) | ((vi)b & ~0xffff)); }
INLINE vs narrow(vi a, vi b) { return weave(a, b); }
INLINE vs leak(vs v) {
    const vs eighth = v >> 3, above = v > eighth;
    return (v & above) | (eighth & ~above);
}
#endif

/* Sums, from the beginning to the end.  NEON multiplies and adds at once, but not in pairs: there, the products of the low and the
 * high half of a vector are summed apart, and neighbours only in the end. */
#if defined(INLAY_NEON)
typedef struct {
    int32x4_t low, high;
} sums;
INLINE sums begin(int32_t v) {
    const int32x4_t pairs = (int32x4_t)vdupq_n_u64((uint32_t)v); /* v and 0 */
    return (sums){pairs, pairs};
}
INLINE sums add_products(sums s, vs a, vs b) {
    s.low = vmlal_s16(s.low, vget_low_s16((int16x8_t)a), vget_low_s16((int16x8_t)b));
    s.high = vmlal_high_s16(s.high, (int16x8_t)a, (int16x8_t)b);
    return s;
}
INLINE vi total(sums s) { return (vi)vpaddq_s32(s.low, s.high); }
#else
typedef vi sums;
INLINE sums begin(int32_t v) { return splat(v); }
INLINE sums add_products(sums s, vs a, vs b) {
#if defined(__AVX512VNNI__)
    s = (vi)_mm512_dpwssd_epi32((__m512i)s, (__m512i)a, (__m512i)b); /* both at once, and without saturation */
#else
    s += madd(a, b);
#endif
    HELD(s);
    return s;
}
INLINE vi total(sums s) { return s; }
#endif

/* ---- weights, as the rows below want them ---- */

/* Two int16 as the halves of an int32. */
INLINE int32_t pair(int low_half, int high_half) { return (int32_t)((uint32_t)(low_half & 0xffff) | (uint32_t)high_half << 16); }

/* Of a row of `kernel` weights: pairs of neighbouring taps; the last one stands alone, in the high half. */
INLINE int32_t *put_taps(int32_t *to, const int16_t *weight, int kernel) {
    for (int tx = 0; tx < kernel - 1; tx += 2) *to++ = pair(weight[tx], weight[tx + 1]);
    *to++ = pair(0, weight[kernel - 1]);
    return to;
}

/* Where the left column of pair p is, from the pixel on: -1 and 0 for a kernel of 3. */
INLINE int tap_column(int kernel, int p) { return p < kernel / 2 ? 2 * p - kernel / 2 : kernel - 2 - kernel / 2; }

/* Weights and sums' beginnings: first layer, separable layers, last layer.  `to` has room for all. */
typedef struct {
    const int32_t *first, *first_bias, *depthwise[MAX_LAYERS], *pointwise[MAX_LAYERS], *bias[MAX_LAYERS], *last;
} weights;

static size_t weights_most(const network *net) {
    const size_t taps = (size_t)(net->kernel * net->kernel), channels = (size_t)net->channels;
    return channels * ((size_t)net->inputs * taps + 1 + (size_t)net->layers * (taps + channels + 1) + taps);
}

static weights arranged(const network *net, const int16_t *params, int32_t *to) {
    const int channels = net->channels, kernel = net->kernel, half = 1 << (WEIGHT_BITS - 1);
    weights w = {.first = to};
    for (int row = 0; row < channels * net->inputs * kernel; row++, params += kernel) to = put_taps(to, params, kernel);
    w.first_bias = to;
    for (int c = 0; c < channels; c++) *to++ = *params++ * (1 << WEIGHT_BITS) + half;
    for (int l = 0; l < net->layers; l++) {
        w.depthwise[l] = to;
        for (int row = 0; row < channels * kernel; row++, params += kernel) {
            if (net->dilation[l] == 1) to = put_taps(to, params, kernel);
            else
                for (int tx = 0; tx < kernel; tx++) *to++ = params[tx];
        }
        w.pointwise[l] = to;
        for (int o = 0; o < channels; o++, params += channels)
            for (int c = 0; c < channels; c += 2) *to++ = pair(params[c], c + 1 < channels ? params[c + 1] : 0);
        w.bias[l] = to;
        for (int c = 0; c < channels; c++) *to++ = *params++ * (1 << WEIGHT_BITS) + half;
    }
    w.last = to;
    for (int row = 0; row < channels * kernel; row++, params += kernel) to = put_taps(to, params, kernel);
    return w;
}

/* ---- rows ---- */

/* `count` outputs of the first layer, BLOCK columns; rows[input * kernel + ty] is the row at that vertical tap. */
INLINE void first_block(int count, int inputs, int kernel, int x, const int16_t *const *rows, const int32_t *weight, const int32_t *bias,
                        int16_t *out, int stride) {
    const int pairs = (kernel + 1) / 2;
    sums even[GROUP], odd[GROUP];
    for (int c = 0; c < count; c++) even[c] = odd[c] = begin(bias[c]);
    for (int i = 0; i < inputs * kernel; i++)
        for (int p = 0; p < pairs; p++) {
            const int16_t *in = rows[i] + x + tap_column(kernel, p);
            const vs here = load(in), next = load(in + 1);
            for (int c = 0; c < count; c++) {
                const vs w = splat_pair(weight[(c * inputs * kernel + i) * pairs + p]);
                even[c] = add_products(even[c], here, w);
                odd[c] = add_products(odd[c], next, w);
            }
        }
    for (int c = 0; c < count; c++) store(out + c * stride + x, leak(weave(total(even[c]) >> WEIGHT_BITS, total(odd[c]) >> WEIGHT_BITS)));
}

INLINE void first_row(int channels, int inputs, int kernel, int width, const int16_t *const *rows, const int32_t *weight, const int32_t *bias,
                      int16_t *out, int stride) {
    const int step = inputs * kernel * ((kernel + 1) / 2);
#define FIRST(count, c) first_block(count, inputs, kernel, x, rows, weight + (c) * step, bias + (c), out + (c) * stride, stride)
    for (int x = 0; x < width; x += BLOCK) IN_GROUPS(channels, FIRST);
#undef FIRST
}

/* A depthwise convolution of one channel, `width` columns. */
INLINE void depthwise_row(int kernel, int dilation, int width, const int16_t *const *rows, int at, const int32_t *weight, int16_t *out) {
    const int radius = kernel / 2, pairs = (kernel + 1) / 2;
    const sums half = begin(1 << (WEIGHT_BITS - 1));
    if (dilation == 1) {
        vs w[5 * 3];
        for (int k = 0; k < kernel * pairs; k++) w[k] = splat_pair(weight[k]);
        for (int x = 0; x < width; x += BLOCK) {
            sums even = half, odd = half;
            for (int ty = 0; ty < kernel; ty++)
                for (int p = 0; p < pairs; p++) {
                    const int16_t *in = rows[ty] + at + x + tap_column(kernel, p);
                    even = add_products(even, load(in), w[ty * pairs + p]);
                    odd = add_products(odd, load(in + 1), w[ty * pairs + p]);
                }
            store(out + x, weave(total(even) >> WEIGHT_BITS, total(odd) >> WEIGHT_BITS));
        }
        return;
    }
    for (int x = 0; x < width; x += BLOCK) {
        sums even = half, odd = half;
        for (int ty = 0; ty < kernel; ty++)
            for (int tx = 0; tx < kernel; tx++) { /* taps are no neighbours: one column of each pair counts */
                const int w = weight[ty * kernel + tx];
                const vs in = load(rows[ty] + at + x + (tx - radius) * dilation);
                even = add_products(even, in, splat_pair(pair(w, 0)));
                odd = add_products(odd, in, splat_pair(pair(0, w)));
            }
        store(out + x, weave(total(even) >> WEIGHT_BITS, total(odd) >> WEIGHT_BITS));
    }
}

/* `count` outputs of a 1x1 convolution, BLOCK columns; `in` holds the channels two by two, `pitch` apart. */
INLINE void mix_block(int count, int pairs, const int16_t *in, int pitch, const int32_t *weight, const int32_t *bias, int16_t *out, int stride) {
    sums left[GROUP], right[GROUP];
    for (int o = 0; o < count; o++) left[o] = right[o] = begin(bias[o]);
    for (int p = 0; p < pairs; p++) {
        const vs a = load(in + p * pitch), b = load(in + p * pitch + BLOCK);
        for (int o = 0; o < count; o++) {
            const vs w = splat_pair(weight[o * pairs + p]);
            left[o] = add_products(left[o], a, w);
            right[o] = add_products(right[o], b, w);
        }
    }
    for (int o = 0; o < count; o++) store(out + o * stride, leak(narrow(total(left[o]) >> WEIGHT_BITS, total(right[o]) >> WEIGHT_BITS)));
}

INLINE void separable_row(int channels, int kernel, int dilation, int width, const int16_t *const *rows, int in_stride, const int32_t *depthwise,
                          const int32_t *pointwise, const int32_t *bias, int16_t *out, int stride) {
    enum { PITCH = 2 * CHUNK };
    int16_t mid[2][CHUNK], mixed[(MAX_CHANNELS + 1) / 2 * PITCH];
    const int pairs = (channels + 1) / 2, taps = dilation == 1 ? kernel * ((kernel + 1) / 2) : kernel * kernel;
    for (int x0 = 0; x0 < width; x0 += CHUNK) {
        const int n = x0 + CHUNK < width ? CHUNK : width - x0;
        for (int c = 0; c < channels; c += 2) {
            for (int i = 0; i < 2 && c + i < channels; i++)
                depthwise_row(kernel, dilation, n, rows, (c + i) * in_stride + x0, depthwise + (c + i) * taps, mid[i]);
            if (c + 1 == channels) memset(mid[1], 0, sizeof mid[1]); /* the partner of an odd channel */
            for (int x = 0; x < n; x += BLOCK) {
                store(mixed + c / 2 * PITCH + 2 * x, zip_low(load(mid[0] + x), load(mid[1] + x)));
                store(mixed + c / 2 * PITCH + 2 * x + BLOCK, zip_high(load(mid[0] + x), load(mid[1] + x)));
            }
        }
#define MIX(count, o) mix_block(count, pairs, mixed + 2 * x, PITCH, pointwise + (o) * pairs, bias + (o), out + (o) * stride + x0 + x, stride)
        for (int x = 0; x < n; x += BLOCK) IN_GROUPS(channels, MIX);
#undef MIX
    }
}

INLINE void last_row(int channels, int kernel, int width, const int16_t *const *rows, int in_stride, const int32_t *weight, int16_t *out) {
    const int pairs = (kernel + 1) / 2;
    for (int x = 0; x < width; x += BLOCK) {
        sums even = begin(1 << (RESIDUAL_SHIFT - 1)), odd = even;
        for (int c = 0; c < channels; c++)
            for (int ty = 0; ty < kernel; ty++)
                for (int p = 0; p < pairs; p++) {
                    const int16_t *in = rows[ty] + c * in_stride + x + tap_column(kernel, p);
                    const vs w = splat_pair(weight[(c * kernel + ty) * pairs + p]);
                    even = add_products(even, load(in), w);
                    odd = add_products(odd, load(in + 1), w);
                }
        store(out + x, weave(total(even) >> RESIDUAL_SHIFT, total(odd) >> RESIDUAL_SHIFT));
    }
}

INLINE void input_row(const network *net, const uint8_t *base, ptrdiff_t base_stride, int height, int width, int y, int left, int n, const ring *in) {
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

/* One strip of columns [x0, x1), rows [y0, y1).  `channels` and `kernel` repeat the network's, as constants where specialised. */
INLINE int restore_strip(const network *net, int channels, int kernel, const weights *w, const uint8_t *base, ptrdiff_t base_stride,
                         int height, int width, uint8_t *out, ptrdiff_t out_stride, int y0, int y1, int x0, int x1) {
    const int radius = kernel / 2, layers = net->layers, inputs = net->inputs;
    int ahead[MAX_LAYERS + 2]; /* ahead[0]: the input; ahead[1]: the first layer; ahead[1 + l]: separable layer l */
    ahead[layers + 1] = radius;
    for (int l = layers; l >= 1; l--) ahead[l] = ahead[l + 1] + radius * net->dilation[l - 1];
    ahead[0] = ahead[1] + radius;

    const int span = round_up(x1 - x0 + 2 * ahead[0], BLOCK), stride = span + 2 * MAX_RADIUS, origin = y0 - ahead[0];
    ring rings[MAX_LAYERS + 2] = {{0}};
    int16_t *residual = malloc((size_t)span * sizeof *residual);
    int ok = residual != NULL;
    for (int l = 0; l <= layers + 1; l++) {
        int step = l >= 1 && l <= layers ? net->dilation[l - 1] : 1; /* the dilation of the layer that reads this ring */
        ok &= ring_alloc(&rings[l], 2 * radius * step + 1, l ? channels : inputs, stride, sizeof(int16_t));
        rings[l].origin = origin;
    }
    for (int t = y0 - 2 * ahead[0]; ok && t < y1; t++) {
        const int16_t *rows[MAX_INPUTS * 5];
        for (int l = 0; l <= layers + 1; l++) {
            const int y = t + ahead[l];
            if (y < y0 - ahead[l]) break; /* the later layers start later still */
            if (l == 0) {
                input_row(net, base, base_stride, height, width, y, x0 - ahead[0], span, &rings[0]);
            } else if (l == 1) {
                for (int j = 0; j < inputs; j++)
                    for (int ty = 0; ty < kernel; ty++) rows[j * kernel + ty] = ring_row(&rings[0], y + ty - radius, j);
                first_row(channels, inputs, kernel, span, rows, w->first, w->first_bias, ring_row(&rings[1], y, 0), stride);
            } else {
                const int dilation = net->dilation[l - 2];
                for (int ty = 0; ty < kernel; ty++) rows[ty] = ring_row(&rings[l - 1], y + (ty - radius) * dilation, 0);
                separable_row(channels, kernel, dilation, span, rows, stride, w->depthwise[l - 2], w->pointwise[l - 2], w->bias[l - 2],
                              ring_row(&rings[l], y, 0), stride);
            }
        }
        if (t < y0) continue;
        for (int ty = 0; ty < kernel; ty++) rows[ty] = ring_row(&rings[layers + 1], t + ty - radius, 0);
        last_row(channels, kernel, span, rows, stride, w->last, residual);
        const uint8_t *src = base + (ptrdiff_t)t * base_stride;
        uint8_t *dst = out + (ptrdiff_t)t * out_stride;
        for (int x = x0; x < x1; x++) dst[x] = (uint8_t)clamp_int(src[x] + residual[x - x0 + ahead[0]], 0, 255);
    }
    for (int l = 0; l <= layers + 1; l++) free(rings[l].data);
    free(residual);
    return ok ? 0 : -1;
}

/* Columns of a strip: the more, the less is computed twice, as long as the rings stay in the second cache. */
static int strip_most(const network *net) {
    int rows = 2 * net->kernel * net->channels;
    for (int l = 0; l < net->layers; l++) rows += ((net->kernel - 1) * net->dilation[l] + 1) * net->channels;
    return clamp_int((1 << 20) / (rows * (int)sizeof(int16_t)), 512, 1024);
}

/* Restores rows [y0, y1) of a height x width plane; 0, or -1 where memory is short.  Bands may run in parallel. */
EXPORT int NAME(inlay_restore)(const network *net, const int16_t *params, const uint8_t *base, ptrdiff_t base_stride, int height, int width,
                               uint8_t *out, ptrdiff_t out_stride, int y0, int y1) {
    int32_t *room = malloc(weights_most(net) * sizeof *room);
    if (!room) return -1;
    const weights w = arranged(net, params, room);
    const int strips = (width + strip_most(net) - 1) / strip_most(net);
    int status = 0;
    for (int i = 0; i < strips && !status; i++) {
        const int x0 = (int)((int64_t)width * i / strips), x1 = (int)((int64_t)width * (i + 1) / strips);
#define STRIP_OF(channels, kernel) restore_strip(net, channels, kernel, &w, base, base_stride, height, width, out, out_stride, y0, y1, x0, x1)
        if (net->kernel == 3 && net->channels == 6) status = STRIP_OF(6, 3);
        else if (net->kernel == 3 && net->channels == 12) status = STRIP_OF(12, 3);
        else if (net->kernel == 3 && net->channels == 16) status = STRIP_OF(16, 3);
        else status = STRIP_OF(net->channels, net->kernel);
#undef STRIP_OF
    }
    free(room);
    return status;
}
