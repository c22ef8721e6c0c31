"""Peers: other codecs without an inlay, as a comparison.  Gray luma is encoded and decoded.

AVIF codes one plane (4:0:0, full range).  JPEG XL codes gray.  WebP has no gray: Pillow passes R = G = B, WebP codes luma in 219 levels
and two empty chroma planes, and the luma of its decoded picture is taken.  All settings but the effort are the codec's defaults.
"""

from __future__ import annotations

import io
from importlib import import_module
from importlib.metadata import version
from typing import Any

from PIL import Image, features

from ..arrays import Pixels
from ..encoding import pictures
from ..errors import InlayError

# Pillow's name of the format, and the options of `Image.save`.
_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "webp": ("WEBP", {"method": 6}),
    "avif": ("AVIF", {"subsampling": "4:0:0", "range": "full", "speed": 4}),
    "jxl": ("JXL", {"effort": 7}),
}
NAMES = tuple(_FORMATS)
# Qualities that span the rates of JPEG at qualities 10 to 40.
QUALITIES = {"webp": (5, 20, 40, 60, 75), "avif": (20, 30, 40, 50, 60), "jxl": (10, 25, 45, 65, 80)}


def library(name: str) -> str:
    """The peer's library and its version; InlayError, which says what to install, if the library is missing."""
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
    """A lossy file of `luma` (H, W); `quality` is 1 to 100 on the codec's own scale."""
    library(name)
    format, options = _FORMATS[name]
    file = io.BytesIO()
    Image.fromarray(luma).save(file, format, quality=quality, **options)
    return file.getvalue()


def decode(name: str, data: bytes) -> Pixels:
    """The luma (H, W) of a file that `encode` wrote."""
    library(name)
    with Image.open(io.BytesIO(data), formats=[_FORMATS[name][0]]) as opened:
        return pictures.luma(opened)
