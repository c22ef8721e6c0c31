/* What all sources share: names of paths, the network's description, and the shapes of network that are compiled apart.
 *
 * Every source is compiled once a path, with SUFFIX (the path's name) and VECTORS (its file in vectors/) set by the build.
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

/* Before a loop with few turns whose number is known: it is written out, and tests of its index are decided by the compiler.  By itself gcc
 * leaves loops of more than a few dozen instructions as they are. */
#if defined(__clang__)
#define UNROLLED _Pragma("unroll 16")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

enum { MAX_CHANNELS = 32, MAX_LAYERS = 8, MAX_INPUTS = 3, MAX_KERNEL = 5, MAX_RADIUS = 16, MAX_TAPS = MAX_KERNEL * MAX_KERNEL };

/* Mirrors network.Network; Python has checked the ranges. */
typedef struct {
    int32_t channels, layers, kernel, inputs;
    int32_t dilation[MAX_LAYERS];
} network;

/* What the code of a layer depends on.  In an inlined function a shape of constants unrolls the loops over channels and taps. */
typedef struct {
    int channels, kernel, inputs;
} shape;

/* The shapes that both kernels are compiled for, the most special first.  0 stands for any number. */
#define SHAPES(SHAPE)                                  \
    /*    name              channels  kernel  inputs */ \
    SHAPE(six_channels,            6,      3,      1)  \
    SHAPE(sixteen_channels,       16,      3,      1)  \
    SHAPE(kernel_of_3,             0,      3,      1)  \
    SHAPE(any,                     0,      0,      0)

INLINE int matches(shape known, const network *net) {
    return (!known.channels || known.channels == net->channels) && (!known.kernel || known.kernel == net->kernel) &&
           (!known.inputs || known.inputs == net->inputs);
}

/* The network's shape: `known`, with the network's numbers in place of zeros. */
INLINE shape completed(shape known, const network *net) {
    return (shape){known.channels ? known.channels : net->channels, known.kernel ? known.kernel : net->kernel,
                   known.inputs ? known.inputs : net->inputs};
}

enum { GROUP = 6, HALF_GROUP = 4 }; /* channels whose sums are kept in registers together */

/* Runs a statement for groups that cover `channels` channels; `first` is the first channel of a group and `count`, a constant in each copy of
 * the statement, the number of its channels: groups of GROUP where they divide the channels, else of HALF_GROUP, 2 and 1. */
#define FOR_GROUPS(channels, first, count, ...)                                         \
    do {                                                                                \
        int first = 0;                                                                  \
        if ((channels) % GROUP == 0) FOR_GROUPS_OF(GROUP, channels, first, count, __VA_ARGS__); \
        FOR_GROUPS_OF(HALF_GROUP, channels, first, count, __VA_ARGS__);                 \
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
