/* NEON: every arm64 processor. */
#include <arm_neon.h>

#define LANES 4
#define REGISTERS 32
#define HELD(v)
#include "../vectors.h"

INLINE shorts narrow(ints s, ints t) { return (shorts)vqmovn_high_s32(vqmovn_s32((int32x4_t)s), (int32x4_t)t); }
INLINE shorts zip_low(shorts a, shorts b) { return (shorts)vzip1q_s16((int16x8_t)a, (int16x8_t)b); }
INLINE shorts zip_high(shorts a, shorts b) { return (shorts)vzip2q_s16((int16x8_t)a, (int16x8_t)b); }
INLINE shorts apart(shorts a) {
    const int16x4_t low = vget_low_s16((int16x8_t)a), high = vget_high_s16((int16x8_t)a);
    return (shorts)vcombine_s16(vuzp1_s16(low, high), vuzp2_s16(low, high));
}
INLINE shorts in_order(shorts a) { return (shorts)vzip1q_s16((int16x8_t)a, vextq_s16((int16x8_t)a, (int16x8_t)a, 4)); }
INLINE shorts halves(shorts a, shorts b) { return (shorts)vbslq_s32(vdupq_n_u32(0xffff), (int32x4_t)a, (int32x4_t)b); }
INLINE shorts leak(shorts a) { return (shorts)vmaxq_s16((int16x8_t)a, vshrq_n_s16((int16x8_t)a, 3)); }

/* NEON multiplies and adds in one instruction, but does not add the two products of a pair.  So the products have a sum each, those of the
 * low and of the high half of a vector apart; `total` adds the two of a pair. */
typedef struct {
    int32x4_t low, high;
} sums;
INLINE sums begin(int32_t v) {
    const int32x4_t pairs = (int32x4_t)vdupq_n_u64((uint32_t)v); /* v 0 v 0 */
    return (sums){pairs, pairs};
}
INLINE sums add_products(sums s, shorts a, shorts b) {
    s.low = vmlal_s16(s.low, vget_low_s16((int16x8_t)a), vget_low_s16((int16x8_t)b));
    s.high = vmlal_high_s16(s.high, (int16x8_t)a, (int16x8_t)b);
    return s;
}
INLINE ints total(sums s) { return (ints)vpaddq_s32(s.low, s.high); }
