"""TIFF's directories of tags as bytes, as EXIF and TIFF files have them: read with all bounds checked, and written.

TIFF 6.0, section 2; CIPA DC-008, 4.6.  No bytes make these functions raise.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from typing import NamedTuple

from PIL import TiffTags

PREFIX = b"Exif\0\0"
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}  # bytes, by type
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
EXIF, GPS, INTEROP, MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C
THUMBNAIL, THUMBNAIL_BYTES = 0x0201, 0x0202
TOP = 0  # stands for IFD0 where directories are named by the tags that lead to them
GROUPS = ((TOP, "IFD0"), (EXIF, "Exif"), (INTEROP, "Interop"), (GPS, "GPS"))
LINK = "the link to the next directory"
INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i", 13: "I"}  # as `struct` names them, by type
_TEXT, _RATIONAL = 2, 5
_PREFIXES = re.compile(rb"(?:Exif\0\0){0,2}")  # some writers have it twice
_CHILDREN = (("IFD0", EXIF, "Exif"), ("IFD0", GPS, "GPS"), ("Exif", INTEROP, "Interop"))
Entries = dict[int, tuple[int, int, bytes]]  # of a directory: type, count and value by tag


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

    def without(self, tag: Tag | None, fault: str) -> Directory:
        """The same, one tag less, or without the link to the next directory."""
        left = tuple(t for t in self.tags if t != tag)
        return replace(self, tags=left, next=self.next if tag else 0, faults=(*self.faults, fault))


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
        if tag is None or tag.type not in INTEGERS or tag.values < 1:
            return None
        return int(struct.unpack_from(self.order + INTEGERS[tag.type], self.data, tag.place)[0])


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
    for text in (tag for tag in first.tags if tag.type == _TEXT):
        if TiffTags.lookup(text.number).type in (*INTEGERS, _RATIONAL):
            first = first.without(text, f"{text.number:#06x} (text, expected a number)")
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
        block.directories["IFD0"] = block.directories["IFD0"].without(None, LINK)
    for child, parent, number in (("IFD1", "IFD0", 0), ("Interop", "Exif", INTEROP), ("GPS", "IFD0", GPS), ("Exif", "IFD0", EXIF)):
        if (each := block.directories.get(child)) and each.faults and _overlaps(block, each):
            # Not a directory, but other values taken for one: to mend it would be to destroy them.
            for name in (child, "Interop") if child == "Exif" else (child,):
                block.directories.pop(name, None)
            above = block.directories[parent]
            block.directories[parent] = above.without(above.find(number), f"{number:#06x} (it leads to no directory)" if number else LINK)
    return block


def _overlaps(block: Block, directory: Directory) -> bool:
    """Whether it shares bytes with another directory or its values."""
    others = [each for each in block.directories.values() if each is not directory]
    used = [(each.offset, each.length) for each in others] + [(t.place, t.size) for each in others for t in each.tags if t.size > 4]
    return any(start < directory.offset + directory.length and directory.offset < start + length for start, length in used)


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


def written(groups: dict[int, Entries], order: str) -> bytes:
    """A block of these directories, IFD0 first; nothing if all are empty.  The tags that lead to directories are made."""
    above = {INTEROP: EXIF, EXIF: TOP, GPS: TOP}
    for group, parent in above.items():
        if groups.get(group):
            groups.setdefault(parent, {})[group] = (4, 1, bytes(4))
    written = [group for group, _ in GROUPS if groups.get(group)]
    at = 8
    for group in written:
        if group != TOP:
            groups[above[group]][group] = (4, 1, struct.pack(order + "I", at))
        at += len(_laid_out(groups[group], order, at))
    data = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    for group in written:
        data += _laid_out(groups[group], order, len(data))
    return PREFIX + data if written else b""


def _laid_out(entries: Entries, order: str, at: int) -> bytes:
    """A directory that begins at byte `at`, its longer values behind it."""
    tags, values = b"", b""
    for number, (kind, count, value) in sorted(entries.items()):
        tags += struct.pack(order + "HHI", number, kind, count)
        if len(value) <= 4:
            tags += value.ljust(4, b"\0")
        else:
            tags += struct.pack(order + "I", at + 6 + 12 * len(entries) + len(values))
            values += value + b"\0" * (len(value) % 2)
    return struct.pack(order + "H", len(entries)) + tags + bytes(4) + values
