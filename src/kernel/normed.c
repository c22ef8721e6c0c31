/* The float network with instance norm, for fits by the paper's recipe: squared error and its gradient over a rectangle of a picture.
 *
 * What a layer gives to its leaky ReLU is normalised: each channel gets the mean 0 and the variance 1 over the rectangle.  The pixels
 * around the rectangle that the answer depends on are normalised with the same numbers.  So a layer is computed for all rows before the
 * next layer begins, and the rings keep all rows.  floatnet.py computes the same in numpy.
 */
#include <math.h>

#include "float_walk.h"

static const double EPSILON = 1e-5; /* keeps a dead channel's variance from zero; floatnet.EPSILON */

/* Makes rings that keep all rows of a rectangle, and the rows around it that are read.  Walks are `backward` too, or forward alone.  0
 * where memory is short. */
static int rings_of_all_rows(rings *r, const network *net, area a, int backward) {
    rings_begin(r, net, a.x1 - a.x0);
    const int depth = a.y1 - a.y0 + 4 * r->ahead[0], channels = net->channels;
    int ok = ring_alloc(&r->error, depth, 1, r->stride) && (!backward || ring_alloc(&r->grad, depth, channels, r->stride));
    for (int l = 0; l < last_layer(net); l++) {
        ok &= ring_alloc(&r->out[l], depth, l ? channels : net->inputs, r->stride);
        if (!is_separable(net, l)) continue;
        ok &= ring_alloc(&r->mid[l], backward ? depth : 1, channels, r->stride);
        if (backward) ok &= ring_alloc(&r->grad_mid[l], depth, channels, r->stride);
    }
    return ok;
}

/* What the leaky ReLU was given, from its result. */
INLINE float ungated(float v) { return v > 0 ? v : 8 * v; }

/* The mean over the rectangle of (what channel c of layer l gives to its leaky ReLU, less `centre`) to the power of `power`, 1 or 2. */
static double moment(const walk *w, int l, int c, float centre, int power) {
    const int from = w->r->ahead[0], n = w->a.x1 - w->a.x0;
    double total = 0;
    for (int y = w->a.y0; y < w->a.y1; y++) {
        const float *restrict out = ring_row(&w->r->out[l], y, c) + from;
        float sum = 0;
        if (power == 1)
            for (int i = 0; i < n; i++) sum += ungated(out[i]) - centre;
        else
            for (int i = 0; i < n; i++) sum += (ungated(out[i]) - centre) * (ungated(out[i]) - centre);
        total += (double)sum;
    }
    return total / ((double)n * (w->a.y1 - w->a.y0));
}

/* Normalises layer l, and keeps each channel's mean and deviation. */
static void normalise(const walk *w, int channels, int l, double (*statistics)[2]) {
    const rings *r = w->r;
    for (int c = 0; c < channels; c++) {
        const double mean = moment(w, l, c, 0, 1), deviation = sqrt(moment(w, l, c, (float)mean, 2) + EPSILON);
        statistics[c][0] = mean, statistics[c][1] = deviation;
        const float centre = (float)mean, scale = (float)(1 / deviation);
        for (int y = w->a.y0 - r->ahead[l]; y < w->a.y1 + r->ahead[l]; y++) {
            float *restrict out = ring_row(&r->out[l], y, c);
            for (int i = 0; i < r->span; i++) {
                const float v = (ungated(out[i]) - centre) * scale;
                out[i] = v > 0 ? v : v * 0.125f;
            }
        }
    }
}

/* Takes the gradient g of layer l back through the norm, in place.  With n the normalised numbers and N the pixels of the rectangle, it
 * becomes (g - (sum g + n sum g n) / N) / deviation inside the rectangle, and g / deviation around it; the sums run over both. */
static void denormalise(const walk *w, int channels, int l, double (*statistics)[2]) {
    const rings *r = w->r;
    const int from = r->ahead[0], n = w->a.x1 - w->a.x0, y0 = w->a.y0 - r->ahead[l], y1 = w->a.y1 + r->ahead[l];
    const double pixels = (double)n * (w->a.y1 - w->a.y0);
    for (int c = 0; c < channels; c++) {
        double total = 0, along = 0;
        for (int y = y0; y < y1; y++) {
            const float *restrict grad = ring_row(&r->grad, y, c), *restrict out = ring_row(&r->out[l], y, c);
            float sum = 0, product = 0;
            for (int i = 0; i < r->span; i++) sum += grad[i], product += grad[i] * ungated(out[i]);
            total += (double)sum, along += (double)product;
        }
        const float mean = (float)(total / pixels), slope = (float)(along / pixels), scale = (float)(1 / statistics[c][1]);
        for (int y = y0; y < y1; y++) {
            float *restrict grad = ring_row(&r->grad, y, c);
            const float *restrict out = ring_row(&r->out[l], y, c);
            if (y >= w->a.y0 && y < w->a.y1)
                for (int i = from; i < from + n; i++) grad[i] -= mean + slope * ungated(out[i]);
            for (int i = 0; i < r->span; i++) grad[i] *= scale;
        }
    }
}

INLINE void walk_by_layers(shape s, walk *w, double *statistics) {
    const int *ahead = w->r->ahead, last = last_layer(w->net), y0 = w->a.y0, y1 = w->a.y1;
    double(*const each)[2] = (double(*)[2])statistics; /* each[(l - 1) * channels + c] */
    rings_from(w->r, y0 - 2 * ahead[0]);
    for (int l = 0; l < last; l++) {
        for (int y = y0 - ahead[l]; y < y1 + ahead[l]; y++) forward(s, w, l, y);
        if (l) normalise(w, s.channels, l, each + (l - 1) * s.channels);
    }
    for (int y = y0; y < y1; y++) answer_row(s, w, y);
    for (int l = last - 1; w->sums && l >= 1; l--) {
        for (int y = y0 - ahead[l]; y < y1 + ahead[l]; y++) backward_to(1, s, w, l, y);
        denormalise(w, s.channels, l, each + (l - 1) * s.channels);
        for (int y = y0 - ahead[l]; y < y1 + ahead[l]; y++) backward_through(1, s, w, l, y);
        memset(w->sums + (size_t)biases_at(s, l) * LANES, 0, (size_t)s.channels * LANES * sizeof(float)); /* the norm cancels biases */
    }
}

#define WALK(name, channels, kernel, inputs) \
    static void name(walk *w, double *statistics) { walk_by_layers(completed((shape){channels, kernel, inputs}, w->net), w, statistics); }
SHAPES(WALK)
#define COMPILED(name, channels, kernel, inputs) name,
static void (*const compiled[])(walk *, double *) = {SHAPES(COMPILED)};

/* Over rectangle[4] = y0, y1, x0, x1, of any width, the loss and its gradient as inlaid_gradient gives them, for the network with the norm
 * over that rectangle.  It takes memory for all pixels of the rectangle.  0, or -1 where memory is short.
 *
 *   gradient     as there; or NULL
 *   statistics   statistics[layers + 1][channels][2]: mean and deviation of each channel before the norm
 */
EXPORT int NAME(inlaid_normed_gradient)(const network *net, int size, const float *params, const uint8_t *base, const uint8_t *target,
                                        ptrdiff_t stride, int height, int width, const int32_t rectangle[4], double *gradient,
                                        double *loss, double *statistics) {
    const picture pic = {base, stride, height, width};
    const area a = {rectangle[0], rectangle[1], rectangle[2], rectangle[3]};
    float *sums = gradient ? calloc((size_t)size * LANES, sizeof *sums) : NULL;
    rings r = {0};
    walk w = {.net = net, .params = params, .pic = &pic, .target = target, .r = &r, .a = a, .sums = sums};
    const int ok = (!gradient || sums) && rings_of_all_rows(&r, net, a, gradient != NULL);
    if (ok) compiled[shape_index(net)](&w, statistics);
    if (ok && gradient) {
        memset(gradient, 0, (size_t)size * sizeof *gradient);
        add_totals(size, sums, gradient);
    }
    *loss = w.loss;
    rings_free(&r);
    free(sums);
    return ok ? 0 : -1;
}
