"""Originals: files, images and arrays of any kind, prepared as the 8-bit images that a base codec encodes or a base is compared with.

    file --[opening: png, tiff, formats, Pillow]--+
                                                  +--> Picture --[prepare]--> L, RGB or CMYK, 8 bits, upright
    image or array --[given]----------------------+

`prepare` does each step once: transparency on white, colours, depth (`flat`), then orientation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ... import colour
from ...arrays import Pixels
from ...errors import UnsupportedError
from ...formats.base import bands, rows
from ...metadata import exif
from .colour_chunks import Colours
from .flat import OPAQUE, flat
from .given import picture_of
from .opening import open_picture
from .picture import Check, Deep, Extent, Picture, Samples, decoding
from .spaces import NAMES, Space, conversion, is_of, is_readable

__all__ = ["Check", "Extent", "Picture", "Space", "luma", "open_picture", "prepare", "space_of", "turned_as"]

# The transpositions that are not their own inverse.
_INVERSE = {
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
}


def prepare(image: Image.Image | NDArray[np.generic] | Picture, *, target: Space | None = None) -> tuple[Image.Image, tuple[str, ...]]:
    """An L, RGB or CMYK image, upright, with the metadata of `image` in its `info`; and notes on what was left out.

    target: the colour space of a base to compare with; the result then has this space and its mode.  Without it the picture keeps its
    space, with the profile in its `info`.  UnsupportedError where no conversion exists.
    """
    picture = picture_of(image)
    notes, metadata, samples = list(picture.notes), dict(picture.metadata), _known_mode(picture)
    if isinstance(picture.samples, Image.Image) and picture.samples.mode in ("LAB", "HSV"):
        metadata.pop("icc_profile", None)  # Pillow converts these modes to sRGB
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
    """Samples of L, RGB or CMYK, L and RGB with alpha or without.  Palettes and other modes become RGB."""
    samples = picture.samples
    if isinstance(samples, Deep) or samples.mode.rstrip("Aa") in OPAQUE:
        return samples
    with decoding():  # of a palette
        if samples.mode == "1":
            return samples.convert("L")
        return samples.convert("RGBA" if samples.has_transparency_data else "RGB")


def _spaces(colours: Colours, mode: str, metadata: dict[str, Any], wanted: Space | None, notes: list[str]) -> tuple[Space, Space]:
    """The space of samples of `mode`, and the space to convert them to, whose profile replaces that in `metadata`."""
    icc = metadata.pop("icc_profile", None)
    if icc is not None and not is_readable(icc):
        if wanted is None:  # the pixels are not converted, and a viewer may be able to read it
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
    """The space of an L or RGB file's pixels; a profile that does not fit them is ignored, as viewers do."""
    return Space(mode, icc if icc and is_readable(icc) and is_of(icc, mode) else None)


def turned_as(image: Image.Image, block: bytes) -> Image.Image:
    """An upright image, turned as a file with the EXIF `block` stores it."""
    turn = exif.UPRIGHT.get(exif.orientation(block))
    return image if turn is None else image.transpose(_INVERSE.get(turn, turn))


def luma(image: Image.Image) -> Pixels:
    """The luma (H, W), rounded as a JPEG encoder rounds it; of a gray image its pixels.

    Pillow's `convert("YCbCr")` rounds down.  A network fitted to that would learn to subtract half a grey level.
    """
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    parts = bands(image.height, image.width)
    return np.concatenate([colour.luma(rows(image, top, bottom)) for top, bottom in parts])
