/* The float network for fitting: squared error and its gradient over rectangles of a picture, forward and backward in one walk.
 * floatnet.py says the same in numpy.  Over 400 lines, since forward and backward share the walk and its rings.
 *
 * The backward half of the walk mirrors the forward half of kernel.h: where layer l is `ahead` rows ahead of the output, the
 * gradient of its output is finished for the row just as far behind.  A layer's rows must live that long: 2 * ahead + 1 of them.
 * All weight gradients but the pointwise ones reuse the loads of the transposed convolution that passes the gradient on.
 */
#include "kernel.h"

typedef float vf __attribute__((vector_size(LANES * 4), aligned(4)));
typedef int32_t vm __attribute__((vector_size(LANES * 4), aligned(4)));

enum { STRIP = 512, TAPS = MAX_KERNEL * MAX_KERNEL, MAX_ROWS = MAX_INPUTS * MAX_KERNEL };
enum { CHUNK = 128 }; /* columns of a separable layer that are finished together, in the nearest cache */

INLINE vf load(const float *p) { return *(const vf *)p; }
INLINE void store(float *p, vf v) { *(vf *)p = v; }
INLINE void add(float *p, vf v) { *(vf *)p += v; }
INLINE vf splat(float v) { return (vf){0} + v; }

/* Leaky ReLU, slope 1/8 below zero.  Backward, `gate` is the layer's output, which has the sign of what went in. */
INLINE vf activate(vf v, vf gate) {
    const vm positive = gate > 0;
    return (vf)(((vm)v & positive) | ((vm)(v * 0.125f) & ~positive));
}

/* WIDE: vectors computed together, so that a broadcast weight serves several multiply-adds; with the accumulators of GROUP channels they
 * just fit the registers.  ROWS_TOGETHER: outputs whose 1x1 weights get their gradients together.  WINDOWS: channels of the first layer
 * whose sums with a k x k window are kept together. */
enum { WIDE = 2, BLOCK = LANES * WIDE };
#if LANES == 16
enum { ROWS_TOGETHER = 3, WINDOWS = 3 };
#else
enum { ROWS_TOGETHER = 2, WINDOWS = 1 };
#endif

/* ---- forward ---- */

/* `count` outputs of a first layer, BLOCK columns. */
INLINE void first_block(int count, int inputs, int kernel, int x, const float *const *rows, const float *weight, const float *bias,
                        float *restrict out, int stride) {
    const int radius = kernel / 2, taps = inputs * kernel * kernel;
    vf acc[GROUP][WIDE];
    for (int c = 0; c < count; c++)
        for (int b = 0; b < WIDE; b++) acc[c][b] = splat(bias[c]);
    for (int i = 0; i < inputs * kernel; i++)
        for (int tx = 0; tx < kernel; tx++) {
            vf in[WIDE];
            for (int b = 0; b < WIDE; b++) {
                in[b] = load(rows[i] + x + b * LANES + tx - radius);
                HELD(in[b]);
            }
            for (int c = 0; c < count; c++)
                for (int b = 0; b < WIDE; b++) acc[c][b] += weight[c * taps + i * kernel + tx] * in[b];
        }
    for (int c = 0; c < count; c++)
        for (int b = 0; b < WIDE; b++) store(out + c * stride + x + b * LANES, activate(acc[c][b], acc[c][b]));
}

INLINE void first_row(int channels, int inputs, int kernel, int width, const float *const *rows, const float *weight, const float *bias,
                      float *restrict out, int stride) {
    const int taps = inputs * kernel * kernel;
#define FIRST(count, c) first_block(count, inputs, kernel, x, rows, weight + (c) * taps, bias + (c), out + (c) * stride, stride)
    for (int x = 0; x < width; x += BLOCK) IN_GROUPS(channels, FIRST);
#undef FIRST
}

/* A k x k depthwise convolution of one channel, columns [x0, x1). */
INLINE void depthwise_row(int kernel, int dilation, int x0, int x1, const float *const *rows, int at, const float *weight, float *restrict out) {
    const int radius = kernel / 2;
    vf w[TAPS];
    for (int k = 0; k < kernel * kernel; k++) w[k] = splat(weight[k]);
    for (int x = x0; x < x1; x += LANES) {
        vf acc = splat(0);
        for (int ty = 0; ty < kernel; ty++)
            for (int tx = 0; tx < kernel; tx++) acc += w[ty * kernel + tx] * load(rows[ty] + at + x + (tx - radius) * dilation);
        store(out + x, acc);
    }
}

/* `count` outputs of a 1x1 convolution, BLOCK columns; weight[o * out_step + i * in_step] leads from input i to output o. */
INLINE void mix_block(int count, int channels, const float *in, const float *weight, int out_step, int in_step, const float *bias,
                      float *restrict out, int stride, int activated) {
    vf acc[GROUP][WIDE];
    for (int o = 0; o < count; o++)
        for (int b = 0; b < WIDE; b++) acc[o][b] = splat(bias ? bias[o] : 0);
    for (int i = 0; i < channels; i++) {
        vf v[WIDE];
        for (int b = 0; b < WIDE; b++) {
            v[b] = load(in + i * stride + b * LANES);
            HELD(v[b]);
        }
        for (int o = 0; o < count; o++)
            for (int b = 0; b < WIDE; b++) acc[o][b] += weight[o * out_step + i * in_step] * v[b];
    }
    for (int o = 0; o < count; o++)
        for (int b = 0; b < WIDE; b++) store(out + o * stride + b * LANES, activated ? activate(acc[o][b], acc[o][b]) : acc[o][b]);
}

INLINE void separable_row(int channels, int kernel, int dilation, int width, const float *const *rows, const float *depthwise, const float *pointwise,
                          const float *bias, float *restrict mid, float *restrict out, int stride) {
    for (int x0 = 0; x0 < width; x0 += CHUNK) {
        const int x1 = x0 + CHUNK < width ? x0 + CHUNK : width;
        for (int c = 0; c < channels; c++)
            depthwise_row(kernel, dilation, x0, x1, rows, c * stride, depthwise + c * kernel * kernel, mid + c * stride);
#define MIX(count, o) mix_block(count, channels, mid + x, pointwise + (o) * channels, channels, 1, bias + (o), out + (o) * stride + x, stride, 1)
        for (int x = x0; x < x1; x += BLOCK) IN_GROUPS(channels, MIX);
#undef MIX
    }
}

INLINE void last_row(int channels, int kernel, int width, const float *const *rows, int stride, const float *weight, float *restrict out) {
    const int radius = kernel / 2;
    for (int x = 0; x < width; x += BLOCK) {
        vf acc[MAX_KERNEL][WIDE]; /* one for each row of the window: sums that need not wait for one another */
        for (int ty = 0; ty < kernel; ty++)
            for (int b = 0; b < WIDE; b++) acc[ty][b] = splat(0);
        for (int c = 0; c < channels; c++)
            for (int tx = 0; tx < kernel; tx++)
                for (int ty = 0; ty < kernel; ty++)
                    for (int b = 0; b < WIDE; b++)
                        acc[ty][b] += weight[(c * kernel + ty) * kernel + tx] * load(rows[ty] + c * stride + x + b * LANES + tx - radius);
        for (int ty = 1; ty < kernel; ty++)
            for (int b = 0; b < WIDE; b++) acc[0][b] += acc[ty][b];
        for (int b = 0; b < WIDE; b++) store(out + x + b * LANES, acc[0][b]);
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

/* Adds the gradient of a 1x1 convolution's weights from `inner` inputs to `count` outputs, one row. */
INLINE void pointwise_block(int count, int inner, int channels, int width, const float *grad, const float *mid, int stride, float *sums) {
    vf acc[ROWS_TOGETHER][GROUP];
    for (int o = 0; o < count; o++)
        for (int c = 0; c < inner; c++) acc[o][c] = splat(0);
    for (int x = 0; x < width; x += LANES) {
        vf g[ROWS_TOGETHER];
        for (int o = 0; o < count; o++) {
            g[o] = load(grad + o * stride + x);
            HELD(g[o]);
        }
        for (int c = 0; c < inner; c++) {
            vf m = load(mid + c * stride + x);
            HELD(m);
            for (int o = 0; o < count; o++) acc[o][c] += g[o] * m;
        }
    }
    for (int o = 0; o < count; o++)
        for (int c = 0; c < inner; c++) add(sums + (o * channels + c) * LANES, acc[o][c]);
}

INLINE void pointwise_row(int channels, int width, const float *grad, const float *mid, const float *weight,
                          float *restrict grad_mid, int stride, float *restrict sums) {
    int p = 0;
#define PAIRED(count, c) pointwise_block(ROWS_TOGETHER, count, channels, width, grad + p * stride, mid + (c) * stride, stride, sums + (p * channels + (c)) * LANES)
#define ALONE(count, c) pointwise_block(1, count, channels, width, grad + p * stride, mid + (c) * stride, stride, sums + (p * channels + (c)) * LANES)
    for (; p + ROWS_TOGETHER <= channels; p += ROWS_TOGETHER) IN_GROUPS(channels, PAIRED);
    for (; p < channels; p++) IN_GROUPS(channels, ALONE);
#undef PAIRED
#undef ALONE
#define MIX(count, c) mix_block(count, channels, grad + x, weight + (c), 1, channels, NULL, grad_mid + (c) * stride + x, stride, 0)
    for (int x = 0; x < width; x += BLOCK) IN_GROUPS(channels, MIX);
#undef MIX
}

/* Gradient of the first layer's weights for `count` channels, one row. */
INLINE void first_weight_row(int count, int inputs, int kernel, int width, const float *const *rows, const float *grad, int stride, float *sums) {
    const int radius = kernel / 2, taps = kernel * kernel;
    for (int j = 0; j < inputs; j++) {
        vf acc[WINDOWS][TAPS];
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
    int from, to;
    columns_inside(left, n, p->width, &from, &to);
    for (int i = from; i < to; i++) luma[i] = (float)(src[left + i] - 128) * (1.0f / 128);
    for (int i = 0; i < from; i++) luma[i] = (float)(src[0] - 128) * (1.0f / 128);
    for (int i = to; i < n; i++) luma[i] = (float)(src[p->width - 1] - 128) * (1.0f / 128);
    if (inputs == 1) return;
    float *column = ring_row(in, y, 1), *row = ring_row(in, y, 2);
    for (int i = 0; i < n; i++) column[i] = (float)block_phase(left + i) * 0.125f, row[i] = (float)block_phase(y) * 0.125f;
}

/* The rings of a walk: input and layer outputs, what the pointwise layers see, and the gradients of both.  Walks of one width use them
 * in turn.  What is read is either written before or lies between the rows, where the zeros of the beginning stay. */
typedef struct {
    ring out[MAX_LAYERS + 2], mid[MAX_LAYERS + 2], grad_mid[MAX_LAYERS + 2], error;
    float *grad; /* the gradient of one row of one layer's output */
    int span, stride, ahead[MAX_LAYERS + 2]; /* ahead as in restore.c */
} rings;

static void rings_free(rings *r) {
    for (int l = 0; l < MAX_LAYERS + 2; l++) free(r->out[l].data), free(r->mid[l].data), free(r->grad_mid[l].data);
    free(r->error.data);
    free(r->grad);
    *r = (rings){0};
}

/* Rings for walks over so many columns, backward too if `both`; what is there stays where it fits.  0 where memory is short. */
static int rings_fit(rings *r, const network *net, int columns, int both) {
    const int radius = net->kernel / 2, layers = net->layers, top = layers + 1;
    int ahead[MAX_LAYERS + 2];
    ahead[top] = radius;
    for (int l = layers; l >= 1; l--) ahead[l] = ahead[l + 1] + radius * net->dilation[l - 1];
    ahead[0] = ahead[1] + radius;
    const int span = round_up(columns + 2 * ahead[0], BLOCK), stride = span + 2 * MAX_RADIUS;
    if (r->span == span) return 1;
    rings_free(r);
    memcpy(r->ahead, ahead, sizeof ahead);
    r->span = span, r->stride = stride;
    r->grad = aligned_zeros((size_t)net->channels * (size_t)stride * sizeof(float));
    int ok = r->grad != NULL && ring_alloc(&r->error, 2 * radius + 1, 1, stride, sizeof(float));
    for (int l = 0; l <= top; l++) {
        const int dilation = l >= 2 ? net->dilation[l - 2] : 1, next = l >= 1 && l <= layers ? net->dilation[l - 1] : 1;
        const int depth = both ? 2 * ahead[l] + 1 : 2 * radius * next + 1; /* forward alone, the next layer's window is enough */
        ok &= ring_alloc(&r->out[l], depth, l ? net->channels : net->inputs, stride, sizeof(float));
        if (l >= 2) ok &= ring_alloc(&r->mid[l], both ? depth : 1, net->channels, stride, sizeof(float));
        if (l >= 2 && both) ok &= ring_alloc(&r->grad_mid[l], 2 * radius * dilation + 1, net->channels, stride, sizeof(float));
    }
    return ok;
}

/* Adds the squared error of columns [x0, x1) of rows [y0, y1) to *loss and, unless `sums` is NULL, LANES partial gradients a
 * parameter to `sums`; with `answer`, also writes the network's answer for every pixel there. */
INLINE void walk(const network *net, int channels, int kernel, const float *params, const picture *pic, rings *r, int y0, int y1, int x0, int x1,
                 float *sums, double *loss, float *answer) {
    const int radius = kernel / 2, taps = kernel * kernel, layers = net->layers, inputs = net->inputs, top = layers + 1;
    const int first_size = channels * (inputs * taps + 1), layer_size = channels * (taps + channels + 1), last_at = first_size + layers * layer_size;
    const int *ahead = r->ahead, halo = ahead[0], span = r->span, stride = r->stride, origin = y0 - 4 * halo - 2 * MAX_RADIUS;
    r->error.origin = origin;
    for (int l = 0; l <= top; l++) r->out[l].origin = r->mid[l].origin = r->grad_mid[l].origin = origin;
    const int end = sums ? y1 + 2 * ahead[1] : y1;
    for (int t = y0 - 2 * halo; t < end; t++) {
        const float *rows[MAX_ROWS];
        for (int l = 0; l <= top; l++) {
            const int y = t + ahead[l];
            if (y < y0 - ahead[l]) break;
            if (y >= y1 + ahead[l]) continue;
            if (l == 0) {
                input_row(pic, inputs, y, x0 - halo, span, &r->out[0]);
            } else if (l == 1) {
                for (int j = 0; j < inputs; j++)
                    for (int ty = 0; ty < kernel; ty++) rows[j * kernel + ty] = ring_row(&r->out[0], y + ty - radius, j);
                first_row(channels, inputs, kernel, span, rows, params, params + channels * inputs * taps, ring_row(&r->out[1], y, 0), stride);
            } else {
                const int dilation = net->dilation[l - 2];
                const float *w = params + first_size + (l - 2) * layer_size;
                for (int ty = 0; ty < kernel; ty++) rows[ty] = ring_row(&r->out[l - 1], y + (ty - radius) * dilation, 0);
                separable_row(channels, kernel, dilation, span, rows, w, w + channels * taps, w + channels * (taps + channels),
                              ring_row(&r->mid[l], y, 0), ring_row(&r->out[l], y, 0), stride);
            }
        }
        float *error = ring_row(&r->error, t, 0);
        if (t >= y0 && t < y1) {
            for (int ty = 0; ty < kernel; ty++) rows[ty] = ring_row(&r->out[top], t + ty - radius, 0);
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
                if (l >= 2) memset(ring_row(&r->grad_mid[l], y, 0), 0, ((size_t)channels * (size_t)stride - 2 * MAX_RADIUS) * sizeof(float));
                continue;
            }
            for (int c = 0; c < channels; c++) {
                const int dilation = l == top ? 1 : net->dilation[l - 1];
                const int at = l == top ? last_at : first_size + (l - 1) * layer_size;
                for (int ty = 0; ty < kernel; ty++)
                    rows[ty] = l == top ? ring_row(&r->error, y - (ty - radius), 0) : ring_row(&r->grad_mid[l + 1], y - (ty - radius) * dilation, c);
                transposed_row(kernel, dilation, span, rows, params + at + c * taps, ring_row(&r->out[l], y, c), r->grad + c * stride + MAX_RADIUS,
                               sums + (size_t)(at + c * taps) * LANES);
            }
            float *grad = r->grad + MAX_RADIUS;
            if (l == 1) {
                gate_row(channels, span, grad, ring_row(&r->out[1], y, 0), stride, sums + (size_t)(channels * inputs * taps) * LANES);
                for (int j = 0; j < inputs; j++)
                    for (int ty = 0; ty < kernel; ty++) rows[j * kernel + ty] = ring_row(&r->out[0], y + ty - radius, j);
                int c = 0;
                for (; c + WINDOWS <= channels; c += WINDOWS)
                    first_weight_row(WINDOWS, inputs, kernel, span, rows, grad + c * stride, stride, sums + (size_t)(c * inputs * taps) * LANES);
                for (; c < channels; c++)
                    first_weight_row(1, inputs, kernel, span, rows, grad + c * stride, stride, sums + (size_t)(c * inputs * taps) * LANES);
            } else {
                const int at = first_size + (l - 2) * layer_size + channels * taps;
                gate_row(channels, span, grad, ring_row(&r->out[l], y, 0), stride, sums + (size_t)(at + channels * channels) * LANES);
                pointwise_row(channels, span, grad, ring_row(&r->mid[l], y, 0), params + at, ring_row(&r->grad_mid[l], y, 0), stride,
                              sums + (size_t)at * LANES);
            }
        }
    }
}

/* Sums over rectangles[count][4] = y0, y1, x0, x1 of base and target (both height x width, rows `stride` apart):
 *   *loss = sum of e^2, e = net(base) - (target - base) / 128;   gradient[size] = d loss / d params, or NULL;
 *   answer: NULL, or the net's answers in units of 128 grey levels, rectangle after rectangle, each at most STRIP columns wide.
 * 0, or -1 where memory is short.  Float sums run over one strip of a rectangle at the most, then go on in double. */
EXPORT int NAME(inlaid_gradient)(const network *net, int size, const float *params, const uint8_t *base, const uint8_t *target, ptrdiff_t stride, int height,
                                int width, const int32_t (*rectangles)[4], int count, double *gradient, double *loss, float *answer) {
    const picture pic = {base, target, stride, height, width};
    float *sums = gradient ? malloc((size_t)size * LANES * sizeof *sums) : NULL;
    int status = gradient && !sums ? -1 : 0;
    rings r = {0};
    *loss = 0;
    if (gradient) memset(gradient, 0, (size_t)size * sizeof *gradient);
    for (int i = 0; i < count && !status; i++)
        for (int x = rectangles[i][2]; x < rectangles[i][3] && !status; x += STRIP) {
            const int y0 = rectangles[i][0], y1 = rectangles[i][1], x1 = x + STRIP < rectangles[i][3] ? x + STRIP : rectangles[i][3];
            if (!rings_fit(&r, net, x1 - x, gradient != NULL)) {
                status = -1;
                break;
            }
            if (sums) memset(sums, 0, (size_t)size * LANES * sizeof *sums);
#define WALK(channels, kernel) walk(net, channels, kernel, params, &pic, &r, y0, y1, x, x1, sums, loss, answer)
            if (net->kernel == 3 && net->channels == 6) WALK(6, 3);
            else if (net->kernel == 3 && net->channels == 12) WALK(12, 3);
            else if (net->kernel == 3 && net->channels == 16) WALK(16, 3);
            else WALK(net->channels, net->kernel);
#undef WALK
            if (answer) answer += (ptrdiff_t)(y1 - y0) * (x1 - x);
            for (int k = 0; sums && k < size; k++) { /* d e^2 = 2 e de */
                double total = 0;
                for (int lane = 0; lane < LANES; lane++) total += sums[(size_t)k * LANES + (size_t)lane];
                gradient[k] += 2 * total;
            }
        }
    rings_free(&r);
    free(sums);
    return status;
}
