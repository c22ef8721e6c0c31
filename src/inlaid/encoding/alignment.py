"""An original brought into the place of a base: its colour space, its size, its orientation."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from ..arrays import Pixels
from ..errors import FormatError
from ..formats import Format
from ..metadata import exif
from . import pictures
from .distortion import mse


@dataclass(frozen=True)
class Place:
    """The place that a base gives to its original: size (width, height), colour space, and the EXIF block with the orientation."""

    size: tuple[int, int]
    space: pictures.Space
    exif: bytes

    @classmethod
    def of(cls, format: Format, base: bytes) -> Place:
        """The place of a base file."""
        described, items = format.container.describe(base), format.container.metadata(base).items
        space = pictures.space_of("L" if described["model"] == "gray" else "RGB", items.get("icc_profile"))
        return cls((described["width"], described["height"]), space, items.get("exif", b""))


def as_stored(original: Image.Image, place: Place, luma: Pixels) -> Image.Image:
    """The original turned as the base's pixels are stored: as the base's EXIF says, or not at all, whichever is nearer to its `luma`.

    FormatError if neither has the size of the base.
    """
    turned = pictures.turned_as(original, place.exif)
    fitting = [each for each in (turned, original)[: 1 if turned is original else 2] if each.size == place.size]
    if not fitting:
        found, expected, upright = ("x".join(map(str, s)) for s in (original.size, place.size, place.size[::-1]))
        hint = f" (or {upright}, upright)" if turned.size != original.size else ""
        raise FormatError(f"the original has {found} pixels, the base {expected}{hint}; expected the same picture at the same size")
    if len(fitting) == 1:
        return fitting[0]
    return min(fitting, key=lambda each: mse(luma, pictures.luma(each)))


def exif_notes(original: Image.Image, place: Place) -> tuple[str, ...]:
    """A sentence for each EXIF block, of the original and of the base, that is damaged: its orientation may be wrong."""
    found = (("original", original.info.get("exif", b"")), ("base", place.exif))
    return tuple(f"the EXIF of the {of} is damaged: {what}" for of, each in found if each and (what := exif.damage(each)))
