/* The gradients of the float network's layers, row by row.  Each parameter has a vector of LANES sums; its gradient is their total. */
#ifndef INLAID_FLOAT_BACKWARD_H
#define INLAID_FLOAT_BACKWARD_H

#include "float_layers.h"

/* OUTPUTS: outputs of a 1 x 1 convolution whose weights get their gradients together.  WINDOWS: channels of the first layer, likewise.
 * Both are as many as the registers have room for. */
enum { OUTPUTS = REGISTERS == 32 ? 3 : 2, WINDOWS = REGISTERS == 32 ? 3 : 1 };

INLINE void add(float *p, floats v) { *(floats *)p += v; }

/* A depthwise convolution backward, one row of one channel.  at->in[ty] is the gradient of the output row that reads this input row with
 * tap ty.  Writes the gradient of the input row to at->out.  If `weighted`, adds that of the weights to `sums`: each loaded gradient serves
 * both. */
INLINE void transposed_row(int weighted, int kernel, int dilation, const row *at, const float *weight, const float *input,
                           float *restrict sums) {
    const int radius = kernel / 2;
    floats sum[MAX_TAPS], w[MAX_TAPS];
    for (int k = 0; k < kernel * kernel; k++) sum[k] = all(0), w[k] = all(weight[k]);
    for (int x = 0; x < at->width; x += LANES) {
        const floats in = weighted ? load(input + x) : all(0);
        floats back = all(0);
        for (int ty = 0; ty < kernel; ty++)
            for (int tx = 0; tx < kernel; tx++) {
                floats g = load(at->in[ty] + x - (tx - radius) * dilation);
                HELD(g);
                back += w[ty * kernel + tx] * g;
                if (weighted) sum[ty * kernel + tx] += in * g;
            }
        store(at->out + x, back);
    }
    for (int k = 0; weighted && k < kernel * kernel; k++) add(sums + k * LANES, sum[k]);
}

/* Takes the gradient back through the leaky ReLU, in place.  If `weighted`, adds the gradient of the bias to `sums`. */
INLINE void gate_row(int weighted, int channels, int width, float *grad, const float *output, int stride, float *sums) {
    for (int c = 0; c < channels; c++) {
        floats sum = all(0);
        for (int x = 0; x < width; x += LANES) {
            const floats g = activate(load(grad + c * stride + x), load(output + c * stride + x));
            store(grad + c * stride + x, g);
            sum += g;
        }
        if (weighted) add(sums + c * LANES, sum);
    }
}

/* A row of a 1 x 1 convolution: the gradient of its outputs, and its inputs. */
typedef struct {
    const float *grad, *mid;
    int width, stride, channels;
} pointwise;

/* Adds the gradients of the weights from inputs `from` to `from` + inner - 1 to outputs `first` to `first` + count - 1.  That of the
 * weight from input i to output o is at sums[(o * channels + i) * LANES]. */
INLINE void pointwise_block(int count, int inner, pointwise p, int first, int from, float *sums) {
    floats sum[OUTPUTS][GROUP];
    for (int o = 0; o < count; o++)
        for (int i = 0; i < inner; i++) sum[o][i] = all(0);
    for (int x = 0; x < p.width; x += LANES) {
        floats g[OUTPUTS];
        for (int o = 0; o < count; o++) {
            g[o] = load(p.grad + (first + o) * p.stride + x);
            HELD(g[o]);
        }
        for (int i = 0; i < inner; i++) {
            floats m = load(p.mid + (from + i) * p.stride + x);
            HELD(m);
            for (int o = 0; o < count; o++) sum[o][i] += g[o] * m;
        }
    }
    for (int o = 0; o < count; o++)
        for (int i = 0; i < inner; i++) add(sums + ((first + o) * p.channels + from + i) * LANES, sum[o][i]);
}

/* Adds the gradients of the weights of a 1 x 1 convolution, one row. */
INLINE void pointwise_weight_row(pointwise p, float *restrict sums) {
    int o = 0;
    for (; o + OUTPUTS <= p.channels; o += OUTPUTS) FOR_GROUPS(p.channels, i, inner, pointwise_block(OUTPUTS, inner, p, o, i, sums));
    for (; o < p.channels; o++) FOR_GROUPS(p.channels, i, inner, pointwise_block(1, inner, p, o, i, sums));
}

/* Writes the gradient of the inputs of a 1 x 1 convolution to `grad_mid`, one row. */
INLINE void pointwise_input_row(pointwise p, const float *weight, float *restrict grad_mid) {
    mix_row(p.channels, (mix){weight, NULL, 1, p.channels, p.stride, 0}, 0, p.width, p.grad, grad_mid);
}

/* Adds the gradient of the first layer's weights for `count` channels, one row.  at->in are the rows that the first layer read. */
INLINE void first_weight_row(int count, shape s, const row *at, const float *grad, float *sums) {
    const int kernel = s.kernel, radius = kernel / 2, taps = kernel * kernel;
    for (int j = 0; j < s.inputs; j++) {
        floats sum[WINDOWS][MAX_TAPS];
        for (int c = 0; c < count; c++)
            for (int k = 0; k < taps; k++) sum[c][k] = all(0);
        for (int x = 0; x < at->width; x += LANES)
            for (int ty = 0; ty < kernel; ty++)
                for (int tx = 0; tx < kernel; tx++) {
                    floats in = load(at->in[j * kernel + ty] + x + tx - radius);
                    HELD(in);
                    for (int c = 0; c < count; c++) sum[c][ty * kernel + tx] += load(grad + c * at->stride + x) * in;
                }
        for (int c = 0; c < count; c++)
            for (int k = 0; k < taps; k++) add(sums + ((c * s.inputs + j) * taps + k) * LANES, sum[c][k]);
    }
}

/* The first layer backward, one row: writes what the row adds to the gradients of the base's rows.  Plane ty of `out` is that of the row
 * which tap ty reads. */
INLINE void first_input_row(shape s, int width, int stride, const float *grad, const float *weight, float *restrict out) {
    const int kernel = s.kernel, radius = kernel / 2, taps = kernel * kernel;
    for (int x = 0; x < width; x += BLOCK) {
        floats sum[MAX_KERNEL][WIDE];
        for (int ty = 0; ty < kernel; ty++)
            for (int b = 0; b < WIDE; b++) sum[ty][b] = all(0);
        for (int c = 0; c < s.channels; c++)
            for (int tx = 0; tx < kernel; tx++)
                for (int b = 0; b < WIDE; b++) {
                    floats g = load(grad + c * stride + x + b * LANES - (tx - radius));
                    HELD(g);
                    for (int ty = 0; ty < kernel; ty++) sum[ty][b] += weight[c * s.inputs * taps + ty * kernel + tx] * g;
                }
        for (int ty = 0; ty < kernel; ty++)
            for (int b = 0; b < WIDE; b++) store(out + ty * stride + x + b * LANES, sum[ty][b]);
    }
}

#endif
