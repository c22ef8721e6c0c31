/* The layers of the float network, for gradient.c and normed.c, row by row. */
#ifndef INLAID_FLOAT_LAYERS_H
#define INLAID_FLOAT_LAYERS_H

#include VECTORS

typedef float number;
static const float pixel_unit = 1.0f / 128, phase_unit = 1.0f / 8;

INLINE floats load(const float *p) { return *(const floats *)p; }
INLINE void store(float *p, floats v) { *(floats *)p = v; }
INLINE floats all(float v) { return (floats){0} + v; }

/* Leaky ReLU: v where `gate` is positive, else v / 8.  Forward, `gate` is v itself.  Backward, v is a gradient, and `gate` is the layer's
 * output, which has the sign of the leaky ReLU's input. */
INLINE floats activate(floats v, floats gate) {
    const ints positive = (ints)(gate > 0);
    return (floats)(((ints)v & positive) | ((ints)(v * 0.125f) & ~positive));
}

/* WIDE: vectors that are computed together, so that a broadcast weight serves WIDE multiply-adds.  The sums of GROUP channels for that many
 * vectors just fit the registers.  CHUNK: columns of a separable layer that go through both parts in turn, in the first-level cache. */
enum { WIDE = 2, BLOCK = LANES * WIDE, CHUNK = 128 };

/* What a layer reads and writes.  A row has a plane for each channel. */
typedef struct {
    const float *in[MAX_INPUTS * MAX_KERNEL]; /* in[plane * kernel + ty]: input row ty */
    float *out;
    int width, stride; /* columns that are computed; numbers from a plane to the next */
} row;

/* `count` channels of the first layer, columns x to x + BLOCK - 1. */
INLINE void first_block(int count, shape s, const row *at, int x, const float *weight, const float *bias, float *restrict out) {
    const int radius = s.kernel / 2, taps = s.inputs * s.kernel * s.kernel;
    floats sum[GROUP][WIDE];
    for (int c = 0; c < count; c++)
        for (int b = 0; b < WIDE; b++) sum[c][b] = all(bias[c]);
    for (int i = 0; i < s.inputs * s.kernel; i++)
        for (int tx = 0; tx < s.kernel; tx++) {
            floats in[WIDE];
            for (int b = 0; b < WIDE; b++) {
                in[b] = load(at->in[i] + x + b * LANES + tx - radius);
                HELD(in[b]);
            }
            for (int c = 0; c < count; c++)
                for (int b = 0; b < WIDE; b++) sum[c][b] += weight[c * taps + i * s.kernel + tx] * in[b];
        }
    for (int c = 0; c < count; c++)
        for (int b = 0; b < WIDE; b++) store(out + c * at->stride + x + b * LANES, activate(sum[c][b], sum[c][b]));
}

INLINE void first_row(shape s, const row *at, const float *weight, const float *bias) {
    const int taps = s.inputs * s.kernel * s.kernel;
    for (int x = 0; x < at->width; x += BLOCK)
        FOR_GROUPS(s.channels, c, count, first_block(count, s, at, x, weight + c * taps, bias + c, at->out + c * at->stride));
}

/* The depthwise convolution of channel c, columns [x0, x1). */
INLINE void depthwise_row(shape s, int dilation, const row *at, int c, int x0, int x1, const float *weight) {
    const int radius = s.kernel / 2, taps = s.kernel * s.kernel, plane = c * at->stride;
    float *restrict const out = at->out + plane;
    floats w[MAX_TAPS];
    for (int k = 0; k < taps; k++) w[k] = all(weight[c * taps + k]);
    for (int x = x0; x < x1; x += LANES) {
        floats sum = all(0);
        for (int ty = 0; ty < s.kernel; ty++)
            for (int tx = 0; tx < s.kernel; tx++) sum += w[ty * s.kernel + tx] * load(at->in[ty] + plane + x + (tx - radius) * dilation);
        store(out + x, sum);
    }
}

/* A 1 x 1 convolution; weight[o * out_step + i * in_step] is that from input i to output o. */
typedef struct {
    const float *weight, *bias; /* bias: NULL for none */
    int out_step, in_step, stride;
    int activated; /* whether the leaky ReLU follows */
} mix;

/* `count` outputs of a 1 x 1 convolution, BLOCK columns. */
INLINE void mix_block(int count, int channels, mix m, int first, const float *in, float *restrict out) {
    floats sum[GROUP][WIDE];
    for (int o = 0; o < count; o++)
        for (int b = 0; b < WIDE; b++) sum[o][b] = all(m.bias ? m.bias[first + o] : 0);
    for (int i = 0; i < channels; i++) {
        floats v[WIDE];
        for (int b = 0; b < WIDE; b++) {
            v[b] = load(in + i * m.stride + b * LANES);
            HELD(v[b]);
        }
        for (int o = 0; o < count; o++)
            for (int b = 0; b < WIDE; b++) {
                sum[o][b] += m.weight[(first + o) * m.out_step + i * m.in_step] * v[b];
                HELD(sum[o][b]); /* the sums just fit the registers: gcc may keep one in memory */
            }
    }
    for (int o = 0; o < count; o++)
        for (int b = 0; b < WIDE; b++)
            store(out + (first + o) * m.stride + b * LANES, m.activated ? activate(sum[o][b], sum[o][b]) : sum[o][b]);
}

/* All outputs of a 1 x 1 convolution, columns [x0, x1). */
INLINE void mix_row(int channels, mix m, int x0, int x1, const float *in, float *restrict out) {
    for (int x = x0; x < x1; x += BLOCK) FOR_GROUPS(channels, o, count, mix_block(count, channels, m, o, in + x, out + x));
}

/* A separable layer: the depthwise part goes from at->in to at->out, the 1 x 1 part from there to `out`.  `weight` has the
 * weights of the depthwise part, those of the 1 x 1 part, and the biases. */
INLINE void separable_row(shape s, int dilation, const row *at, const float *weight, float *restrict out) {
    const float *const pointwise = weight + s.channels * s.kernel * s.kernel;
    const mix m = {pointwise, pointwise + s.channels * s.channels, s.channels, 1, at->stride, 1};
    for (int x0 = 0; x0 < at->width; x0 += CHUNK) {
        const int x1 = x0 + CHUNK < at->width ? x0 + CHUNK : at->width;
        for (int c = 0; c < s.channels; c++) depthwise_row(s, dilation, at, c, x0, x1, weight);
        mix_row(s.channels, m, x0, x1, at->out, out);
    }
}

INLINE void last_row(shape s, const row *at, const float *weight) {
    const int kernel = s.kernel, radius = kernel / 2;
    if (kernel < 1) return; /* never: this tells gcc that sum[0] is set */
    for (int x = 0; x < at->width; x += BLOCK) {
        floats sum[MAX_KERNEL][WIDE]; /* one for each row of the kernel, so that additions need not wait for one another */
        for (int ty = 0; ty < kernel; ty++)
            for (int b = 0; b < WIDE; b++) sum[ty][b] = all(0);
        for (int c = 0; c < s.channels; c++)
            for (int tx = 0; tx < kernel; tx++)
                for (int ty = 0; ty < kernel; ty++)
                    for (int b = 0; b < WIDE; b++)
                        sum[ty][b] += weight[(c * kernel + ty) * kernel + tx] *
                                      load(at->in[ty] + c * at->stride + x + b * LANES + tx - radius);
        for (int ty = 1; ty < kernel; ty++)
            for (int b = 0; b < WIDE; b++) sum[0][b] += sum[ty][b];
        for (int b = 0; b < WIDE; b++) store(at->out + x + b * LANES, sum[0][b]);
    }
}

#endif
