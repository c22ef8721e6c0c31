"""Rectangles of a picture: covering it, cutting, choosing some at random.  See `arrays.Rectangles`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..arrays import Rectangles
from ..threads import edges

# Rows and columns of the rectangles that a whole picture is cut in.  With a halo of 5 they are one strip of the fitting kernel.
WHOLE = (256, 502)
# Rows and columns of patches.  With a halo of 5 a row of 118 pixels fills whole vectors of the kernel.
PATCH, PIECE = (48, 118), (64, 118)


def tiles(shape: tuple[int, ...], rows: int, columns: int) -> Rectangles:
    """Rectangles of at most rows x columns, about equal ones, that cover a plane once."""
    ys, xs = (edges(size, -(-size // most)) for size, most in zip(shape, (rows, columns), strict=True))
    return np.array([(*y, *x) for y in pairwise(ys) for x in pairwise(xs)], np.int32)


def areas(rectangles: Rectangles) -> Rectangles:
    """The pixels of each rectangle, (n,)."""
    return (rectangles[:, 1] - rectangles[:, 0]) * (rectangles[:, 3] - rectangles[:, 2])


def area(rectangles: Rectangles) -> int:
    """The pixels of all rectangles together."""
    return int(areas(rectangles).sum())


def pieces(rectangles: Rectangles) -> Rectangles:
    """The same area in rectangles of at most PIECE."""
    rows, columns = PIECE
    cut = [
        (y, min(y + rows, y1), x, min(x + columns, x1))
        for y0, y1, x0, x1 in rectangles.tolist()
        for y in range(y0, y1, rows)
        for x in range(x0, x1, columns)
    ]
    return np.array(cut, np.int32)


def some_of(rng: np.random.Generator, rectangles: Rectangles, pixels: int) -> Rectangles:
    """Random ones of the rectangles, the fewest that have `pixels` together; all where they have fewer."""
    if area(rectangles) <= pixels:
        return rectangles
    chosen = rng.permutation(rectangles)
    return chosen[: int(np.searchsorted(np.cumsum(areas(chosen)), pixels)) + 1]


def random_patches(rng: np.random.Generator, shape: tuple[int, ...], pixels: int, patch: tuple[int, int]) -> Rectangles:
    """Rectangles of patch[0] x patch[1], anywhere, of `pixels` together; the whole plane, in tiles, where it has no more."""
    height, width = shape
    if pixels >= height * width:
        return tiles(shape, *WHOLE)
    rows, columns = min(patch[0], height), min(patch[1], width)
    count = max(1, pixels // (rows * columns))
    y, x = rng.integers(0, height - rows + 1, count), rng.integers(0, width - columns + 1, count)
    return np.stack([y, y + rows, x, x + columns], axis=1).astype(np.int32)
