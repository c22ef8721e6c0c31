"""The training loop: a recipe's steps over a corpus, with a history of the gain and checkpoints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import Vector
from ..encoding.floatnet import he_init
from ..encoding.gradient import PEAK_MSE
from ..encoding.schedule import Schedule
from ..errors import InlayError
from .checkpoint import Checkpoint
from .corpus import Corpus
from .recipes import Recipe

LARGEST = 1e6  # a parameter beyond it means that the training diverges


def train(
    recipe: Recipe,
    corpus: Corpus,
    schedule: Schedule,
    *,
    start: Vector | None = None,
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Vector, list[float]]:
    """The trained parameters, and the mean gain (dB) over the batches of every `recipe.every` steps.

    schedule: its steps and learning rate.  start: parameters to begin with; by default He's initialisation.  checkpoint: its state,
    if it has one, is where the training goes on.  InlayError if the parameters grow without bound.
    """
    network = recipe.network
    parameters = he_init(network, np.random.default_rng(seed)) if start is None else start.astype(np.float32).copy()
    done, history, error, error_of_base = 0, [], 0.0, 0.0
    if checkpoint and (state := checkpoint.load()):
        parameters, done, history = state["parameters"].astype(np.float32), int(state["done"]), state["history"].tolist()
        recipe.resume(state)
    for step in range(done, schedule.steps):
        # Each step has its own generator, so that a resumed training draws the same batches.
        rng = np.random.default_rng((seed, step))
        loss, patches, move = recipe.step(step, schedule.rate_at(step), parameters, corpus, rng)
        parameters -= move.astype(np.float32)
        if not (np.isfinite(loss) and np.abs(parameters).max() < LARGEST):
            raise InlayError(f"the parameters grew without bound at step {step}; expected a lower learning rate than {schedule.rate}")
        error += loss
        for y0, y1, x0, x1 in patches:
            difference = corpus.base[y0:y1, x0:x1].astype(np.int64) - corpus.original[y0:y1, x0:x1]
            error_of_base += float((difference**2).sum()) / PEAK_MSE
        if (step + 1) % recipe.every == 0 or step + 1 == schedule.steps:
            lossless = not (error_of_base and error)
            history.append(0.0 if lossless else round(float(10 * np.log10(error_of_base / error)), 4))
            error = error_of_base = 0.0
            if checkpoint is not None:
                own = {"parameters": parameters, "done": np.array(step + 1), "history": np.array(history)}
                checkpoint.save({**own, **recipe.state()})
        if progress:
            progress(step + 1, schedule.steps)
    return parameters, history
