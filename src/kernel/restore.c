/* Base pixels in, restored pixels out: the exact integer network of FORMAT.md section 6.  reference.py computes the same in numpy.
 *
 * Why no sum can overflow: network.check_bounds in Python refuses parameters for which |bias| * 2^12 + 2^16 + sum |weight| * M
 * reaches 2^31, M being the largest input of the layer (4096 for the first, 32768 after), before any reaches this file.  A pair of
 * products is a part of such a sum.
 */
#include "integer_layers.h"
#include "rings.h"

/* The layers for a shape of network.  They are separate functions: in one function they would compete for registers. */
typedef struct {
    void (*first)(const network *net, const rows *at, const weights *w);
    void (*separable)(const network *net, int l, const rows *at, const weights *w, const middle *mid);
    void (*last)(const network *net, const rows *at, const weights *w);
} layers;

#define LAYERS(name, channels, kernel, inputs)                                                                          \
    static const shape name = {channels, kernel, inputs};                                                               \
    static void name##_first(const network *net, const rows *at, const weights *w) { first_rows(completed(name, net), at, w); } \
    static void name##_separable(const network *net, int l, const rows *at, const weights *w, const middle *mid) {      \
        separable_rows(completed(name, net), dilation_of(net, l), l + 1 == last_layer(net), at, &w->separable[l - 2], mid); \
    }                                                                                                                   \
    static void name##_last(const network *net, const rows *at, const weights *w) { last_rows(completed(name, net), at, w->last); }
SHAPES(LAYERS)
#define COMPILED(name, channels, kernel, inputs) {name##_first, name##_separable, name##_last},
static const layers compiled[] = {SHAPES(COMPILED)};

/* A walk down a strip of columns. */
typedef struct {
    const network *net;
    const layers *layer;
    const weights *w;
    const picture *pic;
    uint8_t *out; /* the restored picture */
    ptrdiff_t out_stride;
    area a;
    int ahead[RINGS + 1], span, stride;
    ring rings[RINGS];
    int16_t *room; /* has the rows below and those of `mid` */
    int16_t *unpaired[ROWS], *residual[ROWS]; /* unpaired: rows of the first layer that pair_rows reads */
    middle mid;
} strip;

/* The rows that layer l keeps: those that layer l + 1 reads at a time. */
static int depth_of(const network *net, int l) { return net->kernel / 2 * 2 * dilation_of(net, l + 1) + ROWS; }

/* 0 where memory is short. */
static int strip_alloc(strip *s) {
    const network *net = s->net;
    ahead_of(net, s->ahead);
    s->span = round_up(s->a.x1 - s->a.x0 + 2 * s->ahead[0], BLOCK), s->stride = stride_of(s->span);
    const int even = round_up(net->channels, 2);
    const int pairs = even * s->span, each = pairs + 2 * s->span + even * s->stride; /* numbers for each of the two rows */
    int ok = 1;
    for (int l = 0; l < last_layer(net); l++) {
        ok &= ring_alloc(&s->rings[l], depth_of(net, l), l ? even : net->inputs, s->stride);
        s->rings[l].origin = s->a.y0 - s->ahead[0];
    }
    s->room = aligned_zeros((size_t)(ROWS * each));
    if (!s->room || !ok) return 0;
    for (int r = 0; r < ROWS; r++) {
        int16_t *const room = s->room + r * each;
        s->mid.pairs[r] = room, s->mid.second[r] = room + pairs, s->residual[r] = room + pairs + s->span;
        s->unpaired[r] = room + pairs + 2 * s->span;
    }
    s->mid.pitch = 2 * s->span;
    return 1;
}

static void strip_free(strip *s) {
    for (int l = 0; l < RINGS; l++) aligned_free(s->rings[l].data);
    aligned_free(s->room);
}

/* What layer l reads for its rows y and y + 1. */
static rows reading(const strip *s, int l, int y) {
    const network *net = s->net;
    rows at = {.width = s->span, .stride = s->stride};
    for (int r = 0; r < ROWS; r++)
        rows_for(l == 1 ? net->inputs : 1, net->kernel, dilation_of(net, l), &s->rings[l - 1], y + r, at.in[r]);
    return at;
}

/* Computes rows y and y + 1 of layer l into its ring. */
static void layer_rows(strip *s, int l, int y) {
    if (l == 0) {
        for (int r = 0; r < ROWS; r++) input_row(s->pic, s->net->inputs, y + r, s->a.x0 - s->ahead[0], s->span, &s->rings[0]);
        return;
    }
    rows at = reading(s, l, y), paired = at;
    for (int r = 0; r < ROWS; r++) at.out[r] = ring_row(&s->rings[l], y + r, 0);
    if (is_separable(s->net, l)) {
        s->layer->separable(s->net, l, &at, s->w, &s->mid);
    } else if (s->net->layers) {
        s->layer->first(s->net, &at, s->w);
    } else {
        for (int r = 0; r < ROWS; r++) paired.out[r] = at.out[r], paired.in[r][0] = at.out[r] = s->unpaired[r];
        s->layer->first(s->net, &at, s->w);
        pair_rows(s->net->channels, &paired);
    }
}

/* Writes rows y and y + 1 of the restored picture; the second one may lie below the area. */
static void picture_rows(strip *s, int y) {
    const int columns = s->a.x1 - s->a.x0;
    rows at = reading(s, last_layer(s->net), y);
    for (int r = 0; r < ROWS; r++) at.out[r] = s->residual[r];
    s->layer->last(s->net, &at, s->w);
    for (int r = 0; r < ROWS && y + r < s->a.y1; r++) {
        const int16_t *residual = s->residual[r] + s->ahead[0];
        const uint8_t *src = s->pic->base + (ptrdiff_t)(y + r) * s->pic->stride + s->a.x0;
        uint8_t *dst = s->out + (ptrdiff_t)(y + r) * s->out_stride + s->a.x0;
        for (int i = 0; i < columns; i++) dst[i] = (uint8_t)clamp_int(src[i] + residual[i], 0, 255);
    }
}

/* Restores an area, of which `s` has the rest filled in.  0, or -1 where memory is short. */
static int restore_strip(strip s, area a) {
    s.a = a;
    const int ok = strip_alloc(&s);
    for (int t = a.y0 - 2 * s.ahead[0]; ok && t < a.y1; t += ROWS) {
        for (int l = 0; l < last_layer(s.net); l++)
            if (t + s.ahead[l] >= a.y0 - s.ahead[l]) layer_rows(&s, l, t + s.ahead[l]); /* no layer needs rows further above the area */
        if (t >= a.y0) picture_rows(&s, t);
    }
    strip_free(&s);
    return ok ? 0 : -1;
}

/* The most columns of a strip.  The more, the less is computed twice, as long as the rings stay in the second-level cache. */
static int strip_most(const network *net) {
    int rows = 0;
    for (int l = 0; l < last_layer(net); l++) rows += depth_of(net, l) * net->channels;
    return clamp_int((1 << 20) / (rows * (int)sizeof(int16_t)), 512, 1024);
}

/* Restores rows [y0, y1) of a height x width plane; 0, or -1 where memory is short.  Bands may run in parallel. */
EXPORT int NAME(inlaid_restore)(const network *net, const int16_t *params, const uint8_t *base, ptrdiff_t base_stride, int height,
                                int width, uint8_t *out, ptrdiff_t out_stride, int y0, int y1) {
    int32_t *room = malloc(weights_most(net) * sizeof *room);
    if (!room) return -1;
    const weights w = arranged(net, params, room);
    const picture pic = {base, base_stride, height, width};
    const strip s = {.net = net, .layer = &compiled[shape_index(net)], .w = &w, .pic = &pic, .out = out, .out_stride = out_stride};
    const int strips = (width + strip_most(net) - 1) / strip_most(net);
    int status = 0;
    for (int i = 0; i < strips && !status; i++) {
        const int x0 = (int)((int64_t)width * i / strips), x1 = (int)((int64_t)width * (i + 1) / strips);
        status = restore_strip(s, (area){y0, y1, x0, x1});
    }
    free(room);
    return status;
}
