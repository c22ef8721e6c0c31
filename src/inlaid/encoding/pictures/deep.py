"""Samples of more than 8 bits, read through Pillow.

Pillow has 16-bit modes for gray alone.  Of 16-bit colours it keeps the high byte.  So such a file is decoded twice: in its own byte order
for the high bytes, and in the other byte order for the low bytes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile

from ...arrays import DeepPixels
from ...errors import UnsupportedError
from .picture import FULL, Deep, Samples

GRAY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}
_HIGH = re.compile(r"(LA|RGBX|RGBA|RGBa|RGB|CMYK);16([BLN])")  # raw modes of 16 bits that Pillow cuts to 8, with their byte order
_BYTE = np.uint16(8)  # bits
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def decoded(open_: Callable[[], ImageFile.ImageFile]) -> Samples:
    """The samples of an image.  open_: opens it, without decoding it; it is called once or twice."""
    image = open_()
    found = _HIGH.fullmatch(_raw_mode(image))
    if found is None:
        image.load()
        return of_image(image)
    mode, order = found.groups()
    if mode == "LA":  # four bytes a pixel, which Pillow gives unchanged if they are declared as RGBA
        return _gray_alpha(_loaded(image, "RGBA"))
    plain = {"RGBa": "RGBA"}.get(mode, mode)  # so that Pillow does not divide the colours by alpha
    high, low = (_loaded(each, f"{plain};16{o}") for each, o in ((image, order), (open_(), _SWAPPED[order])))
    return Deep(high.size, mode.replace("X", ""), lambda top, bottom: (_rows(high, top, bottom) << _BYTE) | _rows(low, top, bottom))


def is_deep(image: ImageFile.ImageFile) -> bool:
    """True if an image that is not decoded yet has more than 8 bits a sample, as far as Pillow knows."""
    return image.mode.startswith("I") or _HIGH.fullmatch(_raw_mode(image)) is not None


def of_image(image: Image.Image) -> Samples:
    """The samples of a decoded image.  UnsupportedError for floats, and for integers beyond 16 bits."""
    if image.mode == "F":
        raise UnsupportedError("a picture of floating-point values; expected 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    least, most = _extrema(image)
    if least < 0 or most > FULL:
        raise UnsupportedError(f"a picture with values from {least} to {most}; expected 8 or 16 bits")
    full, inverted = FULL, False
    if isinstance(image, TiffImageFile):  # Pillow neither scales nor inverts its samples
        full = (1 << max(image.tag_v2.get(BITSPERSAMPLE) or (16,))) - 1
        inverted = image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0
    return Deep(image.size, "L", lambda top, bottom: scaled(_rows(image, top, bottom), full, inverted=inverted))


def of_array(samples: DeepPixels, mode: str) -> Deep:
    """An array (H, W) or (H, W, channels) as samples."""
    return Deep((samples.shape[1], samples.shape[0]), mode, lambda top, bottom: samples[top:bottom])


def scaled(samples: NDArray[Any], full: int, *, inverted: bool = False) -> DeepPixels:
    """Samples 0..full on the scale 0..65535, rounded.  inverted: 0 is white."""
    values = samples if full == FULL else (samples.astype(np.uint32) * FULL + full // 2) // full
    return (FULL - values if inverted else values).astype(np.uint16)


def bands(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Rows [top, bottom) that cover a picture (width, height), in bands of about a million pixels."""
    width, height = size
    step = max(1, (1 << 20) // width)
    return ((top, min(top + step, height)) for top in range(0, height, step))


def _raw_mode(image: ImageFile.ImageFile) -> str:
    """Pillow's name for the layout of the samples in the file; empty where its decoder finds out by itself."""
    args: Any = image.tile[0].args if image.tile else ""
    first = args if isinstance(args, str) or not args else args[0]
    return first if isinstance(first, str) else ""


def _loaded(image: ImageFile.ImageFile, raw_mode: str) -> Image.Image:
    """The image, decoded by another raw mode of the same number of bits."""
    image.tile = [t._replace(args=(raw_mode, *t.args[1:]) if isinstance(t.args, tuple) else raw_mode) for t in image.tile]
    image.load()
    return image


def _gray_alpha(halves: Image.Image) -> Deep:
    """Gray and alpha of 16 bits, from channels: high and low byte of gray, high and low byte of alpha."""

    def rows(top: int, bottom: int) -> DeepPixels:
        four = _rows(halves, top, bottom)
        return (four[..., 0::2] << _BYTE) | four[..., 1::2]

    return Deep(halves.size, "LA", rows)


def _rows(image: Image.Image, top: int, bottom: int) -> DeepPixels:
    return np.asarray(image.crop((0, top, image.width, bottom))).astype(np.uint16)


def _extrema(image: Image.Image) -> tuple[int, int]:
    """The least and the largest sample, in any mode; Pillow's `getextrema` does not take all."""
    values = [np.asarray(image.crop((0, top, image.width, bottom))) for top, bottom in bands(image.size)]
    return min(int(v.min()) for v in values), max(int(v.max()) for v in values)
