"""The schedule of a fit: how many steps, how long they are, how many pixels each sees."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .instance_norm import OWN_RANGE
from .rectangles import PATCH


@dataclass(frozen=True)
class Schedule:
    """The learning rate rises over `warmup` steps, then falls along half a cosine to `final_rate`.

    A fit with a `cycle` restarts from its own parameters after `cycle` steps, and again whenever the steps done have doubled.  A restart
    is a new Gauss-Newton step, new eigenvectors, and the full learning rate.
    """

    steps: int
    rate: float = 0.01
    final_rate: float = 0.0
    warmup: int = 10
    batch_px: int = 65536  # pixels of a step, in patches; a smaller picture is seen whole
    patch: tuple[int, int] = PATCH  # rows, columns
    beta2: float = 0.99
    clip: float | None = None  # the gradient's largest norm
    clips_each: bool = False  # `clip` is the largest size of each part of the gradient instead
    second_order: bool = False  # begin with a Gauss-Newton step, then let Adam work in the basis of the matrix's eigenvectors
    norm: bool = False  # instance norm while fitting, folded into weights and biases at the end
    pixel_range: float = OWN_RANGE  # with the norm: of the pixels that the optimiser sees, 255 as the paper has it
    cycle: int | None = None  # steps of the first cycle; None: no restart
    least_gain: float | None = None  # the fit ends after a cycle that lowered the objective by less than this share

    def cycles(self) -> list[int]:
        """The steps of each cycle.  There is at least one cycle, of 0 steps if need be."""
        ends = [0]
        while self.cycle and max(self.cycle, 2 * ends[-1]) < self.steps:
            ends.append(max(self.cycle, 2 * ends[-1]))
        return [b - a for a, b in pairwise([*ends, self.steps])]

    def rate_at(self, step: int, steps: int | None = None) -> float:
        """The learning rate of step 0, 1, ... of a cycle of `steps`; of the whole schedule if `steps` is left out."""
        cosine = 0.5 * (1 + np.cos(np.pi * step / max(1, self.steps if steps is None else steps)))
        return float((self.final_rate + (self.rate - self.final_rate) * cosine) * min(1.0, (step + 1) / self.warmup))
