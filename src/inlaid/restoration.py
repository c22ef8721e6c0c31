"""From a base and its inlay's parameters to the restored picture (FORMAT.md, sections 6 and 7).

`restored_in_place` works band by band.  With several sets of parameters, each square is restored by its own set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from . import native
from .arrays import Pixels
from .formats.base import Base, bands
from .network import Network
from .parameters import Sets
from .threads import parallel


def restore(network: Network, sets: Sets, luma: Pixels, *, threads: int | None = None) -> Pixels:
    """The restored luma (H, W), each pixel by the set of its area (FORMAT.md, section 6)."""
    return _restored(network, sets, luma, 0, 0, luma.shape[0], threads)


def restored_in_place(base: Base, network: Network, sets: Sets, threads: int | None) -> Image.Image:
    """The restored picture, in the memory of the base (FORMAT.md, sections 6 and 7).

    It is restored in bands.  A band needs rows of the base above and below it, and those above have been overwritten by then, so a copy
    of them is kept:

        first   ..  top      `above`: base rows kept from the band before   (margin)
        top     ..  bottom   this band: restored, then written
        bottom  ..           base rows of the next band                     (margin)
    """
    margin, (height, width) = _margin_px(network), base.shape
    above = base.luma_rows(0, 0)
    for top, bottom in bands(height, width, sets.areas.side_px if sets.areas else 8):
        first, luma = top - len(above), np.concatenate([above, base.luma_rows(top, min(bottom + margin, height))])
        restored = _restored(network, sets, luma, first, top, bottom, threads)
        base.recolour_rows(top, luma[top - first : bottom - first], restored)
        above = luma[max(0, bottom - margin - first) : bottom - first].copy()
    return base.image


def _margin_px(network: Network) -> int:
    """The network's halo in whole blocks of 8: a network with the block phase as input then sees the same phase in every part."""
    return -(-network.halo_px // 8) * 8


def _restored(network: Network, sets: Sets, luma: Pixels, first: int, top: int, bottom: int, threads: int | None) -> Pixels:
    """The restored rows [top, bottom) of the picture; `luma` is the picture's rows [first, ...), the margins included."""
    if sets.areas is None:
        rows = top - first, bottom - first
        return native.restore(network, sets.parameters[0], luma, rows=rows, threads=threads)[slice(*rows)]
    width, side, numbers = luma.shape[1], sets.areas.side_px, sets.areas.numbers
    out, margin = np.empty((bottom - top, width), np.uint8), _margin_px(network)

    def fill(strip: _Strip) -> None:
        """Restores a strip with its margins by its set, and keeps the squares of that set."""
        upper, lower = strip.row * side, min((strip.row + 1) * side, bottom)
        left, right = strip.begin * side, min(strip.end * side, width)
        y, x = max(first, upper - margin), max(0, left - margin)
        part = np.ascontiguousarray(luma[y - first : lower + margin - first, x : right + margin])
        restored = native.restore(network, sets.parameters[strip.number], part, threads=1)
        for column in range(strip.begin, strip.end):
            if numbers[strip.row, column] == strip.number:
                start, stop = column * side, min((column + 1) * side, width)
                out[upper - top : lower - top, start:stop] = restored[upper - y : lower - y, start - x : stop - x]

    parallel(fill, _strips(numbers, range(top // side, -(-bottom // side)), side, margin), threads)
    return out


class _Strip(NamedTuple):
    """Columns [begin, end) of a row of squares, and the set that restores them."""

    row: int
    begin: int
    end: int
    number: int


def _strips(numbers: Pixels, rows: range, side_px: int, margin_px: int) -> Iterator[_Strip]:
    """What to restore: each run of squares of one set, or the whole row once for each set where that is fewer pixels."""
    for row in rows:
        line = numbers[row]
        ends = [*(np.flatnonzero(np.diff(line)) + 1).tolist(), len(line)]
        runs = [_Strip(row, begin, end, int(line[begin])) for begin, end in zip([0, *ends], ends, strict=False)]
        whole = [_Strip(row, 0, len(line), number) for number in sorted(set(line.tolist()))]
        yield from min(runs, whole, key=lambda strips: sum((s.end - s.begin) * side_px + 2 * margin_px for s in strips))
