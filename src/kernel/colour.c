/* RGB to luma, and luma back to RGB (ITU-T T.871), with libjpeg's fixed-point numbers: an unchanged luma gives exactly libjpeg's pixels. */
#include "kernel.h"

/* The luma of count RGB triples. */
EXPORT void NAME(inlaid_luma)(const uint8_t *rgb, uint8_t *luma, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++)
        luma[i] = (uint8_t)((19595 * rgb[3 * i] + 38470 * rgb[3 * i + 1] + 7471 * rgb[3 * i + 2] + (1 << 15)) >> 16);
}

/* The factors have 16 fractional bits: 1.402, 0.344136286, 0.714136286, 1.772. */
enum { HALF = 1 << 15 };
INLINE int red_of(int y, int cr) { return clamp_int(y + ((91881 * cr + HALF) >> 16), 0, 255); }
INLINE int green_of(int y, int cb, int cr) { return clamp_int(y + ((-22554 * cb - 46802 * cr + HALF) >> 16), 0, 255); }
INLINE int blue_of(int y, int cb) { return clamp_int(y + ((116130 * cb + HALF) >> 16), 0, 255); }

/* pixels: count YCbCr triples, replaced by RGB; Y comes from `luma`. */
EXPORT void NAME(inlaid_rgb)(const uint8_t *luma, uint8_t *pixels, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) {
        const int y = luma[i], cb = pixels[3 * i + 1] - 128, cr = pixels[3 * i + 2] - 128;
        pixels[3 * i] = (uint8_t)red_of(y, cr), pixels[3 * i + 1] = (uint8_t)green_of(y, cb, cr), pixels[3 * i + 2] = (uint8_t)blue_of(y, cb);
    }
}

/* Bits of a pixel's bytes in a word of memory. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { FIRST = 24, SECOND = 16, THIRD = 8, LAST = 0 };
#else
enum { FIRST = 0, SECOND = 8, THIRD = 16, LAST = 24 };
#endif

/* As inlaid_rgb, of pixels that have four bytes in Pillow: `out` gets R, G, B and a byte that means nothing. */
EXPORT void NAME(inlaid_rgbx)(const uint8_t *luma, const uint32_t *pixels, uint32_t *out, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) {
        const int y = luma[i], cb = (int)(pixels[i] >> SECOND & 255) - 128, cr = (int)(pixels[i] >> THIRD & 255) - 128;
        const uint32_t red = (uint32_t)red_of(y, cr), green = (uint32_t)green_of(y, cb, cr), blue = (uint32_t)blue_of(y, cb);
        out[i] = red << FIRST | green << SECOND | blue << THIRD | 255u << LAST; /* 255: as libjpeg-turbo leaves it */
    }
}
