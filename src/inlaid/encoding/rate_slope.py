"""The slope of a base codec's rate-distortion curve, measured by encoding the picture again, finer and coarser.

It gives lambda, the squared error that a byte buys, and the plain base that competes with a base and its inlay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..arrays import Pixels
from ..formats import Format
from .distortion import mse

# Factors of the quantisation steps, tried in turn until the file changes, for the slope.
NEIGHBOURS = (0.93, 0.85, 0.7, 0.5, 1.1, 1.5, 2.0)
# The same, for the plain base that has the bytes of base and inlay.
FINER = (0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
# A larger picture is encoded again only in part: squares of this side, so many pixels together.
SIDE_PX, MOST_PX = 512, 1 << 23


@dataclass(frozen=True)
class Sample:
    """The part of a picture that is encoded again: all of it, or squares of a large one, below one another."""

    image: Image.Image
    original: Pixels
    base: Pixels
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


def mse_per_byte(format: Format, data: bytes, part: Sample) -> float:
    """Lambda: the mean squared error that the base codec saves with a byte more, around the quality of `data`; 0 if nothing shows it."""
    here = format.codec.requantised(data, part.image, 1.0)
    if here is None:
        return 0.0
    error = mse(format.codec.decode_luma(here), part.original)
    for factor in NEIGHBOURS:
        there = format.codec.requantised(data, part.image, factor)
        if there is None or len(there) == len(here):
            continue
        saved = mse(format.codec.decode_luma(there), part.original) - error
        rate = saved / (len(here) - len(there)) * part.share
        if rate > 0:
            return rate
    return 0.0


def plain_errors(format: Format, data: bytes, part: Sample, size: int) -> Iterator[float]:
    """The squared errors, that of `data` being 1, of plain bases made as `data` was, as fine or finer, of at most `size` bytes.

    Another encoder may have made `data`, with metadata in it.  So the bytes that count are those by which the same procedure grows.
    """
    error = mse(part.base, part.original)
    same = format.codec.requantised(data, part.image, 1.0)
    if same is None or not error:
        return
    yield mse(format.codec.decode_luma(same), part.original) / error
    for factor in FINER:
        finer = format.codec.requantised(data, part.image, factor)
        if finer and len(data) + (len(finer) - len(same)) / part.share > size:
            return
        if finer:
            yield mse(format.codec.decode_luma(finer), part.original) / error
