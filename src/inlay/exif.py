"""EXIF as bytes: read, checked, and mended in place, so that whatever points into a block still points at the same thing.

A block is a small TIFF file (TIFF 6.0; CIPA DC-008), with or without "Exif\\0\\0" before it.  No bytes make these functions raise.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

PREFIX = b"Exif\0\0"
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8, 129: 1}  # bytes, by type
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
EXIF, GPS, INTEROP, MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C
THUMBNAIL, THUMBNAIL_BYTES = 0x0201, 0x0202
# Tags of a TIFF file that say how its pixels are stored, not where they come from; ICC, XMP, Photoshop's layers and resources, and DNG's.
STRUCTURAL = frozenset({
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291, 292, 293, 297, 301,
    *range(317, 326), *range(330, 352), *range(400, 406), *range(433, 436), *range(512, 533), 559, 700, *range(32995, 32999), 33421, 33422,
    34377, 34675, 37724, 42112, 42113, *range(50706, 51200), 52525, 52526, 52530,
})  # fmt: skip
_Entries = dict[int, tuple[int, int, bytes]]  # of a directory: type, count and value by tag
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
_INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i", 13: "I"}
_PREFIXES = re.compile(rb"(?:Exif\0\0){0,2}")  # some writers have it twice
_TOP = 0  # stands for IFD0 where directories are named by the tags that lead to them
_CHILDREN = (("IFD0", EXIF, "Exif"), ("IFD0", GPS, "GPS"), ("Exif", INTEROP, "Interop"))
_SIGNED = {0x9201, 0x9203, 0x9204}  # rationals with a sign, which no value of theirs need show


class Tag(NamedTuple):
    """A tag whose value lies within the block."""

    number: int
    type: int
    values: int  # how many
    entry: int  # where its 12 bytes begin
    place: int  # where its value begins
    size: int  # of the value, bytes


@dataclass(frozen=True)
class Directory:
    """The sound tags of a directory; `faults` tells of the others."""

    offset: int
    length: int  # bytes, as far as they lie within the block
    tags: tuple[Tag, ...]
    next: int
    faults: tuple[str, ...]

    def find(self, number: int) -> Tag | None:
        """The first tag of this number."""
        return next((tag for tag in self.tags if tag.number == number), None)

    def without(self, tag: Tag, fault: str) -> Directory:
        """The same, one tag less."""
        return replace(self, tags=tuple(t for t in self.tags if t != tag), faults=(*self.faults, fault))


@dataclass(frozen=True)
class Block:
    """A block as far as it can be read; `directories` has at least IFD0, and of Exif, GPS, Interop and IFD1 those that are there."""

    data: bytes  # without the prefix
    order: str  # of its bytes, as `struct` names it
    directories: dict[str, Directory]

    @property
    def faults(self) -> list[str]:
        """What is broken, a phrase each."""
        return [f"{fault} in {name}" for name, each in self.directories.items() for fault in each.faults]

    def integer(self, tag: Tag | None) -> int | None:
        """The tag's first value, if it is an integer."""
        if tag is None or tag.type not in _INTEGERS or tag.values < 1:
            return None
        return int(struct.unpack_from(self.order + _INTEGERS[tag.type], self.data, tag.place)[0])


def parse(exif: bytes) -> Block | str:
    """The block's directories, or a sentence's end: why there are none."""
    found = _PREFIXES.match(exif)
    data = exif[found.end() if found else 0 :]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return f"it begins with {data[:8].hex(' ') or 'nothing'}, expected 49 49 2a 00 or 4d 4d 00 2a and an offset"
    (start,) = struct.unpack_from(order + "I", data, 4)
    first = directory(data, order, start)
    if first is None:
        return f"its first directory is at byte {start} of {len(data)}"
    block = Block(data, order, {"IFD0": first})
    seen = {start}
    for parent, number, child in _CHILDREN:
        above = block.directories.get(parent)
        if above is None or (tag := above.find(number)) is None:
            continue
        offset = block.integer(tag)
        below = None if offset is None or offset in seen else directory(data, order, offset)
        if below is None:
            block.directories[parent] = above.without(tag, f"{number:#06x} (it leads to no directory)")
        else:
            block.directories[child] = below
            seen.add(below.offset)
    if first.next and (last := None if first.next in seen else directory(data, order, first.next)) is not None:
        block.directories["IFD1"] = last
        start_of, length = (block.integer(last.find(number)) for number in (THUMBNAIL, THUMBNAIL_BYTES))
        tag = last.find(THUMBNAIL)
        if tag is not None and (start_of is None or length is None or not 0 <= start_of <= start_of + length <= len(data)):
            block.directories["IFD1"] = last.without(tag, f"{THUMBNAIL:#06x} (the thumbnail is not within the block)")
    elif first.next:
        above = block.directories["IFD0"]
        block.directories["IFD0"] = replace(above, next=0, faults=(*above.faults, "the link to the next directory"))
    return block


def directory(data: bytes, order: str, offset: int) -> Directory | None:
    """The directory at `offset`; None if the block ends before it."""
    if offset < 8 or offset + 2 > len(data):
        return None
    (claimed,) = struct.unpack_from(order + "H", data, offset)
    count = min(claimed, (len(data) - offset - 2) // 12)
    tags, faults = [], []
    for entry in range(offset + 2, offset + 2 + 12 * count, 12):
        number, kind, values = struct.unpack_from(order + "HHI", data, entry)
        size = SIZES.get(kind, 0) * values
        place = entry + 8 if size <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]
        if kind not in SIZES:
            faults.append(f"{number:#06x} (type {kind})")
        elif place + size > len(data):
            faults.append(f"{number:#06x} (its value ends at byte {place + size} of {len(data)})")
        else:
            tags.append(Tag(number, kind, values, entry, place, size))
    end = offset + 2 + 12 * count
    following = struct.unpack_from(order + "I", data, end)[0] if count == claimed and end + 4 <= len(data) else 0
    if count < claimed:
        faults.append(f"{claimed - count} tags that the block is too short for")
    elif end + 4 > len(data):
        faults.append("the end")
    return Directory(offset, min(end + 4, len(data)) - offset, tuple(tags), following, tuple(faults))


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
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            return prefix + block.data, (f"the EXIF is damaged; left out: {', '.join(faults[:3])}{more}",)
    return b"", ("the EXIF is damaged and was left out: its directories overlap",)


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
    struct.pack_into(block.order + _INTEGERS[tag.type], data, len(exif) - len(block.data) + tag.place, 1)
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
    left_out = STRUCTURAL | {ORIENTATION, EXIF, GPS}
    groups: dict[int, _Entries] = {_TOP: _encoded(own, {n: own.tagtype.get(n) for n in own if n not in left_out}, None, notes)}
    for group, name in ((EXIF, "Exif"), (GPS, "GPS"), (INTEROP, "Interop")):
        try:
            values = image.getexif().get_ifd(group)
            types = {number: 10 if group == EXIF and number in _SIGNED else None for number in values if number != INTEROP}
            groups[group] = _encoded(values, types, group, notes)
        except Exception as error:  # Pillow raises nearly anything for damaged directories
            notes.append(f"the {name} directory of the TIFF file is damaged and was left out: {error!r}")
    return _written(groups), tuple(notes)


def _encoded(values: Any, types: dict[int, int | None], group: int | None, notes: list[str]) -> _Entries:
    """Pillow's values as bytes, one by one."""
    entries: _Entries = {}
    for number, kind in types.items():
        try:
            value, alone = values[number], ImageFileDirectory_v2(group=group)
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


def _written(groups: dict[int, _Entries]) -> bytes:
    """A little-endian block of these directories, IFD0 first; nothing if all are empty."""
    above = {INTEROP: EXIF, EXIF: _TOP, GPS: _TOP}
    for group, parent in above.items():
        if groups.get(group):
            groups.setdefault(parent, {})[group] = (4, 1, bytes(4))
    order = [group for group in (_TOP, EXIF, INTEROP, GPS) if groups.get(group)]
    at = 8
    for group in order:
        if group != _TOP:
            groups[above[group]][group] = (4, 1, struct.pack("<I", at))
        at += len(_laid_out(groups[group], at))
    data = b"II*\0\x08\0\0\0"
    for group in order:
        data += _laid_out(groups[group], len(data))
    return PREFIX + data if order else b""


def _laid_out(entries: _Entries, at: int) -> bytes:
    """A directory that begins at byte `at`, its longer values behind it."""
    tags, values = b"", b""
    for number, (kind, count, value) in sorted(entries.items()):
        tags += struct.pack("<HHI", number, kind, count)
        if len(value) <= 4:
            tags += value.ljust(4, b"\0")
        else:
            tags += struct.pack("<I", at + 6 + 12 * len(entries) + len(values))
            values += value + b"\0" * (len(value) % 2)
    return struct.pack("<H", len(entries)) + tags + bytes(4) + values
