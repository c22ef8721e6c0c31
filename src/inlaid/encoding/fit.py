"""Fitting a network to pictures: initialisation, Adam, and the loop that draws random patches and follows their gradient.

`fit` serves one picture (base and original); `recipes` have a loop of their own over many.  Everything is float and in the parameter
order of `network.Network`; quantisation comes after, in `quantize`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .. import kernel
from ..kernel import PEAK_MSE, tiles
from ..network import Network
from ..parameters import UNIT, Prior
from ..threads import parallel, uncut
from . import floatnet
from .curvature import gauss_newton, sample, sample_px

Vector = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Rectangles = NDArray[np.int32]

WHOLE = (256, 502)  # rows, columns of the rectangles that a whole picture is cut in: with a halo of 5 just a strip of the kernel's


def he_init(network: Network, rng: np.random.Generator) -> Vector:
    """MSRA initialisation (He et al. 2015): weights from N(0, 2 / fan_in), biases 0; the last layer 0, so the net begins as identity."""
    out = np.zeros(network.size, np.float32)
    for t in network.tensors:
        if not t.is_bias and t.name != "last.weight":
            gain = 1 if t.name.startswith("depthwise") else 2  # no activation follows a depthwise convolution
            out[t.slice] = rng.normal(0, np.sqrt(gain / t.fan_in), t.size)
    return out


class Adam:
    """Adam (Kingma and Ba 2015) with the gradient clipped to a norm; the state of one parameter vector.

    After `turn` it walks along the eigenvectors of a matrix, where parameters hardly disturb one another (Vyas et al. 2024, "SOAP").
    """

    def __init__(self, size: int, *, beta1: float = 0.9, beta2: float = 0.99, clip: float | None = None) -> None:
        """Clip: the largest norm of a gradient that is let through unscaled; None for no clipping."""
        self.beta1, self.beta2, self.clip, self.count = beta1, beta2, clip, 0
        self.mean, self.square = np.zeros(size), np.zeros(size)
        self.axes: NDArray[np.float64] | None = None  # (size, size), a column an axis; None: the parameters themselves

    def turn(self, matrix: NDArray[np.float64]) -> None:
        """Walk along the eigenvectors of `matrix` from now on; what is known of the gradient turns with it."""
        with uncut():
            axes = np.linalg.eigh(matrix)[1]
            turned = axes.T if self.axes is None else axes.T @ self.axes
            self.mean, self.square, self.axes = turned @ self.mean, turned**2 @ self.square, axes

    def move(self, gradient: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
        """What to subtract from the parameters."""
        if self.clip is not None:
            gradient = gradient * min(1.0, self.clip / (float(np.linalg.norm(gradient)) + 1e-12))
        self.count += 1
        # einsum, not @: the threads of a BLAS, woken for so little, cost more than all the rest of a step on a busy machine.
        if self.axes is not None:
            gradient = np.einsum("ij,i->j", self.axes, gradient)
        self.mean += (1 - self.beta1) * (gradient - self.mean)
        self.square += (1 - self.beta2) * (gradient**2 - self.square)
        mean = self.mean / (1 - self.beta1**self.count)
        square = self.square / (1 - self.beta2**self.count)
        moved: NDArray[np.float64] = rate * mean / (np.sqrt(square) + 1e-8)
        return moved if self.axes is None else np.einsum("ij,j->i", self.axes, moved)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to walk.  The rate rises over `warmup` steps, then falls along half a cosine to `final_rate`.

    With a `cycle` a fit begins anew where it stands after so many steps, and whenever they have doubled since: with another Gauss-Newton
    step, other eigenvectors, the full rate.
    """

    steps: int
    rate: float = 0.01
    final_rate: float = 0.0
    warmup: int = 10
    batch_px: int = 65536  # pixels a step looks at, in patches; all of a smaller picture
    patch: tuple[int, int] = (48, 118)  # rows, columns: with the halo of 5 a row fills whole vectors
    beta2: float = 0.99
    clip: float | None = None
    second_order: bool = False  # begin with a Gauss-Newton step; then Adam walks along the eigenvectors of its matrix
    norm: bool = False  # instance norm while fitting, folded away at the end
    cycle: int | None = None  # steps of the first cycle; None: there is one
    least_gain: float | None = None  # after a cycle that lowered what is minimised by less than this part of it, the fit ends

    def cycles(self) -> list[int]:
        """The steps of each cycle: at least one cycle, of no steps where there are none."""
        ends = [0]
        while self.cycle and max(self.cycle, 2 * ends[-1]) < self.steps:
            ends.append(max(self.cycle, 2 * ends[-1]))
        return [b - a for a, b in pairwise([*ends, self.steps])]

    def rate_at(self, step: int, steps: int | None = None) -> float:
        """The learning rate of step 0, 1, ... of a cycle of `steps`, all if left out."""
        cosine = 0.5 * (1 + np.cos(np.pi * step / max(1, self.steps if steps is None else steps)))
        return float((self.final_rate + (self.rate - self.final_rate) * cosine) * min(1.0, (step + 1) / self.warmup))


@dataclass(frozen=True)
class RateCost:
    """What it costs the payload that parameters stray from their prior, so that a fit goes only where it pays.

    lmbda * n log2(mean of |d_i| / spread_i), d_i being the distance of parameter i: the length of an ideal code for Laplace-distributed
    parameters, but for a constant; |d| is rounded off below 0.2 spreads, where steps become longer than distances.
    """

    prior: Prior
    mse_per_bit: float  # lmbda

    def value(self, parameters: Vector) -> float:
        """The cost, in grey levels^2, but for a constant."""
        sizes = self._strayed(parameters)[1]
        return self.mse_per_bit * len(sizes) * float(np.log2(np.mean(sizes / (self.prior.spreads / UNIT))))

    def gradient(self, parameters: Vector) -> NDArray[np.float64]:
        """Of the cost, in grey levels^2."""
        spreads = self.prior.spreads / UNIT
        distances, sizes = self._strayed(parameters)
        slopes: NDArray[np.float64] = self.mse_per_bit / np.log(2) * distances / sizes / (spreads * np.mean(sizes / spreads))
        return slopes

    def _strayed(self, parameters: Vector) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distances from the prior, and their rounded-off sizes."""
        distances = parameters - self.prior.values / UNIT
        return distances, np.sqrt(distances**2 + (0.2 * self.prior.spreads / UNIT) ** 2)

    def curvature(self) -> NDArray[np.float64]:
        """(size,): the c for which the sum of c_i d_i^2 has the cost's slope where every parameter has strayed by its spread."""
        curvature: NDArray[np.float64] = self.mse_per_bit / np.log(2) / 2 / (self.prior.spreads / UNIT) ** 2
        return curvature


@dataclass(frozen=True)
class FitResult:
    """Parameters; the mean squared error of each step's batch, in grey levels squared; and why it ended, as a sentence."""

    parameters: Vector
    history: list[float] = field(repr=False)
    reason: str


def pieces(rectangles: Rectangles) -> Rectangles:
    """The same area in rectangles (n, 4) of at most 64 rows and 118 columns."""
    cut = [
        (y, min(y + 64, y1), x, min(x + 118, x1))
        for y0, y1, x0, x1 in rectangles.tolist()
        for y in range(y0, y1, 64)
        for x in range(x0, x1, 118)
    ]
    return np.array(cut, np.int32)


def some_of(rng: np.random.Generator, rectangles: Rectangles, pixels: int) -> Rectangles:
    """Random ones of the rectangles (n, 4), of about so many pixels together."""
    if area(rectangles) <= pixels:
        return rectangles
    chosen = rng.permutation(rectangles)
    sums = np.cumsum((chosen[:, 1] - chosen[:, 0]) * (chosen[:, 3] - chosen[:, 2]))
    return chosen[: int(np.searchsorted(sums, pixels)) + 1]


def random_patches(rng: np.random.Generator, shape: tuple[int, ...], schedule: Schedule) -> Rectangles:
    """Rectangles (n, 4) of `batch_px` pixels together, or of the whole plane where that is not more."""
    height, width = shape
    if schedule.batch_px >= height * width:
        return tiles(shape, *WHOLE)
    rows, columns = min(schedule.patch[0], height), min(schedule.patch[1], width)
    count = max(1, schedule.batch_px // (rows * columns))
    y, x = rng.integers(0, height - rows + 1, count), rng.integers(0, width - columns + 1, count)
    return np.stack([y, y + rows, x, x + columns], axis=1).astype(np.int32)


def fit(
    network: Network,
    start: Vector,
    schedule: Schedule,
    *,
    base: Pixels,
    original: Pixels,
    rate_cost: RateCost | None = None,
    active: NDArray[np.intp] | None = None,
    within: Rectangles | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FitResult:
    """Parameters that bring net(base) as near to `original` as the schedule's steps allow, from `start`.

    base, original: (H, W) uint8 planes.  rate_cost: minimise the squared error plus this, from the prior as start.  active: the
    parameters that may move, all if left out.  within: rectangles (n, 4) that alone count, the whole picture if left out.  The same
    seed gives the same result on the same kernel path and thread count.
    `progress` is told the steps done and the steps in all.
    """
    base, original = np.ascontiguousarray(base), np.ascontiguousarray(original)
    rng, parameters = np.random.default_rng(seed), start.astype(np.float32).copy()
    active = np.arange(network.size) if active is None else active
    inside = pieces(within) if within is not None else None

    def drawn() -> Rectangles:
        return random_patches(rng, base.shape, schedule) if inside is None else some_of(rng, inside, schedule.batch_px)

    def minimised() -> float:
        """What a cycle gained is told from, over the same pixels each time."""
        error = kernel.squared_error(network, parameters, judged, base=base, target=original, threads=threads)
        return error / area(judged) * PEAK_MSE + (0 if rate_cost is None else rate_cost.value(parameters))

    history: list[float] = []
    cycles, reason = schedule.cycles(), f"all {schedule.steps} steps were made"
    if len(cycles) > 1:
        judged = drawn()
        value = minimised()
    for number, steps in enumerate(cycles):
        adam = Adam(len(active), beta2=schedule.beta2, clip=schedule.clip)
        if schedule.second_order:
            patches = drawn()
            pixels = sample_px(len(active))
            part = sample(base.shape, pixels, seed + number) if inside is None else some_of(rng, inside, pixels)
            matrix = gauss_newton(network, parameters, base, part, active=active, threads=threads) / PEAK_MSE
            if rate_cost is not None:
                matrix += np.diag(rate_cost.curvature()[active] / PEAK_MSE)
            pull = 0 if rate_cost is None else rate_cost.gradient(parameters)[active] / (2 * PEAK_MSE)
            parameters = _gauss_newton_step(network, parameters, active, matrix, pull, patches, base, original, threads)
            adam.turn(matrix)
        for step in range(steps):
            patches = drawn()
            if schedule.norm:
                loss, gradient = normed_gradient(network, parameters, patches, base=base, target=original, threads=threads)
            else:
                loss, gradient = kernel.gradient(network, parameters, patches, base=base, target=original, threads=threads)
            pixels = area(patches)
            history.append(loss / pixels * PEAK_MSE)
            if not np.isfinite(history[-1]):
                return FitResult(start, history, f"the error grew without bound at step {len(history) - 1}; the start is kept")
            gradient /= pixels
            if rate_cost is not None:
                gradient += rate_cost.gradient(parameters) / PEAK_MSE
            parameters[active] -= adam.move(gradient[active], schedule.rate_at(step, steps)).astype(np.float32)
            if progress:
                progress(len(history), schedule.steps)
        if number + 1 < len(cycles):
            before, value = value, minimised()
            if schedule.least_gain is not None and before - value < schedule.least_gain * before:
                reason = f"steps {len(history) - steps + 1} to {len(history)} of {schedule.steps} gained too little to go on"
                break
    if schedule.norm:
        everything = (0, base.shape[0], 0, base.shape[1])
        with uncut():
            parameters = floatnet.fold(network, parameters, floatnet.inputs(network, base, everything)).astype(np.float32)
    if not np.isfinite(mean_squared_error(network, parameters, base=base, original=original, within=inside, threads=threads)):
        return FitResult(start, history, f"the error grew without bound at step {schedule.steps}; the start is kept")
    return FitResult(parameters, history, reason)


def area(rectangles: Rectangles) -> int:
    """Pixels of rectangles (n, 4) together."""
    return int(((rectangles[:, 1] - rectangles[:, 0]) * (rectangles[:, 3] - rectangles[:, 2])).sum())


def _gauss_newton_step(
    network: Network,
    parameters: Vector,
    active: NDArray[np.intp],
    matrix: NDArray[np.float64],
    pull: NDArray[np.float64] | float,
    patches: Rectangles,
    base: Pixels,
    original: Pixels,
    threads: int | None,
) -> Vector:
    """The best of some damped Gauss-Newton steps (Levenberg 1944, Marquardt 1963), or the parameters themselves.

    pull: half the slope of what is minimised beside the error.
    """
    if not matrix.any():  # no parameter makes a difference: a flat base, and a last layer of zeros
        return parameters
    loss, gradient = kernel.gradient(network, parameters, patches, base=base, target=original, threads=threads)
    slope = gradient[active] / (2 * area(patches)) + pull
    best = parameters
    for damping in (0.0, 0.03, 1.0):
        with uncut():
            step = np.linalg.solve(matrix + damping * np.diag(np.diag(matrix)), slope)
        for length in (1.0, 0.5):
            tried = parameters.copy()
            tried[active] -= (length * step).astype(np.float32)
            error = kernel.squared_error(network, tried, patches, base=base, target=original, threads=threads)
            if error < loss:
                best, loss = tried, error
    return best


def normed_gradient(
    network: Network, parameters: Vector, patches: Rectangles, *, base: Pixels, target: Pixels, threads: int | None = None
) -> tuple[float, NDArray[np.float64]]:
    """As `kernel.gradient`, of the network with instance norm: each of the patches (n, 4) by its own statistics."""

    def one(patch: NDArray[np.int32]) -> tuple[float, NDArray[np.float32]]:
        y0, y1, x0, x1 = patch.tolist()
        wanted = (target[y0:y1, x0:x1].astype(np.float32) - base[y0:y1, x0:x1]) / 128
        with uncut():
            return floatnet.forward_backward(network, parameters, floatnet.inputs(network, base, (y0, y1, x0, x1)), wanted, norm=True)

    losses, gradients = zip(*parallel(one, patches, threads), strict=True)
    return sum(losses), np.sum(gradients, axis=0, dtype=np.float64)


def mean_squared_error(
    network: Network,
    parameters: Vector,
    *,
    base: Pixels,
    original: Pixels,
    within: Rectangles | None = None,
    threads: int | None = None,
) -> float:
    """Of the float network over the whole picture or `within`, in grey levels squared, before rounding and clipping to 8 bits."""
    part = tiles(base.shape, *WHOLE) if within is None else within
    return kernel.squared_error(network, parameters, part, base=base, target=original, threads=threads) / area(part) * PEAK_MSE
