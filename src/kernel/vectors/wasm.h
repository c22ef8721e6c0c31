/* WebAssembly with SIMD of 128 bits. */
#include <wasm_simd128.h>

#define LANES 4
#define REGISTERS 16
#define HELD(v)
#include "../vectors.h"

INLINE shorts narrow(ints s, ints t) { return (shorts)wasm_i16x8_narrow_i32x4((v128_t)s, (v128_t)t); }
INLINE shorts zip_low(shorts a, shorts b) { return (shorts)wasm_i16x8_shuffle((v128_t)a, (v128_t)b, 0, 8, 1, 9, 2, 10, 3, 11); }
INLINE shorts zip_high(shorts a, shorts b) { return (shorts)wasm_i16x8_shuffle((v128_t)a, (v128_t)b, 4, 12, 5, 13, 6, 14, 7, 15); }
INLINE shorts apart(shorts a) { return (shorts)wasm_i16x8_shuffle((v128_t)a, (v128_t)a, 0, 2, 4, 6, 1, 3, 5, 7); }
INLINE shorts in_order(shorts a) { return (shorts)wasm_i16x8_shuffle((v128_t)a, (v128_t)a, 0, 4, 1, 5, 2, 6, 3, 7); }
INLINE shorts halves(shorts a, shorts b) { return (shorts)wasm_i16x8_shuffle((v128_t)a, (v128_t)b, 0, 9, 2, 11, 4, 13, 6, 15); }
INLINE shorts leak(shorts a) { return (shorts)wasm_i16x8_max((v128_t)a, wasm_i16x8_shr((v128_t)a, 3)); }
INLINE ints add_madd(ints s, shorts a, shorts b) { return s + (ints)wasm_i32x4_dot_i16x8((v128_t)a, (v128_t)b); }
#include "../pairs.h"
