"""What more threads bring, and what restoring costs a pixel from small pictures to large ones.

Restoration, and the fitting gradient over a whole picture cut in tiles and over patches as a step of `fit` draws them; medians of runs in
turns, one thread and all. The speed-up is the median of those of the turns, for a processor is not as quick at all times. At 768x512
the default network's step looks at the whole picture, so the patches there are the large network's. First it is verified that both give
the same: the same bytes restored, gradients within rounding.

What the machine itself gives to more threads, the first lines tell: loops that touch registers alone (`peak`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import numpy as np
from common import FEW, HEIGHT, MEGAPIXELS_12, WIDTH, Column, Line, at_least, jpeg_of, made_up, prior_for, turns, verify
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
# Rows and columns; the speed-up at the first two is required.
SIZES_PX = ((HEIGHT, WIDTH), MEGAPIXELS_12, (256, 400), (512, 784), (1024, 1568), (2000, 3000), (5000, 5000), (10000, 10000))
Work = Callable[..., object]  # takes `threads`


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """A line for each piece of work; `arguments.largest` megapixels at most."""
    required = at_least(speedup=1.8) if arguments.threads == 2 else {}
    if compiler():
        yield from _peaks(arguments)
    tile = made_up()
    tile_base = jpeg_of(tile, 20)[1]
    small, large = (prior_for(network, tile_base, tile) for network in (presets.SMALL, presets.LARGE))
    for shape in SIZES_PX:
        height, width = shape
        if height * width > 1e6 * arguments.largest:
            continue
        original = made_up(height, width)
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
            taken = turns(repeats, {"one": partial(run, threads=1), "all": partial(run, threads=arguments.threads)})
            one, every = ([1000 * s.clock for s in taken[name]] for name in ("one", "all"))
            yield {
                "what": what, "pixels": pixels, "repeats": repeats, **_compared(one, every),
                "one_ns_a_pixel": 1e6 * median(one) / pixels, "all_ns_a_pixel": 1e6 * median(every) / pixels,
                "required": required if asked else {},
            }  # fmt: skip


def _peaks(arguments: argparse.Namespace) -> Iterator[Line]:
    for kind, what in (("int16_macs", "10^9 int16 multiply-accumulates"), ("float_flops", "10^9 float operations")):
        one, every = (Spin(kind, threads) for threads in (1, arguments.threads))
        for _ in range(arguments.repeats):
            one()
            every()
        ms = ([1000 / rate for rate in spin.rates] for spin in (one, every))
        yield {"what": f"peak, {what}", "repeats": arguments.repeats} | _compared(*ms)


def _compared(one: list[float], every: list[float]) -> Line:
    """The milliseconds of turns, with one thread and with all."""
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
