/* The base encoder's pixels to levels: forward DCT, and the levels of least D + lambda * R ("trellis").
 *
 * A block has 64 coefficients in zigzag order.  Coefficient 0 is DC.  The trellis follows ITU-T T.81, F.1.2: an AC level other than 0 is
 * coded as a symbol (run of zeros before it, size of the level), and `size` bits more; 16 zeros in a row have a symbol of their own, and so
 * has the end of the block.
 */
#include "kernel.h"
#include "symbols.h"

#include <math.h>
#include <stdlib.h>

enum { SIDE = 8, MAX_LEVEL = 1023, MAX_DC = 1023, DC_CHOICES = 3 };

static const uint8_t zigzag[BLOCK] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
                                      41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
                                      30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/* cos(m pi / 16) for m >= 0. */
INLINE float cosine(int m) {
    static const float first[SIDE + 1] = {1, 0.98078528f, 0.92387953f, 0.83146961f, 0.70710678f, 0.55557023f, 0.38268343f, 0.19509032f, 0};
    m %= 4 * SIDE;
    if (m > 2 * SIDE) m = 4 * SIDE - m;
    return m > SIDE ? -first[2 * SIDE - m] : first[m];
}

/* The nearest whole number, without the mathematical library. */
INLINE int nearest_int(float v) { return (int)(v < 0 ? v - 0.5f : v + 0.5f); }

/* The orthonormal DCT of down x across blocks.  plane: rows of 8 * across samples.  out[block][64]. */
EXPORT void NAME(inlaid_dct)(const float *plane, int across, int down, float *out) {
    float basis[SIDE][SIDE]; /* basis[u][x] */
    for (int u = 0; u < SIDE; u++)
        for (int x = 0; x < SIDE; x++) basis[u][x] = u ? cosine((2 * x + 1) * u) / 2 : cosine(4) / 2;
    const ptrdiff_t stride = (ptrdiff_t)across * SIDE;
    for (int by = 0; by < down; by++)
        for (int bx = 0; bx < across; bx++, out += BLOCK) {
            const float *in = plane + by * SIDE * stride + bx * SIDE;
            float half[SIDE][SIDE] = {{0}}, both[SIDE][SIDE] = {{0}}; /* half[u][x]: columns transformed */
            for (int u = 0; u < SIDE; u++)
                for (int y = 0; y < SIDE; y++)
                    for (int x = 0; x < SIDE; x++) half[u][x] += basis[u][y] * in[y * stride + x];
            float turned[SIDE][SIDE]; /* transposed, so that the inner loop runs over neighbours */
            for (int u = 0; u < SIDE; u++)
                for (int x = 0; x < SIDE; x++) turned[x][u] = half[u][x];
            for (int v = 0; v < SIDE; v++)
                for (int x = 0; x < SIDE; x++)
                    for (int u = 0; u < SIDE; u++) both[v][u] += basis[v][x] * turned[x][u];
            for (int k = 0; k < BLOCK; k++) out[k] = both[zigzag[k] % SIDE][zigzag[k] / SIDE];
        }
}

/* The nearest level of a DC coefficient, or a neighbour: n = 0 .. DC_CHOICES - 1. */
INLINE int dc_choice(float value, float step, int n) {
    return clamp_int(nearest_int(value / step) + n - DC_CHOICES / 2, -MAX_DC, MAX_DC);
}

/* What the trellis minimises: weight[k] * (coefficient - level * step[k])^2, and lambda for each bit. */
typedef struct {
    const float *step, *weight; /* by coefficient */
    const float *bits;          /* by symbol */
    float empty, coded;         /* more bits of a block without AC levels, and of another */
    float lambda;
} costs;

/* The AC levels of one block: a shortest path from each level that is not 0 to the next.  `best[k]` is the least cost of the levels up to
 * k, of which k is not 0; `zeros[k]` the distortion of zeros alone up to k. */
static void block_levels(costs c, const float *in, int16_t *out) {
    float best[BLOCK], zeros[BLOCK];
    int16_t level[BLOCK];
    uint8_t before[BLOCK], at[BLOCK]; /* the path; the positions that have a `best` */
    int count = 1;
    best[0] = 0, zeros[0] = 0, at[0] = 0;
    for (int k = 1; k < BLOCK; k++) {
        const float size = fabsf(in[k]), step = c.step[k], weight = c.weight[k];
        zeros[k] = zeros[k - 1] + weight * size * size;
        const int nearest = (int)(size / step + 0.5f) < MAX_LEVEL ? (int)(size / step + 0.5f) : MAX_LEVEL;
        if (!nearest) continue;
        /* The nearest level, the one below, and the largest of the next smaller size. */
        const int smaller = (1 << (size_of(nearest) - 1)) - 1;
        const int tried[] = {nearest, nearest - 1, smaller < nearest - 1 ? smaller : 0};
        best[k] = INFINITY;
        for (int i = 0; i < 3; i++) {
            if (!tried[i]) continue;
            const float error = size - (float)tried[i] * step, own = weight * error * error;
            const int bits = size_of(tried[i]);
            for (int j = 0; j < count; j++) {
                const int run = k - 1 - at[j];
                const float rate = (float)(run / RUN) * c.bits[ZEROS] + c.bits[(run % RUN) << 4 | bits] + (float)bits;
                const float cost = best[at[j]] + zeros[k - 1] - zeros[at[j]] + own + c.lambda * rate;
                if (cost < best[k]) best[k] = cost, before[k] = at[j], level[k] = (int16_t)tried[i];
            }
        }
        at[count++] = (uint8_t)k;
    }
    int last = 0;
    float least = zeros[BLOCK - 1] + c.lambda * c.empty;
    for (int j = 1; j < count; j++) {
        const int k = at[j];
        const float rate = c.coded + (k < BLOCK - 1 ? c.bits[END] : 0), cost = best[k] + zeros[BLOCK - 1] - zeros[k] + c.lambda * rate;
        if (cost < least) least = cost, last = k;
    }
    for (int k = 1; k < BLOCK; k++) out[k] = 0;
    for (int k = last; k; k = before[k]) out[k] = in[k] < 0 ? (int16_t)-level[k] : level[k];
}

/* The AC levels of `count` blocks.  share: a factor of lambda for each block, or NULL.  The rest: see `costs`. */
EXPORT void NAME(inlaid_ac_levels)(const float *in, int count, const float *step, const float *weight, const float *bits, float empty,
                                   float coded, float lambda, const float *share, int16_t *out) {
    for (int i = 0; i < count; i++) {
        const costs c = {step, weight, bits, empty, coded, share ? lambda * share[i] : lambda};
        block_levels(c, in + (ptrdiff_t)i * BLOCK, out + (ptrdiff_t)i * BLOCK);
    }
}

/* The DC levels of `count` blocks in the order of coding, each coded as the difference from the one before: a shortest path through the
 * nearest level of each block and its neighbours.  in: DC coefficients.  bits: of each size of difference.  out[block][64]: DC is replaced.
 * 0, or -1 where memory is short. */
EXPORT int NAME(inlaid_dc_levels)(const float *in, int count, float step, float weight, float lambda, const float *bits, const float *share,
                                  int16_t (*out)[BLOCK]) {
    uint8_t(*before)[DC_CHOICES] = malloc((size_t)count * sizeof *before);
    if (!before) return -1;
    float cost[DC_CHOICES] = {0};
    int old[DC_CHOICES] = {0};
    for (int i = 0; i < count; i++) {
        const float price = share ? lambda * share[i] : lambda;
        float next[DC_CHOICES];
        int here[DC_CHOICES];
        for (int n = 0; n < DC_CHOICES; n++) {
            here[n] = dc_choice(in[i], step, n);
            const float error = in[i] - (float)here[n] * step;
            next[n] = INFINITY;
            for (int p = 0; p < DC_CHOICES; p++) {
                const int size = size_of(here[n] - old[p]);
                const float total = cost[p] + price * (bits[size] + (float)size);
                if (total < next[n]) next[n] = total, before[i][n] = (uint8_t)p;
            }
            next[n] += weight * error * error;
        }
        for (int n = 0; n < DC_CHOICES; n++) cost[n] = next[n], old[n] = here[n];
    }
    int n = 0;
    for (int p = 1; p < DC_CHOICES; p++)
        if (cost[p] < cost[n]) n = p;
    for (int i = count - 1; i >= 0; i--) {
        out[i][0] = (int16_t)dc_choice(in[i], step, n);
        n = before[i][n];
    }
    free(before);
    return 0;
}
