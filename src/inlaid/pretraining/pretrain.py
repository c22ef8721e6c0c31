"""Pre-training: from folders of images to a prior.

It has two stages.  `train` follows a recipe on random patches of many pictures at many qualities.  `survey` then fits the result to
single pictures, as an encoder will, and measures for each parameter its distance from the prior and its effect on the error; from
these come the prior's spreads and step exponents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Integers, Vector
from ..encoding.curvature import gauss_newton, random_tiles, sample_px
from ..encoding.distortion import mse
from ..encoding.fit import Problem, fit
from ..encoding.run import Run
from ..encoding.schedule import Schedule
from ..errors import InlayError
from ..network import Network, check_bounds
from ..parameters import UNIT
from .checkpoint import Checkpoint
from .corpus import Band, Corpus, Looping, images_in, load
from .recipes import RECIPES, Best, Recipe
from .training import train

WARMUP_STEPS = 50
ROUNDING_SHARE = 0.0005  # of the base's mean squared error: what rounding all parameters to their steps may add
LARGEST_EXPONENT = 12


@dataclass(frozen=True)
class Training:
    """How a prior is trained."""

    recipe: str = Best.name
    steps: int = 60_000
    learning_rate: float | None = None  # None: the recipe's own
    start: Path | None = None  # the prior's file to begin with; None: random numbers
    surveyed: int = 64  # pictures that the survey fits
    seed: int = 0
    threads: int | None = None  # None: one for each processor core
    rounds: int = 0  # of the closed loop that makes the bases, with the network of `start`


def survey(recipe: Recipe, start: Vector, parameters: Vector, corpus: Corpus, pictures: int, seed: int = 0) -> tuple[Integers, Integers]:
    """Step exponents and spreads (network.size,), from fits by the recipe's schedule to `pictures` random pictures of the corpus.

    start: where the fits begin; parameters: those of the prior.

    A spread is the mean distance of a fit's parameter from the prior's, in three significant bits.  The steps are chosen so that rounding
    adds the same error for every parameter, and `ROUNDING_SHARE` of the base's error in all: rounding to a step adds step^2 / 12 times the
    curvature.
    """
    rng, network, threads = np.random.default_rng(seed), recipe.network, recipe.threads
    distance, curvature = np.zeros(network.size), np.zeros(network.size)
    chosen = rng.permutation(len(corpus.places))[:pictures]
    for index in chosen:
        base, original = corpus.picture(int(index))
        error = max(mse(base, original), 0.01)  # the base of a flat picture has no error
        problem = Problem(network, base, original, like=parameters)
        fitted = fit(problem, start, recipe.schedule, Run(seed=int(index), threads=threads)).parameters
        distance += np.abs(fitted - parameters) / len(chosen)
        part = random_tiles(base.shape, sample_px(network.size))
        curvature += np.diag(gauss_newton(network, parameters, base, part, threads=threads)) / error / len(chosen)
    step = np.sqrt(12 * ROUNDING_SHARE / network.size / np.maximum(curvature, 1e-9)) * UNIT
    exponents = np.clip(np.rint(np.log2(step)), 0, LARGEST_EXPONENT).astype(np.int64)
    return exponents, short(np.maximum(np.rint(distance * UNIT), 1).astype(np.int64))


def short(spreads: Integers) -> Integers:
    """Spreads of three significant bits, the nearest ones.  The bytes of an inlay hardly need more, and a browser loads less."""
    last = np.maximum(np.floor(np.log2(spreads)).astype(np.int64) - 2, 0)  # the place of the last bit that is kept
    return (spreads + (1 << last >> 1)) >> last << last


def pretrain(
    folders: Sequence[Path],
    band: Band,
    network: Network,
    training: Training = Training(),
    *,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The contents of a prior's file, trained on the images in `folders` with bases in `band`; `to_text` writes them.

    `provenance` says how the prior was made.  checkpoint: a file with the state, to go on after an interruption.  InlayError for an
    unknown recipe, FormatError if there are no pictures, CheckpointError if the checkpoint is another training's.
    """
    if training.recipe not in RECIPES:
        raise InlayError(f"no recipe {training.recipe!r}; expected one of {', '.join(RECIPES)}")
    recipe, seed = RECIPES[training.recipe](network, training.threads), training.seed
    learning_rate = training.learning_rate or recipe.learning_rate
    begin, text = None, b""
    if training.start is not None:
        text = training.start.read_bytes()
        stored = json.loads(text)
        normed_start = stored.get("normed") if recipe.schedule.norm else None
        begin = np.array(normed_start or np.array(stored["values"]) / UNIT, np.float32)
    rows, columns = (side + 2 * network.halo_px for side in recipe.patch_size)
    names = [folder.name for folder in folders]
    identity = (
        training.recipe,
        recipe.schedule,
        network,
        band,
        names,
        training.steps,
        learning_rate,
        seed,
        training.rounds,
        hashlib.sha256(text).hexdigest(),
    )
    kept = None if checkpoint is None else Checkpoint(checkpoint, repr(identity))
    if kept:
        kept.load()  # a wrong file is an error before anything is computed
    looping = None
    if training.rounds:
        if begin is None:
            raise InlayError("rounds of the closed loop need a prior to start with")
        looping = Looping(network, begin, training.rounds, training.threads)
    corpus = load(images_in(folders), band, (rows, columns), seed, looping)
    schedule = Schedule(training.steps, rate=learning_rate, warmup=WARMUP_STEPS)
    trained, gains_db = train(recipe, corpus, schedule, start=begin, seed=seed, checkpoint=kept, progress=progress)
    parameters = recipe.finished(trained, corpus, seed)
    integers = np.rint(np.clip(parameters, -16, 16) * UNIT).astype(np.int64)
    check_bounds(network, integers)
    normed = recipe.schedule.norm
    first = trained if normed else parameters
    exponents, spreads = survey(recipe, first, parameters, corpus, training.surveyed, seed)
    shape = {"channels": network.channels, "layers": network.layers, "kernel": network.kernel}
    provenance = {
        "recipe": training.recipe,
        "folders": names,
        "images": len(corpus.places),
        "skipped": list(corpus.skipped),
        "steps": training.steps,
        "learning_rate": learning_rate,
        "start": training.start.name if training.start else None,
        **dict(band.options),
        **({"shrink": band.shrink} if band.shrink != 1 else {}),
        **({"rounds": training.rounds} if training.rounds else {}),
        "pictures": training.surveyed,
        "seed": seed,
        f"gain_db_every_{recipe.every}_steps": gains_db,
    }
    return {
        "codec": band.codec,
        band.knob: [band.low, band.high],
        "network": {**shape, "dilations": list(network.dilations), "inputs": network.inputs},
        "provenance": provenance,
        **({"normed": [float(f"{value:.6g}") for value in trained]} if normed else {}),
        "values": integers.tolist(),
        "exponents": exponents.tolist(),
        "spreads": spreads.tolist(),
    }


def history(provenance: dict[str, Any]) -> tuple[list[int], list[float]]:
    """From a prior's provenance: the steps at which the entries of the history end, and the mean gain (dB) of each entry."""
    name = next(name for name in provenance if name.startswith("gain_db_every_"))
    every, gains_db = int(name.split("_")[3]), provenance[name]
    return [min(every * (i + 1), provenance["steps"]) for i in range(len(gains_db))], gains_db


def to_text(fields: dict[str, Any]) -> str:
    """JSON, with one field a line."""
    return "{\n" + ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in fields.items()) + "\n}\n"
