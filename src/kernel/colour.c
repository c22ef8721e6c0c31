/* RGB to luma, and luma back to RGB (ITU-T T.871), with libjpeg's fixed-point numbers: an unchanged luma gives exactly libjpeg's pixels. */
#include "kernel.h"

/* The luma of count RGB triples. */
EXPORT void NAME(inlaid_luma)(const uint8_t *rgb, uint8_t *luma, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++)
        luma[i] = (uint8_t)((19595 * rgb[3 * i] + 38470 * rgb[3 * i + 1] + 7471 * rgb[3 * i + 2] + (1 << 15)) >> 16);
}

/* pixels: count YCbCr triples, replaced by RGB; Y comes from `luma`. */
EXPORT void NAME(inlaid_rgb)(const uint8_t *luma, uint8_t *pixels, ptrdiff_t count) {
    const int half = 1 << 15; /* the factors have 16 fractional bits: 1.402, 0.344136286, 0.714136286, 1.772 */
    for (ptrdiff_t i = 0; i < count; i++) {
        const int y = luma[i], cb = pixels[3 * i + 1] - 128, cr = pixels[3 * i + 2] - 128;
        pixels[3 * i] = (uint8_t)clamp_int(y + ((91881 * cr + half) >> 16), 0, 255);
        pixels[3 * i + 1] = (uint8_t)clamp_int(y + ((-22554 * cb - 46802 * cr + half) >> 16), 0, 255);
        pixels[3 * i + 2] = (uint8_t)clamp_int(y + ((116130 * cb + half) >> 16), 0, 255);
    }
}
