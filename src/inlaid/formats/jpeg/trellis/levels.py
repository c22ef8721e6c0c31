"""From planes to the levels of least D + lambda * R, by the kernel's trellis.

The bits of a symbol are those of a code made for the picture, -log2 of the symbol's share.  The first pass takes the nearest levels, each
further pass a trellis with the rates of the pass before.

In a progressive file one symbol stands for a run of blocks without AC levels.  A run's length is taken to cost what a code for the share
of such blocks would.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ....arrays import Integers, Matrix, Vector
from ....native import address, function
from ....threads import parallel
from .planes import SIDE, Planes
from .scan import AC, BLOCK, DC, Levels, symbols

_PASSES = 2  # of the trellis
_DEAD = 0.33  # of a step is added before the first pass rounds down
_MAX_LEVEL = 1023  # of a baseline file
_END = 0  # the symbol of the end of a block

Shares = Callable[[Vector], Vector | None]


@dataclass(frozen=True)
class Aim:
    """What the trellis minimises in the planes of one kind: weight * squared error + lambda * bits, in grey levels squared.

    step, weight: (64,), in zigzag order.
    """

    step: Vector
    weight: Vector
    lmbda: float


@dataclass(frozen=True)
class Rates:
    """The bits of each AC symbol, (SYMBOLS,), and more for each block: for one without levels other than 0, and for another."""

    bits: Matrix
    empty: float
    coded: float

    @classmethod
    def of(cls, counts: Integers, levels: list[Levels], progressive: bool) -> Rates:
        """Those of the components with one code, from the counts of its symbols in a baseline file."""
        if not progressive:
            bits = _bits(counts)
            return cls(bits, bits[_END], 0.0)
        blocks = sum(each.size // BLOCK for each in levels)
        coded = sum(int(each[..., 1:].any(-1).sum()) for each in levels)
        ends = counts.copy()
        ends[_END] -= blocks - coded
        return cls(_bits(ends), *_bits(np.array([blocks - coded, coded])))


def levels_of(planes: Planes, aims: list[Aim], shares: Shares, progressive: bool = False) -> list[Levels]:
    """The levels of each component.  aims: by kind.  shares: from the activity of the luma's blocks, each one's factor of lambda, or
    None where all are alike.  progressive: whether they are for a progressive file."""
    bands, components = planes.bands(), planes.components
    levels = [np.zeros((c.down, c.across, BLOCK), np.int16) for c in components]
    dc = [np.empty((c.down, c.across), np.float32) for c in components]
    activity = np.empty((components[0].down, components[0].across), np.float32)

    def first(band: tuple[int, int]) -> None:
        for n, (c, samples) in enumerate(zip(components, planes.samples(band), strict=True)):
            here = slice(band[0] * c.v, band[0] * c.v + samples.shape[0] // SIDE)
            x = coefficients(samples)
            levels[n][here], dc[n][here] = _nearest(x, aims[c.kind].step), x[..., 0]
            if n == 0:
                activity[here] = _activity(samples)

    parallel(first, bands)
    share = shares(activity)
    for _ in range(_PASSES):
        counts = symbols(components, levels)
        rates = [
            Rates.of(of_kind[AC], [each for c, each in zip(components, levels, strict=True) if c.kind == kind], progressive)
            for kind, of_kind in enumerate(counts)
        ]

        def improve(band: tuple[int, int], rates: list[Rates] = rates) -> None:
            for n, (c, samples) in enumerate(zip(components, planes.samples(band), strict=True)):
                here = slice(band[0] * c.v, band[0] * c.v + samples.shape[0] // SIDE)
                improve_ac(coefficients(samples), aims[c.kind], rates[c.kind], None if n or share is None else share[here], levels[n][here])

        parallel(improve, bands)
        for n, c in enumerate(components):
            improve_dc(dc[n], aims[c.kind], _bits(counts[c.kind, DC]), share if n == 0 else None, levels[n])
    return levels


def coefficients(samples: Vector) -> Vector:
    """The orthonormal DCT of a plane's blocks, (down, across, 64) in zigzag order."""
    down, across = (side // SIDE for side in samples.shape)
    out = np.empty((down, across, BLOCK), np.float32)
    function("inlaid_dct", None)(address(samples), across, down, address(out))
    return out


def _activity(samples: Vector) -> Vector:
    """The mean size of the differences of neighbours in each block."""
    down, across = (side // SIDE for side in samples.shape)
    blocks = samples.reshape(down, SIDE, across, SIDE)
    size: Vector = np.abs(np.diff(blocks, axis=1)).mean((1, 3)) + np.abs(np.diff(blocks, axis=3)).mean((1, 3))
    return size


def _nearest(x: Vector, step: Vector) -> Levels:
    """Levels with a dead zone, whose symbols are a first guess."""
    size = np.floor(np.abs(x) / step + np.float32(_DEAD))
    return np.copysign(np.minimum(size, _MAX_LEVEL), x).astype(np.int16)


def _bits(counts: Integers) -> Matrix:
    """The bits of each symbol."""
    likely = counts + 0.5
    return np.asarray(np.log2(likely.sum() / likely))


def improve_ac(x: Vector, aim: Aim, rates: Rates, share: Vector | None, out: Levels) -> None:
    """Replaces the AC levels of some blocks."""
    tables = [np.ascontiguousarray(each, np.float32) for each in (aim.step, aim.weight, rates.bits)]
    numbers = [ctypes.c_float(value) for value in (rates.empty, rates.coded, aim.lmbda)]
    count, factors = x.shape[0] * x.shape[1], None if share is None else address(share)
    function("inlaid_ac_levels", None)(address(x), count, *map(address, tables), *numbers, factors, address(out))


def improve_dc(dc: Vector, aim: Aim, bits: Matrix, share: Vector | None, out: Levels) -> None:
    """Replaces the DC levels of a component."""
    bits, factors = np.ascontiguousarray(bits, np.float32), None if share is None else address(share)
    numbers = [ctypes.c_float(value) for value in (aim.step[0], aim.weight[0], aim.lmbda)]
    if function("inlaid_dc_levels", None)(address(dc), dc.size, *numbers, address(bits), factors, address(out)):
        raise MemoryError("no memory for the trellis")
