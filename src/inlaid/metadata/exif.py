"""EXIF as bytes: read, checked, and mended in place, so that whatever points into a block still points at the same thing.

A block is a small TIFF file (TIFF 6.0; CIPA DC-008), with or without "Exif\\0\\0" before it.  No bytes make these functions raise.
"""

from __future__ import annotations

import re
import struct
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from .tags import (
    EXIF,
    GPS,
    GROUPS,
    INTEGERS,
    INTEROP,
    ORIENTATION,
    PREFIX,
    RESOLUTION_UNIT,
    SIZES,
    TOP,
    X_RESOLUTION,
    Y_RESOLUTION,
    Block,
    Entries,
    parse,
    written,
)

# Tags of a TIFF file that say how its pixels are stored, not where they come from; ICC, XMP, Photoshop's layers and resources, and DNG's.
STRUCTURAL = frozenset({
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291, 292, 293, 297, 301,
    *range(317, 326), *range(330, 352), *range(400, 406), *range(433, 436), *range(512, 533), 559, 700, *range(32995, 32999), 33421, 33422,
    34377, 34675, 37724, 42112, 42113, *range(50706, 51200), 52525, 52526, 52530,
})  # fmt: skip
# What turns a picture upright, by its orientation.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIGNED = {0x9201, 0x9203, 0x9204}  # rationals with a sign, which no value of theirs need show


def damage(exif: bytes) -> str | None:
    """What keeps the block from being read as a whole (a sentence's end), or None."""
    block = parse(exif)
    return block if isinstance(block, str) else next(iter(block.faults), None)


def mended(exif: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The block without its broken tags, everything else where it was, and notes; nothing if it cannot be read."""
    block = parse(exif)
    if isinstance(block, str):
        return b"", (f"the EXIF is damaged and was left out: {block}",)
    faults = block.faults
    if not faults:
        return exif, ()
    prefix = exif[: len(exif) - len(block.data)]
    for _ in range(len(block.directories)):  # mending a directory that lies in another one's bytes may break that one
        data = bytearray(block.data)
        for each in block.directories.values():
            if each.faults:
                entries = b"".join(block.data[tag.entry : tag.entry + 12] for tag in each.tags)
                new = struct.pack(block.order + "H", len(each.tags)) + entries + struct.pack(block.order + "I", each.next)
                data[each.offset : each.offset + each.length] = new.ljust(each.length, b"\0")
        again = parse(bytes(data))
        if isinstance(again, str):
            break
        block = again
        if not block.faults:
            return prefix + block.data, (f"the EXIF is damaged; left out: {_listed(faults)}",)
    return b"", ("the EXIF is damaged and was left out: its directories overlap",)


def _listed(faults: list[str]) -> str:
    return ", ".join(faults[:3]) + (f" and {len(faults) - 3} more" if len(faults) > 3 else "")


def orientation(exif: bytes) -> int:
    """How the pixels are stored, 1 to 8; 1 where the block does not tell."""
    block = parse(exif)
    if isinstance(block, str):
        return 1
    value = block.integer(block.directories["IFD0"].find(ORIENTATION))
    return value if value in UPRIGHT else 1


def upright(exif: bytes) -> bytes:
    """The block with the orientation 1 where it has another one, everything else as it was."""
    if orientation(exif) == 1:
        return exif
    block = parse(exif)
    assert isinstance(block, Block)
    tag = block.directories["IFD0"].find(ORIENTATION)
    assert tag is not None
    data = bytearray(exif)
    struct.pack_into(block.order + INTEGERS[tag.type], data, len(exif) - len(block.data) + tag.place, 1)
    return bytes(data)


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Pixels an inch, across and down, if the block tells."""
    block = parse(exif)
    if isinstance(block, str):
        return None
    tags = block.directories["IFD0"]
    unit = {None: 1.0, 2: 1.0, 3: 2.54}.get(block.integer(tags.find(RESOLUTION_UNIT)))
    values = []
    for number in (X_RESOLUTION, Y_RESOLUTION):
        tag = tags.find(number)
        if unit is not None and tag is not None and tag.type == 5 and tag.values == 1:
            above, below = struct.unpack_from(block.order + "II", block.data, tag.place)
            values.append(unit * above / below if below else 0.0)
    return (values[0], values[1]) if len(values) == 2 and min(values) > 0 else None


def raw_profile(text: str | bytes) -> bytes:
    """The bytes in a PNG text chunk "Raw profile type ..." as ImageMagick writes it: a name, a length (often wrong), hex digits.

    None if they are damaged.
    """
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    found = re.match(r"\n[^\n]*\n\s*\d+\n", text)
    try:
        return bytes.fromhex(text[found.end() :]) if found else b""
    except ValueError:
        return b""


def from_png(info: dict[Any, Any]) -> bytes:
    """The EXIF in a PNG picture's `info`: of its own chunk, else of a raw profile."""
    own = info.get("exif")
    if isinstance(own, bytes) and own:
        return own
    for kind in ("exif", "APP1"):
        text = info.get(f"Raw profile type {kind}", "")
        data = raw_profile(text) if isinstance(text, str | bytes) else b""
        if data.startswith((PREFIX, b"II*\0", b"MM\0*")):
            return data
    return b""


# ------------------------------------------------------------------------------------------------ of a TIFF file


def from_tiff(image: Image.Image) -> tuple[bytes, tuple[str, ...]]:
    """The EXIF among a TIFF picture's own tags, and notes on what of it is broken; nothing if it has none, or is no TIFF.

    Without tags of the file's structure, and without the orientation: Pillow turns the pixels when it loads them.
    """
    own = getattr(image, "tag_v2", None)
    if own is None:
        return b"", ()
    notes: list[str] = []
    block = parse(_file_of(image))
    if isinstance(block, Block):
        directories = [(group, block.directories[name]) for group, name in GROUPS if name in block.directories]
        faults = [fault for _, each in directories for fault in each.faults]
        notes += [f"tags of the TIFF file are damaged; left out: {_listed(faults)}"] if faults else []
        groups = {
            group: {t.number: (t.type, t.values, block.data[t.place : t.place + t.size]) for t in reversed(each.tags)}
            for group, each in directories
        }
        return written(_camera(groups), block.order), tuple(notes)
    groups = {TOP: _encoded(own, TOP, notes)}
    for group, name in GROUPS[1:]:
        try:
            groups[group] = _encoded(image.getexif().get_ifd(group), group, notes)
        except Exception as error:  # Pillow raises nearly anything for damaged directories
            notes.append(f"the {name} directory of the TIFF file is damaged and was left out: {error!r}")
    return written(_camera(groups), "<"), tuple(notes)


def _camera(groups: dict[int, Entries]) -> dict[int, Entries]:
    """The directories without what says how pixels are stored, and without what leads to directories."""
    left_out = STRUCTURAL | {ORIENTATION, EXIF, GPS, INTEROP}
    return {group: {n: entry for n, entry in entries.items() if group == GPS or n not in left_out} for group, entries in groups.items()}


def _file_of(image: Image.Image) -> bytes:
    """The file that the image is read from, if it is still open and the image its first; else nothing."""
    file: Any = getattr(image, "fp", None)
    try:
        place = file.tell()
        file.seek(0)
        data: bytes = file.read() if image.tell() == 0 else b""
        file.seek(place)
        return data
    except (AttributeError, OSError, ValueError):
        return b""


def _encoded(values: Any, group: int, notes: list[str]) -> Entries:
    """Pillow's values as bytes, one by one."""
    entries: Entries = {}
    for number in values:
        kind = values.tagtype.get(number) if group == TOP else 10 if group == EXIF and number in _SIGNED else None
        try:
            value, alone = values[number], ImageFileDirectory_v2(group=group or None)
            if kind:
                alone.tagtype[number] = kind
            elif isinstance(value, bytes) and group == EXIF:  # or Pillow would call them BYTE
                alone.tagtype[number] = 7
            if isinstance(value, str):  # as Pillow decoded it, which encodes ASCII alone
                alone.tagtype.setdefault(number, 2)
                value = value.encode("latin-1")
            alone[number] = value
            block = alone.tobytes()
            _, type_, count, place = struct.unpack_from("<HHII", block, 2)
            size = SIZES[type_] * count
            start = 10 if size <= 4 else place
            entries[number] = (type_, count, block[start : start + size])
        except Exception as error:  # Pillow raises nearly anything for damaged tags
            notes.append(f"the tag {number:#06x} of the TIFF file is damaged and was left out: {error!r}")
    return entries
