"""Recipes for pre-training: how random patches of many pictures become the parameters of a prior.

`paper` is what the paper says, `best` what measures best.  `train` follows either, and can be interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import floatnet, kernel
from .corpus import Corpus
from .curvature import MOST_PX, gauss_newton
from .fit import Adam, Rectangles, Schedule, Vector, area, he_init, normed_gradient
from .kernel import PEAK_MSE
from .network import Network
from .presets import FOLLOWED, PRESETS

ROW = 9.0  # sum of a row's weights that leaves room: 16 is the bound of `check_bounds`

State = dict[str, NDArray[np.float64]]


class Best:
    """Adam on many small patches, along the eigenvectors of the Gauss-Newton matrix of other such patches."""

    name = "best"
    learning_rate = 0.01
    every = 2000  # steps from one note in the history, one checkpoint and one turn to the next
    schedule = replace(FOLLOWED, steps=100, rate=0.01)  # how the survey fits single pictures
    BATCH_PX, ROWS, WIDTH = 65536, 64, 96  # pixels of a step; rows of a patch; its columns with the halo, which fill whole vectors
    FIRST_TURN = 100

    def __init__(self, network: Network, threads: int | None = None) -> None:
        """No step is made yet."""
        self.network, self.threads, self.adam = network, threads, Adam(network.size, beta2=0.999)

    @classmethod
    def patch_size(cls, halo_px: int) -> tuple[int, int]:
        """Rows and columns of a patch of a network with that halo."""
        return cls.ROWS, max(32, cls.WIDTH - 2 * halo_px)

    def draw(self, corpus: Corpus, rng: np.random.Generator, pixels: int) -> Rectangles:
        """Patches of so many pixels together."""
        rows, columns = self.patch_size(self.network.halo_px)
        return corpus.draw(rng, max(1, pixels // (rows * columns)), (rows, columns), self.network.halo_px)

    def step(
        self, step: int, rate: float, parameters: Vector, corpus: Corpus, rng: np.random.Generator
    ) -> tuple[float, Rectangles, NDArray[np.float64]]:
        """The squared error of some patches, the patches, and what to subtract from the parameters."""
        if step == self.FIRST_TURN or (step and step % self.every == 0):
            some = self.draw(corpus, rng, MOST_PX)
            self.adam.turn(gauss_newton(self.network, parameters, corpus.base, some, threads=self.threads) / PEAK_MSE)
        patches = self.draw(corpus, rng, self.BATCH_PX)
        loss, gradient = kernel.gradient(self.network, parameters, patches, base=corpus.base, target=corpus.original, threads=self.threads)
        return loss, patches, self.adam.move(gradient / area(patches), rate)

    def state(self) -> State:
        """What it has to know to go on."""
        axes = np.zeros(0) if self.adam.axes is None else self.adam.axes
        return {"mean": self.adam.mean, "square": self.adam.square, "axes": axes, "count": np.array(self.adam.count)}

    def resume(self, state: State) -> None:
        """Goes on from what `state` gave."""
        self.adam.mean, self.adam.square, self.adam.count = state["mean"], state["square"], int(state["count"])
        self.adam.axes = state["axes"] if state["axes"].size else None

    def finished(self, parameters: Vector, corpus: Corpus, seed: int) -> Vector:
        """What becomes the prior."""
        return balanced(self.network, parameters)


class Paper:
    """The paper's: SGD with momentum on crops of 256x256 pixels, instance norm.

    What it leaves open: a momentum of 0.9, two crops a step, the rate falling along half a cosine.
    """

    name = "paper"
    learning_rate = 0.01
    every = 200
    schedule = PRESETS["paper"].at(5)
    CROP, CROPS, MOMENTUM = (256, 256), 2, 0.9

    def __init__(self, network: Network, threads: int | None = None) -> None:
        """No step is made yet."""
        self.network, self.threads, self.velocity = network, threads, np.zeros(network.size)

    @classmethod
    def patch_size(cls, halo_px: int) -> tuple[int, int]:
        """Rows and columns of a crop."""
        return cls.CROP

    def step(
        self, step: int, rate: float, parameters: Vector, corpus: Corpus, rng: np.random.Generator
    ) -> tuple[float, Rectangles, NDArray[np.float64]]:
        """As of `Best`."""
        crops = corpus.draw(rng, self.CROPS, self.CROP, self.network.halo_px)
        loss, gradient = normed_gradient(self.network, parameters, crops, base=corpus.base, target=corpus.original, threads=self.threads)
        self.velocity = self.MOMENTUM * self.velocity + gradient / area(crops)
        return loss, crops, rate * self.velocity

    def state(self) -> State:
        """As of `Best`."""
        return {"velocity": self.velocity}

    def resume(self, state: State) -> None:
        """As of `Best`."""
        self.velocity = state["velocity"]

    def finished(self, parameters: Vector, corpus: Corpus, seed: int) -> Vector:
        """The norm folded away by the mean statistics of some crops; a fit with norm begins there as at `parameters` themselves.

        For a norm makes good for any factor and bias before it.
        """
        crops = corpus.draw(np.random.default_rng(seed), 32, self.CROP, self.network.halo_px).tolist()
        planes = (floatnet.inputs(self.network, corpus.base, (y0, y1, x0, x1)) for y0, y1, x0, x1 in crops)
        mean: Vector = np.mean([floatnet.fold(self.network, parameters, each) for each in planes], axis=0).astype(np.float32)
        return mean


Recipe = Best | Paper
RECIPES: dict[str, type[Recipe]] = {recipe.name: recipe for recipe in (Best, Paper)}


def train(
    recipe: Recipe,
    corpus: Corpus,
    steps: int,
    *,
    start: Vector | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Vector, list[float]]:
    """Parameters and, every `recipe.every` steps, the mean gain over the batches since (dB).

    start: MSRA initialisation if left out.  The learning rate, the recipe's own if left out, falls along half a cosine.  With
    `checkpoint`, an interrupted run goes on from there.
    """
    network = recipe.network
    parameters = he_init(network, np.random.default_rng(seed)) if start is None else start.astype(np.float32).copy()
    schedule = Schedule(steps, rate=learning_rate or recipe.learning_rate, warmup=50)
    done, history, error, plain = 0, [], 0.0, 0.0
    if checkpoint is not None and checkpoint.exists():
        with np.load(checkpoint) as saved:
            parameters, done, history = saved["parameters"], int(saved["done"]), saved["history"].tolist()
            recipe.resume({name: saved[name] for name in recipe.state()})
    for step in range(done, steps):
        # Each step has its own generator, so a resumed run sees the batches that it would have seen.
        rng = np.random.default_rng((seed, step))
        loss, patches, move = recipe.step(step, schedule.rate_at(step), parameters, corpus, rng)
        parameters -= move.astype(np.float32)
        error += loss
        for y0, y1, x0, x1 in patches:
            difference = corpus.base[y0:y1, x0:x1].astype(np.int64) - corpus.original[y0:y1, x0:x1]
            plain += float((difference**2).sum()) / PEAK_MSE
        if (step + 1) % recipe.every == 0 or step + 1 == steps:
            history.append(round(float(10 * np.log10(plain / error)), 4))
            error = plain = 0.0
            if checkpoint is not None:
                state = recipe.state() | {"parameters": parameters, "done": np.array(step + 1), "history": np.array(history)}
                with checkpoint.with_suffix(".tmp").open("wb") as out:
                    np.savez(out, allow_pickle=False, **state)
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
