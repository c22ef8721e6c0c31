/* The sums of the fingerprint (FORMAT.md, section 4): sum k is the sum over y, x of rows_k(y) columns_k(x) luma(y, x).
 *
 * Rows are taken two by two: with a and b the pixels of both, either a + b or a - b is added or subtracted. */
#include "kernel.h"

enum { SUMS = 12, STRIP = 256, PAIRS = 64 }; /* 64 pairs of at most 255 + 255 fit into 16 bits */

static void add(int16_t *restrict sum, const int16_t *restrict values, int sign) {
    if (sign > 0)
        for (int i = 0; i < STRIP; i++)
            sum[i] = (int16_t)(sum[i] + values[i]);
    else
        for (int i = 0; i < STRIP; i++)
            sum[i] = (int16_t)(sum[i] - values[i]);
}

/* Adds to sums[12] those of height x width pixels.  columns: 12 x width, rows: 12 x height, all +1 or -1. */
EXPORT void NAME(inlaid_signed_sums)(const uint8_t *luma, ptrdiff_t height, ptrdiff_t width, const int8_t *columns, const int8_t *rows,
                                     int64_t *sums) {
    for (ptrdiff_t left = 0; left < width; left += STRIP) {
        const int count = (int)(width - left < STRIP ? width - left : STRIP);
        for (ptrdiff_t top = 0; top < height; top += 2 * PAIRS) {
            const ptrdiff_t bottom = height - top < 2 * PAIRS ? height : top + 2 * PAIRS;
            int16_t strip[SUMS][STRIP] = {0}, both[STRIP] = {0}, apart[STRIP] = {0};
            for (ptrdiff_t y = top; y < bottom; y += 2) {
                const uint8_t *a = luma + y * width + left, *b = a + width;
                if (y + 1 < bottom)
                    for (int i = 0; i < count; i++) {
                        both[i] = (int16_t)(a[i] + b[i]);
                        apart[i] = (int16_t)(a[i] - b[i]);
                    }
                else
                    for (int i = 0; i < count; i++)
                        both[i] = apart[i] = a[i];
                for (int k = 0; k < SUMS; k++) {
                    const int first = rows[k * height + y], second = y + 1 < bottom ? rows[k * height + y + 1] : first;
                    add(strip[k], first == second ? both : apart, first);
                }
            }
            for (int k = 0; k < SUMS; k++) {
                int32_t sum = 0; /* at most 256 * 32640 */
                for (int i = 0; i < count; i++)
                    sum += strip[k][i] * columns[k * width + left + i];
                sums[k] += sum;
            }
        }
    }
}
