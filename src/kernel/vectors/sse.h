/* SSE2: every x86-64 processor. */
#include <emmintrin.h>

#define LANES 4
#define REGISTERS 16
#define HELD(v) __asm__("" : "+x"(v))
#include "../vectors.h"

INLINE shorts narrow(ints s, ints t) { return (shorts)_mm_packs_epi32((__m128i)s, (__m128i)t); }
INLINE shorts zip_low(shorts a, shorts b) { return (shorts)_mm_unpacklo_epi16((__m128i)a, (__m128i)b); }
INLINE shorts zip_high(shorts a, shorts b) { return (shorts)_mm_unpackhi_epi16((__m128i)a, (__m128i)b); }
INLINE shorts apart(shorts a) {
    const __m128i quarters = _mm_shufflehi_epi16(_mm_shufflelo_epi16((__m128i)a, 0xd8), 0xd8); /* a0 a2 a1 a3 a4 a6 a5 a7 */
    return (shorts)_mm_shuffle_epi32(quarters, 0xd8);
}
INLINE shorts in_order(shorts a) { return (shorts)_mm_unpacklo_epi16((__m128i)a, _mm_unpackhi_epi64((__m128i)a, (__m128i)a)); }
INLINE shorts halves(shorts a, shorts b) {
    const __m128i first = _mm_set1_epi32(0xffff);
    return (shorts)_mm_or_si128(_mm_and_si128(first, (__m128i)a), _mm_andnot_si128(first, (__m128i)b));
}
INLINE shorts leak(shorts a) { return (shorts)_mm_max_epi16((__m128i)a, _mm_srai_epi16((__m128i)a, 3)); }
INLINE ints add_madd(ints s, shorts a, shorts b) { return s + (ints)_mm_madd_epi16((__m128i)a, (__m128i)b); }
#include "../pairs.h"
