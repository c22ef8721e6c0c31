/* The float network for fitting: squared error and its gradient over rectangles of a picture, forward and backward in one walk.
 * floatnet.py says the same in numpy.
 *
 * The backward half of the walk mirrors the forward half of kernel.h: where layer l is `ahead` rows ahead of the output, the
 * gradient of its output is finished for the row just as far behind.  A layer's rows must live that long: 2 * ahead + 1 of them.
 * All weight gradients but the pointwise ones reuse the loads of the transposed convolution that passes the gradient on.
 */
#include "kernel.h"

typedef float vf __attribute__((vector_size(LANES * 4), aligned(4)));
typedef int32_t vm __attribute__((vector_size(LANES * 4), aligned(4)));

enum { STRIP = 512, TAPS = 25, MAX_ROWS = MAX_INPUTS * 5 };

INLINE vf load(const float *p) { return *(const vf *)p; }
INLINE void store(float *p, vf v) { *(vf *)p = v; }
/* Keeps a loaded vector in its register: gcc would rather load it again for each of its uses, and loads are what these loops wait for. */
#if defined(__AVX512F__)
#define HELD(v) __asm__("" : "+v"(v))
#elif defined(__SSE__)
#define HELD(v) __asm__("" : "+x"(v))
#else
#define HELD(v)
#endif
INLINE void add(float *p, vf v) { *(vf *)p += v; }
INLINE vf splat(float v) { return (vf){0} + v; }

/* Leaky ReLU, slope 1/8 below zero.  Backward, `gate` is the layer's output, which has the sign of what went in. */
INLINE vf activate(vf v, vf gate) {
    const vm positive = gate > 0;
    return (vf)(((vm)v & positive) | ((vm)(v * 0.125f) & ~positive));
}

/* Vectors computed together, so that a broadcast weight serves several multiply-adds; channels whose accumulators fit the registers. */
#if LANES == 16
enum { WIDE = 2, PAIR = 3 };
#else
enum { WIDE = 1, PAIR = 2 };
#endif
enum { BLOCK = LANES * WIDE, GROUP = 6 };

/* ---- forward ---- */

INLINE void first_row(int channels, int inputs, int kernel, int width, const float *const *rows, const float *weight, const float *bias,
                      float *restrict out, int stride) {
    const int radius = kernel / 2, taps = inputs * kernel * kernel;
    for (int c0 = 0; c0 < channels; c0 += GROUP) {
        const int count = channels - c0 < GROUP ? channels - c0 : GROUP;
        for (int x = 0; x < width; x += BLOCK) {
            vf acc[GROUP][WIDE];
            for (int c = 0; c < count; c++)
                for (int b = 0; b < WIDE; b++) acc[c][b] = splat(bias[c0 + c]);
            for (int i = 0; i < inputs * kernel; i++)
                for (int tx = 0; tx < kernel; tx++) {
                    vf in[WIDE];
                    for (int b = 0; b < WIDE; b++) {
                        in[b] = load(rows[i] + x + b * LANES + tx - radius);
                        HELD(in[b]);
                    }
                    for (int c = 0; c < count; c++)
                        for (int b = 0; b < WIDE; b++) acc[c][b] += weight[(c0 + c) * taps + i * kernel + tx] * in[b];
                }
            for (int c = 0; c < count; c++)
                for (int b = 0; b < WIDE; b++) store(out + (c0 + c) * stride + x + b * LANES, activate(acc[c][b], acc[c][b]));
        }
    }
}

INLINE void separable_row(int channels, int kernel, int dilation, int width, const float *const *rows, const float *depthwise, const float *pointwise,
                          const float *bias, float *restrict mid_row, float *restrict out, int stride) {
    const int radius = kernel / 2;
    for (int x = 0; x < width; x += BLOCK) {
        vf mid[MAX_CHANNELS][WIDE];
        for (int c = 0; c < channels; c++) {
            for (int b = 0; b < WIDE; b++) mid[c][b] = splat(0);
            for (int ty = 0; ty < kernel; ty++)
                for (int tx = 0; tx < kernel; tx++)
                    for (int b = 0; b < WIDE; b++)
                        mid[c][b] += depthwise[(c * kernel + ty) * kernel + tx] * load(rows[ty] + c * stride + x + b * LANES + (tx - radius) * dilation);
            for (int b = 0; b < WIDE; b++) store(mid_row + c * stride + x + b * LANES, mid[c][b]);
        }
        for (int o = 0; o < channels; o++) {
            vf acc[WIDE];
            for (int b = 0; b < WIDE; b++) acc[b] = splat(bias[o]);
            for (int c = 0; c < channels; c++)
                for (int b = 0; b < WIDE; b++) acc[b] += pointwise[o * channels + c] * mid[c][b];
            for (int b = 0; b < WIDE; b++) store(out + o * stride + x + b * LANES, activate(acc[b], acc[b]));
        }
    }
}

INLINE void last_row(int channels, int kernel, int width, const float *const *rows, int stride, const float *weight, float *restrict out) {
    const int radius = kernel / 2;
    for (int x = 0; x < width; x += BLOCK) {
        vf acc[WIDE];
        for (int b = 0; b < WIDE; b++) acc[b] = splat(0);
        for (int c = 0; c < channels; c++)
            for (int ty = 0; ty < kernel; ty++)
                for (int tx = 0; tx < kernel; tx++)
                    for (int b = 0; b < WIDE; b++)
                        acc[b] += weight[(c * kernel + ty) * kernel + tx] * load(rows[ty] + c * stride + x + b * LANES + tx - radius);
        for (int b = 0; b < WIDE; b++) store(out + x + b * LANES, acc[b]);
    }
}

/* ---- backward ---- */

/* Gradient of a k x k depthwise convolution, one row of one channel: passes `grads` (the rows of the gradient of its output, by
 * vertical tap) on to its input, and adds the gradient of the weights, given the input's row.  `sums` holds a vector a tap. */
INLINE void transposed_row(int kernel, int dilation, int width, const float *const *grads, const float *weight, const float *input,
                           float *restrict grad_input, float *restrict sums) {
    const int radius = kernel / 2;
    vf acc[TAPS], w[TAPS];
    for (int k = 0; k < kernel * kernel; k++) acc[k] = splat(0), w[k] = splat(weight[k]);
    for (int x = 0; x < width; x += LANES) {
        const vf in = load(input + x);
        vf back = splat(0);
        for (int ty = 0; ty < kernel; ty++)
            for (int tx = 0; tx < kernel; tx++) {
                vf g = load(grads[ty] + x - (tx - radius) * dilation);
                HELD(g);
                back += w[ty * kernel + tx] * g;
                acc[ty * kernel + tx] += in * g;
            }
        store(grad_input + x, back);
    }
    for (int k = 0; k < kernel * kernel; k++) add(sums + k * LANES, acc[k]);
}

/* Passes the gradient back through the activation, in place, and adds the gradient of the bias. */
INLINE void gate_row(int channels, int width, float *grad, const float *output, int stride, float *bias_sums) {
    for (int c = 0; c < channels; c++) {
        vf sum = splat(0);
        for (int x = 0; x < width; x += LANES) {
            const vf g = activate(load(grad + c * stride + x), load(output + c * stride + x));
            store(grad + c * stride + x, g);
            sum += g;
        }
        add(bias_sums + c * LANES, sum);
    }
}

INLINE void pointwise_block(int channels, int count, int width, const float *grad, const float *mid, int stride, float *sums) {
    for (int c0 = 0; c0 < channels; c0 += 2 * PAIR) {
        const int inner = channels - c0 < 2 * PAIR ? channels - c0 : 2 * PAIR;
        vf acc[PAIR][2 * PAIR];
        for (int o = 0; o < count; o++)
            for (int c = 0; c < inner; c++) acc[o][c] = splat(0);
        for (int x = 0; x < width; x += LANES)
            for (int c = 0; c < inner; c++) {
                vf m = load(mid + (c0 + c) * stride + x);
                HELD(m);
                for (int o = 0; o < count; o++) acc[o][c] += load(grad + o * stride + x) * m;
            }
        for (int o = 0; o < count; o++)
            for (int c = 0; c < inner; c++) add(sums + (o * channels + c0 + c) * LANES, acc[o][c]);
    }
}

INLINE void pointwise_row(int channels, int width, const float *grad, const float *mid, const float *weight,
                          float *restrict grad_mid, int stride, float *restrict sums) {
    int o = 0;
    for (; o + PAIR <= channels; o += PAIR) pointwise_block(channels, PAIR, width, grad + o * stride, mid, stride, sums + o * channels * LANES);
    for (; o < channels; o++) pointwise_block(channels, 1, width, grad + o * stride, mid, stride, sums + o * channels * LANES);
    for (int x = 0; x < width; x += BLOCK)
        for (int c = 0; c < channels; c++) {
            vf acc[WIDE];
            for (int b = 0; b < WIDE; b++) acc[b] = splat(0);
            for (int p = 0; p < channels; p++)
                for (int b = 0; b < WIDE; b++) acc[b] += weight[p * channels + c] * load(grad + p * stride + x + b * LANES);
            for (int b = 0; b < WIDE; b++) store(grad_mid + c * stride + x + b * LANES, acc[b]);
        }
}

/* Gradient of the first layer's weights for `count` channels, one row. */
INLINE void first_weight_row(int count, int inputs, int kernel, int width, const float *const *rows, const float *grad, int stride, float *sums) {
    const int radius = kernel / 2, taps = kernel * kernel;
    for (int j = 0; j < inputs; j++) {
        vf acc[PAIR][TAPS];
        for (int c = 0; c < count; c++)
            for (int k = 0; k < taps; k++) acc[c][k] = splat(0);
        for (int x = 0; x < width; x += LANES)
            for (int ty = 0; ty < kernel; ty++)
                for (int tx = 0; tx < kernel; tx++) {
                    vf in = load(rows[j * kernel + ty] + x + tx - radius);
                    HELD(in);
                    for (int c = 0; c < count; c++) acc[c][ty * kernel + tx] += load(grad + c * stride + x) * in;
                }
        for (int c = 0; c < count; c++)
            for (int k = 0; k < taps; k++) add(sums + ((c * inputs + j) * taps + k) * LANES, acc[c][k]);
    }
}

/* ---- the walk ---- */

typedef struct {
    const uint8_t *base, *target;
    ptrdiff_t stride;
    int height, width;
} picture;

INLINE void input_row(const picture *p, int inputs, int y, int left, int n, const ring *in) {
    const uint8_t *src = p->base + (ptrdiff_t)clamp_int(y, 0, p->height - 1) * p->stride;
    float *luma = ring_row(in, y, 0);
    for (int i = 0; i < n; i++) luma[i] = (float)(src[clamp_int(left + i, 0, p->width - 1)] - 128) * (1.0f / 128);
    if (inputs == 1) return;
    float *column = ring_row(in, y, 1), *row = ring_row(in, y, 2);
    for (int i = 0; i < n; i++) column[i] = (float)block_phase(left + i) * 0.125f, row[i] = (float)block_phase(y) * 0.125f;
}

/* The rings of one walk: input and layer outputs, what the pointwise layers see, and the gradients of both. */
typedef struct {
    ring out[MAX_LAYERS + 2], mid[MAX_LAYERS + 2], grad_mid[MAX_LAYERS + 2], error;
    float *grad; /* the gradient of one row of one layer's output */
    int span, stride, depth_behind;
} rings;

static void rings_free(rings *r) {
    for (int l = 0; l < MAX_LAYERS + 2; l++) free(r->out[l].data), free(r->mid[l].data), free(r->grad_mid[l].data);
    free(r->error.data);
    free(r->grad);
}

/* Adds the squared error of columns [x0, x1) of rows [y0, y1) to *loss and, unless `sums` is NULL, LANES partial gradients a
 * parameter to `sums`; with `answer`, also writes the network's answer for every pixel there. */
INLINE int walk(const network *net, int channels, int kernel, const float *params, const picture *pic, int y0, int y1, int x0, int x1, float *sums,
                double *loss, float *answer) {
    const int radius = kernel / 2, taps = kernel * kernel, layers = net->layers, inputs = net->inputs, top = layers + 1;
    const int first_size = channels * (inputs * taps + 1), layer_size = channels * (taps + channels + 1), last_at = first_size + layers * layer_size;
    int ahead[MAX_LAYERS + 2]; /* as in restore.c */
    ahead[top] = radius;
    for (int l = layers; l >= 1; l--) ahead[l] = ahead[l + 1] + radius * net->dilation[l - 1];
    ahead[0] = ahead[1] + radius;

    rings r = {0};
    const int halo = ahead[0], span = round_up(x1 - x0 + 2 * halo, BLOCK), stride = span + 2 * MAX_RADIUS, origin = y0 - 4 * halo - 2 * MAX_RADIUS;
    r.grad = aligned_zeros((size_t)channels * (size_t)stride * sizeof(float));
    int ok = r.grad != NULL && ring_alloc(&r.error, 2 * radius + 1, 1, stride, sizeof(float));
    r.error.origin = origin;
    for (int l = 0; l <= top; l++) {
        ok &= ring_alloc(&r.out[l], 2 * ahead[l] + 1, l ? channels : inputs, stride, sizeof(float));
        if (l >= 2) {
            ok &= ring_alloc(&r.mid[l], 2 * ahead[l] + 1, channels, stride, sizeof(float));
            ok &= ring_alloc(&r.grad_mid[l], 2 * radius * net->dilation[l - 2] + 1, channels, stride, sizeof(float));
        }
        r.out[l].origin = r.mid[l].origin = r.grad_mid[l].origin = origin;
    }
    const int end = sums ? y1 + 2 * ahead[1] : y1;
    for (int t = y0 - 2 * halo; ok && t < end; t++) {
        const float *rows[MAX_ROWS];
        for (int l = 0; l <= top; l++) {
            const int y = t + ahead[l];
            if (y < y0 - ahead[l]) break;
            if (y >= y1 + ahead[l]) continue;
            if (l == 0) {
                input_row(pic, inputs, y, x0 - halo, span, &r.out[0]);
            } else if (l == 1) {
                for (int j = 0; j < inputs; j++)
                    for (int ty = 0; ty < kernel; ty++) rows[j * kernel + ty] = ring_row(&r.out[0], y + ty - radius, j);
                first_row(channels, inputs, kernel, span, rows, params, params + channels * inputs * taps, ring_row(&r.out[1], y, 0), stride);
            } else {
                const int dilation = net->dilation[l - 2];
                const float *w = params + first_size + (l - 2) * layer_size;
                for (int ty = 0; ty < kernel; ty++) rows[ty] = ring_row(&r.out[l - 1], y + (ty - radius) * dilation, 0);
                separable_row(channels, kernel, dilation, span, rows, w, w + channels * taps, w + channels * (taps + channels),
                              ring_row(&r.mid[l], y, 0), ring_row(&r.out[l], y, 0), stride);
            }
        }
        float *error = ring_row(&r.error, t, 0);
        if (t >= y0 && t < y1) {
            for (int ty = 0; ty < kernel; ty++) rows[ty] = ring_row(&r.out[top], t + ty - radius, 0);
            last_row(channels, kernel, span, rows, stride, params + last_at, error);
            const uint8_t *base = pic->base + (ptrdiff_t)t * pic->stride, *target = pic->target + (ptrdiff_t)t * pic->stride;
            const int n = x1 - x0;
            if (answer) memcpy(answer + (ptrdiff_t)(t - y0) * n, error + halo, (size_t)n * sizeof(float));
            float row_loss = 0;
            for (int i = 0; i < n; i++) {
                const float e = error[halo + i] - (float)(target[x0 + i] - base[x0 + i]) * (1.0f / 128);
                error[halo + i] = e;
                row_loss += e * e;
            }
            *loss += row_loss;
            memset(error, 0, (size_t)halo * sizeof(float)); /* the columns beside the rectangle belong to its neighbours */
            memset(error + halo + n, 0, (size_t)(span - halo - n) * sizeof(float));
        } else {
            memset(error, 0, (size_t)span * sizeof(float));
        }
        if (!sums) continue;
        for (int l = top; l >= 1; l--) {
            const int y = t - ahead[l];
            const int inside = y >= y0 - ahead[l] && y < y1 + ahead[l];
            if (!inside) {
                if (l >= 2) memset(ring_row(&r.grad_mid[l], y, 0), 0, ((size_t)channels * (size_t)stride - 2 * MAX_RADIUS) * sizeof(float));
                continue;
            }
            for (int c = 0; c < channels; c++) {
                const int dilation = l == top ? 1 : net->dilation[l - 1];
                const int at = l == top ? last_at : first_size + (l - 1) * layer_size;
                for (int ty = 0; ty < kernel; ty++)
                    rows[ty] = l == top ? ring_row(&r.error, y - (ty - radius), 0) : ring_row(&r.grad_mid[l + 1], y - (ty - radius) * dilation, c);
                transposed_row(kernel, dilation, span, rows, params + at + c * taps, ring_row(&r.out[l], y, c), r.grad + c * stride + MAX_RADIUS,
                               sums + (size_t)(at + c * taps) * LANES);
            }
            float *grad = r.grad + MAX_RADIUS;
            if (l == 1) {
                gate_row(channels, span, grad, ring_row(&r.out[1], y, 0), stride, sums + (size_t)(channels * inputs * taps) * LANES);
                for (int j = 0; j < inputs; j++)
                    for (int ty = 0; ty < kernel; ty++) rows[j * kernel + ty] = ring_row(&r.out[0], y + ty - radius, j);
                int c = 0;
                for (; c + PAIR <= channels; c += PAIR)
                    first_weight_row(PAIR, inputs, kernel, span, rows, grad + c * stride, stride, sums + (size_t)(c * inputs * taps) * LANES);
                for (; c < channels; c++)
                    first_weight_row(1, inputs, kernel, span, rows, grad + c * stride, stride, sums + (size_t)(c * inputs * taps) * LANES);

            } else {
                const int at = first_size + (l - 2) * layer_size + channels * taps;
                gate_row(channels, span, grad, ring_row(&r.out[l], y, 0), stride, sums + (size_t)(at + channels * channels) * LANES);
                pointwise_row(channels, span, grad, ring_row(&r.mid[l], y, 0), params + at, ring_row(&r.grad_mid[l], y, 0), stride,
                              sums + (size_t)at * LANES);
            }
        }
    }
    rings_free(&r);
    return ok ? 0 : -1;
}

/* Sums over rectangles[count][4] = y0, y1, x0, x1 of base and target (both height x width, rows `stride` apart):
 *   *loss = sum of e^2, e = net(base) - (target - base) / 128;   gradient[size] = d loss / d params, or NULL;
 *   answer: NULL, or the net's answers in units of 128 grey levels, rectangle after rectangle, each at most STRIP columns wide.
 * 0, or -1 where memory is short.  Float sums run over one strip of a rectangle at the most, then go on in double. */
EXPORT int NAME(inlay_gradient)(const network *net, int size, const float *params, const uint8_t *base, const uint8_t *target, ptrdiff_t stride, int height,
                                int width, const int32_t (*rectangles)[4], int count, double *gradient, double *loss, float *answer) {
    const picture pic = {base, target, stride, height, width};
    float *sums = gradient ? malloc((size_t)size * LANES * sizeof *sums) : NULL;
    int status = gradient && !sums ? -1 : 0;
    *loss = 0;
    if (gradient) memset(gradient, 0, (size_t)size * sizeof *gradient);
    for (int i = 0; i < count && !status; i++)
        for (int x = rectangles[i][2]; x < rectangles[i][3] && !status; x += STRIP) {
            const int y0 = rectangles[i][0], y1 = rectangles[i][1], x1 = x + STRIP < rectangles[i][3] ? x + STRIP : rectangles[i][3];
            if (sums) memset(sums, 0, (size_t)size * LANES * sizeof *sums);
#define WALK(channels, kernel) walk(net, channels, kernel, params, &pic, y0, y1, x, x1, sums, loss, answer)
            if (net->kernel == 3 && net->channels == 6) status = WALK(6, 3);
            else if (net->kernel == 3 && net->channels == 12) status = WALK(12, 3);
            else if (net->kernel == 3 && net->channels == 16) status = WALK(16, 3);
            else status = WALK(net->channels, net->kernel);
#undef WALK
            if (answer) answer += (ptrdiff_t)(y1 - y0) * (x1 - x);
            for (int k = 0; sums && k < size; k++) { /* d e^2 = 2 e de */
                double total = 0;
                for (int lane = 0; lane < LANES; lane++) total += sums[(size_t)k * LANES + (size_t)lane];
                gradient[k] += 2 * total;
            }
        }
    free(sums);
    return status;
}
