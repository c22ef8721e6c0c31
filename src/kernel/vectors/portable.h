/* Plain C with the vectors of gcc and clang: for any processor. */
#define LANES 4
#define REGISTERS 16
#define HELD(v)
#include "../vectors.h"

typedef uint32_t uints __attribute__((vector_size(LANES * 4)));

INLINE ints choose(ints mask, ints yes, ints no) { return (yes & mask) | (no & ~mask); }
INLINE ints saturate(ints v) {
    v = choose(v < -32768, splat(-32768), v);
    return choose(v > 32767, splat(32767), v);
}
INLINE ints low_half(ints v) { return (ints)((uints)v << 16) >> 16; }

INLINE shorts zip_low(shorts a, shorts b) { return (shorts){a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]}; }
INLINE shorts zip_high(shorts a, shorts b) { return (shorts){a[4], b[4], a[5], b[5], a[6], b[6], a[7], b[7]}; }
/* These are made of zips, for which compilers have instructions. */
INLINE shorts narrow(ints s, ints t) {
    const shorts a = (shorts)saturate(s), b = (shorts)saturate(t);       /* s0 .  s1 .  s2 .  s3 . , the same of t */
    const shorts low = zip_low(a, b), high = zip_high(a, b);             /* s0 t0 .  .  s1 t1 .  . , s2 t2 .  .  s3 t3 .  . */
    return zip_low(zip_low(low, high), zip_high(low, high));             /* zips of s0 s2 t0 t2 .  .  .  . , s1 s3 t1 t3 .  .  .  . */
}
INLINE shorts in_order(shorts a) { return zip_low(a, (shorts){a[4], a[5], a[6], a[7], a[0], a[1], a[2], a[3]}); }
INLINE shorts apart(shorts a) { return in_order(in_order(a)); } /* a0 a4 a1 a5 a2 a6 a3 a7, then a0 a2 a4 a6 a1 a3 a5 a7 */
INLINE shorts halves(shorts a, shorts b) { return (shorts)choose(splat(0xffff), (ints)a, (ints)b); }
INLINE shorts leak(shorts a) {
    const shorts eighth = a >> 3, above = a > eighth;
    return (a & above) | (eighth & ~above);
}
INLINE ints add_madd(ints s, shorts a, shorts b) { return s + low_half((ints)a) * low_half((ints)b) + ((ints)a >> 16) * ((ints)b >> 16); }
#include "../pairs.h"
