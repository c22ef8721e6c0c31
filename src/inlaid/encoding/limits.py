"""Limits on what an encoding takes, checked before a picture is decoded."""

from __future__ import annotations

from .. import formats
from ..decoder import WORK_BYTES
from ..errors import LimitError
from .pictures import Extent


def check_limits(extent: Extent, format: str, max_pixels: int | None, max_memory: int | None) -> None:
    """LimitError if the picture has more than `max_pixels`, or its encoding takes more than `max_memory` bytes."""
    if max_pixels is not None and extent.pixels > max_pixels:
        raise LimitError(f"{extent.width}x{extent.height} pixels, at most {max_pixels} are allowed")
    if max_memory is not None and (needed := encoding_bytes(extent, format)) > max_memory:
        raise LimitError(f"encoding takes about {needed / 1e6:.0f} MB of memory, at most {max_memory / 1e6:.0f} MB are allowed")


def encoding_bytes(extent: Extent, format: str) -> int:
    """The most memory that an encoding takes, about: a part that grows with the picture, and the fit."""
    a_pixel = formats.by_name(format).codec.ENCODING_BYTES["L" if extent.gray else "RGB"]
    if extent.deep:  # the samples are held beside their 8 bits
        a_pixel += 2 if extent.gray else 8
    return a_pixel * extent.pixels + 2 * WORK_BYTES
