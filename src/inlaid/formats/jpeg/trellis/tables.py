"""What the trellis aims at: quantisation steps, the weight of an error at each frequency, lambda, and how blocks share it.

The step of coefficient k, r = its distance from DC in the 8x8 grid of frequencies:

    step(k) = s * (1 + rise * (r / 7)^power)         s: the step of DC, from the quality
    weight(k) = (s / step(k))^(2 * focus)            of a squared error: 1 for `psnr`, falling with the frequency for `looks`
    lambda = price * s^2                             grey levels squared for a bit

The numbers were chosen on BSDS500 by BD-rate (docs/design.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....arrays import Vector
from .levels import Aim
from .planes import FACTORS, SIDE

_MAX_STEP = 255  # of a baseline file
ORDER = np.array(  # of the coefficients: row * 8 + column along the zigzag
    sorted(range(SIDE**2), key=lambda i: (i // SIDE + i % SIDE, (i % SIDE if (i // SIDE + i % SIDE) % 2 == 0 else i // SIDE)))
)
_DISTANCE = np.hypot(ORDER // SIDE, ORDER % SIDE).astype(np.float32)


@dataclass(frozen=True)
class Shape:
    """How steps and weights go with the frequency, and the price of a bit.  dc: a factor of DC's step."""

    rise: float
    power: float
    focus: float
    price: float
    dc: float = 1.0


@dataclass(frozen=True)
class Tuning:
    """A tuning: the shapes of luma and chroma; how much coarser chroma is; masking; and the scale of qualities.

    chroma: a factor of the steps in 4:2:0 files, where a sample stands for four pixels.
    masking: a block's lambda goes with its activity to this power.
    steps: s for each of _QUALITIES.  With it the plain picture is on average as good as libjpeg's of that quality: in PSNR (of gray) or in
    SSIMULACRA2 (of 4:2:0).
    """

    luma: Shape
    chroma_shape: Shape
    chroma: float
    masking: float
    steps: tuple[float, ...]

    def shares(self, activity: Vector) -> Vector | None:
        """Each block's factor of lambda, large where much is going on, which hides errors; None where all are alike."""
        if not self.masking:
            return None
        size = activity + _QUIET
        factor: Vector = (size / np.exp(np.log(size).mean())) ** self.masking
        return np.clip(factor, *_SHARES).astype(np.float32)


_QUALITIES = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 88, 93, 96, 98, 99, 100)
_STEPS = {
    "psnr": (240, 122, 72.5, 47.3, 37.3, 31.7, 27.7, 24.3, 20.1, 15.4, 10.4, 6.6, 3.95, 2.05, 1.05, 0.7),
    "looks": (326, 162, 72.5, 32.7, 21.5, 16.1, 13, 11, 8.6, 6.2, 4.15, 2.5, 1.42, 0.78, 0.42, 0.35),
}
_PSNR = Shape(rise=0.3, power=1, focus=0, price=0.09)
TUNINGS = {
    "psnr": Tuning(_PSNR, _PSNR, chroma=0.55, masking=0, steps=_STEPS["psnr"]),
    "looks": Tuning(
        Shape(rise=3.7, power=1.36, focus=1.05, price=0.025, dc=0.58),
        Shape(rise=1.0, power=2.14, focus=0.31, price=0.064, dc=0.73),
        chroma=0.82,
        masking=0.6,
        steps=_STEPS["looks"],
    ),
}
_QUIET = 1.6  # the activity, in grey levels, that is added to every block's: flat blocks are not equally flat
_SHARES = (0.25, 4.0)  # the least and the most of lambda that a block gets


def aims(tuning: Tuning, quality: float, coarser: float, subsampling: str, tilt: float = 0.0) -> list[Aim]:
    """The aims for luma and chroma.  tilt: the share by which the last steps are larger, and the first smaller."""
    step = coarser * float(np.exp(np.interp(quality, _QUALITIES, np.log(tuning.steps))))
    h, v = FACTORS[subsampling]
    return [_aim(tuning.luma, step, tilt), _aim(tuning.chroma_shape, step * tuning.chroma * (4 / (h * v)) ** 0.5, tilt)]


def _aim(shape: Shape, step: float, tilt: float) -> Aim:
    steps = step * (1 + shape.rise * (_DISTANCE / 7) ** shape.power)
    weight = (step / steps) ** (2 * shape.focus)
    steps[0] *= shape.dc
    steps *= 1 + tilt * np.linspace(-1, 1, SIDE**2, dtype=np.float32)
    rounded = np.clip(np.floor(steps + 0.5), 1, _MAX_STEP)
    return Aim(rounded.astype(np.float32), weight.astype(np.float32), shape.price * step**2)
