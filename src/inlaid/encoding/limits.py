"""Limits on what an encoding takes, checked before a picture is decoded."""

from __future__ import annotations

from .. import formats
from ..decoder import WORK_BYTES, refuse_beyond
from . import presets
from .instance_norm import INSTANCE_BYTES
from .looks import SCORE_BYTES
from .pictures import Extent


def check_limits(
    extent: Extent, format: str, preset: str | None, max_pixels: int | None, max_memory: int | None, scored: bool = False
) -> None:
    """LimitError if the picture has more than `max_pixels`, or its encoding takes more than `max_memory` bytes.

    scored: the encoding measures SSIMULACRA2.
    """
    needed = encoding_bytes(extent, format, preset) + (SCORE_BYTES * extent.pixels if scored else 0)
    refuse_beyond("encoding", (extent.width, extent.height), needed, max_pixels, max_memory)


def encoding_bytes(extent: Extent, format: str, preset: str | None = None) -> int:
    """The most memory that an encoding takes, about: a part that grows with the picture, and the fit."""
    a_pixel = formats.by_name(format).codec.ENCODING_BYTES["L" if extent.gray else "RGB"]
    if extent.deep:  # the samples are held beside their 8 bits
        a_pixel += 2 if extent.gray else 8
    norm = INSTANCE_BYTES if presets.by_name(preset).schedule.norm else 0
    return a_pixel * extent.pixels + norm + 2 * WORK_BYTES
