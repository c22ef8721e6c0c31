"""How the error of a picture curves around a network's parameters: the Gauss-Newton matrix.

Fitting walks along its eigenvectors, quantisation weighs rounding errors with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import kernel
from ..kernel import PEAK_MSE, tiles
from ..network import Network
from ..threads import parallel, uncut

DAMPING = 0.02
# Derivatives that tell a matrix well enough, and the pixels that are enough for any: more of them fit and quantise no better.
DERIVATIVES, MOST_PX, LEAST_PX = 6_500_000, 16384, 8192


def sample_px(parameters: int) -> int:
    """How many pixels to look at for the matrix of so many parameters."""
    return min(max(DERIVATIVES // parameters, LEAST_PX), MOST_PX)


def sample(shape: tuple[int, ...], pixels: int, seed: int = 0) -> NDArray[np.int32]:
    """Rectangles (n, 4) of a random part of a plane, of about so many pixels."""
    rectangles = np.random.default_rng(seed).permutation(tiles(shape, 48, 118))
    sums = np.cumsum((rectangles[:, 1] - rectangles[:, 0]) * (rectangles[:, 3] - rectangles[:, 2]))
    return rectangles[: int(np.searchsorted(sums, pixels)) + 1]


def gauss_newton(
    network: Network,
    parameters: NDArray[np.float32],
    base: NDArray[np.uint8],
    rectangles: NDArray[np.int32],
    *,
    active: NDArray[np.intp] | None = None,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """H (size, size): the mean squared error grows by d^T H d (grey levels^2) when d is added to `parameters`.

    J^T J of the answer's derivatives, by differences, over `rectangles` (n, 4) of the plane `base`.  With `active`, the rows and
    columns of those parameters alone.
    """
    base, step = np.ascontiguousarray(base), np.float32(2.0**-9)
    here = kernel.answers(network, parameters, rectangles, base=base)

    def derivative(index: int) -> NDArray[np.float32]:
        there = parameters.astype(np.float32).copy()
        there[index] += step
        return (kernel.answers(network, there, rectangles, base=base) - here) / step

    moved = range(network.size) if active is None else active.tolist()
    columns: NDArray[np.float32] = np.stack(parallel(derivative, moved, threads))
    with uncut():
        products = columns @ columns.T
    hessian = products.astype(np.float64) * (PEAK_MSE / columns.shape[1])
    # The quadratic holds near the parameters only: along directions that it takes for flat, a far walk must not look free.
    diagonal = np.diag(hessian)
    damped: NDArray[np.float64] = hessian + np.diag(DAMPING * (diagonal + diagonal.mean()))
    return damped
