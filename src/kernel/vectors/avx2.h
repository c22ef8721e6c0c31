/* AVX2. */
#include <immintrin.h>

#define LANES 8
#define REGISTERS 16
#define HELD(v) __asm__("" : "+x"(v))
#include "../vectors.h"

INLINE __m256i shuffled(shorts a, __m128i order) { return _mm256_shuffle_epi8((__m256i)a, _mm256_broadcastsi128_si256(order)); }

INLINE shorts narrow(ints s, ints t) { return (shorts)_mm256_packs_epi32((__m256i)s, (__m256i)t); }
INLINE shorts zip_low(shorts a, shorts b) { return (shorts)_mm256_unpacklo_epi16((__m256i)a, (__m256i)b); }
INLINE shorts zip_high(shorts a, shorts b) { return (shorts)_mm256_unpackhi_epi16((__m256i)a, (__m256i)b); }
INLINE shorts apart(shorts a) { return (shorts)shuffled(a, _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15)); }
INLINE shorts in_order(shorts a) { return (shorts)shuffled(a, _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15)); }
INLINE shorts halves(shorts a, shorts b) { return (shorts)_mm256_blend_epi16((__m256i)a, (__m256i)b, 0xaa); }
INLINE shorts leak(shorts a) { return (shorts)_mm256_max_epi16((__m256i)a, _mm256_srai_epi16((__m256i)a, 3)); }
INLINE ints add_madd(ints s, shorts a, shorts b) { return s + (ints)_mm256_madd_epi16((__m256i)a, (__m256i)b); }
#include "../pairs.h"
