"""Dividing a picture into areas, each with parameters of its own, as the paper does.

The picture is cut in squares.  Squares whose errors pull the parameters the same way begin together; then, in turn, each set is fitted
to its squares, and each square goes to the set that restores it best, as in k-means (Lloyd 1982).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .. import kernel
from ..kernel import PEAK_MSE
from ..parameters import UNIT, Areas, Prior, apply, encode_sets, relative_to
from ..threads import parallel, uncut
from .curvature import gauss_newton, sample_px
from .fit import Pixels, RateCost, Rectangles, Schedule, Vector, area, fit, pieces, some_of
from .quantize import quantise

ROUNDS = 3
SQUARES = 150  # that a picture is cut in, about, while they are not larger than
MOST_SIDE_PX = 512


def divided(
    prior: Prior,
    start: Vector,
    count: int,
    schedule: Schedule,
    mse_per_bit: float,
    hessian: NDArray[np.float64],
    active: NDArray[np.intp],
    *,
    base: Pixels,
    original: Pixels,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> bytes:
    """The coded parameters of `count` sets and their areas (fewer sets where some find no square), by mse + mse_per_bit * bits.

    start: the fit of the whole picture, where all sets begin, and hessian its `gauss_newton` of the parameters `active`.  Each round
    takes a share of the schedule's steps.  FormatError where a parameter leaves 16 bits.
    """
    side_px = _side_px(base.shape)
    height, width = base.shape
    corners = [(y, x) for y in range(0, height, side_px) for x in range(0, width, side_px)]
    squares = np.array([(y, min(y + side_px, height), x, min(x + side_px, width)) for y, x in corners], np.int32)
    numbers = _split(prior, start, squares, count, hessian, active, base, original, threads)
    vectors = [start] * count
    nearby = replace(prior, values=np.rint(start * UNIT).astype(np.int64))
    part = replace(schedule, steps=schedule.steps // (2 * ROUNDS), cycle=None)
    for done in range(ROUNDS):
        for k in sorted(set(numbers.tolist())):
            its = squares[numbers == k]
            cost = RateCost(nearby, mse_per_bit * base.size / area(its))
            vectors[k] = fit(
                prior.network, vectors[k], part, base=base, original=original, rate_cost=cost, active=active, within=its,
                seed=seed, threads=threads,
            ).parameters  # fmt: skip
        if progress:
            progress(done + 1, ROUNDS)
        numbers = _errors(prior, vectors, squares, base, original, threads).argmin(0)
    used = sorted(set(numbers.tolist()), key=lambda k: -int((numbers == k).sum()))
    numbers = np.array([used.index(k) for k in numbers.tolist()])
    sets: list[tuple[NDArray[np.int64], int]] = []
    here = prior
    for k, vector in enumerate(vectors[u] for u in used):
        its = squares[numbers == k]
        levels, coarseness = _quantised(here, vector, its, mse_per_bit, active, base, original, seed, threads)
        sets.append((levels, coarseness))
        if k == 0:
            here = relative_to(prior, apply(prior, levels, coarseness))
    if len(sets) == 1:
        return encode_sets(prior, sets, None)
    rows, columns = Areas.squares((height, width), side_px)
    return encode_sets(prior, sets, Areas(side_px, numbers.reshape(rows, columns).astype(np.uint8)))


def _side_px(shape: tuple[int, ...]) -> int:
    side_px = 32
    while side_px < MOST_SIDE_PX and shape[0] * shape[1] > SQUARES * side_px**2:
        side_px *= 2
    return side_px


def _split(
    prior: Prior,
    start: Vector,
    squares: Rectangles,
    count: int,
    hessian: NDArray[np.float64],
    active: NDArray[np.intp],
    base: Pixels,
    original: Pixels,
    threads: int | None,
) -> NDArray[np.int64]:
    """The set of each square at first: in order of the main direction in which their slopes differ, in equal parts."""

    def slope(square: NDArray[np.int32]) -> NDArray[np.float64]:
        _, gradient = kernel.gradient(prior.network, start, square[None], base=base, target=original, threads=1)
        scaled: NDArray[np.float64] = gradient[active] / np.sqrt(area(square[None]))
        return scaled

    slopes = np.stack(parallel(slope, squares, threads))
    with uncut():
        curvatures, axes = np.linalg.eigh(hessian)
        slopes = slopes @ (axes / np.sqrt(np.maximum(curvatures, 1e-12)))
        main = np.linalg.svd(slopes - slopes.mean(0), full_matrices=False)[0][:, 0]
    return np.argsort(np.argsort(main)) * count // len(squares)


def _errors(
    prior: Prior, vectors: list[Vector], squares: Rectangles, base: Pixels, original: Pixels, threads: int | None
) -> NDArray[np.float64]:
    """(sets, squares): the squared error of each square by each set."""

    def row(square: NDArray[np.int32]) -> list[float]:
        return [kernel.squared_error(prior.network, v, square[None], base=base, target=original, threads=1) for v in vectors]

    return np.array(parallel(row, squares, threads)).T


def _quantised(
    prior: Prior,
    vector: Vector,
    squares: Rectangles,
    mse_per_bit: float,
    active: NDArray[np.intp],
    base: Pixels,
    original: Pixels,
    seed: int,
    threads: int | None,
) -> tuple[NDArray[np.int64], int]:
    """Levels and coarseness of one set, by the error in its squares."""
    some = some_of(np.random.default_rng(seed), pieces(squares), sample_px(len(active)))
    share = area(squares) / base.size
    hessian = gauss_newton(prior.network, vector, base, some, active=active, threads=threads) * share
    found = []
    for coarseness in range(5):
        quantised = quantise(prior, vector, hessian, 0.0, mse_per_bit, coarseness, active)
        there = ((prior.values + (quantised.levels << prior.steps(coarseness))) / UNIT).astype(np.float32)
        error = kernel.squared_error(prior.network, there, squares, base=base, target=original, threads=threads) * PEAK_MSE / base.size
        found.append((error + mse_per_bit * 8 * len(quantised.coded), coarseness, quantised.levels))
    _, coarseness, levels = min(found, key=lambda f: f[:2])
    return levels, coarseness
