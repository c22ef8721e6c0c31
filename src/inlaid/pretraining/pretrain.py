"""Pre-training: from a folder of images to a prior.

Two stages.  `recipes.train` follows random patches of many pictures at many qualities.  `survey` then fits that start to single
pictures, as the encoder will, and notes how far each parameter strays and how much the error feels it: the prior's spreads and step
exponents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Vector
from ..encoding.curvature import gauss_newton, sample, sample_px
from ..encoding.fit import Problem, fit
from ..encoding.run import Run
from ..encoding.schedule import Schedule
from ..errors import InlayError
from ..network import Network, check_bounds
from ..parameters import UNIT
from .corpus import Band, Corpus, images_in, load
from .recipes import RECIPES, Best, saved, train


def survey(
    network: Network, parameters: Vector, corpus: Corpus, pictures: int, *, schedule: Schedule = Best.schedule, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Step exponents and spreads (network.size,), from fits by `schedule` to `pictures` random pictures of the corpus.

    A step is so long that its rounding error adds the same to the error of every parameter (uniform noise of step^2 / 12 times the
    curvature), on the whole 0.05 % of the base's; a spread is the mean distance from the prior.
    """
    rng = np.random.default_rng(seed)
    strayed, curvature = np.zeros(network.size), np.zeros(network.size)
    chosen = rng.permutation(len(corpus.places))[:pictures]
    for index in chosen:
        base, original = corpus.picture(int(index))
        mse = max(float(((base.astype(np.float64) - original) ** 2).mean()), 0.01)  # a flat picture may have lost nothing
        fitted = fit(Problem(network, base, original), parameters, schedule, Run(seed=int(index))).parameters
        strayed += np.abs(fitted - parameters) / len(chosen)
        curvature += np.diag(gauss_newton(network, parameters, base, sample(base.shape, sample_px(network.size)))) / mse / len(chosen)
    step = np.sqrt(12 * 0.0005 / network.size / np.maximum(curvature, 1e-9)) * UNIT
    exponents = np.clip(np.rint(np.log2(step)), 0, 12).astype(np.int64)
    return exponents, np.maximum(np.rint(strayed * UNIT), 1).astype(np.int64)


def pretrain(
    folders: Sequence[Path],
    band: Band,
    network: Network,
    *,
    recipe: str = Best.name,
    steps: int = 60_000,
    learning_rate: float | None = None,
    start: Path | None = None,
    surveyed: int = 64,
    seed: int = 0,
    threads: int | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """What a prior's file holds (`to_text` writes it): trained on the images in `folders`, coded somewhere in `band`.

    learning_rate: the recipe's own if left out.  start: another prior's file to begin at.  surveyed: how many pictures the survey
    fits.  `provenance` says how it came about.  InlayError for an unknown recipe, FormatError if there are no pictures.
    """
    if recipe not in RECIPES:
        raise InlayError(f"no recipe {recipe!r}; expected one of {', '.join(RECIPES)}")
    followed = RECIPES[recipe](network, threads)
    learning_rate = learning_rate or followed.learning_rate
    begin, text = None, b""
    if start is not None:
        text = start.read_bytes()
        begin = (np.array(json.loads(text)["values"]) / UNIT).astype(np.float32)
    rows, columns = (side + 2 * network.halo_px for side in followed.patch_size)
    names = [folder.name for folder in folders]
    training = repr((recipe, network, band, names, steps, learning_rate, seed, hashlib.sha256(text).hexdigest()))
    saved(checkpoint, training)  # tells a wrong file before anything is computed
    corpus = load(images_in(folders), band, (rows, columns), seed)
    parameters, gains_db = train(
        followed, corpus, steps, start=begin, learning_rate=learning_rate, seed=seed, checkpoint=checkpoint, training=training,
        progress=progress,
    )  # fmt: skip
    parameters = followed.finished(parameters, corpus, seed)
    integers = np.rint(np.clip(parameters, -16, 16) * UNIT).astype(np.int64)
    check_bounds(network, integers)
    exponents, spreads = survey(network, parameters, corpus, surveyed, schedule=followed.schedule, seed=seed)
    shape = {"channels": network.channels, "layers": network.layers, "kernel": network.kernel}
    provenance = {
        "recipe": recipe,
        "folders": names,
        "images": len(corpus.places),
        "skipped": list(corpus.skipped),
        "steps": steps,
        "learning_rate": learning_rate,
        "start": start.name if start else None,
        "pictures": surveyed,
        "seed": seed,
        f"gain_db_every_{followed.every}_steps": gains_db,
    }
    return {
        "codec": band.codec,
        band.knob: [band.low, band.high],
        "network": {**shape, "dilations": list(network.dilations), "inputs": network.inputs},
        "provenance": provenance,
        "values": integers.tolist(),
        "exponents": exponents.tolist(),
        "spreads": spreads.tolist(),
    }


def history(provenance: dict[str, Any]) -> tuple[list[int], list[float]]:
    """Of a prior's provenance: the steps at which a stretch ends, and the mean gain over the batches of each (dB)."""
    name = next(name for name in provenance if name.startswith("gain_db_every_"))
    every, gains_db = int(name.split("_")[3]), provenance[name]
    return [min(every * (i + 1), provenance["steps"]) for i in range(len(gains_db))], gains_db


def to_text(fields: dict[str, Any]) -> str:
    """JSON, a line a field."""
    return "{\n" + ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in fields.items()) + "\n}\n"
