/* The base encoder's levels to bits: one interleaved baseline scan (ITU-T T.81, F.1.2).
 *
 * The picture is a grid of units (MCUs).  A unit holds h x v blocks of each component:
 *
 *   4:2:0      Y0 Y1
 *              Y2 Y3   Cb   Cr
 *
 * Where a unit reaches beyond a component's blocks, it has blocks that repeat the last DC level and have no others.
 */
#include "kernel.h"
#include "symbols.h"

enum { MAX_COMPONENTS = 3, KINDS = 2 };

/* Mirrors formats/jpeg/trellis/scan.py.  kind: 0 luma, 1 chroma, each with Huffman tables of its own. */
typedef struct {
    const int16_t *levels; /* [down * across][64] in zigzag order */
    int32_t across, down, h, v, kind;
} component;

/* Where the symbols go: they are counted, or written as codes.  Symbols of DC and of AC, by kind. */
typedef struct {
    int64_t (*counts)[2][256];
    const uint16_t (*codes)[2][256];
    const uint8_t (*lengths)[2][256];
    uint8_t *out, *end;
    uint64_t held; /* the lowest `bits` bits wait to be written */
    int bits;
} sink;

INLINE void put(sink *s, uint32_t value, int bits) {
    s->held = s->held << bits | value, s->bits += bits;
    while (s->bits >= 8) {
        s->bits -= 8;
        const uint8_t byte = (uint8_t)(s->held >> s->bits);
        if (s->out < s->end) *s->out = byte;
        s->out++;
        if (byte == 0xFF) { /* a stuffed 0 tells it from a marker */
            if (s->out < s->end) *s->out = 0;
            s->out++;
        }
    }
}

INLINE void symbol(sink *s, int kind, int ac, int which, int level, int size) {
    if (s->counts) s->counts[kind][ac][which]++;
    if (!s->codes) return;
    put(s, s->codes[kind][ac][which], s->lengths[kind][ac][which]);
    put(s, (uint32_t)(level < 0 ? level + (1 << size) - 1 : level), size);
}

static void block(sink *s, int kind, int difference, const int16_t *levels) {
    symbol(s, kind, 0, size_of(difference), difference, size_of(difference));
    int run = 0;
    for (int k = 1; levels && k < BLOCK; k++) {
        if (!levels[k]) {
            run++;
            continue;
        }
        for (; run >= RUN; run -= RUN) symbol(s, kind, 1, ZEROS, 0, 0);
        const int size = size_of(levels[k]);
        symbol(s, kind, 1, run << 4 | size, levels[k], size);
        run = 0;
    }
    if (run || !levels) symbol(s, kind, 1, END, 0, 0);
}

/* Counts the symbols, where `counts` is given, and writes the scan to `out`, where `codes` and `lengths` are given.  The bytes of the scan;
 * more than `capacity` where it did not fit. */
EXPORT int64_t NAME(inlaid_scan)(const component *components, int count, int64_t (*counts)[2][256], const uint16_t (*codes)[2][256],
                                 const uint8_t (*lengths)[2][256], uint8_t *out, int64_t capacity) {
    sink s = {counts, codes, lengths, out, out + capacity, 0, 0};
    int before[MAX_COMPONENTS] = {0};
    const component *first = components;
    const int across = (first->across + first->h - 1) / first->h, down = (first->down + first->v - 1) / first->v;
    for (int unit = 0; unit < across * down; unit++)
        for (int n = 0; n < count; n++) {
            const component *c = components + n;
            for (int i = 0; i < c->h * c->v; i++) {
                const int x = unit % across * c->h + i % c->h, y = unit / across * c->v + i / c->h;
                const int16_t *levels = x < c->across && y < c->down ? c->levels + ((ptrdiff_t)y * c->across + x) * BLOCK : NULL;
                const int dc = levels ? levels[0] : before[n];
                block(&s, c->kind, dc - before[n], levels);
                before[n] = dc;
            }
        }
    if (s.bits) put(&s, (1u << (8 - s.bits)) - 1, 8 - s.bits); /* ones fill the last byte */
    return s.out - out;
}
