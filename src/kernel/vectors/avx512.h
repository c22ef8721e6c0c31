/* AVX-512, and VNNI where the compiler may use it. */
#include <immintrin.h>

#define LANES 16
#define REGISTERS 32
#if defined(__AVX512F__)
#define HELD(v) __asm__("" : "+v"(v))
#else /* test_avx512.py compiles this with SIMDe, which has no AVX-512 registers */
#define HELD(v)
#endif
#include "../vectors.h"

INLINE __m512i shuffled(shorts a, __m128i order) { return _mm512_shuffle_epi8((__m512i)a, _mm512_broadcast_i32x4(order)); }

INLINE shorts narrow(ints s, ints t) { return (shorts)_mm512_packs_epi32((__m512i)s, (__m512i)t); }
INLINE shorts zip_low(shorts a, shorts b) { return (shorts)_mm512_unpacklo_epi16((__m512i)a, (__m512i)b); }
INLINE shorts zip_high(shorts a, shorts b) { return (shorts)_mm512_unpackhi_epi16((__m512i)a, (__m512i)b); }
INLINE shorts apart(shorts a) { return (shorts)shuffled(a, _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15)); }
INLINE shorts in_order(shorts a) { return (shorts)shuffled(a, _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15)); }
INLINE shorts halves(shorts a, shorts b) { return (shorts)_mm512_mask_blend_epi16(0xaaaaaaaa, (__m512i)a, (__m512i)b); }
INLINE shorts leak(shorts a) { return (shorts)_mm512_max_epi16((__m512i)a, _mm512_srai_epi16((__m512i)a, 3)); }

#if defined(__AVX512VNNI__)
INLINE ints add_madd(ints s, shorts a, shorts b) { return (ints)_mm512_dpwssd_epi32((__m512i)s, (__m512i)a, (__m512i)b); }
#else
INLINE ints add_madd(ints s, shorts a, shorts b) { return s + (ints)_mm512_madd_epi16((__m512i)a, (__m512i)b); }
#endif
#include "../pairs.h"
