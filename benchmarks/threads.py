"""The speed-up by more threads, and the time of restoring a pixel in small and large pictures.

Measured are restoring, the fitting gradient over a whole picture cut in tiles, and the gradient over patches as a step of `fit` draws
them. Runs with one thread and with all threads alternate, and the times are medians. The speed-up is the median of the speed-ups of the
pairs of runs, since a processor's speed varies. At 768x512 a step of the default network takes the whole picture, so the patches there
are the large network's. First it is verified that both give the same result: the same restored bytes, and gradients within rounding.

The first lines show the speed-up that the machine itself allows: that of loops that use registers alone (`peak`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import numpy as np
from common import FEW, HEIGHT, MEGAPIXELS_12, WIDTH, Column, Line, alternating, at_least, jpeg_of, prior_for, synthetic, verify
from numpy.typing import NDArray
from peak import Spin, compiler

from inlaid import native
from inlaid.arrays import Pixels
from inlaid.encoding import gradient as float_kernel
from inlaid.encoding import presets, rectangles
from inlaid.parameters import UNIT, Prior

COLUMNS = (
    Column("one_ms", "1 thread, ms", ".2f"),
    Column("all_ms", "all, ms", ".2f"),
    Column("speedup", "speed-up", ".2f"),
    Column("one_ns_a_pixel", "1 thread, ns a pixel", ".1f"),
    Column("all_ns_a_pixel", "all, ns a pixel", ".1f"),
)
# Rows, columns.  A speed-up is required at the first two.
SIZES_PX = ((HEIGHT, WIDTH), MEGAPIXELS_12, (256, 400), (512, 784), (1024, 1568), (2000, 3000), (5000, 5000), (10000, 10000))
Work = Callable[..., object]  # takes the keyword `threads`


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """Yield a line for each kind of work and size of at most `arguments.largest` megapixels."""
    required = at_least(speedup=1.8) if arguments.threads == 2 else {}
    if compiler():
        yield from _peaks(arguments)
    tile = synthetic()
    tile_base = jpeg_of(tile, 20)[1]
    small, large = (prior_for(network, tile_base, tile) for network in (presets.SMALL, presets.LARGE))
    for shape in SIZES_PX:
        height, width = shape
        if height * width > 1e6 * arguments.largest:
            continue
        original = synthetic(height, width)
        base = jpeg_of(original, 20)[1]
        size, asked = f"{width}x{height}", shape in SIZES_PX[:2]
        work = {f"restore {size}": (base.size, _restoring(small, base))}
        if asked:
            whole = rectangles.tiles(shape, *rectangles.WHOLE)
            work[f"gradient, whole {size}"] = (base.size, _gradient(small, base, original, whole))
            prior = small if base.size > presets.FOLLOWED.batch_px else large
            schedule = presets.PRESETS["default"].at(5, prior.network)
            patches = rectangles.random_patches(np.random.default_rng(0), shape, schedule.batch_px, schedule.patch)
            name = f"gradient, {prior.network.weights} weights, {len(patches)} patches of {size}"
            work[name] = (rectangles.area(patches), _gradient(prior, base, original, patches))
        for what, (pixels, run) in work.items():
            _verify(what, run(threads=1), run(threads=arguments.threads))
            repeats = min(arguments.repeats, FEW) if pixels > 13e6 else arguments.repeats
            taken = alternating(repeats, {"one": partial(run, threads=1), "all": partial(run, threads=arguments.threads)})
            one, every = ([1000 * s.clock for s in taken[name]] for name in ("one", "all"))
            a_pixel = {"one_ns_a_pixel": 1e6 * median(one) / pixels, "all_ns_a_pixel": 1e6 * median(every) / pixels}
            line = {"what": what, "pixels": pixels, "repeats": repeats, "required": required if asked else {}}
            yield line | _compared(one, every) | a_pixel


def _peaks(arguments: argparse.Namespace) -> Iterator[Line]:
    for kind, what in (("int16_macs", "10^9 int16 multiply-accumulates"), ("float_flops", "10^9 float operations")):
        one, every = (Spin(kind, threads) for threads in (1, arguments.threads))
        for _ in range(arguments.repeats):
            one()
            every()
        ms = ([1000 / rate for rate in spin.rates] for spin in (one, every))
        yield {"what": f"peak, {what}", "repeats": arguments.repeats} | _compared(*ms)


def _compared(one: list[float], every: list[float]) -> Line:
    """The fields of a line from the times (ms) of alternating runs with one thread and with all."""
    speedup = median(a / b for a, b in zip(one, every, strict=True))
    return {"one_ms": median(one), "all_ms": median(every), "speedup": speedup}


def _restoring(prior: Prior, base: Pixels) -> Work:
    return partial(native.restore, prior.network, prior.values.astype(np.int16), base)


def _gradient(prior: Prior, base: Pixels, original: Pixels, rectangles: NDArray[np.int32]) -> Work:
    values = (prior.values / UNIT).astype(np.float32)
    return partial(float_kernel.gradient, prior.network, values, rectangles, base=base, target=original)


def _verify(what: str, one: object, every: object) -> None:
    if isinstance(one, tuple) and isinstance(every, tuple):
        error = np.linalg.norm(one[1] - every[1]) / np.linalg.norm(one[1])
        verify(error < 1e-4, f"{what}: the gradients differ by {error:.1e}")
    else:
        verify(np.array_equal(one, every), f"{what}: the threads restore something else")
