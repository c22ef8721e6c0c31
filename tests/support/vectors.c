/* Compares a path's operations with scalar C, lane by lane as src/kernel/vectors.h draws them.  Prints the operation that differs and
 * returns 1. */
#include <stdio.h>
#include <stdlib.h>

#include "integer_layers.h"

enum { PART = 8, ROUNDS = 20000 }; /* PART: int16 in 128 bits; the drawings repeat in each part */

static const int16_t edges16[] = {-32768, -32767, -4097, -256, -9, -8, -7, -1, 0, 1, 7, 8, 9, 255, 4096, 32766, 32767};
static const int32_t edges32[] = {INT32_MIN, INT32_MIN + 1, -(1 << 28), -32769, -32768, -32767, -4096, -4095, -1, 0, 1, 4095, 4096, 32766,
                                  32767,     32768,         1 << 28,    INT32_MAX - 1, INT32_MAX};

static uint32_t random32(void) {
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

/* An edge or any number, at random. */
static int16_t number16(void) {
    return random32() % 2 ? edges16[random32() % (sizeof edges16 / sizeof *edges16)] : (int16_t)(random32() & 0xffff);
}
static int32_t number32(void) { return random32() % 2 ? edges32[random32() % (sizeof edges32 / sizeof *edges32)] : (int32_t)random32(); }

static int64_t clamped(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }
static int16_t saturated(int64_t v) { return (int16_t)clamped(v, -32768, 32767); }
static int64_t floor_of(int64_t v, int64_t unit) { return v / unit - (v % unit < 0); }

static void same(const char *operation, const void *found, const void *expected, size_t bytes) {
    if (!memcmp(found, expected, bytes)) return;
    printf("%s differs\n", operation);
    exit(1);
}

static void same_shorts(const char *operation, shorts found, const int16_t *expected) { same(operation, &found, expected, sizeof found); }

/* Expects in lane i of each part lane order[i] of a, or lane order[i] - 8 of b. */
static void same_order(const char *operation, shorts found, const int16_t *a, const int16_t *b, const int *order) {
    int16_t expected[2 * LANES];
    for (int i = 0; i < 2 * LANES; i++) {
        const int part = i / PART * PART, from = order[i % PART];
        expected[i] = from < PART ? a[part + from] : b[part + from - PART];
    }
    same_shorts(operation, found, expected);
}

static void check_orders(const int16_t *a, const int16_t *b) {
    const shorts x = load(a), y = load(b);
    same_order("zip_low", zip_low(x, y), a, b, (int[]){0, 8, 1, 9, 2, 10, 3, 11});
    same_order("zip_high", zip_high(x, y), a, b, (int[]){4, 12, 5, 13, 6, 14, 7, 15});
    same_order("apart", apart(x), a, b, (int[]){0, 2, 4, 6, 1, 3, 5, 7});
    same_order("in_order", in_order(x), a, b, (int[]){0, 4, 1, 5, 2, 6, 3, 7});
    same_order("halves", halves(x, y), a, b, (int[]){0, 9, 2, 11, 4, 13, 6, 15});
}

static void check_narrow(const int32_t *s, const int32_t *t) {
    int16_t expected[2 * LANES];
    ints x, y;
    memcpy(&x, s, sizeof x), memcpy(&y, t, sizeof y);
    for (int i = 0; i < 2 * LANES; i++) expected[i] = saturated((i % PART < 4 ? s : t)[i / PART * 4 + i % 4]);
    same_shorts("narrow", narrow(x, y), expected);
    int32_t shifted[LANES];
    for (int i = 0; i < LANES; i++) shifted[i] = (int32_t)floor_of(s[i], 1 << WEIGHT_BITS);
    x >>= WEIGHT_BITS;
    same("a shift of int32", &x, shifted, sizeof x);
}

/* Adds up to three products to `from`; leaves out those with which a sum would not fit int32. */
static void check_sums(int32_t from) {
    int16_t a[3][2 * LANES], b[3][2 * LANES], rounded[2 * LANES];
    int32_t expected[LANES];
    sums s = begin(from);
    for (int i = 0; i < LANES; i++) expected[i] = from;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 2 * LANES; i++) a[k][i] = number16(), b[k][i] = number16();
        for (int i = 0; i < LANES; i++) {
            const int64_t pair = (int64_t)a[k][2 * i] * b[k][2 * i] + (int64_t)a[k][2 * i + 1] * b[k][2 * i + 1], sum = expected[i] + pair;
            if (sum != (int32_t)sum || pair != (int32_t)pair) a[k][2 * i] = a[k][2 * i + 1] = 0;
            else expected[i] = (int32_t)sum;
        }
        s = add_products(s, load(a[k]), load(b[k]));
    }
    const ints found = total(s);
    same("add_products", &found, expected, sizeof found);
    for (int i = 0; i < 2 * LANES; i++) rounded[i] = saturated(floor_of(expected[i / PART * 4 + i % 4], 1 << WEIGHT_BITS));
    same_shorts("scaled", scaled(s, s), rounded);
}

static void check_leak(void) {
    for (int v = -32768; v < 32768; v += 2 * LANES) {
        int16_t in[2 * LANES], expected[2 * LANES];
        for (int i = 0; i < 2 * LANES; i++) in[i] = (int16_t)(v + i), expected[i] = (int16_t)(in[i] < 0 ? floor_of(in[i], 8) : in[i]);
        same_shorts("leak", leak(load(in)), expected);
    }
}

int main(void) {
    check_leak();
    for (int round = 0; round < ROUNDS; round++) {
        int16_t a[2 * LANES], b[2 * LANES];
        int32_t s[LANES], t[LANES];
        for (int i = 0; i < 2 * LANES; i++) a[i] = number16(), b[i] = number16();
        for (int i = 0; i < LANES; i++) s[i] = number32(), t[i] = number32();
        check_orders(a, b);
        check_narrow(s, t);
        check_sums(number32());
    }
    printf("the operations of %d lanes agree\n", LANES);
    return 0;
}
