"""Peers: other codecs without an inlay, as a comparison.  Luma or RGB is encoded and decoded.

    codec            gray                                      colour
    webp             R = G = B: WebP has no gray               4:2:0, as always
    avif             one plane, full range                     4:2:0, full range
    jxl              gray                                      its own colour space
    mozjpeg, jpegli  one component                             4:2:0

WebP codes luma in 219 levels; of what it decodes for gray the luma is taken.  All settings but these, the effort and what mozjpeg is
known for are the codec's defaults.
"""

from __future__ import annotations

import io
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from PIL import Image, features

from .. import decoder
from ..arrays import Pixels
from ..encoding import pictures
from ..errors import InlayError
from ..formats.base import pixels as pixels_of

# Pillow's name of the format, and the options of `Image.save`: for both, for gray, for colour.
_PILLOW: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "webp": ("WEBP", {"method": 6}, {}, {}),
    "avif": ("AVIF", {"range": "full", "speed": 6}, {"subsampling": "4:0:0"}, {"subsampling": "4:2:0"}),
    "jxl": ("JXL", {"effort": 7}, {}, {}),
}
_MOZJPEG = {
    **dict.fromkeys(("optimize_coding", "interlace", "trellis_quant", "overshoot_deringing", "optimize_scans"), True),
    **{"quant_table": 3, "subsample_mode": "on", "keep": "none"},  # ImageMagick's table, mozjpeg's own default
}
NAMES = (*_PILLOW, "mozjpeg", "jpegli")
# Qualities that span the rates of JPEG at qualities 10 to 40.
QUALITIES = {
    "webp": (5, 20, 40, 60, 75),
    "avif": (20, 30, 40, 50, 60),
    "jxl": (10, 25, 45, 65, 80),
    "mozjpeg": (10, 20, 35, 50, 65),
    "jpegli": (5, 15, 25, 45, 65),
}
_PACKAGES = {"jxl": ("pillow_jxl", "pillow-jxl-plugin"), "mozjpeg": ("pyvips", "pyvips"), "jpegli": ("ajpegli", "ajpegli")}


def library(name: str) -> str:
    """The peer's library and its version; InlayError, which says what to install, if the library is missing."""
    if name in _PACKAGES:
        module, package = _PACKAGES[name]
        try:
            imported = import_module(module)  # pillow_jxl registers its format with Pillow
        except (ImportError, OSError) as error:  # OSError: pyvips without its libvips
            raise InlayError(f"{name} needs {package}: pip install 'inlaid[bench]'") from error
        if name == "mozjpeg":
            if not has_mozjpeg():
                raise InlayError("this libvips was built without mozjpeg; the wheels have it: pip install 'pyvips[binary]'")
            return f"pyvips {version(package)}, libvips {'.'.join(str(imported.version(part)) for part in range(3))}"
        return f"{package} {version(package)}" + (f", jpegli {imported.jpegli_commit()[:12]}" if name == "jpegli" else "")
    if not features.check(name):
        raise InlayError(f"this Pillow was built without {name}; the wheels from the package index have it: pip install 'Pillow>=11.3'")
    return f"lib{name} {features.version(name)}"


def encode(name: str, pixels: Pixels, quality: int) -> bytes:
    """A lossy file of luma (H, W) or RGB (H, W, 3); `quality` is 1 to 100 on the codec's own scale."""
    library(name)
    if name == "mozjpeg":
        return _mozjpeg(pixels, quality)
    if name == "jpegli":
        data = import_module("ajpegli").encode(np.ascontiguousarray(pixels), quality=quality, mode="L" if pixels.ndim == 2 else "RGB")
        return bytes(data)
    format, options, of_gray, of_colour = _PILLOW[name]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, quality=quality, **options | (of_gray if pixels.ndim == 2 else of_colour))
    return file.getvalue()


def decode(name: str, data: bytes, *, gray: bool = True) -> Pixels:
    """The luma (H, W) of a file that `encode` wrote, or its RGB (H, W, 3)."""
    if name not in _PILLOW:  # an ordinary JPEG file
        return decoder.decode(data).pixels
    library(name)
    with Image.open(io.BytesIO(data), formats=[_PILLOW[name][0]]) as opened:
        return pictures.luma(opened) if gray else pixels_of(opened.convert("RGB"))


def _mozjpeg(pixels: Pixels, quality: int, **changed: Any) -> bytes:
    image = import_module("pyvips").Image.new_from_array(np.ascontiguousarray(pixels))
    image = image.copy(interpretation="b-w" if pixels.ndim == 2 else "srgb")
    return bytes(image.jpegsave_buffer(Q=quality, **_MOZJPEG | changed))


@cache
def has_mozjpeg() -> bool:
    """True if the quantisation makes a difference: libvips ignores mozjpeg's options where it has another library."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    return _mozjpeg(noise, 50) != _mozjpeg(noise, 50, trellis_quant=False)
