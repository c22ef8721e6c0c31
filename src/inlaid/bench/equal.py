"""Bytes of a peer at an equal measure: what a codec without an inlay needs to be as good as a given picture.

A codec's qualities are whole numbers.  Bisection finds the two neighbours around the wanted measure.  Between these two the logarithm of
the bytes is interpolated linearly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from math import exp, isfinite, log

from PIL import Image

from .. import formats
from ..arrays import Pixels
from ..encoding.distortion import mse, psnr_db
from ..errors import InlayError
from . import peers

JPEG = "jpeg"
NAMES = (JPEG, "webp", "avif")
QUALITIES = range(1, 101)
# Plain JPEG as most programs write it, at its smallest.
JPEG_OPTIONS = {"base": "turbo", "subsampling": "420", "progressive": False, "optimize": True}

Measure = Callable[[Pixels, Pixels], float]  # of the original and of a picture; more is better


def psnr(original: Pixels, pixels: Pixels) -> float:
    """The PSNR in dB: of RGB where the pictures are in colour, else of the luma."""
    return psnr_db(mse(pixels, original))


class Peer:
    """A codec on one picture, (H, W) or (H, W, 3).  Each quality is encoded once, and measured once by each measure."""

    def __init__(self, name: str, original: Pixels) -> None:
        """`name`: one of NAMES.  InlayError if its library is missing."""
        if name not in NAMES:
            raise InlayError(f"peer {name!r}; expected one of {', '.join(NAMES)}")
        if name != JPEG:
            peers.library(name)
        self.name, self.original = name, original
        self._files: dict[int, bytes] = {}
        self._measured: dict[tuple[Measure, int], float] = {}

    def file(self, quality: int) -> bytes:
        """The file of that quality."""
        if quality not in self._files:
            self._files[quality] = self._encode(quality)
        return self._files[quality]

    def pixels(self, quality: int) -> Pixels:
        """The file, decoded.  It is not kept: all qualities of a large picture would not fit into memory."""
        return peers.decode(self.name, self.file(quality), gray=self.original.ndim == 2)

    def measured(self, measure: Measure, quality: int) -> float:
        """The measure of the file of that quality."""
        if (measure, quality) not in self._measured:
            self._measured[measure, quality] = measure(self.original, self.pixels(quality))
        return self._measured[measure, quality]

    def bytes_at(self, measure: Measure, wanted: float) -> int | None:
        """The bytes at which the measure is `wanted`; None if the worst quality is better, or the best one worse."""
        place = bisect_left(QUALITIES, True, key=lambda quality: self.measured(measure, quality) >= wanted)
        if place == len(QUALITIES):
            return None
        above = QUALITIES[place]
        if (reached := self.measured(measure, above)) == wanted:
            return len(self.file(above))
        if place == 0:
            return None
        below = QUALITIES[place - 1]
        worse = self.measured(measure, below)
        # Of a file that loses nothing the PSNR is infinite.
        part = (wanted - worse) / (reached - worse) if isfinite(reached) else 1.0
        small, large = len(self.file(below)), len(self.file(above))
        return round(exp(log(small) + part * log(large / small)))

    def quality_within(self, size: int) -> int:
        """The highest quality whose file has at most `size` bytes; the lowest of all if none has."""
        return QUALITIES[max(bisect_left(QUALITIES, True, key=lambda quality: len(self.file(quality)) > size) - 1, 0)]

    def _encode(self, quality: int) -> bytes:
        if self.name != JPEG:
            return peers.encode(self.name, self.original, quality)
        return formats.by_name(JPEG).codec.encode(Image.fromarray(self.original), quality, JPEG_OPTIONS)
