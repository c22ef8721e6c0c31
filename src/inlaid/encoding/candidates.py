"""Candidates for an inlay: of each network the best prior as it is, fitted to the picture, and fitted to areas of it.

Each candidate has been restored by the real decoder: its error is the error that a viewer will see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import default_rng
from PIL import Image

from .. import payload, priors
from ..arrays import Indices, Pixels, Vector
from ..decoder import integer_parameters
from ..errors import FormatError, InlayError
from ..fingerprint import Fingerprint, fingerprint
from ..formats import Format
from ..network import Network
from ..parameters import MAX_PARAMETER, UNIT, Prior, blank_prior
from ..payload import Payload
from ..restoration import restore
from ..threads import threads_of
from . import pictures, presets
from .curvature import gauss_newton, random_tiles, sample_px
from .distortion import mse
from .divide import divided
from .fit import FitResult, Problem, fit, mean_squared_error
from .floatnet import he_init
from .gradient import gradient, squared_error
from .presets import Preset
from .quantize import quantise, rounded
from .rate_cost import RateCost
from .rate_slope import Sample, sample
from .rectangles import random_patches
from .run import Run

COARSENESSES = range(-1, 6)  # all are tried, since each is decoded exactly before one is chosen
MAX_ACTIVE = 800  # the most parameters that one fit changes
# A parameter beyond it is twice what a file can hold.  Instance norm gives such parameters where a base is flat.
MOST_FITTED = 2 * MAX_PARAMETER / UNIT


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
class Base:
    """A base file and the picture that it stands for, as planes of luma (H, W); `sample` is the part that is encoded again."""

    format: Format
    data: bytes
    luma: Pixels
    original: Pixels
    sample: Sample
    mse: float

    @classmethod
    def of(cls, format: Format, data: bytes, luma: Pixels, image: Image.Image) -> Base:
        """The base file `data` of `image`, which is an L or RGB image as the base stores it; luma: the decoded base's."""
        original = pictures.luma(image)
        return cls(format, data, luma, original, sample(image, original=original, base=luma), mse(luma, original))


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


def candidates(base: Base, mse_per_byte: float, settings: Settings) -> list[Candidate]:
    """The candidates of all networks that have a prior, or of all networks where none has one."""
    task = _Task(base, fingerprint(base.luma), mse_per_byte, settings)
    found = {network: best_prior(base, network, settings) for network in settings.preset.networks}
    tried = {network: prior for network, prior in found.items() if prior} or found
    return [each for network, prior in tried.items() for each in _of_network(task, network, prior)]


@dataclass(frozen=True)
class _Task:
    """What all candidates of an encoding share."""

    base: Base
    fingerprint: Fingerprint
    mse_per_byte: float  # lambda
    settings: Settings


def _of_network(task: _Task, network: Network, prior: Prior | None) -> list[Candidate]:
    preset, run = task.settings.preset, task.settings.run
    as_it_is = [] if prior is None else _candidate(task, prior, b"")
    if preset.at(task.settings.effort, network).steps == 0:
        return as_it_is
    cost = None
    if prior is not None:
        start = _start(prior, preset)
        cost = RateCost(prior, task.mse_per_byte / 8) if preset.weighs_rate else None
    else:
        prior, start = blank_prior(network), he_init(network, default_rng(run.seed))
    problem = Problem(network, task.base.luma, task.base.original, cost, _active(task, prior, start), like=_values(prior))
    return as_it_is + _fitted(task, prior, problem, start, as_it_is)


def _fitted(task: _Task, prior: Prior, problem: Problem, start: Vector, others: list[Candidate]) -> list[Candidate]:
    """The fitted parameters, quantised at each coarseness, and those of areas, as long as more areas pay."""
    run, preset, active, network = task.settings.run, task.settings.preset, problem.indices, prior.network
    schedule = preset.at(task.settings.effort, network)
    result = fit(problem, start, schedule, run)
    if np.abs(result.parameters).max() > MOST_FITTED:
        return []
    error = mean_squared_error(problem, result.parameters, run.threads)
    part = random_tiles(problem.base.shape, sample_px(len(active)), run.seed)
    hessian = gauss_newton(network, result.parameters, problem.base, part, active=active, threads=run.threads)
    if preset.rounded:
        codings = [rounded(prior, result.parameters)]
    else:
        mse_per_bit = task.mse_per_byte / 8
        codings = [quantise(prior, result.parameters, hessian, error, mse_per_bit, c, active).coded for c in COARSENESSES]
    found = [replace(each, fit=result) for coded in codings for each in _candidate(task, prior, coded)]
    if problem.rate_cost is None or not preset.divides:
        return found
    for count in range(2, presets.SETS[task.settings.effort] + 1):
        least = min((c.cost(task.mse_per_byte) for c in others + found), default=np.inf)
        try:
            coded = divided(problem, problem.rate_cost, result.parameters, hessian, count, schedule, run)
        except FormatError:  # a parameter exceeds 16 bits
            break
        better = [c for c in _candidate(task, prior, coded) if c.cost(task.mse_per_byte) < least]
        if not better:
            break
        found += [replace(each, fit=result) for each in better]
    return found


def best_prior(base: Base, network: Network, settings: Settings) -> Prior | None:
    """The shipped prior with the least error, as it is, over some patches; None if there is none, or the preset wants none."""
    if settings.preset.recipe is None:
        return None
    known = priors.candidates(base.format.name, network, settings.preset.recipe)
    return nearest(known, settings, base=base.luma, original=base.original)


def nearest(known: Iterable[Prior], settings: Settings, *, base: Pixels, original: Pixels) -> Prior | None:
    """The prior with the least error, as it is, over some patches of a picture; None if there is none."""
    schedule, run = settings.preset.schedule, settings.run
    patches = random_patches(default_rng(run.seed), base.shape, schedule.batch_px, schedule.patch)

    def error(prior: Prior) -> float:
        return squared_error(prior.network, _values(prior), patches, base=base, target=original, threads=run.threads)

    return min(known, key=error, default=None)


def _values(prior: Prior) -> Vector:
    return (prior.values / UNIT).astype(np.float32)


def _start(prior: Prior, preset: Preset) -> Vector:
    """Where a fit begins: the prior's parameters or, for a fit with instance norm, those that its training ended with."""
    start = priors.normed_start(prior.number) if preset.schedule.norm else None
    return _values(prior) if start is None else start


def _active(task: _Task, prior: Prior, start: Vector) -> Indices:
    """The parameters to fit: all or, in a larger network, the MAX_ACTIVE with the largest expected gain.

    A step of any parameter adds the same error (`pretrain.survey`), so the gain is taken as slope * step.
    """
    network, base, preset, run = prior.network, task.base, task.settings.preset, task.settings.run
    if network.size <= MAX_ACTIVE or preset.recipe is None:
        return np.arange(network.size)
    patches = random_patches(default_rng(run.seed), base.luma.shape, preset.schedule.batch_px, preset.schedule.patch)
    _, slope = gradient(network, start, patches, base=base.luma, target=base.original, threads=run.threads)
    return np.sort(np.argsort(-np.abs(slope) * np.exp2(prior.exponents), kind="stable")[:MAX_ACTIVE])


def _candidate(task: _Task, prior: Prior, coded: bytes) -> list[Candidate]:
    """The candidate of coded parameters, with the error that the decoder leaves; none where a parameter exceeds its bounds."""
    candidate, base = Payload(prior.number, prior.network, 0.0, task.fingerprint, coded), task.base
    try:
        sets = integer_parameters(candidate, base.luma.shape)
    except FormatError:
        return []
    error = mse(restore(prior.network, sets, base.luma, threads=task.settings.run.threads), base.original)
    gain_db = float(10 * np.log10(base.mse / error)) if error else 99.0
    candidate = replace(candidate, gain_db=gain_db)
    return [Candidate(candidate, len(payload.write(candidate)) + base.format.container.OVERHEAD_BYTES, error)]
