"""A picture as a TIFF file with EXIF, ICC profile, XMP and resolution.

Pillow cannot write such a file: libtiff's writer has no place for the EXIF directories, and both of Pillow's writers change the types
of tags.  So Pillow writes the pixels (deflate), and the file is composed around them:

    the EXIF block, unchanged | Pillow's file | a directory that points into both

The EXIF block stays at its offset, since offsets in a TIFF file count from the beginning of the file too.  So maker notes stay valid.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import tempfile
from collections.abc import Mapping
from typing import IO, Any, cast

from PIL import Image

from ..metadata import exif, tags

_ICC, _XMP = 34675, 700
_STRIP_OFFSETS = 273
_UTF8 = 129  # a type of EXIF 3.0 that TIFF readers do not know; it is written as ASCII, type 2
_UNITS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 7: "B"}  # struct's letter for the parts of a value, by type
_OWN = exif.STRUCTURAL | {tags.X_RESOLUTION, tags.Y_RESOLUTION, tags.RESOLUTION_UNIT}
_EMPTY = b"II*\0\x08\0\0\0\0\0\0\0\0\0"


def write(picture: Image.Image, items: Mapping[str, Any], file: IO[bytes]) -> None:
    """Write an L or RGB image to `file`; `items` as in `formats.items.Metadata`, with valid EXIF.

    The EXIF thumbnail is not linked: it would be a second page.  OverflowError beyond 4 GB.
    """
    exif_block = tags.parse(items.get("exif", b""))
    if isinstance(exif_block, str):
        exif_block = tags.parse(_EMPTY)
        assert isinstance(exif_block, tags.Block)
    front = exif_block.data.ljust(-(-len(exif_block.data) // 16) * 16, b"\0")
    with tempfile.TemporaryFile() as scratch:
        picture.save(scratch, "TIFF", compression="tiff_adobe_deflate", **({"dpi": items["dpi"]} if "dpi" in items else {}))
        scratch.flush()
        with mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ) as pixels:
            odd = len(pixels) % 2
            end = len(front) + len(pixels) + odd
            added = {_XMP: items.get("xmp"), _ICC: items.get("icc_profile")}
            new = _directory(exif_block, pixels, shift=len(front), at=end, added=added)
        file.write(front[:4] + struct.pack(exif_block.order + "I", end) + front[8:])
        scratch.seek(0)
        shutil.copyfileobj(scratch, file, 1 << 20)
        file.write(bytes(odd) + new)


def _directory(block: tags.Block, pixels: mmap.mmap, *, shift: int, at: int, added: Mapping[int, bytes | None]) -> bytes:
    """The file's directory, which begins at byte `at`, followed by the values of more than four bytes.

    It holds the tags of the EXIF `block`, those of `pixels` (Pillow's TIFF file, which begins at byte `shift`), and `added` (bytes by
    tag).
    """
    first = block.directories["IFD0"]
    entries = {}
    for tag in reversed(first.tags):  # of two tags with one number the first counts, as for TIFF readers
        meaningless = tag.number == tags.ORIENTATION and block.integer(tag) not in range(1, 9)
        if tag.number not in _OWN and tag.values and not meaningless:
            kind = 2 if tag.type == _UTF8 else tag.type
            entries[tag.number] = struct.pack(block.order + "HH", tag.number, kind) + block.data[tag.entry + 4 : tag.entry + 12]
    order = "<" if pixels[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", pixels, 4)
    own = tags.directory(cast(bytes, pixels), order, start)
    assert own is not None
    found = []
    for tag in own.tags:
        unit = _UNITS[tag.type]
        numbers = struct.unpack_from(f"{order}{tag.size // struct.calcsize('=' + unit)}{unit}", pixels, tag.place)
        kind = tag.type
        if tag.number == _STRIP_OFFSETS:
            kind, unit, numbers = 4, "I", tuple(number + shift for number in numbers)
        found.append((tag.number, kind, tag.values, struct.pack(f"{block.order}{len(numbers)}{unit}", *numbers)))
    found += [(number, 1 if number == _XMP else 7, len(value), value) for number, value in added.items() if value]
    place, values = at + 6 + 12 * len({number for number, *_ in found} | entries.keys()), b""
    if place + sum(len(value) + 1 for *_, value in found) >= 1 << 32:
        raise OverflowError("a TIFF file of more than 4 GB")
    for number, kind, count, value in found:
        entry = struct.pack(block.order + "HHI", number, kind, count)
        if len(value) <= 4:
            entries[number] = entry + value.ljust(4, b"\0")
        else:
            entries[number] = entry + struct.pack(block.order + "I", place + len(values))
            values += value + bytes(len(value) % 2)
    rows = b"".join(entry for _, entry in sorted(entries.items()))
    return struct.pack(block.order + "H", len(entries)) + rows + bytes(4) + values
