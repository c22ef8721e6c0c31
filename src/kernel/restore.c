/* Base pixels in, restored pixels out: the exact integer network of FORMAT.md section 6.  reference.py computes the same in numpy.
 *
 * Why no sum can overflow: network.check_bounds in Python refuses parameters for which |bias| * 2^12 + 2^16 + sum |weight| * M
 * reaches 2^31, M being the largest input of the layer (4096 for the first, 32768 after), before any reaches this file.  A pair of
 * products is a part of such a sum.
 */
#include "layers.h"
#include "rings.h"

enum { PIXEL_BITS = 5, PHASE_BITS = 9 };

/* The layers, compiled for each shape of network.  They are separate functions: compiled as one they would cost one another registers. */
typedef struct {
    shape known;
    void (*first)(const network *net, const rows *at, const weights *w);
    void (*separable)(const network *net, int l, const rows *at, const weights *w, const middle *mid);
    void (*last)(const network *net, const rows *at, const weights *w);
} layers;

#define LAYERS(name, channels, kernel, inputs)                                                                          \
    static const shape name = {channels, kernel, inputs};                                                               \
    static void name##_first(const network *net, const rows *at, const weights *w) { first_rows(completed(name, net), at, w); } \
    static void name##_separable(const network *net, int l, const rows *at, const weights *w, const middle *mid) {      \
        separable_rows(completed(name, net), net->dilation[l], l + 1 == net->layers, at, &w->separable[l], mid);        \
    }                                                                                                                   \
    static void name##_last(const network *net, const rows *at, const weights *w) { last_rows(completed(name, net), at, w->last); }
SHAPES(LAYERS)
#undef LAYERS

static const layers *layers_of(const network *net) {
#define LAYERS(name, channels, kernel, inputs) {{channels, kernel, inputs}, name##_first, name##_separable, name##_last},
    static const layers compiled[] = {SHAPES(LAYERS)};
#undef LAYERS
    const layers *found = compiled;
    while (!matches(found->known, net)) found++;
    return found;
}

typedef struct {
    const uint8_t *base;
    uint8_t *out;
    ptrdiff_t base_stride, out_stride;
    int height, width;
} picture;

typedef struct {
    int y0, y1, x0, x1;
} area;

/* A walk down a strip of columns. */
typedef struct {
    const network *net;
    const layers *layer;
    const weights *w;
    const picture *pic;
    area a;
    int ahead[MAX_LAYERS + 2], span, stride;
    ring rings[MAX_LAYERS + 2];
    int16_t *room, *unpaired[ROWS], *residual[ROWS]; /* unpaired: rows of the first layer that pair_rows reads */
    middle mid;
} strip;

/* The dilation of the layer that reads ring l. */
static int dilation_above(const network *net, int l) { return l >= 1 && l <= net->layers ? net->dilation[l - 1] : 1; }

/* 0 where memory is short. */
static int strip_alloc(strip *s) {
    const network *net = s->net;
    ahead_of(net, s->ahead);
    s->span = round_up(s->a.x1 - s->a.x0 + 2 * s->ahead[0], BLOCK), s->stride = stride_of(s->span, sizeof(int16_t));
    const int radius = net->kernel / 2, even = round_up(net->channels, 2);
    const int pairs = even * s->span, each = pairs + 2 * s->span + even * s->stride; /* numbers for each of the two rows */
    int ok = 1;
    for (int l = 0; l <= net->layers + 1; l++) {
        ok &= ring_alloc(&s->rings[l], 2 * radius * dilation_above(net, l) + ROWS, l ? even : net->inputs, s->stride, sizeof(int16_t));
        s->rings[l].origin = s->a.y0 - s->ahead[0];
    }
    s->room = aligned_zeros((size_t)(ROWS * each) * sizeof *s->room);
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
    for (int l = 0; l < MAX_LAYERS + 2; l++) aligned_free(s->rings[l].data);
    aligned_free(s->room);
}

/* Row y of the base as the network's inputs. */
static void input_row(const strip *s, int y) {
    const uint8_t *src = s->pic->base + (ptrdiff_t)clamp_int(y, 0, s->pic->height - 1) * s->pic->base_stride;
    const int left = s->a.x0 - s->ahead[0], n = s->span, width = s->pic->width;
    int16_t *luma = ring_row(&s->rings[0], y, 0);
    int from, to;
    columns_inside(left, n, width, &from, &to);
    for (int i = from; i < to; i++) luma[i] = (int16_t)((src[left + i] - 128) * (1 << PIXEL_BITS));
    for (int i = 0; i < from; i++) luma[i] = (int16_t)((src[0] - 128) * (1 << PIXEL_BITS));
    for (int i = to; i < n; i++) luma[i] = (int16_t)((src[width - 1] - 128) * (1 << PIXEL_BITS));
    if (s->net->inputs == 1) return;
    int16_t *column = ring_row(&s->rings[0], y, 1), *row = ring_row(&s->rings[0], y, 2);
    for (int i = 0; i < n; i++) column[i] = (int16_t)(block_phase(left + i) * (1 << PHASE_BITS));
    for (int i = 0; i < n; i++) row[i] = (int16_t)(block_phase(y) * (1 << PHASE_BITS));
}

/* The rows of ring l that the layer above it reads for its rows y and y + 1. */
static rows reading(const strip *s, int l, int y) {
    rows at = {.width = s->span, .stride = s->stride};
    const int kernel = s->net->kernel, dilation = dilation_above(s->net, l);
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < (l ? 1 : s->net->inputs) * kernel; k++)
            at.in[r][k] = ring_row(&s->rings[l], y + r + (k % kernel - kernel / 2) * dilation, k / kernel);
    return at;
}

/* Rows y and y + 1 of layer l into its ring; layer 0 is the base. */
static void layer_rows(strip *s, int l, int y) {
    if (l == 0) {
        for (int r = 0; r < ROWS; r++) input_row(s, y + r);
        return;
    }
    rows at = reading(s, l - 1, y), paired = at;
    for (int r = 0; r < ROWS; r++) at.out[r] = ring_row(&s->rings[l], y + r, 0);
    if (l >= 2) {
        s->layer->separable(s->net, l - 2, &at, s->w, &s->mid);
    } else if (s->net->layers) {
        s->layer->first(s->net, &at, s->w);
    } else {
        for (int r = 0; r < ROWS; r++) paired.out[r] = at.out[r], paired.in[r][0] = at.out[r] = s->unpaired[r];
        s->layer->first(s->net, &at, s->w);
        pair_rows(s->net->channels, &paired);
    }
}

/* Rows y and y + 1 of the restored picture; the second one may lie below the area. */
static void picture_rows(strip *s, int y) {
    const int columns = s->a.x1 - s->a.x0;
    rows at = reading(s, s->net->layers + 1, y);
    for (int r = 0; r < ROWS; r++) at.out[r] = s->residual[r];
    s->layer->last(s->net, &at, s->w);
    for (int r = 0; r < ROWS && y + r < s->a.y1; r++) {
        const int16_t *residual = s->residual[r] + s->ahead[0];
        const uint8_t *src = s->pic->base + (ptrdiff_t)(y + r) * s->pic->base_stride + s->a.x0;
        uint8_t *dst = s->pic->out + (ptrdiff_t)(y + r) * s->pic->out_stride + s->a.x0;
        for (int i = 0; i < columns; i++) dst[i] = (uint8_t)clamp_int(src[i] + residual[i], 0, 255);
    }
}

/* 0, or -1 where memory is short. */
static int restore_strip(const network *net, const weights *w, const picture *pic, area a) {
    strip s = {.net = net, .layer = layers_of(net), .w = w, .pic = pic, .a = a};
    const int ok = strip_alloc(&s);
    for (int t = a.y0 - 2 * s.ahead[0]; ok && t < a.y1; t += ROWS) {
        for (int l = 0; l <= net->layers + 1; l++)
            if (t + s.ahead[l] >= a.y0 - s.ahead[l]) layer_rows(&s, l, t + s.ahead[l]); /* later layers start later */
        if (t >= a.y0) picture_rows(&s, t);
    }
    strip_free(&s);
    return ok ? 0 : -1;
}

/* Columns of a strip: the more, the less is computed twice, as long as the rings stay in the second-level cache. */
static int strip_most(const network *net) {
    int rows = 2 * (net->kernel + 1) * net->channels;
    for (int l = 0; l < net->layers; l++) rows += ((net->kernel - 1) * net->dilation[l] + ROWS) * net->channels;
    return clamp_int((1 << 20) / (rows * (int)sizeof(int16_t)), 512, 1024);
}

/* Restores rows [y0, y1) of a height x width plane; 0, or -1 where memory is short.  Bands may run in parallel. */
EXPORT int NAME(inlaid_restore)(const network *net, const int16_t *params, const uint8_t *base, ptrdiff_t base_stride, int height,
                                int width, uint8_t *out, ptrdiff_t out_stride, int y0, int y1) {
    int32_t *room = malloc(weights_most(net) * sizeof *room);
    if (!room) return -1;
    const weights w = arranged(net, params, room);
    const picture pic = {base, out, base_stride, out_stride, height, width};
    const int strips = (width + strip_most(net) - 1) / strip_most(net);
    int status = 0;
    for (int i = 0; i < strips && !status; i++) {
        const int x0 = (int)((int64_t)width * i / strips), x1 = (int)((int64_t)width * (i + 1) / strips);
        status = restore_strip(net, &w, &pic, (area){y0, y1, x0, x1});
    }
    free(room);
    return status;
}
