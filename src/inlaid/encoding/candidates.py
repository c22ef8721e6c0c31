"""Candidates for an inlay: of each network the best prior as it is, fitted to the picture, and fitted to areas of it.

Each candidate has been restored by the real decoder: its error is the error that a viewer will see.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import default_rng

from .. import payload, priors
from ..arrays import Indices, Pixels, Vector
from ..decoder import integer_parameters
from ..errors import FormatError, InlayError
from ..fingerprint import Fingerprint
from ..formats import Format
from ..network import Network
from ..parameters import UNIT, Prior, blank_prior
from ..payload import Payload
from ..restoration import restore
from ..threads import threads_of
from . import presets
from .curvature import gauss_newton, sample, sample_px
from .distortion import mse
from .divide import divided
from .fit import FitResult, Problem, fit, mean_squared_error
from .floatnet import he_init
from .gradient import gradient, squared_error
from .presets import Preset
from .quantize import quantise, rounded
from .rate_cost import RateCost
from .rectangles import random_patches
from .run import Run

COARSENESSES = range(-1, 6)
MAX_ACTIVE = 800  # parameters that are fitted at most


@dataclass(frozen=True)
class Settings:
    """The choices of an encoding: which networks, how long they are fitted, and how that runs."""

    preset: Preset
    effort: int
    run: Run

    @classmethod
    def of(cls, preset: str | None, effort: int, run: Run) -> Settings:
        """Those of a preset's name, None for the default.  InlayError for a wrong name, effort or seed."""
        chosen = presets.by_name(preset)
        chosen.at(effort)
        if run.seed < 0:
            raise InlayError(f"seed {run.seed}, expected 0 or more")
        return cls(chosen, effort, replace(run, threads=threads_of(run.threads)))


@dataclass(frozen=True)
class Task:
    """A base file and the picture that it stands for, as planes of luma (H, W)."""

    format: Format
    base: Pixels
    original: Pixels
    fingerprint: Fingerprint
    mse: float  # of the base
    mse_per_byte: float  # lambda


@dataclass(frozen=True)
class Candidate:
    """A payload, the bytes that it adds to the file, and the mean squared error of the restored picture."""

    payload: Payload
    payload_bytes: int
    mse: float
    fit: FitResult | None = field(default=None, repr=False)

    def cost(self, mse_per_byte: float) -> float:
        """D + lambda * R."""
        return self.mse + mse_per_byte * self.payload_bytes


def candidates(task: Task, settings: Settings) -> list[Candidate]:
    """The candidates of all networks of the preset."""
    return [each for network in settings.preset.networks for each in _of_network(task, settings, network)]


def _of_network(task: Task, settings: Settings, network: Network) -> list[Candidate]:
    preset = settings.preset
    prior = best_prior(task, settings, network)
    if prior is None and len(preset.networks) > 1:  # another network has one
        return []
    as_it_is = [] if prior is None else _restored(task, prior, b"", settings.run.threads)
    schedule = preset.at(settings.effort, network)
    if schedule.steps == 0:
        return as_it_is
    cost = None
    if prior is not None:
        start = _values(prior)
        cost = RateCost(prior, task.mse_per_byte / 8) if preset.weighs_rate else None
    else:
        prior, start = blank_prior(network), he_init(network, default_rng(settings.run.seed))
    active = _active(task, settings, prior, start)
    problem = Problem(network, task.base, task.original, cost, active)
    return as_it_is + _fitted(task, settings, prior, problem, start, as_it_is)


def _fitted(task: Task, settings: Settings, prior: Prior, problem: Problem, start: Vector, others: list[Candidate]) -> list[Candidate]:
    """The fitted parameters, quantised at each coarseness, and those of areas, as long as more areas pay."""
    run, active, network = settings.run, problem.indices, prior.network
    schedule = settings.preset.at(settings.effort, network)
    result = fit(problem, start, schedule, run)
    error = mean_squared_error(problem, result.parameters, run.threads)
    part = sample(task.base.shape, sample_px(len(active)), run.seed)
    hessian = gauss_newton(network, result.parameters, task.base, part, active=active, threads=run.threads)
    lmbda = task.mse_per_byte / 8
    if settings.preset.rounded:
        codings = [rounded(prior, result.parameters)]
    else:
        codings = [quantise(prior, result.parameters, hessian, error, lmbda, c, active).coded for c in COARSENESSES]
    found = [replace(each, fit=result) for coded in codings for each in _restored(task, prior, coded, run.threads)]
    if problem.rate_cost is None or not settings.preset.divides:
        return found
    for count in range(2, presets.SETS[settings.effort] + 1):
        least = min((c.cost(task.mse_per_byte) for c in others + found), default=np.inf)
        try:
            coded = divided(problem, problem.rate_cost, result.parameters, hessian, count, schedule, run)
        except FormatError:  # a parameter exceeds 16 bits
            break
        divisions = [c for c in _restored(task, prior, coded, run.threads) if c.cost(task.mse_per_byte) < least]
        if not divisions:
            break
        found += [replace(each, fit=result) for each in divisions]
    return found


def best_prior(task: Task, settings: Settings, network: Network) -> Prior | None:
    """The shipped prior with the least error, as it is, over some patches; None if there is none, or the preset wants none."""
    preset, run = settings.preset, settings.run
    if preset.recipe is None:
        return None
    patches = random_patches(default_rng(run.seed), task.base.shape, preset.schedule.batch_px, preset.schedule.patch)

    def error(prior: Prior) -> float:
        return squared_error(network, _values(prior), patches, base=task.base, target=task.original, threads=run.threads)

    return min(priors.candidates(task.format.name, network, preset.recipe), key=error, default=None)


def _values(prior: Prior) -> Vector:
    return (prior.values / UNIT).astype(np.float32)


def _active(task: Task, settings: Settings, prior: Prior, start: Vector) -> Indices:
    """The parameters to fit: all, or the MAX_ACTIVE that promise the most error of a larger network.

    A step of any parameter adds the same error (`pretrain.survey`), so slope times step is what moving a parameter gains.
    """
    network, run, schedule = prior.network, settings.run, settings.preset.schedule
    if network.size <= MAX_ACTIVE or settings.preset.recipe is None:
        return np.arange(network.size)
    patches = random_patches(default_rng(run.seed), task.base.shape, schedule.batch_px, schedule.patch)
    _, slope = gradient(network, start, patches, base=task.base, target=task.original, threads=run.threads)
    return np.sort(np.argsort(-np.abs(slope) * np.exp2(prior.exponents), kind="stable")[:MAX_ACTIVE])


def _restored(task: Task, prior: Prior, coded: bytes, threads: int | None) -> list[Candidate]:
    """The candidate of coded parameters, with the error that the decoder leaves; none where a parameter exceeds its bounds."""
    candidate = Payload(prior.number, prior.network, 0.0, task.fingerprint, coded)
    try:
        sets = integer_parameters(candidate, task.base.shape)
    except FormatError:
        return []
    error = mse(restore(prior.network, sets, task.base, threads=threads), task.original)
    gain_db = float(10 * np.log10(task.mse / error)) if error else 99.0
    candidate = replace(candidate, gain_db=gain_db)
    return [Candidate(candidate, len(payload.write(candidate)) + task.format.container.OVERHEAD_BYTES, error)]
