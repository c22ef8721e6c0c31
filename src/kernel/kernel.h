/* What all sources share: exported names, the network's description, and the shapes of network that have compiled code of their own.
 *
 * The build compiles a source once for each path, with SUFFIX (the path's name) and VECTORS (the path's file in vectors/).
 */
#ifndef INLAID_KERNEL_H
#define INLAID_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(stem) JOIN(stem, SUFFIX)

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#define INLINE static inline __attribute__((always_inline))

/* INLAID_SMALL: code that compiles quickly and runs slowly, for tests of what the kernels compute. */

/* Fully unrolls a short loop of constant length, so that tests of its index cost nothing.  By itself gcc unrolls only loops of a few dozen
 * instructions. */
#if defined(INLAID_SMALL)
#define UNROLLED
#elif defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

/* The limits of network.py. */
enum { MAX_LAYERS = 8, MAX_INPUTS = 3, MAX_KERNEL = 5, MAX_DILATION = 8 };
enum { MAX_TAPS = MAX_KERNEL * MAX_KERNEL, MAX_RADIUS = MAX_KERNEL / 2 * MAX_DILATION };

/* Mirrors network.Network, which has checked the limits.  `layers` counts the separable layers, as FORMAT.md does.
 *
 * The kernels number all layers: 0 is the base, 1 the first layer, 2 to layers + 1 the separable layers, layers + 2 the last layer. */
typedef struct {
    int32_t channels, layers, kernel, inputs;
    int32_t dilation[MAX_LAYERS]; /* of the separable layers: layer 2, layer 3 ... */
} network;

static inline int last_layer(const network *net) { return net->layers + 2; }
static inline int is_separable(const network *net, int l) { return l >= 2 && l < last_layer(net); }
static inline int dilation_of(const network *net, int l) { return is_separable(net, l) ? net->dilation[l - 2] : 1; }

/* What the code of a layer depends on.  Where an inlined function is given constants, its loops over channels and taps are unrolled. */
typedef struct {
    int channels, kernel, inputs;
} shape;

/* The shapes that both kernels are compiled for.  A network uses the first that matches.  0 stands for any number. */
#if defined(INLAID_SMALL)
#define SHAPES(SHAPE) SHAPE(any, 0, 0, 0)
#elif defined(INLAID_BROWSER) /* code that is downloaded, so there is little of it: for the shapes that priors have, and any other */
#define SHAPES(SHAPE) SHAPE(six_channels, 6, 3, 1) SHAPE(sixteen_channels, 16, 3, 1) SHAPE(any, 0, 0, 0)
#else
#define SHAPES(SHAPE)                                   \
    /*    name              channels  kernel  inputs */ \
    SHAPE(six_channels,            6,      3,      1)   \
    SHAPE(sixteen_channels,       16,      3,      1)   \
    SHAPE(kernel_of_3,             0,      3,      1)   \
    SHAPE(any,                     0,      0,      0)
#endif

INLINE int matches(shape known, const network *net) {
    return (!known.channels || known.channels == net->channels) && (!known.kernel || known.kernel == net->kernel) &&
           (!known.inputs || known.inputs == net->inputs);
}

/* Where in SHAPES the network's shape is. */
static inline int shape_index(const network *net) {
#define NUMBERS(name, channels, kernel, inputs) {channels, kernel, inputs},
    static const shape shapes[] = {SHAPES(NUMBERS)};
#undef NUMBERS
    int i = 0;
    while (!matches(shapes[i], net)) i++;
    return i;
}

/* `known`, with the network's numbers in place of zeros. */
INLINE shape completed(shape known, const network *net) {
    return (shape){known.channels ? known.channels : net->channels, known.kernel ? known.kernel : net->kernel,
                   known.inputs ? known.inputs : net->inputs};
}

enum { GROUP = 6, HALF_GROUP = 4 }; /* channels whose sums are kept in registers together */

/* 0 where the larger groups are left out: in a browser, for shapes without code of their own. */
#if defined(INLAID_BROWSER)
#define LARGER_GROUPS(channels) __builtin_constant_p(channels)
#else
#define LARGER_GROUPS(channels) 1
#endif

/* Runs a statement for each group of channels.  Groups have GROUP channels if GROUP divides the number of channels.  Otherwise they have
 * HALF_GROUP, and the rest 2 and 1.  `first` names a group's first channel, `count` how many it has: a constant for the compiler. */
#define FOR_GROUPS(channels, first, count, ...)                                         \
    do {                                                                                \
        int first = 0;                                                                  \
        if (LARGER_GROUPS(channels)) {                                                  \
            if ((channels) % GROUP == 0) FOR_GROUPS_OF(GROUP, channels, first, count, __VA_ARGS__); \
            FOR_GROUPS_OF(HALF_GROUP, channels, first, count, __VA_ARGS__);             \
        }                                                                               \
        FOR_GROUPS_OF(2, channels, first, count, __VA_ARGS__);                          \
        FOR_GROUPS_OF(1, channels, first, count, __VA_ARGS__);                          \
    } while (0)
#define FOR_GROUPS_OF(size, channels, first, count, ...)                 \
    do {                                                                 \
        enum { count = size };                                           \
        for (; first + count <= (channels); first += count) __VA_ARGS__; \
    } while (0)

static inline int clamp_int(int v, int low, int high) { return v < low ? low : v > high ? high : v; }

#endif
