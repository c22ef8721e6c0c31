"""An image as the planes of samples that a JPEG file codes, in float: nothing is rounded before the DCT.

    RGB -> Y | Cb, Cr -> subsampled -> last row and column repeated up to whole blocks

A large picture is taken in bands of rows, so that its floats never exist all at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ....arrays import Shift, Vector
from ...base import rows

SIDE = 8  # samples of a block's side
FACTORS = {"444": (1, 1), "422": (2, 1), "420": (2, 2)}  # luma samples for one of chroma: across, down
LUMA, CHROMA = 0, 1
BAND_PX = 1 << 17  # pixels of a band, about


@dataclass(frozen=True)
class Component:
    """A component's blocks, h x v of them in a unit (MCU); kind: LUMA or CHROMA."""

    across: int
    down: int
    h: int
    v: int
    kind: int


class Planes:
    """The planes of an L or RGB image (ITU-T T.871), around 0."""

    def __init__(self, image: Image.Image, subsampling: str, shift: Shift | None = None) -> None:
        """subsampling: a key of FACTORS, which a gray image does not heed."""
        self._image, self._shift = image, shift
        self.size = image.width, image.height
        self._h, self._v = FACTORS[subsampling] if image.mode == "RGB" else (1, 1)
        counts = [(1, 1)] if image.mode == "L" else [(1, 1), (self._h, self._v), (self._h, self._v)]
        self.components = [
            Component(-(-image.width // (SIDE * x)), -(-image.height // (SIDE * y)), self._h // x, self._v // y, LUMA if n == 0 else CHROMA)
            for n, (x, y) in enumerate(counts)
        ]

    def bands(self) -> list[tuple[int, int]]:
        """Units [top, bottom), ..., that cover the picture from top to bottom."""
        step = max(1, BAND_PX // (SIDE * self._v * self._image.width))
        count = -(-self._image.height // (SIDE * self._v))
        return [(top, min(top + step, count)) for top in range(0, count, step)]

    def samples(self, band: tuple[int, int]) -> list[Vector]:
        """The samples of each component in a band, (8 * blocks, 8 * across)."""
        top, bottom = (unit * SIDE * self._v for unit in band)
        bottom = min(bottom, self._image.height)
        pixels = rows(self._image, top, bottom).astype(np.float32)
        planes = [pixels] if pixels.ndim == 2 else _ycbcr(pixels)
        planes[0] -= 128
        if self._shift is not None:
            planes[0] += self._shift[top:bottom]
        return [_whole(planes[0]), *(_whole(_subsampled(plane, self._h, self._v)) for plane in planes[1:])]


def _ycbcr(rgb: Vector) -> list[Vector]:
    """Y, and Cb and Cr around 0."""
    r, g, b = (rgb[..., i] for i in range(3))
    y = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
    return [y, (b - y) / np.float32(1.772), (r - y) / np.float32(1.402)]


def _subsampled(plane: Vector, h: int, v: int) -> Vector:
    """Means of v x h samples; the last row and column are repeated where they need to be."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % v), (0, -width % h)), mode="edge")
    means: Vector = np.mean([padded[y::v, x::h] for y in range(v) for x in range(h)], axis=0, dtype=np.float32)
    return means


def _whole(plane: Vector) -> Vector:
    """The plane, with its last row and column repeated up to whole blocks."""
    height, width = plane.shape
    return np.ascontiguousarray(np.pad(plane, ((0, -height % SIDE), (0, -width % SIDE)), mode="edge"))
