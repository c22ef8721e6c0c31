"""The metadata that a picture file of another format can keep.

Whether a format keeps an item is found by trial: a sample picture is written with the item and read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import ImageOps

from ..formats import jp2, jpeg
from ..formats.items import Metadata
from ..metadata import exif, tags, xmp
from .picture_files import data_of, opened, sample

_NAMES = {"comment": "comment", "icc_profile": "ICC profile", "exif": "EXIF", "xmp": "XMP", "dpi": "resolution"}
_ICC_SPACE = {"L": b"GRAY", "RGB": b"RGB "}  # bytes 16 to 20 of a profile


def kept(format: str, found: Mapping[str, Any], mode: str) -> Metadata:
    """The items of `found` that a file of this format keeps, for an image of this mode, and notes on the others."""
    items, notes = dict(found), list[str]()
    if "exif" in items:
        items["exif"], mended = exif.mended(items["exif"])
        notes += mended
    if "xmp" in items:
        items["xmp"], removed = xmp.without_further_pictures(items["xmp"])
        notes += removed
    stored = "RGB" if format == "WEBP" else mode
    if "icc_profile" in items and items["icc_profile"][16:20] != _ICC_SPACE[stored]:
        del items["icc_profile"]
        notes.append(f"the ICC profile is not for {'gray' if stored == 'L' else 'RGB'} and was left out")
    items = {key: value for key, value in items.items() if value}
    if format == "TIFF":
        notes += _thumbnail_note(items)
    elif format in ("JPEG", "MPO", "JPEG2000"):
        own = (jp2 if format == "JPEG2000" else jpeg).container.writable(items, mode)
        items, notes = dict(own.items), [*notes, *own.notes]
    lost = []
    for key in [name for name in _tried(format, items) if name in items]:
        value = items[key]
        # An odd EXIF block that a format does not keep as it is may be kept with an upright orientation.
        candidates = (value, exif.upright(value)) if key == "exif" else (value,)
        held = [candidate for candidate in candidates if _holds(format, mode, key, candidate)]
        if held:
            items[key] = held[0]
        else:
            del items[key]
            lost.append(key)
    if "dpi" in lost and exif.resolution(items.get("exif", b"")) == found["dpi"]:
        lost.remove("dpi")
    if lost:
        *others, last = (_NAMES[key] for key in lost)
        listed = f"{', '.join(others)} and {last}" if others else last
        notes.append(f"{format} does not keep {listed} of this file; {'they were' if others else 'it was'} left out")
    return Metadata(items, tuple(notes))


def _tried(format: str, items: Mapping[str, Any]) -> tuple[str, ...]:
    """The items to try.

    Of files that inlaid composes itself (JPEG, TIFF, JPEG 2000) Pillow does not read every item back.  EXIF is still tried in JPEG and
    TIFF, since Pillow must be able to turn the picture by it.
    """
    if format == "JPEG2000":
        return ()
    return ("exif",) if format in ("JPEG", "MPO", "TIFF") else tuple(items)


def _thumbnail_note(items: Mapping[str, Any]) -> tuple[str, ...]:
    block = tags.parse(items.get("exif", b""))
    if isinstance(block, str) or "IFD1" not in block.directories:
        return ()
    return ("the EXIF thumbnail was left out: in a TIFF file it would be a second page",)


def _holds(format: str, mode: str, key: str, value: Any) -> bool:
    """True if a sample picture that is written with this item is read back with it."""
    try:
        shown = opened(data_of(format, sample(mode), {key: value}))
        if shown is None:
            return key == "dpi" and format == "PDF"
        got = shown.info.get(key, shown.info.get("XML:com.adobe.xmp") if key == "xmp" else None)
        if key == "dpi":
            return got is not None and bool(np.allclose(got, value, rtol=0.02))
        if isinstance(got, str):
            got = got.encode()
        if key == "exif" and (exif.orientation(value) != 1 or format == "TIFF"):
            turn = shown.getexif().get(tags.ORIENTATION, 1)
            ImageOps.exif_transpose(shown)
            return bool(turn == exif.orientation(value))
        return got is not None and got.removeprefix(tags.PREFIX) == value.removeprefix(tags.PREFIX)
    except Exception:  # Pillow raises nearly any exception for damaged metadata
        return False
