/* The operations on vectors that the kernels are written in.
 *
 * Each path has a file in vectors/, which the sources include as VECTORS.  It first defines
 *
 *   LANES       32-bit numbers in a vector
 *   REGISTERS   vector registers that the processor has
 *   HELD(v)     keeps v in a register (empty where the compiler does so by itself)
 *
 * Then it includes this file.  Then it defines the operations in the table.
 *
 * The drawings show vectors of 128 bits: int16 a0 .. a7, int32 s0 .. s3.  A wider vector does the same in each of its 128-bit parts.
 *
 *   narrow(s, t)            s0 s1 s2 s3 t0 t1 t2 t3    int32 to int16, each saturated to -32768 .. 32767
 *   zip_low(a, b)           a0 b0 a1 b1 a2 b2 a3 b3
 *   zip_high(a, b)          a4 b4 a5 b5 a6 b6 a7 b7
 *   apart(a)                a0 a2 a4 a6 a1 a3 a5 a7
 *   in_order(a)             a0 a4 a1 a5 a2 a6 a3 a7    undoes apart
 *   halves(a, b)            a0 b1 a2 b3 a4 b5 a6 b7
 *   leak(a)                 max(a, a >> 3) in each: the leaky ReLU
 *
 * The last four: a path defines them itself (neon.h), or it defines add_madd and includes pairs.h, which makes the four of it.
 *
 *   sums                    a type: LANES sums of int32
 *   begin(n)                n in each sum
 *   add_products(x, a, b)   x0 + a0 b0 + a1 b1, x1 + a2 b2 + a3 b3, ...    exact while the sum fits int32
 *   total(x)                the sums as a vector of int32
 *
 * How the kernels use them.  A 32-bit lane holds a pair: two taps of a row, or two channels at a column.
 *
 *   columns in order                          c0 c1 c2 c3 c4 c5 c6 c7
 *   sums of the even columns, of the odd      s0 s2 s4 s6, s1 s3 s5 s7
 *   narrow of both: columns apart             c0 c2 c4 c6 c1 c3 c5 c7
 *   zip_low, zip_high of two channels apart   pairs at the even columns, pairs at the odd columns
 *   zip_low, zip_high of two taps in order    pairs at columns 0 to 3, pairs at columns 4 to 7; narrow of their sums is in order
 */
#ifndef INLAID_VECTORS_H
#define INLAID_VECTORS_H

#include "kernel.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "expected a little-endian machine, where the first of a pair is the low half of an int32"
#endif

/* Aligned as one number, since the kernels load from any column. */
typedef float floats __attribute__((vector_size(LANES * 4), aligned(4)));
typedef int16_t shorts __attribute__((vector_size(LANES * 4), aligned(2)));
typedef int32_t ints __attribute__((vector_size(LANES * 4)));

INLINE ints splat(int32_t v) { return (ints){0} + v; }

#endif
