"""The base formats: one module each, one contract for all.

A module of this package is found by its `NAME` and `detect`, and offers the functions of `Format` below.  Adding a
format is adding a file and one entry to `all_formats`.  Bytes in, bytes or arrays out; a file that is not what it claims raises
`FormatError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import FormatError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Base:
    """A decoded base image: what the network sees, and what is needed to colour its answer.

    luma: (H, W), what the filter works on.
    rest: the other planes, (H, W, 2) Cb and Cr for `ycbcr`, (H, W, 3) the pixels themselves for `rgb`, None for `gray`.
    """

    model: str  # gray | ycbcr | rgb
    luma: Pixels
    rest: Pixels | None = None


class Format(Protocol):
    """What a format module provides (modules are used as objects of this type)."""

    NAME: str
    EXTENSIONS: tuple[str, ...]
    OPTIONS: set[str]  # of `encode_base`
    OVERHEAD_BYTES: int  # what `embed` adds to a payload that fits in one piece

    def detect(self, data: bytes) -> bool:
        """True if `data` begins like a file of this format."""

    def obstacle(self, data: bytes) -> str | None:
        """Why the filter cannot apply to this valid file ("CMYK", ...), or None.  FormatError if it is not valid."""

    def encode_base(self, image: Image.Image, quality: int | None, options: dict[str, Any]) -> bytes:
        """The plain base file of an L, RGB or CMYK image; metadata is taken from `image.info`.

        quality: 1..100, the codec's own scale, or None where an option says how good.
        """

    def requantised(self, data: bytes, image: Image.Image, factor: float) -> bytes | None:
        """`image` encoded as `data` was, only coarser by `factor` (finer below 1); None if that changes nothing.

        Two of these give the slope of the base codec's rate-distortion curve at this quality.
        """

    def decode_base(self, data: bytes) -> Base:
        """The base, for filtering."""

    def decode_pixels(self, data: bytes) -> Pixels:
        """The base as any viewer shows it: (H, W) or (H, W, 3)."""

    def embed(self, data: bytes, payload: bytes) -> bytes:
        """`data` with `payload` inside; an older payload is replaced.  `strip` of the result is `strip(data)`."""

    def extract(self, data: bytes) -> bytes | None:
        """The payload, or None if there is none."""

    def strip(self, data: bytes) -> bytes:
        """`data` without a payload: the bytes that `embed` was given."""

    def metadata(self, data: bytes) -> dict[str, Any]:
        """ICC profile, EXIF, XMP, dpi: those that are there, as Pillow names and writes them."""

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
    for module in all_formats():
        if module.detect(data):
            return module
    expected = " or ".join(m.NAME.upper() for m in all_formats())
    raise FormatError(f"not a {expected} file: it begins with {bytes(data[:8]).hex(' ') or 'nothing'}")


def by_extension(suffix: str) -> Format | None:
    """The format module whose files are called so (".jpg"), or None."""
    return next((module for module in all_formats() if suffix in module.EXTENSIONS), None)


def all_formats() -> tuple[Format, ...]:
    """The format modules."""
    from . import jp2, jpeg

    return (jpeg, jp2)


def rgb_luma(pixels: Pixels) -> Pixels:
    """The luma (H, W) of (H, W, 3) RGB pixels (FORMAT.md, section 7)."""
    luma = pixels @ np.array([19595, 38470, 7471], np.uint32) + np.uint32(1 << 15) >> np.uint32(16)
    return luma.astype(np.uint8)
