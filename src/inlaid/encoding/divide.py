"""Dividing a picture into areas, each with its own set of parameters.

The picture is cut in squares.  At first, squares whose errors have like gradients share a set.  Then, in turn, each set is fitted to its
squares, and each square goes to the set that restores it best, as in k-means (Lloyd 1982).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..arrays import Integers, Matrix, Rectangles, Vector
from ..parameters import LEAST_SIDE_PX, UNIT, Areas, apply, encode_sets, relative_to
from ..threads import parallel, uncut
from .curvature import gauss_newton, sample_px
from .fit import Problem, fit
from .gradient import PEAK_MSE, gradient, squared_error
from .quantize import quantise
from .rate_cost import RateCost
from .rectangles import area, pieces, some_of
from .run import Run
from .schedule import Schedule

ROUNDS = 3
SQUARES = 150  # a picture is cut in about so many, as long as their side is at most MOST_SIDE_PX
MOST_SIDE_PX = 512
COARSENESSES = range(5)  # each costs a pass over the squares


def divided(problem: Problem, cost: RateCost, start: Vector, hessian: Matrix, count: int, schedule: Schedule, run: Run) -> bytes:
    """The coded parameters of `count` sets and their areas, by mse + mse_per_bit * bits; fewer sets where some find no square.

    cost: gives the prior and mse_per_bit.  start: the fit of the whole picture, where all sets begin.  hessian: `gauss_newton` there, of
    the active parameters.  Each round takes a share of the schedule's steps.  FormatError where a parameter exceeds 16 bits.
    """
    height, width = problem.base.shape
    side_px = _side_px(height * width)
    corners = [(y, x) for y in range(0, height, side_px) for x in range(0, width, side_px)]
    squares = np.array([(y, min(y + side_px, height), x, min(x + side_px, width)) for y, x in corners], np.int32)
    numbers = _first_split(problem, start, hessian, squares, count, run.threads)
    vectors = [start] * count
    # Further sets are coded relative to the first, so here bytes count from `start`.
    around_start = replace(cost.prior, values=np.rint(start * UNIT).astype(np.int64))
    part = replace(schedule, steps=schedule.steps // (2 * ROUNDS), cycle=None)
    for done in range(ROUNDS):
        for k in sorted(set(numbers.tolist())):
            own = squares[numbers == k]
            own_cost = RateCost(around_start, cost.mse_per_bit * problem.base.size / area(own))
            vectors[k] = fit(replace(problem, rate_cost=own_cost, within=own), vectors[k], part, replace(run, progress=None)).parameters
        if run.progress:
            run.progress(done + 1, ROUNDS)
        numbers = _errors(problem, vectors, squares, run.threads).argmin(0)
    used = sorted(set(numbers.tolist()), key=lambda k: -int((numbers == k).sum()))
    numbers = np.array([used.index(k) for k in numbers.tolist()])
    sets: list[tuple[Integers, int]] = []
    prior = cost.prior
    for k, vector in enumerate(vectors[u] for u in used):
        within = replace(problem, within=squares[numbers == k])
        sets.append(_quantised(within, RateCost(prior, cost.mse_per_bit), vector, run))
        if k == 0:
            prior = relative_to(cost.prior, apply(cost.prior, *sets[0]))
    if len(sets) == 1:
        return encode_sets(cost.prior, sets, None)
    rows, columns = Areas.squares((height, width), side_px)
    return encode_sets(cost.prior, sets, Areas(side_px, numbers.reshape(rows, columns).astype(np.uint8)))


def _side_px(pixels: int) -> int:
    """The side of the squares of a picture of so many pixels: LEAST_SIDE_PX times a power of two, at most MOST_SIDE_PX."""
    side_px = LEAST_SIDE_PX
    while side_px < MOST_SIDE_PX and pixels > SQUARES * side_px**2:
        side_px *= 2
    return side_px


def _first_split(problem: Problem, start: Vector, hessian: Matrix, squares: Rectangles, count: int, threads: int | None) -> Integers:
    """The first set of each square: the squares in order of the main direction in which their gradients differ, in equal parts."""
    active = problem.indices

    def slope(square: Rectangles) -> Matrix:
        _, slope = gradient(problem.network, start, square[None], base=problem.base, target=problem.original, threads=1)
        scaled: Matrix = slope[active] / np.sqrt(area(square[None]))
        return scaled

    slopes = np.stack(parallel(slope, squares, threads))
    with uncut():
        curvatures, axes = np.linalg.eigh(hessian)
        # Whitened: a unit of any direction adds the same error.
        slopes = slopes @ (axes / np.sqrt(np.maximum(curvatures, 1e-12)))
        main = np.linalg.svd(slopes - slopes.mean(0), full_matrices=False)[0][:, 0]
    return np.argsort(np.argsort(main)) * count // len(squares)


def _errors(problem: Problem, vectors: list[Vector], squares: Rectangles, threads: int | None) -> Matrix:
    """(sets, squares): the squared error of each square by each set."""

    def row(square: Rectangles) -> list[float]:
        return [squared_error(problem.network, v, square[None], base=problem.base, target=problem.original, threads=1) for v in vectors]

    return np.array(parallel(row, squares, threads)).T


def _quantised(problem: Problem, cost: RateCost, vector: Vector, run: Run) -> tuple[Integers, int]:
    """Levels and coarseness of one set, by the error in its squares, `problem.within`."""
    prior, base, active = cost.prior, problem.base, problem.indices
    assert problem.within is not None
    squares = problem.within
    some = some_of(np.random.default_rng(run.seed), pieces(squares), sample_px(len(active)))
    share = area(squares) / base.size
    hessian = gauss_newton(problem.network, vector, base, some, active=active, threads=run.threads) * share
    found = []
    for coarseness in COARSENESSES:
        quantised = quantise(prior, vector, hessian, 0.0, cost.mse_per_bit, coarseness, active)
        there = ((prior.values + (quantised.levels << prior.steps(coarseness))) / UNIT).astype(np.float32)
        error = squared_error(problem.network, there, squares, base=base, target=problem.original, threads=run.threads)
        found.append((error * PEAK_MSE / base.size + cost.mse_per_bit * 8 * len(quantised.coded), coarseness, quantised.levels))
    _, coarseness, levels = min(found, key=lambda f: f[:2])
    return levels, coarseness
