/* AVX-512 in plain C, for the tests: SIMDe in the place of the compiler's own header. */
#define SIMDE_NO_NATIVE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#undef _mm512_madd_epi16 /* SIMDe 0.7 has this alias wrong */
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
