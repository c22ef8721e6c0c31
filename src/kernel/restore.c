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

/* What a walk down a strip of columns needs. */
typedef struct {
    int ahead[MAX_LAYERS + 2], span, stride;
    ring rings[MAX_LAYERS + 2];
    int16_t *room, *unpaired[ROWS], *residual[ROWS]; /* unpaired: rows of the first layer that pair_rows takes */
    middle mid;
} strip;

static int strip_alloc(strip *s, const network *net, int y0, int columns) {
    *s = (strip){0};
    ahead_of(net, s->ahead);
    s->span = round_up(columns + 2 * s->ahead[0], BLOCK), s->stride = stride_of(s->span, sizeof(int16_t));
    const int radius = net->kernel / 2, even = round_up(net->channels, 2), pairs = even * s->span, planes = even * s->stride;
    int ok = 1;
    for (int l = 0; l <= net->layers + 1; l++) {
        const int dilation = l >= 1 && l <= net->layers ? net->dilation[l - 1] : 1; /* of the layer that reads this ring */
        ok &= ring_alloc(&s->rings[l], 2 * radius * dilation + ROWS, l ? even : net->inputs, s->stride, sizeof(int16_t));
        s->rings[l].origin = y0 - s->ahead[0];
    }
    s->room = aligned_zeros((size_t)(ROWS * (pairs + 2 * s->span + planes)) * sizeof *s->room);
    if (!s->room || !ok) return 0;
    for (int r = 0; r < ROWS; r++) {
        int16_t *const room = s->room + r * (pairs + 2 * s->span + planes);
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

/* Row y of the base, columns from `left` on, as the network's inputs. */
static void input_row(const network *net, const picture *pic, int y, int left, int n, const ring *to) {
    const uint8_t *src = pic->base + (ptrdiff_t)clamp_int(y, 0, pic->height - 1) * pic->base_stride;
    int16_t *luma = ring_row(to, y, 0);
    int from, end;
    columns_inside(left, n, pic->width, &from, &end);
    for (int i = from; i < end; i++) luma[i] = (int16_t)((src[left + i] - 128) * (1 << PIXEL_BITS));
    for (int i = 0; i < from; i++) luma[i] = (int16_t)((src[0] - 128) * (1 << PIXEL_BITS));
    for (int i = end; i < n; i++) luma[i] = (int16_t)((src[pic->width - 1] - 128) * (1 << PIXEL_BITS));
    if (net->inputs == 1) return;
    int16_t *column = ring_row(to, y, 1), *row = ring_row(to, y, 2);
    for (int i = 0; i < n; i++) column[i] = (int16_t)(block_phase(left + i) * (1 << PHASE_BITS)), row[i] = (int16_t)(block_phase(y) * (1 << PHASE_BITS));
}

/* The rows of ring `l` that the layer above it reads for output rows y and y + 1. */
static void input_rows(const network *net, const strip *s, int l, int y, rows *at) {
    const int kernel = net->kernel, dilation = l >= 1 && l <= net->layers ? net->dilation[l - 1] : 1;
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < (l ? kernel : net->inputs * kernel); k++)
            at->in[r][k] = ring_row(&s->rings[l], y + r + (k % kernel - kernel / 2) * dilation, k / kernel);
}

/* Rows y and y + 1 of layer l into its ring; layer 0 is the base. */
static void layer_rows(const network *net, const layers *layer, const weights *w, const picture *pic, strip *s, int l, int y, int x0) {
    rows at = {.width = s->span, .stride = s->stride};
    for (int r = 0; r < ROWS; r++) at.out[r] = ring_row(&s->rings[l], y + r, 0);
    if (l == 0) {
        for (int r = 0; r < ROWS; r++) input_row(net, pic, y + r, x0 - s->ahead[0], s->span, &s->rings[0]);
        return;
    }
    input_rows(net, s, l - 1, y, &at);
    if (l >= 2) {
        layer->separable(net, l - 2, &at, w, &s->mid);
    } else if (net->layers) {
        layer->first(net, &at, w);
    } else {
        rows unpaired = at, paired = at;
        for (int r = 0; r < ROWS; r++) unpaired.out[r] = s->unpaired[r], paired.in[r][0] = s->unpaired[r];
        layer->first(net, &unpaired, w);
        pair_rows(net->channels, &paired);
    }
}

static void add_residual(const picture *pic, const int16_t *residual, int y, int x0, int x1) {
    const uint8_t *src = pic->base + (ptrdiff_t)y * pic->base_stride;
    uint8_t *dst = pic->out + (ptrdiff_t)y * pic->out_stride;
    for (int x = x0; x < x1; x++) dst[x] = (uint8_t)clamp_int(src[x] + residual[x - x0], 0, 255);
}

/* 0, or -1 where memory is short. */
static int restore_strip(const network *net, const weights *w, const picture *pic, area a) {
    const layers *const layer = layers_of(net);
    strip s;
    const int ok = strip_alloc(&s, net, a.y0, a.x1 - a.x0);
    for (int t = a.y0 - 2 * s.ahead[0]; ok && t < a.y1; t += ROWS) {
        for (int l = 0; l <= net->layers + 1 && t + s.ahead[l] >= a.y0 - s.ahead[l]; l++) /* later layers start later */
            layer_rows(net, layer, w, pic, &s, l, t + s.ahead[l], a.x0);
        if (t < a.y0) continue;
        rows at = {.width = s.span, .stride = s.stride};
        input_rows(net, &s, net->layers + 1, t, &at);
        for (int r = 0; r < ROWS; r++) at.out[r] = s.residual[r];
        layer->last(net, &at, w);
        for (int y = t; y < t + ROWS && y < a.y1; y++) add_residual(pic, s.residual[y - t] + s.ahead[0], y, a.x0, a.x1);
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
EXPORT int NAME(inlaid_restore)(const network *net, const int16_t *params, const uint8_t *base, ptrdiff_t base_stride, int height, int width,
                               uint8_t *out, ptrdiff_t out_stride, int y0, int y1) {
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
