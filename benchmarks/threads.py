"""What more threads bring, and what restoring costs a pixel from small pictures to large ones.

Restoration, and the fitting gradient over a whole picture cut in tiles and over patches as a step of `fit` draws them; the least of runs
in turns, one thread and all. At 768x512 the default network's step looks at the whole picture, so the patches there are the large
network's. First it is verified that both give the same: the same bytes restored, gradients within rounding.

What the machine itself gives more threads, the first lines tell: loops that touch registers alone (`peak`), a fixed work shared by all.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from common import FEW, HEIGHT, MEGAPIXELS_12, WIDTH, Column, Line, at_least, best_prior, jpeg_of, least_ms, made_up, verify
from numpy.typing import NDArray
from peak import Spin, compiler

from inlay import fit, kernel, presets
from inlay.kernel import Pixels
from inlay.parameters import UNIT, Prior

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
    file, tile_base = jpeg_of(tile, 20)
    small, large = (best_prior(network, file, tile_base, tile) for network in (presets.SMALL, presets.LARGE))
    for shape in SIZES_PX:
        height, width = shape
        if height * width > 1e6 * arguments.largest:
            continue
        original = made_up(height, width)
        base = jpeg_of(original, 20)[1]
        size, asked = f"{width}x{height}", shape in SIZES_PX[:2]
        work = {f"restore {size}": (base.size, _restoring(small, base))}
        if asked:
            whole = kernel.tiles(shape, *fit.WHOLE)
            work[f"gradient, whole {size}"] = (base.size, _gradient(small, base, original, whole))
            prior = small if base.size > presets.FOLLOWED.batch_px else large
            schedule = presets.PRESETS["default"].at(5, prior.network)
            patches = fit.random_patches(np.random.default_rng(0), shape, schedule)
            name = f"gradient, {prior.network.weights} weights, {len(patches)} patches of {size}"
            work[name] = (fit.area(patches), _gradient(prior, base, original, patches))
        for what, (pixels, run) in work.items():
            _verify(what, run(threads=1), run(threads=arguments.threads))
            repeats = min(arguments.repeats, FEW) if pixels > 13e6 else arguments.repeats
            ms = least_ms(repeats, {"one": partial(run, threads=1), "all": partial(run, threads=arguments.threads)})
            yield {
                "what": what, "pixels": pixels, "repeats": repeats, "one_ms": ms["one"], "all_ms": ms["all"],
                "speedup": ms["one"] / ms["all"], "one_ns_a_pixel": 1e6 * ms["one"] / pixels, "all_ns_a_pixel": 1e6 * ms["all"] / pixels,
                "required": required if asked else {},
            }  # fmt: skip


def _peaks(arguments: argparse.Namespace) -> Iterator[Line]:
    for kind, what in (("int16_macs", "10^9 int16 multiply-accumulates"), ("float_flops", "10^9 float operations")):
        one, every = (Spin(kind, threads) for threads in (1, arguments.threads))
        for _ in range(arguments.repeats):
            one()
            every()
        ms = 1000 / max(one.rates), 1000 / max(every.rates)
        yield {"what": f"peak, {what}", "repeats": arguments.repeats, "one_ms": ms[0], "all_ms": ms[1], "speedup": ms[0] / ms[1]}


def _restoring(prior: Prior, base: Pixels) -> Work:
    return partial(kernel.restore, prior.network, prior.values.astype(np.int16), base)


def _gradient(prior: Prior, base: Pixels, original: Pixels, rectangles: NDArray[np.int32]) -> Work:
    values = (prior.values / UNIT).astype(np.float32)
    return partial(kernel.gradient, prior.network, values, rectangles, base=base, target=original)


def _verify(what: str, one: object, every: object) -> None:
    if isinstance(one, tuple) and isinstance(every, tuple):
        error = np.linalg.norm(one[1] - every[1]) / np.linalg.norm(one[1])
        verify(error < 1e-4, f"{what}: the gradients differ by {error:.1e}")
    else:
        verify(np.array_equal(one, every), f"{what}: the threads restore something else")
