"""Samples of more than 8 bits: read from Pillow, which has modes for gray ones alone, and cuts those of colours."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from ...errors import UnsupportedError
from .picture import FULL, Deep, Samples

GRAY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}
_HIGH = re.compile(r"(LA|RGBX|RGBA|RGBa|RGB|CMYK);16([BLN])")  # raw modes of which Pillow keeps the first of two bytes
_BITS, _PHOTOMETRIC = 258, 262  # TIFF tags
_BYTE = np.uint16(8)  # bits
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def decoded(open_: Callable[[], ImageFile.ImageFile]) -> Samples:
    """The samples of the image that `open_` gives, as often as it is called, before it is decoded."""
    image = open_()
    found = _HIGH.fullmatch(_raw_mode(image))
    if found is None:
        image.load()
        return of_image(image)
    mode, order = found.groups()
    if mode == "LA":  # four bytes a pixel, which Pillow gives as they are when they are said to be RGBA
        return _gray_alpha(_loaded(image, "RGBA"))
    plain = {"RGBa": "RGBA"}.get(mode, mode)  # colours that were multiplied by alpha stay so
    high, low = (_loaded(each, f"{plain};16{o}") for each, o in ((image, order), (open_(), _SWAPPED[order])))
    return Deep(high.size, mode.replace("X", ""), lambda top, bottom: (_rows(high, top, bottom) << _BYTE) | _rows(low, top, bottom))


def is_deep(image: ImageFile.ImageFile) -> bool:
    """True if an image that is not decoded yet has more than 8 bits a sample, as far as Pillow tells."""
    return image.mode.startswith("I") or _HIGH.fullmatch(_raw_mode(image)) is not None


def of_image(image: Image.Image) -> Samples:
    """The samples of a decoded image.  UnsupportedError for floating-point ones, and for integers beyond 16 bits."""
    if image.mode == "F":
        raise UnsupportedError("a picture of floating-point values; expected 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    least, most = _extrema(image)
    if least < 0 or most > FULL:
        raise UnsupportedError(f"a picture with values from {least} to {most}; expected 8 or 16 bits")
    full, inverted = FULL, False
    if isinstance(image, TiffImageFile):  # which Pillow leaves as they are stored
        full = (1 << max(image.tag_v2.get(_BITS) or (16,))) - 1
        inverted = image.tag_v2.get(_PHOTOMETRIC) == 0
    return Deep(image.size, "L", lambda top, bottom: scaled(_rows(image, top, bottom), full, inverted=inverted))


def of_array(samples: NDArray[np.uint16], mode: str) -> Deep:
    """The samples of an array (H, W) or (H, W, channels)."""
    return Deep((samples.shape[1], samples.shape[0]), mode, lambda top, bottom: samples[top:bottom])


def scaled(samples: NDArray[Any], full: int, *, inverted: bool = False) -> NDArray[np.uint16]:
    """Samples of 0..full as 0..65535, rounded; inverted where 0 is white."""
    values = samples if full == FULL else (samples.astype(np.uint32) * FULL + full // 2) // full
    return (FULL - values if inverted else values).astype(np.uint16)


def bands(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Rows [top, bottom) of a picture (width, height), few enough to be held several times."""
    width, height = size
    step = max(1, (1 << 20) // width)
    return ((top, min(top + step, height)) for top in range(0, height, step))


def _raw_mode(image: ImageFile.ImageFile) -> str:
    """How the samples lie in the file, as Pillow names it; nothing where its decoder knows by itself."""
    args: Any = image.tile[0].args if image.tile else ""
    first = args if isinstance(args, str) or not args else args[0]
    return first if isinstance(first, str) else ""


def _loaded(image: ImageFile.ImageFile, raw_mode: str) -> Image.Image:
    """The image, decoded with another raw mode of as many bits."""
    image.tile = [t._replace(args=(raw_mode, *t.args[1:]) if isinstance(t.args, tuple) else raw_mode) for t in image.tile]
    image.load()
    return image


def _gray_alpha(halves: Image.Image) -> Deep:
    def rows(top: int, bottom: int) -> NDArray[np.uint16]:
        four = _rows(halves, top, bottom)
        return (four[..., 0::2] << _BYTE) | four[..., 1::2]

    return Deep(halves.size, "LA", rows)


def _rows(image: Image.Image, top: int, bottom: int) -> NDArray[np.uint16]:
    return np.asarray(image.crop((0, top, image.width, bottom))).astype(np.uint16)


def _extrema(image: Image.Image) -> tuple[int, int]:
    """Over all rows: Pillow's own `getextrema` knows not all of its modes."""
    values = [np.asarray(image.crop((0, top, image.width, bottom))) for top, bottom in bands(image.size)]
    return min(int(v.min()) for v in values), max(int(v.max()) for v in values)
