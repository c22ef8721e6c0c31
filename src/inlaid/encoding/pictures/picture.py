"""A picture as it was read, before its transparency, colours and depth are settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .colour_chunks import Colours

FULL = 65535  # of a sample of 16 bits


@dataclass(frozen=True)
class Extent:
    """What is known of a picture before it is decoded."""

    width: int
    height: int
    gray: bool
    deep: bool = False  # more than 8 bits a sample

    @property
    def pixels(self) -> int:
        """Their number."""
        return self.width * self.height


Check = Callable[[Extent], None]  # may refuse a picture, by an InlayError


@dataclass(frozen=True)
class Deep:
    """Samples of 16 bits, 0..65535.

    size: width, height.  mode: L, LA, RGB, RGBA, CMYK; La and RGBa where colours were multiplied by alpha.  rows: gives rows
    [top, bottom): (n, W) for L, else (n, W, channels).
    """

    size: tuple[int, int]
    mode: str
    rows: Callable[[int, int], NDArray[np.uint16]]


Samples = Image.Image | Deep  # an image has 8 bits, in any mode of Pillow's


@dataclass(frozen=True)
class Picture:
    """metadata: `exif`, `xmp`, `icc_profile`, `comment` (bytes) and `dpi`, as Pillow names them.  notes: sentences on what was given up.

    transparent: the samples of the one transparent colour, if there is one.  colours: of a picture without a profile that says them
    otherwise.  upright: the orientation in its EXIF was applied.
    """

    samples: Samples
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    transparent: tuple[int, ...] | None = None
    colours: Colours = field(default_factory=Colours)
    upright: bool = False
