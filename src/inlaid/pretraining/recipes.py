"""Recipes of pre-training: what one step does with random patches of many pictures.

`best` is what measures best, `paper` what the paper says.  `training.train` follows either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np

from ..arrays import Matrix, Rectangles, Vector
from ..encoding.adam import Adam
from ..encoding.balance import balanced, settled
from ..encoding.curvature import MOST_PX, gauss_newton
from ..encoding.gradient import PEAK_MSE, gradient, normed_gradient
from ..encoding.instance_norm import fold, pooled, units
from ..encoding.presets import FOLLOWED, PRESETS
from ..encoding.rectangles import area
from ..encoding.schedule import Schedule
from ..network import Network
from .checkpoint import State
from .corpus import Corpus


class Recipe(ABC):
    """The state of a training and the steps that it makes."""

    name: str
    learning_rate: float  # by default
    every: int  # steps between two entries of the history, and between two checkpoints
    schedule: Schedule  # of the fits to single pictures in the survey.  With its norm they begin where the training ended

    def __init__(self, network: Network, threads: int | None = None) -> None:
        """The state before the first step."""
        self.network, self.threads = network, threads

    @property
    @abstractmethod
    def patch_size(self) -> tuple[int, int]:
        """Rows and columns of a patch, without its halo."""

    @abstractmethod
    def step(
        self, step: int, rate: float, parameters: Vector, corpus: Corpus, rng: np.random.Generator
    ) -> tuple[float, Rectangles, Matrix]:
        """The squared error over some patches, the patches (n, 4), and what to subtract from the parameters."""

    @abstractmethod
    def state(self) -> State:
        """The state, to be stored."""

    @abstractmethod
    def resume(self, state: State) -> None:
        """Take over a state that `state` returned."""

    @abstractmethod
    def finished(self, parameters: Vector, corpus: Corpus, seed: int) -> Vector:
        """The prior's parameters, of the plain network, from those at the end of the training."""


class Best(Recipe):
    """Adam on many small patches, along the eigenvectors of the Gauss-Newton matrix, which is taken from other such patches."""

    name = "best"
    learning_rate = 0.01
    every = 2000  # also between two Gauss-Newton matrices
    schedule = replace(FOLLOWED, steps=100, rate=0.01)
    BATCH_PX = 65536  # pixels of a step
    ROWS, WIDTH = 64, 96  # rows of a patch without its halo; columns with it, a multiple of the kernel's vectors
    FIRST_TURN = 100  # step of the first Gauss-Newton matrix

    def __init__(self, network: Network, threads: int | None = None) -> None:
        """The state before the first step: Adam's averages are zero."""
        super().__init__(network, threads)
        self.adam = Adam(network.size, beta2=0.999)

    @property
    def patch_size(self) -> tuple[int, int]:
        """Rows and columns of a patch, without its halo."""
        return self.ROWS, max(32, self.WIDTH - 2 * self.network.halo_px)

    def draw(self, corpus: Corpus, rng: np.random.Generator, pixels: int) -> Rectangles:
        """Random patches of about `pixels` pixels in all."""
        rows, columns = self.patch_size
        return corpus.draw(rng, max(1, pixels // (rows * columns)), (rows, columns), self.network.halo_px)

    def step(
        self, step: int, rate: float, parameters: Vector, corpus: Corpus, rng: np.random.Generator
    ) -> tuple[float, Rectangles, Matrix]:
        """A step of Adam.  At `FIRST_TURN` and every `every` steps its axes are turned first."""
        if step == self.FIRST_TURN or (step and step % self.every == 0):
            some = self.draw(corpus, rng, MOST_PX)
            self.adam.turn(gauss_newton(self.network, parameters, corpus.base, some, threads=self.threads) / PEAK_MSE)
        patches = self.draw(corpus, rng, self.BATCH_PX)
        loss, slope = gradient(self.network, parameters, patches, base=corpus.base, target=corpus.original, threads=self.threads)
        return loss, patches, self.adam.move(slope / area(patches), rate)

    def state(self) -> State:
        """Adam's averages and axes."""
        axes = np.zeros(0) if self.adam.axes is None else self.adam.axes
        return {"mean": self.adam.mean, "square": self.adam.square, "axes": axes, "count": np.array(self.adam.count)}

    def resume(self, state: State) -> None:
        """Take over a state that `state` returned."""
        self.adam.mean, self.adam.square, self.adam.count = state["mean"], state["square"], int(state["count"])
        self.adam.axes = state["axes"] if state["axes"].size else None

    def finished(self, parameters: Vector, corpus: Corpus, seed: int) -> Vector:
        """The parameters, balanced, so that later fits stay within the bounds too."""
        return balanced(self.network, parameters)


class Paper(Recipe):
    """The paper's recipe: SGD with momentum on crops of 256x256 pixels, instance norm.

    What the paper leaves open is chosen by measurement (docs/results.md, "Readings of the paper").
    """

    name = "paper"
    learning_rate = 0.01
    every = 1000
    schedule = PRESETS["paper"].at(5)
    patch_size = (256, 256)
    CROPS, MOMENTUM = 1, 0.9
    SETTLING_CROPS = 64  # whose pooled statistics replace the norm

    def __init__(self, network: Network, threads: int | None = None) -> None:
        """The state before the first step: the velocity is zero."""
        super().__init__(network, threads)
        self.velocity = np.zeros(network.size)
        self.units = units(network, self.schedule.pixel_range)

    def step(
        self, step: int, rate: float, parameters: Vector, corpus: Corpus, rng: np.random.Generator
    ) -> tuple[float, Rectangles, Matrix]:
        """A step of SGD with momentum, in the units of `schedule.pixel_range`."""
        crops = corpus.draw(rng, self.CROPS, self.patch_size, self.network.halo_px)
        loss, slope = normed_gradient(self.network, parameters, crops, base=corpus.base, target=corpus.original, threads=self.threads)
        self.velocity = self.MOMENTUM * self.velocity + slope / area(crops) / self.units * float(self.units[-1]) ** 2
        return loss, crops, rate * self.velocity / self.units

    def state(self) -> State:
        """The velocity."""
        return {"velocity": self.velocity}

    def resume(self, state: State) -> None:
        """Take over a state that `state` returned."""
        self.velocity = state["velocity"]

    def finished(self, parameters: Vector, corpus: Corpus, seed: int) -> Vector:
        """The parameters with the norm folded into them, by the pooled statistics of some crops."""
        crops = corpus.draw(np.random.default_rng(seed), self.SETTLING_CROPS, self.patch_size, self.network.halo_px)
        statistics = pooled(self.network, parameters, crops, base=corpus.base, threads=self.threads)
        return settled(self.network, fold(self.network, parameters, statistics))


RECIPES: dict[str, type[Recipe]] = {recipe.name: recipe for recipe in (Best, Paper)}
