"""The base of a file, decoded and to be made, and bands of rows of an image, for pictures too large to be copied whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from .. import colour
from ..arrays import Pixels, Shift

BAND_PX = 1 << 21  # pixels of a large picture that are copied at once
CACHED_PX = 1 << 18  # pixels that a processor's cache holds, in several copies of four bytes


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

    def luma_rows(self, top: int, bottom: int) -> Pixels:
        """What the network works on, rows [top, bottom), (n, W)."""
        if self.model == "rgb":
            return colour.luma(self.rows(top, bottom))
        out = np.empty((bottom - top, self.image.width), np.uint8)
        for y0, y1 in bands(len(out), out.shape[1], cached=True) if len(out) else ():
            part = self.image.crop((0, top + y0, self.image.width, top + y1))
            out[y0:y1] = np.asarray(part if self.model == "gray" else part.getchannel(0))
        return out

    def recolour_rows(self, top: int, luma: Pixels, restored: Pixels) -> None:
        """Overwrite the rows from `top` on: of base `luma` (n, W), they get the luma `restored`, and become gray or RGB (FORMAT.md, 7)."""
        height, width = luma.shape
        for y0, y1 in bands(height, width, cached=True):
            new, box = restored[y0:y1], (0, top + y0, width, top + y1)
            if self.model == "gray":
                part = Image.fromarray(new)
            elif self.model == "ycbcr":
                pixels = colour.rgbx(new, self.image.crop(box).tobytes("raw", "RGBX"))
                part = Image.frombytes("RGB", (width, y1 - y0), pixels.data, "raw", "RGBX")
            else:
                part = Image.fromarray(colour.shifted(self.rows(top + y0, top + y1), luma[y0:y1], new))
            self.image.paste(part, (0, top + y0))

    def luma_bands(self) -> Iterator[Pixels]:
        """The luma from top to bottom."""
        for top, bottom in bands(*self.shape, cached=True):
            yield self.luma_rows(top, bottom)

    @property
    def luma(self) -> Pixels:
        """All of it, (H, W)."""
        return np.concatenate(list(self.luma_bands()))


@dataclass(frozen=True)
class Made:
    """The quality and the options that a base was encoded with."""

    quality: float | None
    options: dict[str, Any]


def bands(height: int, width: int, multiple: int = 1, *, cached: bool = False) -> Iterator[tuple[int, int]]:
    """Rows [top, bottom), ..., of about BAND_PX pixels each, that cover a plane; `top` is a multiple of what is asked for.

    cached: of at most CACHED_PX.
    """
    step = max((min(BAND_PX, CACHED_PX) if cached else BAND_PX) // width // multiple, 1) * multiple
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


def shifted_by(image: Image.Image, shift: Shift) -> Image.Image:
    """The L or RGB image with its luma changed by `shift` (H, W) in grey levels, as 8 bits: its codec takes no others."""
    out = Image.new(image.mode, image.size)
    for top, bottom in bands(image.height, image.width):
        by = np.rint(shift[top:bottom]).astype(np.int16)
        band = rows(image, top, bottom) + (by if image.mode == "L" else by[..., None])
        out.paste(Image.fromarray(np.clip(band, 0, 255).astype(np.uint8)), (0, top))
    out.info = image.info
    return out
