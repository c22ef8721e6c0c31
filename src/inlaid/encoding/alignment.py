"""An original brought into the place of a base: its colour space, its size, its orientation."""

from __future__ import annotations

from PIL import Image

from .. import formats
from ..errors import FormatError
from ..formats import Format
from ..metadata import exif
from . import pictures
from .distortion import mse


def space_of(base: bytes) -> pictures.Space:
    """The colour space of a base file."""
    container = formats.by_content(base).container
    mode = "L" if container.describe(base)["model"] == "gray" else "RGB"
    return pictures.space_of(mode, container.metadata(base).items.get("icc_profile"))


def as_stored(original: Image.Image, format: Format, data: bytes) -> Image.Image:
    """The original turned as the base's pixels are stored: as the base's EXIF says, or not at all, whichever is nearer to the base.

    FormatError if neither has the size of the base.
    """
    described = format.container.describe(data)
    size = (described["width"], described["height"])
    turned = pictures.turned_as(original, _exif(format, data))
    fitting = [each for each in (turned, original)[: 1 if turned is original else 2] if each.size == size]
    if not fitting:
        found, expected, upright = ("x".join(map(str, s)) for s in (original.size, size, size[::-1]))
        hint = f" (or {upright}, upright)" if turned.size != original.size else ""
        raise FormatError(f"the original has {found} pixels, the base {expected}{hint}; expected the same picture at the same size")
    if len(fitting) == 1:
        return fitting[0]
    luma = format.codec.decode_luma(data)
    return min(fitting, key=lambda each: mse(luma, pictures.luma(each)))


def exif_notes(original: Image.Image, format: Format, data: bytes) -> tuple[str, ...]:
    """A sentence for each EXIF block, of the original and of the base, that is damaged: its orientation may be wrong."""
    found = (("original", original.info.get("exif", b"")), ("base", _exif(format, data)))
    return tuple(f"the EXIF of the {of} is damaged: {what}" for of, each in found if each and (what := exif.damage(each)))


def _exif(format: Format, data: bytes) -> bytes:
    block: bytes = format.container.metadata(data).items.get("exif", b"")
    return block
