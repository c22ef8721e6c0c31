"""The JPEG base that is made for its inlay: an encoder of our own, which the closed loop drives (`encoding.loop`).

    image + shift --planes--> samples --levels--> levels --file--> baseline JPEG --lossless--> progressive, where that is smaller

`tables` says how fine and what an error costs, `levels` finds the levels of least D + lambda * R, `huffman` the shortest codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import mozjpeg_lossless_optimization
from PIL import Image

from ....arrays import Shift
from .file import baseline
from .levels import levels_of
from .planes import Planes
from .tables import TUNINGS, aims

__all__ = ["TUNINGS", "encode"]
# A larger picture becomes a baseline file unless it is to be progressive: of a progressive file decoders hold all coefficients, and take
# longer.
MOST_PROGRESSIVE_PX = 1 << 23


@dataclass(frozen=True)
class Kind:
    """tune: a key of TUNINGS.  subsampling: a key of FACTORS.  tilt: of the steps, see `aims`.

    progressive: None for the smaller file, of a large picture for a baseline file.
    """

    tune: str
    subsampling: str
    progressive: bool | None = None
    tilt: float = 0.0


def encode(
    image: Image.Image, quality: float, kind: Kind, *, coarser: float = 1.0, shift: Shift | None = None, metadata: bytes = b""
) -> bytes:
    """The file of an L or RGB image.

    coarser: a factor of all quantisation steps.  shift: grey levels that are added to the luma.  metadata: segments that follow SOI.
    """
    planes, tuning = Planes(image, kind.subsampling, shift), TUNINGS[kind.tune]
    wanted = aims(tuning, quality, coarser, kind.subsampling, kind.tilt)
    progressive = kind.progressive
    if progressive is None and image.width * image.height > MOST_PROGRESSIVE_PX:
        progressive = False
    data = baseline(planes, levels_of(planes, wanted, tuning.shares, progressive is not False), wanted, metadata)
    if progressive is False:
        return data
    smaller: bytes = mozjpeg_lossless_optimization.optimize(data, copy=mozjpeg_lossless_optimization.COPY_MARKERS.ALL)
    return smaller if progressive or len(smaller) < len(data) else data
