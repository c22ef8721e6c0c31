/* The float network for fitting: squared error and its gradient over rectangles of a picture, forward and backward in one walk.
 * floatnet.py computes the same in numpy.
 *
 * At time t, layer l computes its row t + ahead(l) forward (rings.h), and the gradient of its row t - ahead(l) backward.
 *
 *   layer                    0: base   1: first   2: separable   3: last
 *   forward, row              t + 3      t + 2        t + 1         t
 *   backward, gradient of                t - 2        t - 1         t      of the last layer: the error
 *
 * The gradients of the weights need a layer's row once more, so it is kept for 2 * ahead(l) + 1 rows.
 */
#include "float_backward.h"
#include "rings.h"

enum { STRIP = 512 }; /* the most columns of a walk */

/* Where the parameters of layer l begin. */
INLINE int parameters_at(shape s, int l) {
    const int taps = s.kernel * s.kernel, first = s.channels * (s.inputs * taps + 1), separable = s.channels * (taps + s.channels + 1);
    return l == 1 ? 0 : first + (l - 2) * separable;
}

/* The rings of a walk, by layer.  `out`: the base and the layers' outputs.  `mid`: the rows between the depthwise and the 1 x 1 part of a
 * separable layer; `grad_mid`: their gradients.  The next walk of the same width uses them again: it reads only rows that it has written,
 * and the margins, which stay zero. */
typedef struct {
    ring out[RINGS], mid[RINGS], grad_mid[RINGS], error;
    ring grad; /* the gradient of one row of one layer's output */
    int span, stride, ahead[RINGS + 1];
} rings;

static void rings_free(rings *r) {
    for (int l = 0; l < RINGS; l++) aligned_free(r->out[l].data), aligned_free(r->mid[l].data), aligned_free(r->grad_mid[l].data);
    aligned_free(r->error.data);
    aligned_free(r->grad.data);
    *r = (rings){0};
}

/* Makes rings for walks over `columns` columns, unless `r` has such rings already.  Walks are `backward` too, or forward alone.  0 where
 * memory is short. */
static int rings_fit(rings *r, const network *net, int columns, int backward) {
    int ahead[RINGS + 1];
    ahead_of(net, ahead);
    const int span = round_up(columns + 2 * ahead[0], BLOCK), stride = stride_of(span), both = net->kernel / 2 * 2;
    if (r->span == span) return 1;
    rings_free(r);
    memcpy(r->ahead, ahead, sizeof ahead);
    r->span = span, r->stride = stride;
    int ok = ring_alloc(&r->grad, 1, net->channels, stride) && ring_alloc(&r->error, both + 1, 1, stride);
    for (int l = 0; l < last_layer(net); l++) {
        /* Forward alone, the rows that the next layer reads at a time are enough. */
        const int depth = backward ? 2 * ahead[l] + 1 : both * dilation_of(net, l + 1) + 1;
        ok &= ring_alloc(&r->out[l], depth, l ? net->channels : net->inputs, stride);
        if (!is_separable(net, l)) continue;
        ok &= ring_alloc(&r->mid[l], backward ? depth : 1, net->channels, stride);
        if (backward) ok &= ring_alloc(&r->grad_mid[l], both * dilation_of(net, l) + 1, net->channels, stride);
    }
    return ok;
}

/* A walk over a rectangle of at most STRIP columns, and where its results are added. */
typedef struct {
    const network *net;
    const float *params;
    const picture *pic;
    const uint8_t *target; /* rows as far apart as the base's */
    rings *r;
    area a;
    float *sums; /* for each parameter LANES parts of its gradient, or NULL */
    double loss;
    float *answer; /* the network's answers for the rectangle, or NULL */
} walk;

/* What layer l reads for its row y. */
INLINE row reading(shape s, const walk *w, int l, int y) {
    row at = {.width = w->r->span, .stride = w->r->stride};
    rows_for(l == 1 ? s.inputs : 1, s.kernel, dilation_of(w->net, l), &w->r->out[l - 1], y, at.in);
    return at;
}

/* Computes row y of layer l. */
INLINE void forward(shape s, const walk *w, int l, int y) {
    const rings *r = w->r;
    if (l == 0) {
        input_row(w->pic, s.inputs, y, w->a.x0 - r->ahead[0], r->span, &r->out[0]);
        return;
    }
    row at = reading(s, w, l, y);
    at.out = ring_row(l == 1 ? &r->out[1] : &r->mid[l], y, 0);
    if (l == 1) first_row(s, &at, w->params, w->params + s.channels * s.inputs * s.kernel * s.kernel);
    else separable_row(s, dilation_of(w->net, l), &at, w->params + parameters_at(s, l), ring_row(&r->out[l], y, 0));
}

/* Computes row y of the answer and its error, and adds the squares to the loss. */
INLINE void answer_row(shape s, walk *w, int y) {
    const rings *r = w->r;
    const int halo = r->ahead[0], n = w->a.x1 - w->a.x0, last = last_layer(w->net);
    float *error = ring_row(&r->error, y, 0);
    row at = reading(s, w, last, y);
    at.out = error;
    last_row(s, &at, w->params + parameters_at(s, last));
    if (w->answer) memcpy(w->answer + (ptrdiff_t)(y - w->a.y0) * n, error + halo, (size_t)n * sizeof(float));
    const ptrdiff_t from = (ptrdiff_t)y * w->pic->stride + w->a.x0;
    const uint8_t *base = w->pic->base + from, *target = w->target + from;
    float loss = 0;
    for (int i = 0; i < n; i++) {
        const float e = error[halo + i] - (float)(target[i] - base[i]) * (1.0f / 128);
        error[halo + i] = e;
        loss += e * e;
    }
    w->loss += loss;
    memset(error, 0, (size_t)halo * sizeof(float)); /* columns beside the rectangle have no error */
    memset(error + halo + n, 0, (size_t)(r->span - halo - n) * sizeof(float));
}

/* Computes the gradient of row y of layer l's output, and adds the row's part to the gradients of parameters: those of the k x k weights
 * that read the output, which are layer l + 1's, and those of layer l's own, except the k x k weights of a separable layer. */
INLINE void backward(shape s, const walk *w, int l, int y) {
    const rings *r = w->r;
    const int channels = s.channels, kernel = s.kernel, taps = kernel * kernel, span = r->span, stride = r->stride;
    const int next = l + 1, next_is_last = next == last_layer(w->net), dilation = dilation_of(w->net, next);
    float *const grad = ring_row(&r->grad, y, 0), *const sums = w->sums;
    for (int c = 0; c < channels; c++) {
        row at = {.out = grad + c * stride, .width = span, .stride = stride};
        for (int ty = 0; ty < kernel; ty++)
            at.in[ty] = ring_row(next_is_last ? &r->error : &r->grad_mid[next], y - (ty - kernel / 2) * dilation, next_is_last ? 0 : c);
        const int weights = parameters_at(s, next) + c * taps;
        transposed_row(kernel, dilation, &at, w->params + weights, ring_row(&r->out[l], y, c), sums + (size_t)weights * LANES);
    }
    if (l == 1) {
        const row at = reading(s, w, 1, y);
        const int weights = s.inputs * taps;
        gate_row(channels, span, grad, ring_row(&r->out[1], y, 0), stride, sums + (size_t)(channels * weights) * LANES);
        int c = 0;
        for (; c + WINDOWS <= channels; c += WINDOWS)
            first_weight_row(WINDOWS, s, &at, grad + c * stride, sums + (size_t)(c * weights) * LANES);
        for (; c < channels; c++) first_weight_row(1, s, &at, grad + c * stride, sums + (size_t)(c * weights) * LANES);
    } else {
        const int from = parameters_at(s, l) + channels * taps;
        gate_row(channels, span, grad, ring_row(&r->out[l], y, 0), stride, sums + (size_t)(from + channels * channels) * LANES);
        const pointwise p = {grad, ring_row(&r->mid[l], y, 0), span, stride, channels};
        pointwise_row(p, w->params + from, ring_row(&r->grad_mid[l], y, 0), sums + (size_t)from * LANES);
    }
}

INLINE void walk_down(shape s, walk *w) {
    rings *r = w->r;
    const int *ahead = r->ahead, last = last_layer(w->net), y0 = w->a.y0, y1 = w->a.y1;
    const int start = y0 - 2 * ahead[0], end = w->sums ? y1 + 2 * ahead[1] : y1;
    const int origin = start - ahead[0]; /* the first row that the backward half may clear */
    r->error.origin = r->grad.origin = origin;
    for (int l = 0; l < last; l++) r->out[l].origin = r->mid[l].origin = r->grad_mid[l].origin = origin;
    for (int t = start; t < end; t++) {
        for (int l = 0; l < last; l++) {
            const int y = t + ahead[l];
            if (y >= y0 - ahead[l] && y < y1 + ahead[l]) forward(s, w, l, y);
        }
        if (t >= y0 && t < y1) answer_row(s, w, t);
        else ring_clear(&r->error, t); /* nor have rows above and below it */
        for (int l = last - 1; w->sums && l >= 1; l--) {
            const int y = t - ahead[l];
            if (y >= y0 - ahead[l] && y < y1 + ahead[l]) backward(s, w, l, y);
            else if (is_separable(w->net, l)) ring_clear(&r->grad_mid[l], y);
        }
    }
}

#define WALK(name, channels, kernel, inputs) \
    static void name(walk *w) { walk_down(completed((shape){channels, kernel, inputs}, w->net), w); }
SHAPES(WALK)
#define COMPILED(name, channels, kernel, inputs) name,
static void (*const compiled[])(walk *) = {SHAPES(COMPILED)};

/* Sums over rectangles[count][4] = y0, y1, x0, x1 of base and target (both height x width, rows `stride` apart).  0, or -1 where memory is
 * short.
 *
 *   loss       *loss = sum of e^2, where e = net(base) - (target - base) / 128
 *   gradient   gradient[size] = d loss / d params; or NULL
 *   answer     the net's answers in units of 128 grey levels, one rectangle after another, each at most STRIP columns wide; or NULL
 *
 * Sums of float run over one strip of a rectangle at the most; their totals are summed in double. */
EXPORT int NAME(inlaid_gradient)(const network *net, int size, const float *params, const uint8_t *base, const uint8_t *target,
                                 ptrdiff_t stride, int height, int width, const int32_t (*rectangles)[4], int count, double *gradient,
                                 double *loss, float *answer) {
    const picture pic = {base, stride, height, width};
    float *sums = gradient ? malloc((size_t)size * LANES * sizeof *sums) : NULL;
    int status = gradient && !sums ? -1 : 0;
    rings r = {0};
    walk w = {.net = net, .params = params, .pic = &pic, .target = target, .r = &r, .sums = sums, .answer = answer};
    if (gradient) memset(gradient, 0, (size_t)size * sizeof *gradient);
    for (int i = 0; i < count && !status; i++)
        for (int x = rectangles[i][2]; x < rectangles[i][3] && !status; x += STRIP) {
            const int x1 = x + STRIP < rectangles[i][3] ? x + STRIP : rectangles[i][3];
            w.a = (area){rectangles[i][0], rectangles[i][1], x, x1};
            if (!rings_fit(&r, net, x1 - x, gradient != NULL)) {
                status = -1;
                break;
            }
            if (sums) memset(sums, 0, (size_t)size * LANES * sizeof *sums);
            compiled[shape_index(net)](&w);
            if (answer) w.answer += (ptrdiff_t)(w.a.y1 - w.a.y0) * (x1 - x);
            for (int k = 0; sums && k < size; k++) { /* d e^2 = 2 e de */
                double total = 0;
                for (int lane = 0; lane < LANES; lane++) total += sums[(size_t)k * LANES + (size_t)lane];
                gradient[k] += 2 * total;
            }
        }
    *loss = w.loss;
    rings_free(&r);
    free(sums);
    return status;
}
