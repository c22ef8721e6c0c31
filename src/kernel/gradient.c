/* The float network for fitting: squared error and its gradient over rectangles of a picture, forward and backward in one walk.
 * floatnet.py computes the same in numpy.
 *
 * The backward half of the walk mirrors the forward half (rings.h).  Where layer l is ahead(l) rows ahead of the output, the gradient of its
 * output is complete for the row that is ahead(l) rows behind.  So a layer's rows live for 2 * ahead(l) + 1 rows.
 */
#include "backward.h"
#include "rings.h"

enum { STRIP = 512 }; /* columns that a walk takes at the most */

typedef struct {
    const uint8_t *base, *target;
    ptrdiff_t stride;
    int height, width;
} picture;

typedef struct {
    int y0, y1, x0, x1;
} area;

/* Where a layer's parameters begin, and where those of the last layer do. */
INLINE int separable_at(shape s, int l) {
    const int taps = s.kernel * s.kernel;
    return s.channels * (s.inputs * taps + 1) + l * s.channels * (taps + s.channels + 1);
}

/* The rings of a walk: the base and the layers' outputs, what their 1 x 1 parts see, and the gradients of that; by layer, 0 being the base, 1 the
 * first layer.  Walks of one width use them in turn.  What a walk reads it has written before, or it lies in the margins, which stay zero. */
typedef struct {
    ring out[MAX_LAYERS + 2], mid[MAX_LAYERS + 2], grad_mid[MAX_LAYERS + 2], error;
    float *grad; /* the gradient of one row of one layer's output */
    int span, stride, ahead[MAX_LAYERS + 2];
} rings;

static void rings_free(rings *r) {
    for (int l = 0; l < MAX_LAYERS + 2; l++) aligned_free(r->out[l].data), aligned_free(r->mid[l].data), aligned_free(r->grad_mid[l].data);
    aligned_free(r->error.data);
    aligned_free(r->grad);
    *r = (rings){0};
}

/* Rings for walks over so many columns, `backward` too or forward alone; those that are there stay where they fit.  0 where memory is short. */
static int rings_fit(rings *r, const network *net, int columns, int backward) {
    const int radius = net->kernel / 2, top = net->layers + 1;
    int ahead[MAX_LAYERS + 2];
    ahead_of(net, ahead);
    const int span = round_up(columns + 2 * ahead[0], BLOCK), stride = stride_of(span, sizeof(float));
    if (r->span == span) return 1;
    rings_free(r);
    memcpy(r->ahead, ahead, sizeof ahead);
    r->span = span, r->stride = stride;
    r->grad = aligned_zeros((size_t)net->channels * (size_t)stride * sizeof(float));
    int ok = r->grad != NULL && ring_alloc(&r->error, 2 * radius + 1, 1, stride, sizeof(float));
    for (int l = 0; l <= top; l++) {
        const int dilation = l >= 2 ? net->dilation[l - 2] : 1, next = l >= 1 && l < top ? net->dilation[l - 1] : 1;
        const int depth = backward ? 2 * ahead[l] + 1 : 2 * radius * next + 1; /* forward alone, the next layer's window is enough */
        ok &= ring_alloc(&r->out[l], depth, l ? net->channels : net->inputs, stride, sizeof(float));
        if (l >= 2) ok &= ring_alloc(&r->mid[l], backward ? depth : 1, net->channels, stride, sizeof(float));
        if (l >= 2 && backward) ok &= ring_alloc(&r->grad_mid[l], 2 * radius * dilation + 1, net->channels, stride, sizeof(float));
    }
    return ok;
}

/* A walk over a rectangle of at most STRIP columns, and where its results are added. */
typedef struct {
    const network *net;
    const float *params;
    const picture *pic;
    rings *r;
    area a;
    float *sums; /* LANES partial gradients a parameter, or NULL */
    double loss;
    float *answer; /* the network's answers for the rectangle, or NULL */
} walk;

/* Row y of the base, columns from `left` on, as the network's inputs. */
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

/* The rows of ring l that a k x k convolution reads for its output row y. */
INLINE row reading(shape s, const rings *r, int l, int dilation, int y) {
    row at = {.width = r->span, .stride = r->stride};
    for (int j = 0; j < (l ? 1 : s.inputs); j++)
        for (int ty = 0; ty < s.kernel; ty++) at.in[j * s.kernel + ty] = ring_row(&r->out[l], y + (ty - s.kernel / 2) * dilation, j);
    return at;
}

/* Row y of layer l. */
INLINE void forward(shape s, const walk *w, int l, int y) {
    const rings *r = w->r;
    if (l == 0) {
        input_row(w->pic, s.inputs, y, w->a.x0 - r->ahead[0], r->span, &r->out[0]);
        return;
    }
    const int dilation = l >= 2 ? w->net->dilation[l - 2] : 1;
    row at = reading(s, r, l - 1, dilation, y);
    at.out = ring_row(&r->out[l], y, 0);
    if (l == 1) first_row(s, &at, w->params, w->params + s.channels * s.inputs * s.kernel * s.kernel);
    else separable_row(s, dilation, &at, w->params + separable_at(s, l - 2), ring_row(&r->mid[l], y, 0));
}

/* Row y of the answer; leaves its error in the ring of errors and adds the squares to the loss. */
INLINE void answer_row(shape s, walk *w, int y) {
    const rings *r = w->r;
    const int halo = r->ahead[0], n = w->a.x1 - w->a.x0, top = w->net->layers + 1;
    float *error = ring_row(&r->error, y, 0);
    row at = reading(s, r, top, 1, y);
    at.out = error;
    last_row(s, &at, w->params + separable_at(s, w->net->layers));
    if (w->answer) memcpy(w->answer + (ptrdiff_t)(y - w->a.y0) * n, error + halo, (size_t)n * sizeof(float));
    const uint8_t *base = w->pic->base + (ptrdiff_t)y * w->pic->stride + w->a.x0, *target = w->pic->target + (ptrdiff_t)y * w->pic->stride + w->a.x0;
    float loss = 0;
    for (int i = 0; i < n; i++) {
        const float e = error[halo + i] - (float)(target[i] - base[i]) * (1.0f / 128);
        error[halo + i] = e;
        loss += e * e;
    }
    w->loss += loss;
    memset(error, 0, (size_t)halo * sizeof(float)); /* the columns beside the rectangle belong to its neighbours */
    memset(error + halo + n, 0, (size_t)(r->span - halo - n) * sizeof(float));
}

/* Row y of the gradient of layer l's output, and from it the gradients of the layer's parameters and of the layer below. */
INLINE void backward(shape s, const walk *w, int l, int y) {
    const rings *r = w->r;
    const int channels = s.channels, kernel = s.kernel, taps = kernel * kernel, span = r->span, stride = r->stride, top = w->net->layers + 1;
    const int above = separable_at(s, l - 1), dilation = l == top ? 1 : w->net->dilation[l - 1]; /* of the layer above */
    float *const grad = (float *)((char *)r->grad + MARGIN), *const sums = w->sums;
    for (int c = 0; c < channels; c++) {
        const float *rows[MAX_KERNEL];
        for (int ty = 0; ty < kernel; ty++)
            rows[ty] = l == top ? ring_row(&r->error, y - (ty - kernel / 2), 0) : ring_row(&r->grad_mid[l + 1], y - (ty - kernel / 2) * dilation, c);
        transposed_row(kernel, dilation, span, rows, w->params + above + c * taps, ring_row(&r->out[l], y, c), grad + c * stride,
                       sums + (size_t)(above + c * taps) * LANES);
    }
    if (l == 1) {
        const row at = reading(s, r, 0, 1, y);
        const int weights = s.inputs * taps;
        gate_row(channels, span, grad, ring_row(&r->out[1], y, 0), stride, sums + (size_t)(channels * weights) * LANES);
        int c = 0;
        for (; c + WINDOWS <= channels; c += WINDOWS) first_weight_row(WINDOWS, s, &at, grad + c * stride, sums + (size_t)(c * weights) * LANES);
        for (; c < channels; c++) first_weight_row(1, s, &at, grad + c * stride, sums + (size_t)(c * weights) * LANES);
    } else {
        const int from = separable_at(s, l - 2) + channels * taps;
        gate_row(channels, span, grad, ring_row(&r->out[l], y, 0), stride, sums + (size_t)(from + channels * channels) * LANES);
        pointwise_row((pointwise){grad, ring_row(&r->mid[l], y, 0), span, stride, channels}, w->params + from, ring_row(&r->grad_mid[l], y, 0),
                      sums + (size_t)from * LANES);
    }
}

INLINE void walk_down(shape s, walk *w) {
    rings *r = w->r;
    const int *ahead = r->ahead, top = w->net->layers + 1, y0 = w->a.y0, y1 = w->a.y1, origin = y0 - 4 * ahead[0] - 2 * MAX_RADIUS;
    r->error.origin = origin;
    for (int l = 0; l <= top; l++) r->out[l].origin = r->mid[l].origin = r->grad_mid[l].origin = origin;
    const int end = w->sums ? y1 + 2 * ahead[1] : y1;
    for (int t = y0 - 2 * ahead[0]; t < end; t++) {
        for (int l = 0; l <= top; l++) {
            const int y = t + ahead[l];
            if (y >= y0 - ahead[l] && y < y1 + ahead[l]) forward(s, w, l, y);
        }
        if (t >= y0 && t < y1) answer_row(s, w, t);
        else memset(ring_row(&r->error, t, 0), 0, (size_t)r->span * sizeof(float));
        for (int l = top; w->sums && l >= 1; l--) {
            const int y = t - ahead[l];
            if (y >= y0 - ahead[l] && y < y1 + ahead[l]) backward(s, w, l, y);
            else if (l >= 2) memset(ring_row(&r->grad_mid[l], y, 0), 0, (size_t)(s.channels * r->stride) * sizeof(float) - 2 * MARGIN);
        }
    }
}

#define WALK(name, channels, kernel, inputs) \
    static void name(walk *w) { walk_down(completed((shape){channels, kernel, inputs}, w->net), w); }
SHAPES(WALK)
#undef WALK

static void walk_area(walk *w) {
#define WALK(name, channels, kernel, inputs) {{channels, kernel, inputs}, name},
    static const struct {
        shape known;
        void (*run)(walk *);
    } compiled[] = {SHAPES(WALK)};
#undef WALK
    int i = 0;
    while (!matches(compiled[i].known, w->net)) i++;
    compiled[i].run(w);
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
    walk w = {.net = net, .params = params, .pic = &pic, .r = &r, .sums = sums, .answer = answer};
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
            walk_area(&w);
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
