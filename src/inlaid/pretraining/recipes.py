"""Recipes for pre-training: how random patches of many pictures become the parameters of a prior.

`paper` is what the paper says, `best` what measures best.  `train` follows either, and can be interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..arrays import Rectangles, Vector
from ..encoding import floatnet
from ..encoding.adam import Adam
from ..encoding.curvature import MOST_PX, gauss_newton
from ..encoding.floatnet import he_init, normed_gradient
from ..encoding.gradient import PEAK_MSE, gradient
from ..encoding.presets import FOLLOWED, PRESETS
from ..encoding.rectangles import area
from ..encoding.schedule import Schedule
from ..errors import FormatError, InlayError
from ..network import Network
from .corpus import Corpus

LARGEST = 1e6  # a parameter that is beyond every use
ROW = 9.0  # sum of a row's weights that leaves room: 16 is the bound of `check_bounds`

State = dict[str, NDArray[np.float64]]


class CheckpointError(FormatError):
    """A file that is not what an interrupted training kept."""


class Recipe:
    """What a training remembers, and the steps that it makes.  `schedule`: how the survey fits single pictures."""

    name: str
    learning_rate: float
    every: int  # steps from one note in the history and one checkpoint to the next
    schedule: Schedule

    def __init__(self, network: Network, threads: int | None = None) -> None:
        """No step is made yet."""
        self.network, self.threads = network, threads

    @property
    def patch_size(self) -> tuple[int, int]:
        """Rows and columns of a patch, without its halo."""
        raise NotImplementedError

    def step(
        self, step: int, rate: float, parameters: Vector, corpus: Corpus, rng: np.random.Generator
    ) -> tuple[float, Rectangles, NDArray[np.float64]]:
        """The squared error of some patches, the patches, and what to subtract from the parameters."""
        raise NotImplementedError

    def state(self) -> State:
        """What it has to know to go on."""
        raise NotImplementedError

    def resume(self, state: State) -> None:
        """Goes on from what `state` gave."""
        raise NotImplementedError

    def finished(self, parameters: Vector, corpus: Corpus, seed: int) -> Vector:
        """What becomes the prior."""
        raise NotImplementedError


class Best(Recipe):
    """Adam on many small patches, along the eigenvectors of the Gauss-Newton matrix of other such patches."""

    name = "best"
    learning_rate = 0.01
    every = 2000  # also from one turn to the next
    schedule = replace(FOLLOWED, steps=100, rate=0.01)
    BATCH_PX, ROWS, WIDTH = 65536, 64, 96  # pixels of a step; rows of a patch; its columns with the halo, which fill whole vectors
    FIRST_TURN = 100

    def __init__(self, network: Network, threads: int | None = None) -> None:
        """Begins with an empty memory of the gradient."""
        super().__init__(network, threads)
        self.adam = Adam(network.size, beta2=0.999)

    @property
    def patch_size(self) -> tuple[int, int]:
        """Small ones, which fill whole vectors with their halo."""
        return self.ROWS, max(32, self.WIDTH - 2 * self.network.halo_px)

    def draw(self, corpus: Corpus, rng: np.random.Generator, pixels: int) -> Rectangles:
        """Patches of about so many pixels together."""
        rows, columns = self.patch_size
        return corpus.draw(rng, max(1, pixels // (rows * columns)), (rows, columns), self.network.halo_px)

    def step(
        self, step: int, rate: float, parameters: Vector, corpus: Corpus, rng: np.random.Generator
    ) -> tuple[float, Rectangles, NDArray[np.float64]]:
        """One of Adam, now and then after a turn of the axes."""
        if step == self.FIRST_TURN or (step and step % self.every == 0):
            some = self.draw(corpus, rng, MOST_PX)
            self.adam.turn(gauss_newton(self.network, parameters, corpus.base, some, threads=self.threads) / PEAK_MSE)
        patches = self.draw(corpus, rng, self.BATCH_PX)
        loss, slope = gradient(self.network, parameters, patches, base=corpus.base, target=corpus.original, threads=self.threads)
        return loss, patches, self.adam.move(slope / area(patches), rate)

    def state(self) -> State:
        """Adam's memory and axes."""
        axes = np.zeros(0) if self.adam.axes is None else self.adam.axes
        return {"mean": self.adam.mean, "square": self.adam.square, "axes": axes, "count": np.array(self.adam.count)}

    def resume(self, state: State) -> None:
        """Adam's memory and axes are those again."""
        self.adam.mean, self.adam.square, self.adam.count = state["mean"], state["square"], int(state["count"])
        self.adam.axes = state["axes"] if state["axes"].size else None

    def finished(self, parameters: Vector, corpus: Corpus, seed: int) -> Vector:
        """The parameters, balanced."""
        return balanced(self.network, parameters)


class Paper(Recipe):
    """The paper's: SGD with momentum on crops of 256x256 pixels, instance norm.

    What it leaves open: a momentum of 0.9, two crops a step, the rate rising over 50 steps and falling along half a cosine.
    """

    name = "paper"
    learning_rate = 0.01
    every = 200
    schedule = PRESETS["paper"].at(5)
    patch_size = (256, 256)
    CROPS, MOMENTUM = 2, 0.9

    def __init__(self, network: Network, threads: int | None = None) -> None:
        """Begins at rest."""
        super().__init__(network, threads)
        self.velocity = np.zeros(network.size)

    def step(
        self, step: int, rate: float, parameters: Vector, corpus: Corpus, rng: np.random.Generator
    ) -> tuple[float, Rectangles, NDArray[np.float64]]:
        """One of SGD with momentum."""
        crops = corpus.draw(rng, self.CROPS, self.patch_size, self.network.halo_px)
        loss, gradient = normed_gradient(self.network, parameters, crops, base=corpus.base, target=corpus.original, threads=self.threads)
        self.velocity = self.MOMENTUM * self.velocity + gradient / area(crops)
        return loss, crops, rate * self.velocity

    def state(self) -> State:
        """The momentum."""
        return {"velocity": self.velocity}

    def resume(self, state: State) -> None:
        """The momentum is that again."""
        self.velocity = state["velocity"]

    def finished(self, parameters: Vector, corpus: Corpus, seed: int) -> Vector:
        """The norm folded away by the mean statistics of some crops; a fit with norm begins there as at `parameters` themselves.

        For a norm makes good for any factor and bias before it.
        """
        crops = corpus.draw(np.random.default_rng(seed), 32, self.patch_size, self.network.halo_px).tolist()
        planes = (floatnet.inputs(self.network, corpus.base, (y0, y1, x0, x1)) for y0, y1, x0, x1 in crops)
        mean: Vector = np.mean([floatnet.fold(self.network, parameters, each) for each in planes], axis=0).astype(np.float32)
        return mean


RECIPES: dict[str, type[Recipe]] = {recipe.name: recipe for recipe in (Best, Paper)}


def saved(checkpoint: Path | None, training: str) -> State | None:
    """What an interrupted training kept there, None if it kept nothing.

    training: what tells it from others.  CheckpointError if the file is of another one, or none of `train`.
    """
    if checkpoint is None or not checkpoint.exists():
        return None
    try:
        with np.load(checkpoint) as file:
            state = dict(file)
        if str(state.pop("training")) == training:
            return state
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        pass
    raise CheckpointError("not the state of this training; expected one of the same pictures, network, recipe and seed")


def train(
    recipe: Recipe,
    corpus: Corpus,
    steps: int,
    *,
    learning_rate: float,
    start: Vector | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    training: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Vector, list[float]]:
    """Parameters and, every `recipe.every` steps, the mean gain over the batches since (dB).

    start: MSRA initialisation if left out.  The learning rate is reached after 50 steps and falls along half a cosine.  With
    `checkpoint`, an interrupted run goes on from there (see `saved`).  InlayError if the parameters grow without bound.
    """
    network = recipe.network
    parameters = he_init(network, np.random.default_rng(seed)) if start is None else start.astype(np.float32).copy()
    schedule = Schedule(steps, rate=learning_rate, warmup=50)
    done, history, error, plain = 0, [], 0.0, 0.0
    if state := saved(checkpoint, training):
        parameters, done, history = state["parameters"].astype(np.float32), int(state["done"]), state["history"].tolist()
        recipe.resume(state)
    for step in range(done, steps):
        # Each step has its own generator, so a resumed run sees the batches that it would have seen.
        rng = np.random.default_rng((seed, step))
        loss, patches, move = recipe.step(step, schedule.rate_at(step), parameters, corpus, rng)
        parameters -= move.astype(np.float32)
        if not (np.isfinite(loss) and np.abs(parameters).max() < LARGEST):
            raise InlayError(f"the parameters grew without bound at step {step}; expected a lower learning rate than {learning_rate}")
        error += loss
        for y0, y1, x0, x1 in patches:
            difference = corpus.base[y0:y1, x0:x1].astype(np.int64) - corpus.original[y0:y1, x0:x1]
            plain += float((difference**2).sum()) / PEAK_MSE
        if (step + 1) % recipe.every == 0 or step + 1 == steps:
            history.append(round(float(10 * np.log10(plain / error)), 4) if plain and error else 0.0)  # 0: pictures without a loss
            error = plain = 0.0
            if checkpoint is not None:
                kept = {"training": np.array(training), "parameters": parameters, "done": np.array(step + 1), "history": np.array(history)}
                with checkpoint.with_suffix(".tmp").open("wb") as out:
                    np.savez(out, allow_pickle=False, **kept, **recipe.state())
                checkpoint.with_suffix(".tmp").replace(checkpoint)
        if progress:
            progress(step + 1, steps)
    return parameters, history


def balanced(network: Network, parameters: Vector) -> Vector:
    """The same function with every sum well within its bounds, so that fits stay there too.

    Where an output channel's weights and bias grow by a factor, its activations do (leaky ReLU is homogeneous), and what the next
    layer multiplies them with may shrink by it.  So rows that are too long hand on a part, and the last layer, one long row, hands
    back to all rows before it.
    """
    out = parameters.astype(np.float64)
    tensors = {t.name: out[t.slice].reshape(t.shape) for t in network.tensors}  # views
    makers = ["first", *(f"pointwise{i}" for i in range(1, network.layers + 1))]
    takers = [*(f"depthwise{i}" for i in range(1, network.layers + 1)), "last"]
    for maker, taker in zip(makers, takers, strict=True):
        rows = np.abs(tensors[f"{maker}.weight"]).reshape(network.channels, -1).sum(1) + np.abs(tensors[f"{maker}.bias"])
        long = taker == "last" and np.abs(tensors["last.weight"]).sum() > ROW
        factors = ROW / np.maximum(rows, 1e-6) if long else np.minimum(1, ROW / np.maximum(rows, 1e-6))
        factors = np.clip(factors, 0.25, 4)
        tensors[f"{maker}.weight"] *= factors.reshape(-1, *[1] * (tensors[f"{maker}.weight"].ndim - 1))
        tensors[f"{maker}.bias"] *= factors
        tensors[f"{taker}.weight"] /= factors[:, None, None]
    return out.astype(np.float32)
