/* The sums of vectors.h in terms of add_madd.  A path includes this after its definition of
 *
 *   add_madd(s, a, b)   s0 + a0 b0 + a1 b1, s1 + a2 b2 + a3 b3, ...
 */
typedef ints sums;
INLINE sums begin(int32_t v) { return splat(v); }
INLINE sums add_products(sums s, shorts a, shorts b) {
    s = add_madd(s, a, b);
    HELD(s);
    return s;
}
INLINE ints total(sums s) { return s; }
