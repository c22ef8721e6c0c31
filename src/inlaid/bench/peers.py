"""Other codecs, plain, that the results are set beside: gray luma in, a file, gray luma out.

AVIF codes one plane (4:0:0, full range) and JPEG XL codes gray.  WebP knows no gray: Pillow hands it R = G = B, it keeps luma in 219
levels and two empty colour planes, and the luma of what it gives back is taken.  Each codec's own defaults but for the effort.
"""

from __future__ import annotations

import io
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from ..encoding import pictures
from ..errors import InlayError

Pixels = NDArray[np.uint8]

# Pillow's name of the format, and what it is told when it saves.
_SAVED: dict[str, tuple[str, dict[str, Any]]] = {
    "webp": ("WEBP", {"method": 6}),
    "avif": ("AVIF", {"subsampling": "4:0:0", "range": "full", "speed": 4}),
    "jxl": ("JXL", {"effort": 7}),
}
NAMES = tuple(_SAVED)
# Qualities that span the rates of JPEG at 10 to 40.
QUALITIES = {"webp": (5, 20, 40, 60, 75), "avif": (20, 30, 40, 50, 60), "jxl": (10, 25, 45, 65, 80)}


def library(name: str) -> str:
    """The peer's library with its version; InlayError, which names the remedy, if it is not there."""
    if name == "jxl":
        try:
            import_module("pillow_jxl")  # registers the format with Pillow
        except ImportError as error:
            raise InlayError("jxl needs pillow-jxl-plugin: pip install 'inlaid[bench]'") from error
        return f"pillow-jxl-plugin {version('pillow-jxl-plugin')}"
    if not features.check(name):
        raise InlayError(f"this Pillow was built without {name}; the wheels from the package index have it: pip install 'Pillow>=11.3'")
    return f"lib{name} {features.version(name)}"


def encode(name: str, luma: Pixels, quality: int) -> bytes:
    """A lossy file of (H, W) `luma`; quality 1 to 100 as the codec counts it."""
    library(name)
    format, options = _SAVED[name]
    file = io.BytesIO()
    Image.fromarray(luma).save(file, format, quality=quality, **options)
    return file.getvalue()


def decode(name: str, data: bytes) -> Pixels:
    """The (H, W) luma of such a file."""
    library(name)
    with Image.open(io.BytesIO(data), formats=[_SAVED[name][0]]) as opened:
        return pictures.luma(opened)
