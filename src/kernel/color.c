/* Luma back to pixels: YCbCr to RGB with libjpeg's own fixed-point numbers (ITU-T T.871), so that an unchanged luma gives exactly
 * the pixels that libjpeg gives. */
#include "kernel.h"

/* luma: count bytes; chroma: count pairs Cb, Cr; rgb: count triples. */
EXPORT void NAME(inlay_rgb)(const uint8_t *luma, const uint8_t *chroma, uint8_t *rgb, ptrdiff_t count) {
    const int half = 1 << 15; /* 16 fractional bits: 1.402, 0.344136286, 0.714136286, 1.772 */
    for (ptrdiff_t i = 0; i < count; i++) {
        const int y = luma[i], cb = chroma[2 * i] - 128, cr = chroma[2 * i + 1] - 128;
        rgb[3 * i] = (uint8_t)clamp_int(y + ((91881 * cr + half) >> 16), 0, 255);
        rgb[3 * i + 1] = (uint8_t)clamp_int(y + ((-22554 * cb - 46802 * cr + half) >> 16), 0, 255);
        rgb[3 * i + 2] = (uint8_t)clamp_int(y + ((116130 * cb + half) >> 16), 0, 255);
    }
}
