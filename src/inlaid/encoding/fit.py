"""Fitting a network to one picture.

From a start, a fit makes a Gauss-Newton step where its schedule wants one, then follows the gradient of random patches with Adam.
Everything is float and in the parameter order of `network.Network`; quantisation comes after, in `quantize`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..arrays import Indices, Matrix, Pixels, Rectangles, Vector
from ..network import Network
from ..threads import uncut
from .adam import Adam
from .balance import aligned
from .curvature import gauss_newton, random_tiles, sample_px
from .gradient import PEAK_MSE, gradient, normed_gradient, squared_error
from .instance_norm import fold, instances, statistics, units
from .rate_cost import RateCost
from .rectangles import WHOLE, area, pieces, random_patches, some_of, tiles
from .run import Run
from .schedule import Schedule

# Of the Gauss-Newton steps that are tried: shares of the matrix's diagonal that are added to it, and lengths.
DAMPINGS, LENGTHS = (0.0, 0.03, 1.0), (1.0, 0.5)


@dataclass(frozen=True)
class Problem:
    """What a fit minimises: the squared error of net(base) against `original`, plus `rate_cost`.

    base, original: (H, W) planes.  rate_cost: None where bytes do not count.  active: the parameters that may change, None for all.
    within: the rectangles whose error counts, None for the whole picture.  like: where a fit with instance norm leaves scales open, it
    takes those of these parameters (`balance.aligned`).
    """

    network: Network
    base: Pixels
    original: Pixels
    rate_cost: RateCost | None = None
    active: Indices | None = None
    within: Rectangles | None = None
    like: Vector | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", np.ascontiguousarray(self.base))  # as the kernel needs them
        object.__setattr__(self, "original", np.ascontiguousarray(self.original))

    @property
    def indices(self) -> Indices:
        """The parameters that may change."""
        return np.arange(self.network.size) if self.active is None else self.active


@dataclass(frozen=True)
class FitResult:
    """Parameters; the mean squared error of each step's batch, in grey levels squared; and a sentence on why the fit ended.

    normed: the parameters before the norm was folded, the same where there was none.
    """

    parameters: Vector
    history: list[float] = field(repr=False)
    reason: str
    normed: Vector = field(repr=False)


def fit(problem: Problem, start: Vector, schedule: Schedule, run: Run | None = None) -> FitResult:
    """Parameters that minimise the problem as far as the schedule's steps allow.

    With the norm, `start` has the weights before the norm was folded, and the result has it folded.  A fit whose error grows without
    bound gives its start, and says so in `reason`.
    """
    return _Fit(problem, start, schedule, run or Run()).result()


class _Fit:
    """The state of one fit: parameters, random numbers, the errors so far."""

    def __init__(self, problem: Problem, start: Vector, schedule: Schedule, run: Run) -> None:
        self.problem, self.start, self.schedule, self.run = problem, start, schedule, run
        self.parameters = start.astype(np.float32).copy()
        self.rng = np.random.default_rng(run.seed)
        self.inside = None if problem.within is None else pieces(problem.within)
        self.history: list[float] = []
        # What the optimiser sees: parameters in these units, and the error in the unit of the last layer's.
        self.units = units(problem.network, schedule.pixel_range) if schedule.norm else np.ones(problem.network.size, np.float32)
        self.error_unit = float(self.units[-1]) ** 2

    def result(self) -> FitResult:
        """Runs all cycles, then folds the norm."""
        cycles = self.schedule.cycles()
        reason = f"all {self.schedule.steps} steps were made"
        judged = self.patches() if len(cycles) > 1 else None  # the same pixels judge every cycle
        before = None if judged is None else self.objective(judged)
        for number, steps in enumerate(cycles):
            if not self.cycle(number, steps):
                return self.diverged(len(self.history) - 1)
            if judged is None or before is None or number + 1 == len(cycles):
                continue
            after = self.objective(judged)
            if self.schedule.least_gain is not None and before - after < self.schedule.least_gain * before:
                reason = f"steps {len(self.history) - steps + 1} to {len(self.history)} of {self.schedule.steps} gained too little to go on"
                break
            before = after
        parameters = self.folded(self.parameters)
        if not (np.isfinite(parameters).all() and np.isfinite(mean_squared_error(self.problem, parameters, self.run.threads))):
            return self.diverged(len(self.history))
        return FitResult(parameters, self.history, reason, self.parameters)

    def cycle(self, number: int, steps: int) -> bool:
        """A Gauss-Newton step if the schedule has them, then `steps` of Adam; False if the error grew without bound."""
        schedule, active = self.schedule, self.problem.indices
        adam = Adam(len(active), beta2=schedule.beta2, clip=schedule.clip, clips_each=schedule.clips_each)
        if schedule.second_order:
            patches = self.patches()
            matrix = self.matrix(number)
            self.newton_step(matrix, patches)
            adam.turn(matrix)
        for step in range(steps):
            slope = self.slope(self.patches())
            if not (np.isfinite(self.history[-1]) and np.isfinite(slope).all()):
                return False
            move = adam.move(slope[active] / self.units[active] * self.error_unit, schedule.rate_at(step, steps))
            self.parameters[active] -= (move / self.units[active]).astype(np.float32)
            if self.run.progress:
                self.run.progress(len(self.history), schedule.steps)
        return True

    def patches(self) -> Rectangles:
        """Random patches of the picture, or of the part of it that counts."""
        schedule, base = self.schedule, self.problem.base
        if self.inside is None and schedule.norm and base.size <= schedule.batch_px:
            return instances(base.shape)
        if self.inside is None:
            return random_patches(self.rng, base.shape, schedule.batch_px, schedule.patch)
        return some_of(self.rng, self.inside, schedule.batch_px)

    def objective(self, patches: Rectangles) -> float:
        """The objective: the squared error a pixel over `patches`, plus the rate cost, in grey levels squared."""
        error = self.error(self.parameters, patches)
        cost = self.problem.rate_cost
        return error / area(patches) * PEAK_MSE + (0 if cost is None else cost.value(self.parameters))

    def error(self, parameters: Vector, patches: Rectangles) -> float:
        """The squared error over `patches`, in the kernel's unit."""
        base, target = self.problem.base, self.problem.original
        return squared_error(self.problem.network, parameters, patches, base=base, target=target, threads=self.run.threads)

    def slope(self, patches: Rectangles) -> Matrix:
        """The objective's gradient by all parameters, in the kernel's unit, from `patches`; their error joins the history."""
        function = normed_gradient if self.schedule.norm else gradient
        base, target = self.problem.base, self.problem.original
        loss, slope = function(self.problem.network, self.parameters, patches, base=base, target=target, threads=self.run.threads)
        pixels, cost = area(patches), self.problem.rate_cost
        self.history.append(loss / pixels * PEAK_MSE)
        slope /= pixels
        return slope if cost is None else slope + cost.gradient(self.parameters) / PEAK_MSE

    def matrix(self, cycle: int) -> Matrix:
        """The Gauss-Newton matrix of the objective by the active parameters, in the kernel's unit."""
        problem, active = self.problem, self.problem.indices
        pixels = sample_px(len(active))
        shape, inside = problem.base.shape, self.inside
        part = random_tiles(shape, pixels, self.run.seed + cycle) if inside is None else some_of(self.rng, inside, pixels)
        matrix = gauss_newton(problem.network, self.parameters, problem.base, part, active=active, threads=self.run.threads) / PEAK_MSE
        if problem.rate_cost is not None:
            matrix += np.diag(problem.rate_cost.curvature()[active] / PEAK_MSE)
        return matrix

    def newton_step(self, matrix: Matrix, patches: Rectangles) -> None:
        """The best of some damped Gauss-Newton steps (Levenberg 1944, Marquardt 1963), none if all of them add to the error.

        The steps follow the whole objective.  The choice among them is by the error alone: one step changes the rate little.
        """
        if not matrix.any():  # no parameter changes the answer: a flat base, and a last layer of zeros
            return
        problem, cost, active = self.problem, self.problem.rate_cost, self.problem.indices
        base, target = problem.base, problem.original
        least, slope = gradient(problem.network, self.parameters, patches, base=base, target=target, threads=self.run.threads)
        half = slope[active] / (2 * area(patches))
        if cost is not None:
            half += cost.gradient(self.parameters)[active] / (2 * PEAK_MSE)
        best = self.parameters
        for damping in DAMPINGS:
            with uncut():
                step = np.linalg.solve(matrix + damping * np.diag(np.diag(matrix)), half)
            for length in LENGTHS:
                tried = self.parameters.copy()
                tried[active] -= (length * step).astype(np.float32)
                error = self.error(tried, patches)
                if error < least:
                    best, least = tried, error
        self.parameters = best

    def folded(self, parameters: Vector) -> Vector:
        """Plain parameters.  Instance norm becomes weights and biases, by the statistics of the whole picture."""
        if not self.schedule.norm:
            return parameters
        network = self.problem.network
        folded = fold(network, parameters, statistics(network, parameters, self.problem.base))
        return folded if self.problem.like is None else aligned(network, folded, self.problem.like)

    def diverged(self, step: int) -> FitResult:
        """The start, with the reason."""
        reason = f"the error grew without bound at step {step}; the start is kept"
        return FitResult(self.folded(self.start), self.history, reason, self.start)


def mean_squared_error(problem: Problem, parameters: Vector, threads: int | None = None) -> float:
    """The float network's mean squared error, in grey levels squared, before rounding and clipping to 8 bits."""
    part = tiles(problem.base.shape, *WHOLE) if problem.within is None else problem.within
    error = squared_error(problem.network, parameters, part, base=problem.base, target=problem.original, threads=threads)
    return error / area(part) * PEAK_MSE
