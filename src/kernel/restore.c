/* Base pixels in, restored pixels out: the exact integer network of FORMAT.md section 6.  reference.py says the same in numpy.
 *
 * Why no sum can overflow: network.check_bounds in Python refuses parameters for which |bias| * 2^12 + 2^11 + sum |weight| * M
 * reaches 2^31, M being the largest input of the layer (4096 for the first, 32768 after), before any reaches this file.
 */
#include "kernel.h"

typedef int32_t vi __attribute__((vector_size(LANES * 4), aligned(4)));
typedef int16_t vs __attribute__((vector_size(LANES * 2), aligned(2)));

enum { WEIGHT_BITS = 12, PIXEL_BITS = 5, RESIDUAL_SHIFT = 17, STRIP = 512 };

INLINE vi load(const int16_t *p) { return __builtin_convertvector(*(const vs *)p, vi); }
INLINE void store(int16_t *p, vi v) { *(vs *)p = __builtin_convertvector(v, vs); }
INLINE vi splat(int32_t v) { return (vi){0} + v; }

INLINE vi choose(vi mask, vi yes, vi no) { return (yes & mask) | (no & ~mask); }

/* Rounds away the weight's fractional bits and saturates to 16 bits. */
INLINE vi requantise(vi acc) {
    vi v = (acc + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS;
    v = choose(v < -32768, splat(-32768), v);
    return choose(v > 32767, splat(32767), v);
}

/* Leaky ReLU: an eighth, rounded down, of what is below zero. */
INLINE vi activate(vi v) { return choose(v < 0, v >> 3, v); }

/* Both convolution rows take pointers to the row at each vertical tap: rows[input * kernel + ty]. */
INLINE void first_row(int channels, int inputs, int kernel, int width, const int16_t *const *rows, const int16_t *weight, const int16_t *bias,
                      int16_t *out, int stride) {
    const int radius = kernel / 2, taps = inputs * kernel * kernel;
    for (int x = 0; x < width; x += LANES)
        for (int c = 0; c < channels; c++) {
            vi acc = splat((int32_t)bias[c] << WEIGHT_BITS);
            const int16_t *w = weight + c * taps;
            for (int i = 0; i < inputs * kernel; i++)
                for (int tx = 0; tx < kernel; tx++) acc += load(rows[i] + x + tx - radius) * (int32_t)*w++;
            store(out + c * stride + x, activate(requantise(acc)));
        }
}

INLINE void separable_row(int channels, int kernel, int dilation, int width, const int16_t *const *rows, int in_stride, const int16_t *depthwise,
                          const int16_t *pointwise, const int16_t *bias, int16_t *out, int stride) {
    const int radius = kernel / 2;
    for (int x = 0; x < width; x += LANES) {
        vi mid[MAX_CHANNELS];
        for (int c = 0; c < channels; c++) {
            vi acc = splat(0);
            for (int ty = 0; ty < kernel; ty++)
                for (int tx = 0; tx < kernel; tx++)
                    acc += load(rows[ty] + c * in_stride + x + (tx - radius) * dilation) * (int32_t)depthwise[(c * kernel + ty) * kernel + tx];
            mid[c] = requantise(acc);
        }
        for (int o = 0; o < channels; o++) {
            vi acc = splat((int32_t)bias[o] << WEIGHT_BITS);
            for (int c = 0; c < channels; c++) acc += mid[c] * (int32_t)pointwise[o * channels + c];
            store(out + o * stride + x, activate(requantise(acc)));
        }
    }
}

INLINE void last_row(int channels, int kernel, int width, const int16_t *const *rows, int in_stride, const int16_t *weight, int32_t *out) {
    const int radius = kernel / 2;
    for (int x = 0; x < width; x += LANES) {
        vi acc = splat(0);
        for (int c = 0; c < channels; c++)
            for (int ty = 0; ty < kernel; ty++)
                for (int tx = 0; tx < kernel; tx++)
                    acc += load(rows[ty] + c * in_stride + x + tx - radius) * (int32_t)weight[(c * kernel + ty) * kernel + tx];
        *(vi *)(out + x) = (acc + (1 << (RESIDUAL_SHIFT - 1))) >> RESIDUAL_SHIFT;
    }
}

INLINE void input_row(const network *net, const uint8_t *base, ptrdiff_t base_stride, int height, int width, int y, int left, int n, const ring *in) {
    const uint8_t *src = base + (ptrdiff_t)clamp_int(y, 0, height - 1) * base_stride;
    int16_t *luma = ring_row(in, y, 0);
    for (int i = 0; i < n; i++) luma[i] = (int16_t)((src[clamp_int(left + i, 0, width - 1)] - 128) * (1 << PIXEL_BITS));
    if (net->inputs == 1) return;
    int16_t *column = ring_row(in, y, 1), *row = ring_row(in, y, 2);
    for (int i = 0; i < n; i++) column[i] = (int16_t)(block_phase(left + i) * 512), row[i] = (int16_t)(block_phase(y) * 512);
}

/* One strip of columns [x0, x1), rows [y0, y1).  `channels` and `kernel` repeat the network's, as constants where specialised. */
INLINE int restore_strip(const network *net, int channels, int kernel, const int16_t *params, const uint8_t *base, ptrdiff_t base_stride,
                         int height, int width, uint8_t *out, ptrdiff_t out_stride, int y0, int y1, int x0, int x1) {
    const int radius = kernel / 2, layers = net->layers, inputs = net->inputs;
    int ahead[MAX_LAYERS + 2]; /* ahead[0]: the input; ahead[1]: the first layer; ahead[1 + l]: separable layer l */
    ahead[layers + 1] = radius;
    for (int l = layers; l >= 1; l--) ahead[l] = ahead[l + 1] + radius * net->dilation[l - 1];
    ahead[0] = ahead[1] + radius;

    const int span = round_up(x1 - x0 + 2 * ahead[0], LANES), stride = span + 2 * MAX_RADIUS, origin = y0 - ahead[0];
    ring rings[MAX_LAYERS + 2] = {{0}};
    int32_t *residual = malloc((size_t)span * sizeof *residual);
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
                first_row(channels, inputs, kernel, span, rows, params, params + channels * inputs * kernel * kernel, ring_row(&rings[1], y, 0), stride);
            } else {
                const int dilation = net->dilation[l - 2];
                const int16_t *w = params + channels * (inputs * kernel * kernel + 1) + (l - 2) * channels * (kernel * kernel + channels + 1);
                for (int ty = 0; ty < kernel; ty++) rows[ty] = ring_row(&rings[l - 1], y + (ty - radius) * dilation, 0);
                separable_row(channels, kernel, dilation, span, rows, stride, w, w + channels * kernel * kernel,
                              w + channels * (kernel * kernel + channels), ring_row(&rings[l], y, 0), stride);
            }
        }
        if (t < y0) continue;
        const int16_t *w = params + channels * (inputs * kernel * kernel + 1) + layers * channels * (kernel * kernel + channels + 1);
        for (int ty = 0; ty < kernel; ty++) rows[ty] = ring_row(&rings[layers + 1], t + ty - radius, 0);
        last_row(channels, kernel, span, rows, stride, w, residual);
        const uint8_t *src = base + (ptrdiff_t)t * base_stride;
        uint8_t *dst = out + (ptrdiff_t)t * out_stride;
        for (int x = x0; x < x1; x++) dst[x] = (uint8_t)clamp_int(src[x] + residual[x - x0 + ahead[0]], 0, 255);
    }
    for (int l = 0; l <= layers + 1; l++) free(rings[l].data);
    free(residual);
    return ok ? 0 : -1;
}

/* Restores rows [y0, y1) of a height x width plane; 0, or -1 where memory is short.  Bands may run in parallel. */
EXPORT int NAME(inlay_restore)(const network *net, const int16_t *params, const uint8_t *base, ptrdiff_t base_stride, int height, int width,
                               uint8_t *out, ptrdiff_t out_stride, int y0, int y1) {
    int status = 0;
    for (int x0 = 0; x0 < width && !status; x0 += STRIP) {
        const int x1 = x0 + STRIP < width ? x0 + STRIP : width;
#define STRIP_OF(channels, kernel) restore_strip(net, channels, kernel, params, base, base_stride, height, width, out, out_stride, y0, y1, x0, x1)
        if (net->kernel == 3 && net->channels == 6) status = STRIP_OF(6, 3);
        else if (net->kernel == 3 && net->channels == 12) status = STRIP_OF(12, 3);
        else if (net->kernel == 3 && net->channels == 16) status = STRIP_OF(16, 3);
        else status = STRIP_OF(net->channels, net->kernel);
#undef STRIP_OF
    }
    return status;
}
