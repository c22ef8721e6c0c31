"""Originals: whatever Pillow opens or numpy holds, made into the 8-bit image that a base codec takes, or that a base is compared with.

`opening` reads samples and metadata; here transparency is laid on white, colours are converted, depth is rounded to 8 bits, and the
picture is turned upright, each once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ... import colour
from ...errors import FormatError, UnsupportedError
from ...formats.base import bands, rows
from ...metadata import exif
from .colour_chunks import Colours
from .flat import OPAQUE, flat
from .opening import open_picture, taken
from .picture import Check, Deep, Extent, Picture, Samples
from .spaces import NAMES, Space, conversion, is_of, is_readable

__all__ = ["Check", "Extent", "Picture", "Space", "luma", "open_picture", "prepare", "space_of", "turned_as"]

Pixels = NDArray[np.uint8]

# What undoes each EXIF orientation's turning: an upright picture becomes one as it is stored.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def prepare(image: Image.Image | NDArray[np.generic] | Picture, *, target: Space | None = None) -> tuple[Image.Image, tuple[str, ...]]:
    """An L, RGB or CMYK image, upright, with the metadata of `image` in its `info`; and notes on what was given up.

    target: the colour space of a base that the picture will be compared with; the result is then of that space and its mode.  Without
    it the picture stays in its own, the profile in its `info`.  UnsupportedError for what cannot be converted.
    """
    picture = taken(image)
    notes, metadata, samples = list(picture.notes), dict(picture.metadata), _known_mode(picture)
    if isinstance(picture.samples, Image.Image) and picture.samples.mode in ("LAB", "HSV"):
        metadata.pop("icc_profile", None)  # Pillow has converted them to sRGB
    source, target = _spaces(picture.colours, samples.mode.rstrip("Aa"), metadata, target, notes)
    plain, transparent = flat(samples, picture.transparent, conversion(source, target))
    if transparent:
        notes.append("transparent pixels were laid on white")
    if plain.mode != target.mode:  # gray as sRGB, or the other way round
        plain = plain.convert("RGB") if target.mode == "RGB" else Image.fromarray(luma(plain))
    block = metadata.get("exif")
    if isinstance(block, bytes):
        turn = None if picture.upright else exif.UPRIGHT.get(exif.orientation(block))
        plain = plain if turn is None else plain.transpose(turn)
        metadata["exif"] = exif.upright(block)
    plain.info = dict[Any, Any](metadata)
    return plain, tuple(notes)


def _known_mode(picture: Picture) -> Samples:
    """Samples in a mode of gray, RGB or CMYK, with alpha or without."""
    samples = picture.samples
    if isinstance(samples, Deep) or samples.mode.rstrip("Aa") in OPAQUE:
        return samples
    try:
        if samples.mode == "1":
            return samples.convert("L")
        return samples.convert("RGBA" if samples.has_transparency_data else "RGB")
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises nearly anything for a damaged palette
        raise FormatError(f"cannot decode the picture: {error or type(error).__name__}") from error


def _spaces(colours: Colours, mode: str, metadata: dict[str, Any], wanted: Space | None, notes: list[str]) -> tuple[Space, Space]:
    """The space of samples of `mode`, and the one that they will be in; `metadata` then holds the profile of that."""
    icc = metadata.pop("icc_profile", None)
    if icc is not None and not is_readable(icc):
        if wanted is None:  # nothing is computed with it, and another reader may know it
            notes.append("the ICC profile cannot be read here; it was kept as it is")
            metadata["icc_profile"] = icc
            return Space(mode, icc), Space(mode, icc)
        notes.append("the ICC profile cannot be read; the colours were taken for sRGB")
        icc = None
    if icc is not None and not is_of(icc, mode):
        notes.append(f"the ICC profile is for {icc[16:20].decode('latin-1').strip()}, the pixels are {NAMES[mode]}; it was left out")
        icc = None
    if icc is not None:
        source = target = Space(mode, icc)
    else:
        if colours.refused and wanted is not None:
            raise UnsupportedError(str(colours.note))
        notes += [colours.note] if colours.note and wanted is None else []
        source, target = Space(mode, colours.source), Space(mode, colours.target)
    target = wanted or target
    if target.icc is not None:
        metadata["icc_profile"] = target.icc
    return source, target


def space_of(mode: str, icc: bytes | None) -> Space:
    """The space of an L or RGB file's pixels, as viewers see it: a profile that does not fit them is ignored."""
    return Space(mode, icc if icc and is_readable(icc) and is_of(icc, mode) else None)


def turned_as(image: Image.Image, block: bytes) -> Image.Image:
    """An upright image as the pixels of a file are stored whose EXIF is `block`."""
    turn = _STORED.get(exif.orientation(block))
    return image if turn is None else image.transpose(turn)


def luma(image: Image.Image) -> Pixels:
    """(H, W): the luma as a JPEG encoder computes it, or the image itself where it is gray.

    Not Pillow's `convert("YCbCr")`, which rounds down: a network would learn that half a grey level is missing.
    """
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    parts = bands(image.height, image.width)
    return np.concatenate([colour.luma(rows(image, top, bottom)) for top, bottom in parts])
