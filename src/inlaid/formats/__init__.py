"""The base formats: one module each, one contract for all.

A module of this package is found by its `NAME` and `detect`, and offers the functions of `Format` below.  Adding a
format is adding a file and one entry to `all_formats`.  Bytes in, bytes or arrays out; a file that is not what it claims raises
`FormatError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import kernel
from ..errors import FormatError
from ..threads import uncut

Pixels = NDArray[np.uint8]

BAND_PX = 1 << 21  # of a large picture, what is copied at once


@dataclass(frozen=True)
class Base:
    """A decoded base image in the planes that it was coded in; large, so it is read, and may be overwritten, in bands of rows."""

    model: str  # gray | ycbcr | rgb
    image: Image.Image  # L, or RGB; for `ycbcr` the three channels hold Y, Cb and Cr

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.image.height, self.image.width

    def rows(self, top: int, bottom: int) -> Pixels:
        """A copy of rows [top, bottom): (n, W) or (n, W, 3)."""
        return rows(self.image, top, bottom)

    def luma_of(self, pixels: Pixels) -> Pixels:
        """What the filter works on, (n, W), of some `rows`."""
        return pixels[..., 0].copy() if self.model == "ycbcr" else kernel.luma(pixels)

    def luma_bands(self) -> Iterator[Pixels]:
        """The luma from top to bottom."""
        for top, bottom in bands(*self.shape):
            yield self.luma_of(self.rows(top, bottom))

    @property
    def luma(self) -> Pixels:
        """All of it, (H, W)."""
        return np.concatenate(list(self.luma_bands()))


@dataclass(frozen=True)
class Metadata:
    """What a file holds, or can hold, beside its pixels, item by item.

    items: `icc_profile`, `exif`, `xmp` and `comment` as bytes, `dpi` as two floats; those that are there, named as Pillow names them.
    notes: a sentence for each item that is not, and why.
    """

    items: dict[str, Any]
    notes: tuple[str, ...] = ()


def bands(height: int, width: int, multiple: int = 1) -> Iterator[tuple[int, int]]:
    """Rows [top, bottom), ..., of about BAND_PX pixels each, that cover a plane; `top` is a multiple of what is asked for."""
    step = max(BAND_PX // width // multiple, 1) * multiple
    for top in range(0, height, step):
        yield top, min(top + step, height)


def rows(image: Image.Image, top: int, bottom: int) -> Pixels:
    """A copy of rows [top, bottom) of an L or RGB image: (n, W) or (n, W, 3)."""
    if top == bottom:  # of which Pillow makes no array
        return np.empty((0, image.width, 3)[: 2 if image.mode == "L" else 3], np.uint8)
    return np.array(image.crop((0, top, image.width, bottom)))


def pixels(image: Image.Image) -> Pixels:
    """An L or RGB image as an array, (H, W) or (H, W, 3).

    In bands: Pillow makes three copies of what it makes an array of.
    """
    out = np.empty((image.height, image.width, 3)[: 2 if image.mode == "L" else 3], np.uint8)
    for top, bottom in bands(image.height, image.width):
        out[top:bottom] = rows(image, top, bottom)
    return out


class Format(Protocol):
    """What a format module provides (modules are used as objects of this type)."""

    NAME: str
    EXTENSIONS: tuple[str, ...]
    OPTIONS: set[str]  # of `encode_base`
    OVERHEAD_BYTES: int  # what `embed` adds to a payload that fits in one piece
    ENCODING_BYTES: dict[str, int]  # a pixel, by mode: picture, codec and planes of luma at the height of an encoding, measured

    def detect(self, data: bytes) -> bool:
        """True if `data` begins like a file of this format."""

    def obstacle(self, data: bytes) -> str | None:
        """Why the filter cannot apply to this valid file ("CMYK", ...), or None.  FormatError if it is not valid."""

    def encode_base(self, image: Image.Image, quality: int | None, options: dict[str, Any]) -> bytes:
        """The plain base file of an L, RGB or CMYK image, with what is `writable` of `image.info`.

        quality: 1..100, the codec's own scale, or None where an option says how good.
        """

    def requantised(self, data: bytes, image: Image.Image, factor: float) -> bytes | None:
        """`image` encoded as `data` was, only coarser by `factor` (finer below 1); None if that changes nothing.

        It may be a part of the picture.  Two of these give the slope of the base codec's rate-distortion curve at this quality.
        """

    def decode_base(self, data: bytes) -> Base:
        """The base, for filtering."""

    def decode_luma(self, data: bytes) -> Pixels:
        """Of the base the luma alone, (H, W), in less memory."""

    def decode_image(self, data: bytes) -> Image.Image:
        """The base as any viewer shows it: L or RGB, with nothing in its `info`."""

    def decode_original(self, data: bytes) -> Image.Image:
        """The picture as an original for another file: L, RGB or CMYK, with nothing in its `info`."""

    def decoding_bytes(self, data: bytes) -> int:
        """The memory that any of the three takes at most, about, with the file; a larger picture's bands not counted."""

    def embed(self, data: bytes, payload: bytes) -> bytes:
        """`data` with `payload` inside; an older payload is replaced.  `strip` of the result is `strip(data)`."""

    def extract(self, data: bytes) -> bytes | None:
        """The payload, or None if there is none."""

    def strip(self, data: bytes) -> bytes:
        """`data` without a payload: the bytes that `embed` was given."""

    def metadata(self, data: bytes) -> Metadata:
        """ICC profile, EXIF, XMP and dpi of a file: EXIF as it is, damaged or not."""

    def writable(self, info: Mapping[Any, Any], mode: str) -> Metadata:
        """What of an image's `info` a file of this format can hold, mended where it is damaged; `mode` is the image's."""

    def describe(self, data: bytes) -> dict[str, Any]:
        """Width, height and the coding of the base, for `info`."""


def by_name(name: str) -> Format:
    """The format module called `name`; FormatError if there is none."""
    for module in all_formats():
        if name == module.NAME:
            return module
    raise FormatError(f"unknown format {name!r}; expected one of {', '.join(m.NAME for m in all_formats())}")


def by_content(data: bytes) -> Format:
    """The format module that recognises `data`; FormatError if none does."""
    if (module := that_detects(data)) is not None:
        return module
    expected = " or ".join(m.NAME.upper() for m in all_formats())
    raise FormatError(f"not a {expected} file: it begins with {bytes(data[:8]).hex(' ') or 'nothing'}")


def that_detects(data: bytes) -> Format | None:
    """The format module that recognises `data`, or None."""
    return next((module for module in all_formats() if module.detect(data)), None)


def by_extension(suffix: str) -> Format | None:
    """The format module whose files are called so (".jpg"), or None."""
    return next((module for module in all_formats() if suffix in module.EXTENSIONS), None)


def all_formats() -> tuple[Format, ...]:
    """The format modules."""
    with uncut():
        from . import jp2, jpeg

    return (jpeg, jp2)
