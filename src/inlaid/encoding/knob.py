"""The number that makes a base finer: the quality of a JPEG file, the rate of a JPEG 2000 file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ..formats import BaseCodec, Made

# Sides of the code blocks of a JPEG 2000 file.  The rate control cuts a file between code blocks' passes, so a small picture's size changes
# in steps of several per cent; with smaller blocks the steps are smaller.
BLOCKS_PX = (64, 32, 16)
# Of a JPEG file's steps.  Where the step of DC changes, a flat picture's quality leaps.  With another tilt it leaps elsewhere.
TILTS = (0.0, -0.06, 0.1)
LEAST_BITS = 128  # of a JPEG 2000 picture: fewer leave nothing but its header


@dataclass(frozen=True)
class Knob:
    """Settings `low` to `high`, of which a difference below `least` is none.  made: how a base is made at a setting."""

    low: float
    high: float
    least: float
    made: Callable[[float], Made]


def knobs(codec: BaseCodec, image: Image.Image, options: dict[str, Any]) -> list[Knob]:
    """The knobs of a codec with these options, the best one first."""
    if "rate_bpp" not in codec.OPTIONS:
        return [_of_quality(options | ({"tilt": tilt} if tilt else {})) for tilt in TILTS]
    most_bpp = 8.0 * len(image.getbands())
    least_bpp = min(LEAST_BITS / (image.width * image.height), 1.0)
    return [_of_rate(options | {"block_px": side}, least_bpp, most_bpp) for side in BLOCKS_PX]


def _of_quality(options: dict[str, Any]) -> Knob:
    return Knob(1.0, 100.0, 0.002, lambda x: Made(x, options))


def _of_rate(options: dict[str, Any], least_bpp: float, most_bpp: float) -> Knob:
    return Knob(math.log2(least_bpp), math.log2(most_bpp), 0.0002, lambda x: Made(None, options | {"rate_bpp": 2**x}))
