"""Candidates for an inlay: of each network the best prior as it is, fitted to the picture, and fitted to areas of it.

Where this program makes the base, each network gets a base of its own by the closed loop first.  Each candidate has been restored by the
real decoder: its error is the error that a viewer will see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import default_rng

from .. import payload, priors
from ..arrays import Indices, Pixels, Shift, Vector
from ..decoder import integer_parameters
from ..errors import FormatError, InlayError
from ..fingerprint import Fingerprint, fingerprint
from ..formats import Made
from ..network import Network
from ..parameters import MAX_PARAMETER, UNIT, Prior, blank_prior
from ..payload import Payload
from ..restoration import restore
from ..threads import threads_of
from . import presets
from .bases import Base
from .curvature import gauss_newton, random_tiles, sample_px
from .distortion import mse
from .divide import divided
from .fit import FitResult, Problem, fit, mean_squared_error
from .floatnet import he_init
from .gradient import gradient, squared_error
from .loop import Loop
from .presets import Preset
from .quantize import quantise, rounded
from .rate_cost import RateCost
from .rectangles import random_patches
from .run import Run

MOST_PX = 1 << 17  # pixels by which priors are compared
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
class Candidate:
    """A base, a payload, the bytes that it adds to the file, and the mean squared error of the restored picture."""

    base: Base = field(repr=False)
    payload: Payload
    payload_bytes: int
    mse: float
    fit: FitResult | None = field(default=None, repr=False)

    @property
    def file_bytes(self) -> int:
        """Those of the whole file."""
        return len(self.base.data) + self.payload_bytes

    def cost(self, mse_per_byte: float) -> float:
        """D + lambda * R."""
        return self.mse + mse_per_byte * self.file_bytes


def candidates(
    base: Base, mse_per_byte: float, settings: Settings, made: Made | None = None, loop: Loop[Base] | None = None
) -> list[Candidate]:
    """The candidates of all networks that have a prior, or of all networks where none has one.

    made: how this program made the base.  loop: the one that makes it again.
    """
    found = {network: best_prior(base, network, settings) for network in settings.preset.networks}
    tried = {network: prior for network, prior in found.items() if prior} or found
    return [
        each for network, prior in tried.items() for each in _of_network(_Task.of(base, mse_per_byte, settings), network, prior, made, loop)
    ]


@dataclass(frozen=True)
class _Task:
    """What all candidates of a base share."""

    base: Base
    fingerprint: Fingerprint
    mse_per_byte: float  # lambda
    settings: Settings

    @classmethod
    def of(cls, base: Base, mse_per_byte: float, settings: Settings) -> _Task:
        """That of a base."""
        return cls(base, fingerprint(base.luma), mse_per_byte, settings)


def _of_network(task: _Task, network: Network, prior: Prior | None, made: Made | None, loop: Loop[Base] | None) -> list[Candidate]:
    """The candidates of a network on its own base."""
    if loop is None:
        return _on_base(task, network, prior)
    with_prior, with_fit = presets.rounds(task.settings.effort, task.base.original.size)
    shift: Shift | None = None
    start: Vector | None = None
    if prior is not None:
        known = [
            prior,
            *(each for each in trained_alike(task.base, network, task.settings.preset.recipe, made) if each.number != prior.number),
        ]
        task, prior, shift = _made_for_prior(task, loop, known, with_prior)
    found = _on_base(task, network, prior)
    for _ in range(with_fit):
        best = min((c for c in found if c.fit), key=lambda c: c.cost(task.mse_per_byte), default=None)
        if best is None or best.base is not task.base:
            break
        # Parameters of areas are those of the first; the loop needs one set.
        task, shift = _looped(task, loop, prior or blank_prior(network), best.payload.coded, presets.ROUNDS_WITH_FIT, shift)
        start = best.fit.parameters if best.fit else None
        if task.base is not best.base:
            found += _on_base(task, network, prior, start)
    return found


def _made_for_prior(task: _Task, loop: Loop[Base], known: list[Prior], rounds: int) -> tuple[_Task, Prior, Shift | None]:
    """The task on a base that the loop made for the best of some priors, that prior, and the base's shift.

    A prior that is the best on the task's base may not be the best on the loop's, so each is tried for a round.
    """
    least = np.inf
    for each in known:
        tried, by = _looped(task, loop, each, b"", 1)
        cost = min(c.cost(task.mse_per_byte) for c in _candidate(tried, each, b""))
        if cost < least:  # the others are not kept: a large picture's bases take memory
            least, best, shift, prior = cost, tried, by, each
    best, shift = _looped(best, loop, prior, b"", rounds - 1, shift)
    return best, prior, shift


def _looped(
    task: _Task, loop: Loop[Base], prior: Prior, coded: bytes, rounds: int, shift: Shift | None = None
) -> tuple[_Task, Shift | None]:
    """The task on the base of least cost for the coded parameters, after some rounds of the loop, and that base's shift."""
    inlay = Payload(prior.number, prior.network, 0.0, task.fingerprint, coded)
    parameters = (integer_parameters(inlay, task.base.luma.shape).parameters[0] / UNIT).astype(np.float32)
    # What a byte saves of the restored error: as large a share as of the plain error.
    error = _error(prior.network, inlay, task.base, task.settings.run.threads)
    lmbda = task.mse_per_byte * error / loop.plain.mse

    def cost(base: Base) -> float:
        return _error(prior.network, inlay, base, task.settings.run.threads) + lmbda * len(base.data)

    base, shift = loop.rounds(task.base, prior.network, parameters, cost, rounds, shift)
    return (task if base is task.base else _Task.of(base, task.mse_per_byte, task.settings)), shift


def _on_base(task: _Task, network: Network, prior: Prior | None, start: Vector | None = None) -> list[Candidate]:
    """The candidates of a network on the task's base.  start: where the fit begins, by default at the prior or at random."""
    preset, run = task.settings.preset, task.settings.run
    as_it_is = [] if prior is None else _candidate(task, prior, b"")
    if preset.at(task.settings.effort, network).steps == 0:
        return as_it_is
    cost = None
    if prior is not None:
        start = _start(prior, preset) if start is None else start
        cost = RateCost(prior, task.mse_per_byte / 8) if preset.weighs_rate else None
    else:
        prior, start = blank_prior(network), he_init(network, default_rng(run.seed)) if start is None else start
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


def trained_alike(base: Base, network: Network, recipe: str | None, made: Made | None) -> list[Prior]:
    """The priors that were trained on bases of the closed loop, made like this one, at a quality or a rate of their band.

    made: how this program made the base; None for another program's.
    """
    if made is None or recipe is None:
        return []
    at = {"quality": made.quality, "rate_bpp": 8 * len(base.data) / base.original.size}

    def is_alike(prior: Prior) -> bool:
        content = priors.stored(prior.number)
        training, knob = content["provenance"], "quality" if "quality" in content else "rate_bpp"
        same = all(made.options.get(name) == training[name] for name in ("base", "tune") if name in training)
        value, (low, high) = at[knob], content[knob]
        return bool(training.get("rounds") and same and value is not None and low <= value <= high)

    return [prior for prior in priors.candidates(base.format.name, network, recipe) if is_alike(prior)]


def nearest(known: Iterable[Prior], settings: Settings, *, base: Pixels, original: Pixels) -> Prior | None:
    """The prior with the least error, as it is, over some patches of a picture; None if there is none."""
    schedule, run = settings.preset.schedule, settings.run
    patches = random_patches(default_rng(run.seed), base.shape, min(schedule.batch_px, MOST_PX), schedule.patch)

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
        error = _error(prior.network, candidate, base, task.settings.run.threads)
    except FormatError:
        return []
    gain_db = float(10 * np.log10(base.mse / error)) if error else 99.0
    candidate = replace(candidate, gain_db=gain_db)
    return [Candidate(base, candidate, len(payload.write(candidate)) + base.format.container.OVERHEAD_BYTES, error)]


def _error(network: Network, inlay: Payload, base: Base, threads: int | None) -> float:
    """The mean squared error that the decoder leaves; FormatError where a parameter exceeds its bounds."""
    sets = integer_parameters(inlay, base.luma.shape)
    return mse(restore(network, sets, base.luma, threads=threads), base.original)
