/* Walks over a rectangle of a picture by the float network, for gradient.c and normed.c: the rows that are kept, and what computes one of
 * them, forward and backward. */
#ifndef INLAID_FLOAT_WALK_H
#define INLAID_FLOAT_WALK_H

#include "float_backward.h"
#include "rings.h"

/* Where the parameters of layer l begin. */
INLINE int parameters_at(shape s, int l) {
    const int taps = s.kernel * s.kernel, first = s.channels * (s.inputs * taps + 1), separable = s.channels * (taps + s.channels + 1);
    return l == 1 ? 0 : first + (l - 2) * separable;
}

/* The rings of a walk, by layer.  `out`: the base and the layers' outputs.  `mid`: the rows between the depthwise and the 1 x 1 part of a
 * separable layer; `grad_mid`: their gradients.  What no walk writes stays zero: the margins and, where the rings keep all rows, the rows
 * of errors and gradients beyond the rectangle. */
typedef struct {
    ring out[RINGS], mid[RINGS], grad_mid[RINGS], error;
    ring grad;    /* the gradient of one layer's output */
    ring by_rows; /* what a row of the first layer adds to the gradients of the base's rows; a plane for each */
    int span, stride, ahead[RINGS + 1];
} rings;

static void rings_free(rings *r) {
    for (int l = 0; l < RINGS; l++) aligned_free(r->out[l].data), aligned_free(r->mid[l].data), aligned_free(r->grad_mid[l].data);
    aligned_free(r->error.data);
    aligned_free(r->grad.data);
    aligned_free(r->by_rows.data);
    *r = (rings){0};
}

/* Sets up empty rings for walks over `columns` columns. */
static void rings_begin(rings *r, const network *net, int columns) {
    ahead_of(net, r->ahead);
    r->span = round_up(columns + 2 * r->ahead[0], BLOCK), r->stride = stride_of(r->span);
}

/* Lets the rings begin at row `origin`. */
static void rings_from(rings *r, int origin) {
    r->error.origin = r->grad.origin = origin;
    for (int l = 0; l < RINGS; l++) r->out[l].origin = r->mid[l].origin = r->grad_mid[l].origin = origin;
}

/* A walk over a rectangle, and where its results are added. */
typedef struct {
    const network *net;
    const float *params;
    const picture *pic;
    const uint8_t *target; /* rows as far apart as the base's */
    rings *r;
    area a;
    float *sums; /* for each parameter LANES parts of its gradient, or NULL */
    double loss;
    float *answer;  /* the network's answers for the rectangle, or NULL */
    float *by_base; /* the gradient by the base's rows from max(y0 - halo, 0) on, as far apart as the picture is wide, or NULL */
} walk;

/* Adds the gradient by row y of layer 0 to that by the base: input_row backward.  What falls outside the picture belongs to the edge that
 * is repeated there. */
INLINE void add_by_base(const walk *w, int y, const float *restrict grad) {
    const int halo = w->r->ahead[0], n = w->r->span, left = w->a.x0 - halo, top = w->a.y0 - halo, width = w->pic->width;
    const int from = clamp_int(-left, 0, n), end = clamp_int(width - left, from, n); /* the columns inside the picture */
    const int inside = clamp_int(y, 0, w->pic->height - 1), first = top > 0 ? top : 0;
    float *restrict const row = w->by_base + (ptrdiff_t)(inside - first) * width;
    for (int i = from; i < end; i++) row[left + i] += grad[i];
    float before = 0, after = 0;
    for (int i = 0; i < from; i++) before += grad[i];
    for (int i = end; i < n; i++) after += grad[i];
    row[0] += before, row[width - 1] += after;
}

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
    if (w->by_base) add_by_base(w, y, error); /* the answer is added to the base */
}

/* Where the biases of layer l begin. */
INLINE int biases_at(shape s, int l) {
    const int taps = s.kernel * s.kernel;
    return parameters_at(s, l) + s.channels * (l == 1 ? s.inputs * taps : taps + s.channels);
}

/* Computes the gradient of row y of what layer l gives to its leaky ReLU.  If `weighted`, adds the row's part to the gradients of the k x k
 * weights that read the layer's output, which are layer l + 1's, and of layer l's biases. */
INLINE void backward_to(int weighted, shape s, const walk *w, int l, int y) {
    const rings *r = w->r;
    const int kernel = s.kernel, taps = kernel * kernel, span = r->span, stride = r->stride;
    const int next = l + 1, next_is_last = next == last_layer(w->net), dilation = dilation_of(w->net, next);
    float *const grad = ring_row(&r->grad, y, 0), *const sums = w->sums;
    for (int c = 0; c < s.channels; c++) {
        row at = {.out = grad + c * stride, .width = span, .stride = stride};
        for (int ty = 0; ty < kernel; ty++)
            at.in[ty] = ring_row(next_is_last ? &r->error : &r->grad_mid[next], y - (ty - kernel / 2) * dilation, next_is_last ? 0 : c);
        const int weights = parameters_at(s, next) + c * taps;
        float *const added = weighted ? sums + (size_t)weights * LANES : NULL;
        transposed_row(weighted, kernel, dilation, &at, w->params + weights, ring_row(&r->out[l], y, c), added);
    }
    float *const added = weighted ? sums + (size_t)biases_at(s, l) * LANES : NULL;
    gate_row(weighted, s.channels, span, grad, ring_row(&r->out[l], y, 0), stride, added);
}

/* Adds what row y of the first layer gives to the gradient by the base. */
INLINE void first_to_base(shape s, const walk *w, int y) {
    const rings *r = w->r;
    float *const by_rows = ring_row(&r->by_rows, 0, 0);
    first_input_row(s, r->span, r->stride, ring_row(&r->grad, y, 0), w->params, by_rows);
    for (int ty = 0; ty < s.kernel; ty++) add_by_base(w, y + ty - s.kernel / 2, by_rows + ty * r->stride);
}

/* Takes the gradient from there to what layer l's k x k weights gave, where it is separable.  If `weighted`, adds the row's part to the
 * gradients of the layer's other weights; otherwise takes the first layer's gradient to the base. */
INLINE void backward_through(int weighted, shape s, const walk *w, int l, int y) {
    const rings *r = w->r;
    const int channels = s.channels, taps = s.kernel * s.kernel, stride = r->stride;
    float *const grad = ring_row(&r->grad, y, 0), *const sums = w->sums;
    if (l == 1 && !weighted) {
        first_to_base(s, w, y);
    } else if (l == 1) {
        const row at = reading(s, w, 1, y);
        const int weights = s.inputs * taps;
        int c = 0;
        for (; c + WINDOWS <= channels; c += WINDOWS)
            first_weight_row(WINDOWS, s, &at, grad + c * stride, sums + (size_t)(c * weights) * LANES);
        for (; c < channels; c++) first_weight_row(1, s, &at, grad + c * stride, sums + (size_t)(c * weights) * LANES);
    } else {
        const int from = parameters_at(s, l) + channels * taps;
        const pointwise p = {grad, ring_row(&r->mid[l], y, 0), r->span, stride, channels};
        if (weighted) pointwise_weight_row(p, sums + (size_t)from * LANES);
        pointwise_input_row(p, w->params + from, ring_row(&r->grad_mid[l], y, 0));
    }
}

/* Adds the totals of `size` sums to `gradient`: d e^2 = 2 e de. */
static void add_totals(int size, const float *sums, double *gradient) {
    for (int k = 0; k < size; k++) {
        double total = 0;
        for (int lane = 0; lane < LANES; lane++) total += sums[(size_t)k * LANES + (size_t)lane];
        gradient[k] += 2 * total;
    }
}

#endif
