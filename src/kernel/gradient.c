/* The float network for fitting: squared error and its gradients over rectangles of a picture, forward and backward in one walk.
 * floatnet.py computes the same in numpy.
 *
 * At time t, layer l computes its row t + ahead(l) forward (rings.h), and the gradient of its row t - ahead(l) backward.
 *
 *   layer                    0: base   1: first   2: separable   3: last
 *   forward, row              t + 3      t + 2        t + 1         t
 *   backward, gradient of                t - 2        t - 1         t      of the last layer: the error
 *
 * The backward half needs a layer's row once more, so it is kept for 2 * ahead(l) + 1 rows.  The gradient by the base is added up in the
 * caller's plane.
 */
#include "float_walk.h"

enum { STRIP = 512 }; /* the most columns of a walk */

/* Makes rings for walks over `columns` columns, unless `r` has such rings already: the next walk of the same width uses them again, since
 * it reads only rows that it has written, and the margins.  Walks are `backward` too, or forward alone.  0 where
 * memory is short. */
static int rings_fit(rings *r, const network *net, int columns, int backward) {
    rings wanted = {0};
    rings_begin(&wanted, net, columns);
    if (r->span == wanted.span) return 1;
    rings_free(r);
    *r = wanted;
    const int both = net->kernel / 2 * 2;
    int ok = ring_alloc(&r->grad, 1, net->channels, r->stride) && ring_alloc(&r->error, both + 1, 1, r->stride) &&
             ring_alloc(&r->by_rows, 1, net->kernel, r->stride);
    for (int l = 0; l < last_layer(net); l++) {
        /* Forward alone, the rows that the next layer reads at a time are enough. */
        const int depth = backward ? 2 * r->ahead[l] + 1 : both * dilation_of(net, l + 1) + 1;
        ok &= ring_alloc(&r->out[l], depth, l ? net->channels : net->inputs, r->stride);
        if (!is_separable(net, l)) continue;
        ok &= ring_alloc(&r->mid[l], backward ? depth : 1, net->channels, r->stride);
        if (backward) ok &= ring_alloc(&r->grad_mid[l], both * dilation_of(net, l) + 1, net->channels, r->stride);
    }
    return ok;
}

/* `weighted`: to the gradients of the parameters.  Otherwise the walk is backward to the base alone, or forward alone. */
INLINE void walk_down(int weighted, shape s, walk *w) {
    rings *r = w->r;
    const int *ahead = r->ahead, last = last_layer(w->net), backward = weighted || w->by_base, y0 = w->a.y0, y1 = w->a.y1;
    const int start = y0 - 2 * ahead[0], end = backward ? y1 + 2 * ahead[1] : y1;
    const int origin = start - ahead[0]; /* the first row that the backward half may clear */
    rings_from(r, origin);
    for (int t = start; t < end; t++) {
        for (int l = 0; l < last; l++) {
            const int y = t + ahead[l];
            if (y >= y0 - ahead[l] && y < y1 + ahead[l]) forward(s, w, l, y);
        }
        if (t >= y0 && t < y1) answer_row(s, w, t);
        else ring_clear(&r->error, t); /* rows above and below the rectangle have no error */
        for (int l = last - 1; backward && l >= 1; l--) {
            const int y = t - ahead[l];
            if (y >= y0 - ahead[l] && y < y1 + ahead[l]) backward_to(weighted, s, w, l, y), backward_through(weighted, s, w, l, y);
            else if (is_separable(w->net, l)) ring_clear(&r->grad_mid[l], y);
        }
    }
}

#define WALK(name, channels, kernel, inputs)                                     \
    static void name(walk *w) {                                                  \
        const shape s = completed((shape){channels, kernel, inputs}, w->net);    \
        if (w->sums) walk_down(1, s, w);                                         \
        else walk_down(0, s, w);                                                 \
    }
SHAPES(WALK)
#define COMPILED(name, channels, kernel, inputs) name,
static void (*const compiled[])(walk *) = {SHAPES(COMPILED)};

/* Sums over rectangles[count][4] = y0, y1, x0, x1 of base and target (both height x width, rows `stride` apart).  0, or -1 where memory is
 * short.
 *
 *   loss       *loss = sum of e^2, where e = net(base) - (target - base) / 128
 *   gradient   gradient[size] = d loss / d params; or NULL
 *   answer     the net's answers in units of 128 grey levels, one rectangle after another, each at most STRIP columns wide; or NULL
 *   by_base    for one rectangle, without `gradient`: d (loss / 2) / d base is added to by_base[][width], rows max(y0 - halo, 0) to
 *              min(y1 + halo, height) - 1 of the base, since an error depends on pixels up to halo away; or NULL
 *
 * Sums of float run over one strip of a rectangle at the most; their totals are summed in double. */
EXPORT int NAME(inlaid_gradient)(const network *net, int size, const float *params, const uint8_t *base, const uint8_t *target,
                                 ptrdiff_t stride, int height, int width, const int32_t (*rectangles)[4], int count, double *gradient,
                                 double *loss, float *answer, float *by_base) {
    const picture pic = {base, stride, height, width};
    float *sums = gradient ? malloc((size_t)size * LANES * sizeof *sums) : NULL;
    int status = gradient && !sums ? -1 : 0;
    rings r = {0};
    walk w = {.net = net, .params = params, .pic = &pic, .target = target, .r = &r, .sums = sums, .answer = answer, .by_base = by_base};
    if (gradient) memset(gradient, 0, (size_t)size * sizeof *gradient);
    for (int i = 0; i < count && !status; i++)
        for (int x = rectangles[i][2]; x < rectangles[i][3] && !status; x += STRIP) {
            const int x1 = x + STRIP < rectangles[i][3] ? x + STRIP : rectangles[i][3];
            w.a = (area){rectangles[i][0], rectangles[i][1], x, x1};
            if (!rings_fit(&r, net, x1 - x, gradient || by_base)) {
                status = -1;
                break;
            }
            if (sums) memset(sums, 0, (size_t)size * LANES * sizeof *sums);
            compiled[shape_index(net)](&w);
            if (answer) w.answer += (ptrdiff_t)(w.a.y1 - w.a.y0) * (x1 - x);
            if (sums) add_totals(size, sums, gradient);
        }
    *loss = w.loss;
    rings_free(&r);
    free(sums);
    return status;
}
