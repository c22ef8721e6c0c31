"""Float parameters to levels, by D + lambda * R.

Near the fitted parameters the squared error is a quadratic: its value there plus d^T H d, where d is the distance from them and H the
picture's Gauss-Newton matrix.  Levels are chosen in turn.  Each becomes the level with the least error plus lambda * bits, given the
levels of all others.  This is repeated until no level changes.  So parameters compensate one another's rounding, and a parameter that
gains less than it costs stays at its prior.  The caller tries every coarseness, and decodes the results before it chooses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Indices, Integers, Matrix, Vector
from ..parameters import COARSENESS_BIAS, COARSENESS_BITS, UNIT, Prior, encode
from ..threads import uncut

SWEEPS = 12


@dataclass(frozen=True)
class Quantised:
    """Levels at a coarseness, their coded bytes, and the mean squared error that the quadratic expects of them."""

    levels: Integers
    coarseness: int
    coded: bytes
    expected_mse: float


def quantise(
    prior: Prior,
    parameters: Vector,
    hessian: Matrix,
    mse: float,
    mse_per_bit: float,
    coarseness: int,
    active: Indices | None = None,
) -> Quantised:
    """The levels that minimise mse + mse_per_bit * bits at a coarseness.

    parameters: the fitted ones, of mean squared error `mse`; hessian: as from `curvature.gauss_newton`, there; mse_per_bit: lambda.
    active: the parameters of the matrix's rows and columns, all if left out.  The levels of the others are 0.
    """
    active = np.arange(len(parameters)) if active is None else active
    step = np.exp2(prior.steps(coarseness)[active]) / UNIT
    wanted = (parameters - prior.values / UNIT)[active] / step
    curvature = hessian * np.outer(step, step)
    own = np.maximum(np.diag(curvature), 1e-12)
    expected = np.maximum(prior.spreads[active] / UNIT / step, 1e-3)
    levels = np.rint(wanted)
    with uncut():
        pull = curvature @ (levels - wanted)  # half the slope of the error along each level
    for _ in range(SWEEPS):
        size = (np.abs(levels) + 0.05).sum() / expected.sum()
        zero_bits, step_bits = _laplace_bits(expected * size)
        changed = False
        for i in range(len(levels)):
            now = levels[i]
            best = now - pull[i] / own[i]
            choices = np.array([np.floor(best), np.floor(best) + 1, 0.0, now])
            moves = choices - now
            cost = moves * (2 * pull[i] + moves * own[i])
            cost += mse_per_bit * (zero_bits[i] + np.abs(choices) * step_bits[i])
            move = moves[int(cost.argmin())]
            if move:
                levels[i] = now + move
                pull += curvature[:, i] * move
                changed = True
        if not changed:
            break
    error = levels - wanted
    with uncut():
        added = float(error @ curvature @ error)
    whole = np.zeros(len(parameters), np.int64)
    whole[active] = levels
    return Quantised(whole, coarseness, encode(prior, whole, coarseness), mse + added)


def rounded(prior: Prior, parameters: Vector) -> bytes:
    """The nearest levels, coded, at the finest coarseness at which all fit 8 bits: plain rounding, for comparison."""
    distances = parameters.astype(np.float64) * UNIT - prior.values
    for coarseness in range(-COARSENESS_BIAS, (1 << COARSENESS_BITS) - COARSENESS_BIAS):
        levels = np.rint(distances / np.exp2(prior.steps(coarseness))).astype(np.int64)
        if np.abs(levels).max() <= 127:
            break
    return encode(prior, levels, coarseness)


def _laplace_bits(mean: Matrix) -> tuple[Matrix, Matrix]:
    """The bits of level 0, and of each step away from it, for two-sided geometric levels of a mean size: p ~ theta^|level|."""
    theta = (np.sqrt(1 + mean**2) - 1) / mean
    return -np.log2((1 - theta) / (1 + theta)), -np.log2(theta)
