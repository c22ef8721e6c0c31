"""The rate-distortion curve of a base codec around one base file, measured by encoding the picture again, finer and coarser.

It gives lambda, the squared error that a byte buys, and the plain base that competes with a base and its inlay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..arrays import Pixels
from ..formats import Format, Made
from .distortion import mse

# Factors of coarseness, tried in turn until one gives a positive slope.
NEIGHBOURS = (0.93, 0.85, 0.7, 0.5, 1.1, 1.5, 2.0)
# Factors of coarseness, tried in turn until the plain base is larger than base and inlay.
FINER = (*(1 - k / 200 for k in range(1, 9)), *(1 - k / 100 for k in range(5, 31)), 0.65, 0.6, 0.55, 0.5)
# A finer base may happen to be smaller than a coarser one.  So the search ends with a base of MUCH more bytes than allowed.
MUCH = 1.02
# Of a larger picture only squares of this side are encoded again, so many pixels together, unless it is narrower than a square.
SIDE_PX, MOST_PX = 512, 1 << 22


@dataclass(frozen=True)
class Sample:
    """The part of a picture that is encoded again: all of it, or squares of a large one, below one another."""

    image: Image.Image
    original: Pixels  # luma
    base: Pixels  # luma
    share: float  # of the picture's pixels


def sample(image: Image.Image, *, original: Pixels, base: Pixels) -> Sample:
    """The sample of a picture, whose luma is `original` and whose decoded base has the luma `base`."""
    height, width = original.shape
    if height * width <= MOST_PX or min(height, width) < SIDE_PX:
        return Sample(image, original, base, 1.0)
    side = SIDE_PX
    count = MOST_PX // side**2
    places = [(y, x) for y in range(0, height - side + 1, side) for x in range(0, width - side + 1, side)]
    chosen = [places[len(places) * i // count] for i in range(count)]
    picture = Image.new(image.mode, (side, count * side))
    for i, (y, x) in enumerate(chosen):
        picture.paste(image.crop((x, y, x + side, y + side)), (0, i * side))
    of_original, of_base = (np.concatenate([plane[y : y + side, x : x + side] for y, x in chosen]) for plane in (original, base))
    return Sample(picture, of_original, of_base, count * side**2 / original.size)


class RateCurve:
    """Points of the curve: bytes and squared errors of the sample, encoded as `data` was at several coarsenesses."""

    def __init__(self, format: Format, data: bytes, part: Sample, made: Made | None = None) -> None:
        """Measures the point of `data` itself.  made: how this program made it, None for another program's."""
        self._format, self._data, self._part, self._made = format, data, part, made
        self._here = self._point(1.0)

    def mse_per_byte(self) -> float:
        """Lambda: the mean squared error that a byte more saves, around the quality of the data; 0 if no factor shows a saving."""
        if self._here is None:
            return 0.0
        size, error = self._here
        for factor in NEIGHBOURS:
            point = self._point(factor)
            if point is None or point[0] == size:
                continue
            slope = (point[1] - error) / (size - point[0]) * self._part.share
            if slope > 0:
                return slope
        return 0.0

    def plain_errors(self, size: int) -> Iterator[float]:
        """Squared errors, relative to that of the data, of plain bases as fine or finer, of at most `size` bytes.

        Another encoder may have made the data, with metadata in it.  So the size of a finer base is estimated: the size of the data, and
        the growth of the encoded sample.
        """
        error = mse(self._part.base, self._part.original)
        if self._here is None or not error:
            return
        same, reached = self._here
        yield reached / error
        for factor in FINER:
            point = self._point(factor)
            if point is None:
                continue
            bytes_then = len(self._data) + (point[0] - same) / self._part.share
            if bytes_then > MUCH * size:
                return
            if bytes_then <= size:
                yield point[1] / error

    def _point(self, factor: float) -> tuple[int, float] | None:
        """Bytes and mean squared error at a factor; None where the codec cannot encode so."""
        data = self._format.codec.encoded_like(self._data, self._part.image, factor, self._made)
        return None if data is None else (len(data), mse(self._format.codec.decode_luma(data), self._part.original))
