/* Vectors of int16 that are multiplied in pairs and summed as int32, exactly, on every instruction set: what restore.c is written in. */
#ifndef INLAID_PAIRS_H
#define INLAID_PAIRS_H

#include "kernel.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the columns of a pair are taken for the halves of an int32 in their order: expected a little-endian machine"
#endif

#if defined(INLAID_NEON)
#include <arm_neon.h>
#elif LANES > 4
#include <immintrin.h>
#endif

/* Everything is multiplied in pairs: `add_products` takes two vectors of int16 and adds each two neighbouring products to one int32.
 * The two columns of a pair are two taps of a row, or two channels at a pixel; where there is no second one its weight is 0. */
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef int16_t vs __attribute__((vector_size(LANES * 4), aligned(2)));

enum { BLOCK = 2 * LANES }; /* columns that a vector of int16 has */

INLINE vs load(const int16_t *p) { return *(const vs *)p; }
INLINE void store(int16_t *p, vs v) { *(vs *)p = v; }
INLINE vi splat(int32_t v) { return (vi){0} + v; }
INLINE vs splat_pair(int32_t v) { return (vs)splat(v); }

/* `narrow` saturates two int32 vectors to int16.  Of vectors whose columns are in their order, `zip_low` and `zip_high` make pairs, and
 * `narrow` puts what came of the low and of the high ones into order again.  Sums of the even and of the odd columns it puts `apart`: so that
 * the zips give pairs of the even and of the odd columns; `in_order` undoes that.  `leak` is the leaky ReLU, an eighth, rounded down, of what
 * is below zero.  `halves` takes the low half of each pair from one vector, the high half from another. */
#if LANES >= 8
#define APART _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15)
#define IN_ORDER _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15)
#endif
#if LANES == 16
INLINE vi madd(vs a, vs b) { return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b); }
INLINE vs narrow(vi a, vi b) { return (vs)_mm512_packs_epi32((__m512i)a, (__m512i)b); }
INLINE vs zip_low(vs a, vs b) { return (vs)_mm512_unpacklo_epi16((__m512i)a, (__m512i)b); }
INLINE vs zip_high(vs a, vs b) { return (vs)_mm512_unpackhi_epi16((__m512i)a, (__m512i)b); }
INLINE vs apart(vs v) { return (vs)_mm512_shuffle_epi8((__m512i)v, _mm512_broadcast_i32x4(APART)); }
INLINE vs in_order(vs v) { return (vs)_mm512_shuffle_epi8((__m512i)v, _mm512_broadcast_i32x4(IN_ORDER)); }
INLINE vs halves(vs low, vs high) { return (vs)_mm512_mask_blend_epi16(0xaaaaaaaa, (__m512i)low, (__m512i)high); }
INLINE vs leak(vs v) { return (vs)_mm512_max_epi16((__m512i)v, _mm512_srai_epi16((__m512i)v, 3)); }
#elif LANES == 8
INLINE vi madd(vs a, vs b) { return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b); }
INLINE vs narrow(vi a, vi b) { return (vs)_mm256_packs_epi32((__m256i)a, (__m256i)b); }
INLINE vs zip_low(vs a, vs b) { return (vs)_mm256_unpacklo_epi16((__m256i)a, (__m256i)b); }
INLINE vs zip_high(vs a, vs b) { return (vs)_mm256_unpackhi_epi16((__m256i)a, (__m256i)b); }
INLINE vs apart(vs v) { return (vs)_mm256_shuffle_epi8((__m256i)v, _mm256_broadcastsi128_si256(APART)); }
INLINE vs in_order(vs v) { return (vs)_mm256_shuffle_epi8((__m256i)v, _mm256_broadcastsi128_si256(IN_ORDER)); }
INLINE vs halves(vs low, vs high) { return (vs)_mm256_blend_epi16((__m256i)low, (__m256i)high, 0xaa); }
INLINE vs leak(vs v) { return (vs)_mm256_max_epi16((__m256i)v, _mm256_srai_epi16((__m256i)v, 3)); }
#elif defined(INLAID_NEON)
INLINE vs narrow(vi a, vi b) { return (vs)vqmovn_high_s32(vqmovn_s32((int32x4_t)a), (int32x4_t)b); }
INLINE vs zip_low(vs a, vs b) { return (vs)vzip1q_s16((int16x8_t)a, (int16x8_t)b); }
INLINE vs zip_high(vs a, vs b) { return (vs)vzip2q_s16((int16x8_t)a, (int16x8_t)b); }
INLINE vs apart(vs v) {
    const int16x4_t l = vget_low_s16((int16x8_t)v), h = vget_high_s16((int16x8_t)v);
    return (vs)vcombine_s16(vuzp1_s16(l, h), vuzp2_s16(l, h));
}
INLINE vs in_order(vs v) { return (vs)vzip1q_s16((int16x8_t)v, vextq_s16((int16x8_t)v, (int16x8_t)v, 4)); }
INLINE vs halves(vs low, vs high) { return (vs)vbslq_s32(vdupq_n_u32(0xffff), (int32x4_t)low, (int32x4_t)high); }
INLINE vs leak(vs v) { return (vs)vmaxq_s16((int16x8_t)v, vshrq_n_s16((int16x8_t)v, 3)); }
#else
INLINE vi choose(vi mask, vi yes, vi no) { return (yes & mask) | (no & ~mask); }
INLINE vi saturate(vi v) {
    v = choose(v < -32768, splat(-32768), v);
    return choose(v > 32767, splat(32767), v);
}
INLINE vi low(vi v) { return (vi)((vi)((v & 0xffff) ^ 0x8000) - 0x8000); }
INLINE vi madd(vs a, vs b) { return low((vi)a) * low((vi)b) + ((vi)a >> 16) * ((vi)b >> 16); }
/* The zips take a vector as pairs of columns, an even one and an odd one: the order is the same, apart or not. */
INLINE vs narrow(vi a, vi b) { return (vs)((saturate(a) & 0xffff) | saturate(b) << 16); }
INLINE vs zip_low(vs a, vs b) { return (vs)(((vi)a & 0xffff) | (vi)b << 16); }
INLINE vs zip_high(vs a, vs b) { return (vs)((((vi)a >> 16) & 0xffff) | ((vi)b & ~0xffff)); }
INLINE vs halves(vs low, vs high) { return (vs)(((vi)low & 0xffff) | ((vi)high & ~0xffff)); }
INLINE vs apart(vs v) { return v; }
INLINE vs in_order(vs v) { return v; }
INLINE vs leak(vs v) {
    const vs eighth = v >> 3, above = v > eighth;
    return (v & above) | (eighth & ~above);
}
#endif

/* Sums, from the beginning to the end.  NEON multiplies and adds at once, but not in pairs: there, the products of the low and the
 * high half of a vector are summed apart, and neighbours only in the end. */
#if defined(INLAID_NEON)
typedef struct {
    int32x4_t low, high;
} sums;
INLINE sums begin(int32_t v) {
    const int32x4_t pairs = (int32x4_t)vdupq_n_u64((uint32_t)v); /* v and 0 */
    return (sums){pairs, pairs};
}
INLINE sums add_products(sums s, vs a, vs b) {
    s.low = vmlal_s16(s.low, vget_low_s16((int16x8_t)a), vget_low_s16((int16x8_t)b));
    s.high = vmlal_high_s16(s.high, (int16x8_t)a, (int16x8_t)b);
    return s;
}
INLINE vi total(sums s) { return (vi)vpaddq_s32(s.low, s.high); }
#else
typedef vi sums;
INLINE sums begin(int32_t v) { return splat(v); }
INLINE sums add_products(sums s, vs a, vs b) {
#if defined(__AVX512VNNI__)
    s = (vi)_mm512_dpwssd_epi32((__m512i)s, (__m512i)a, (__m512i)b); /* both at once, and without saturation */
#else
    s += madd(a, b);
#endif
    HELD(s);
    return s;
}
INLINE vi total(sums s) { return s; }
#endif

/* Two int16 as the halves of an int32. */
INLINE int32_t pair(int low_half, int high_half) { return (int32_t)((uint32_t)(low_half & 0xffff) | (uint32_t)high_half << 16); }

/* Pairs of `count` numbers, `step` from one to the next; the last has no partner where they are odd. */
static int32_t *put_pairs(int32_t *to, const int16_t *from, int count, int step) {
    for (int i = 0; i < count; i += 2) *to++ = pair(from[i * step], i + 1 < count ? from[(i + 1) * step] : 0);
    return to;
}

#endif
