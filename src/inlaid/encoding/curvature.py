"""The curvature of a picture's error around a network's parameters: the Gauss-Newton matrix.

A fit works in the basis of its eigenvectors.  Quantisation weighs rounding errors with it.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Indices, Matrix, Pixels, Rectangles, Vector
from ..network import Network
from ..threads import parallel, uncut
from .gradient import PEAK_MSE, answers
from .rectangles import PATCH, areas, tiles

DAMPING = 0.02
# A matrix is made from so many derivatives, of pixels between these bounds.  More derivatives fit and quantise no better.
DERIVATIVES, MOST_PX, LEAST_PX = 6_500_000, 16384, 8192


def sample_px(parameters: int) -> int:
    """The pixels that the matrix of so many parameters is made from."""
    return min(max(DERIVATIVES // parameters, LEAST_PX), MOST_PX)


def random_tiles(shape: tuple[int, ...], pixels: int, seed: int = 0) -> Rectangles:
    """Random tiles of a plane, the fewest that have `pixels` together."""
    rectangles = np.random.default_rng(seed).permutation(tiles(shape, *PATCH))
    return rectangles[: int(np.searchsorted(np.cumsum(areas(rectangles)), pixels)) + 1]


def gauss_newton(
    network: Network,
    parameters: Vector,
    base: Pixels,
    rectangles: Rectangles,
    *,
    active: Indices | None = None,
    threads: int | None = None,
) -> Matrix:
    """H (size, size): the mean squared error grows by d^T H d (grey levels^2) when d is added to `parameters`.

    H is J^T J, damped, with J the answer's derivatives over `rectangles`, by differences.  With `active`, H has the rows and columns of
    those parameters alone.
    """
    base, step = np.ascontiguousarray(base), np.float32(2.0**-9)
    here = answers(network, parameters, rectangles, base=base)

    def derivative(index: int) -> Vector:
        there = parameters.astype(np.float32).copy()
        there[index] += step
        return (answers(network, there, rectangles, base=base) - here) / step

    moved = range(network.size) if active is None else active.tolist()
    columns: Vector = np.stack(parallel(derivative, moved, threads))
    with uncut():
        products = columns @ columns.T
    hessian = products.astype(np.float64) * (PEAK_MSE / columns.shape[1])
    # The quadratic holds near the parameters only.  Damping keeps long steps along flat directions from looking free.
    diagonal = np.diag(hessian)
    damped: Matrix = hessian + np.diag(DAMPING * (diagonal + diagonal.mean()))
    return damped
