/* What a browser's decoder does with planes of pixels, besides restoring them: chroma of the picture's size, and the order of the bytes of a
 * pixel. */
#include "kernel.h"

/* One row of a chroma plane at the picture's width, every third byte of `out`: libjpeg's "fancy" upsampling.  A new sample is 3/4 of the
 * nearest old one and 1/4 of the next nearest, in each direction in which the plane is halved.
 *
 *   old columns      a       b       c
 *   new columns    a   .   .   .   .   c      each a quarter of the way from an old one to the next; the outer ones are old ones
 *
 * near, far: the nearest row and the next nearest; the same where the height is not halved.  Planes of one or two columns are only repeated,
 * as libjpeg does it. */
static void upsample_row(const uint8_t *near, const uint8_t *far, int halved_height, int columns, int width, uint8_t *out) {
    const int one = halved_height ? 4 : 1, shift = halved_height ? 4 : 2, even = halved_height ? 8 : 1, odd = halved_height ? 7 : 2;
    int before = 0, now = halved_height ? 3 * near[0] + far[0] : near[0];
    for (int i = 0; i < columns; i++) {
        const int j = i + 1 < columns ? i + 1 : i;
        const int after = halved_height ? 3 * near[j] + far[j] : near[j];
        uint8_t *const pair = out + 6 * i;
        if (columns <= 2) {
            pair[0] = near[i];
            if (2 * i + 1 < width) pair[3] = near[i];
        } else {
            pair[0] = (uint8_t)(i ? (3 * now + before + even) >> shift : (now * 4 + 2 * one) >> shift);
            if (2 * i + 1 < width) pair[3] = (uint8_t)(j > i ? (3 * now + after + odd) >> shift : (now * 4 + (one == 4 ? 7 : 0)) >> shift);
        }
        before = now, now = after;
    }
}

/* The rows of a chroma plane that are there; `first` is the number of the first one. */
typedef struct {
    const uint8_t *data;
    int32_t first, rows, columns, halved_width, halved_height;
} chroma;

/* Writes a chroma plane at the picture's size into every third byte of `out`, for rows [y, y + rows) of the picture. */
EXPORT void NAME(inlaid_upsample)(const chroma *from, int width, int y, int rows, uint8_t *out) {
    for (int r = 0; r < rows; r++, out += 3 * width) {
        const int at = (from->halved_height ? (y + r) >> 1 : y + r), beside = from->halved_height ? at + ((y + r) & 1 ? 1 : -1) : at;
        const uint8_t *const near = from->data + clamp_int(at - from->first, 0, from->rows - 1) * from->columns;
        const uint8_t *const far = from->data + clamp_int(beside - from->first, 0, from->rows - 1) * from->columns;
        if (from->halved_width) upsample_row(near, far, from->halved_height, from->columns, width, out);
        else
            for (int x = 0; x < width; x++) out[3 * x] = near[x];
    }
}

/* Adds the change of the luma to RGB triples (FORMAT.md section 7). */
EXPORT void NAME(inlaid_shift)(const uint8_t *before, const uint8_t *after, uint8_t *rgb, int count) {
    for (int i = 0; i < count; i++)
        for (int k = 0; k < 3; k++) rgb[3 * i + k] = (uint8_t)clamp_int(rgb[3 * i + k] + after[i] - before[i], 0, 255);
}

/* RGB triples of pixels of four bytes; red is byte `red` (0 or 2) of a pixel.  `rgb` may be the same place. */
EXPORT void NAME(inlaid_pack)(const uint8_t *pixels, uint8_t *rgb, int count, int red) {
    for (int i = 0; i < count; i++) {
        const uint8_t r = pixels[4 * i + red], g = pixels[4 * i + 1], b = pixels[4 * i + 2 - red];
        rgb[3 * i] = r, rgb[3 * i + 1] = g, rgb[3 * i + 2] = b;
    }
}
