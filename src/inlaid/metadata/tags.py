"""Directories of tags, as EXIF blocks and TIFF files have them, read from bytes with all bounds checked.

    block       order (II or MM), 42, offset of IFD0; then directories and values in any place
    directory   count[2], an entry of 12 bytes for each tag, offset of the next directory[4]
    entry       number[2], type[2], count of values[4], the value[4] or, where it is longer, its offset

    IFD0 --tag 8769--> Exif --tag A005--> Interop
      |  --tag 8825--> GPS
      next
      |
    IFD1, of the thumbnail

TIFF 6.0, section 2; CIPA DC-008, 4.6.  No bytes make these functions raise.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from typing import NamedTuple

from PIL import TiffTags

PREFIX = b"Exif\0\0"
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}  # bytes of a value, by type
INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i", 13: "I"}  # `struct` letters of the integer types
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
EXIF, GPS, INTEROP, MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C
THUMBNAIL, THUMBNAIL_BYTES = 0x0201, 0x0202
_TEXT, _RATIONAL = 2, 5
_PREFIXES = re.compile(rb"(?:Exif\0\0){0,2}")  # some programs write it twice
_CHILDREN = (("IFD0", EXIF, "Exif"), ("IFD0", GPS, "GPS"), ("Exif", INTEROP, "Interop"))  # parent, the tag that leads to the child, child
_BY_LINK = ("IFD0", None, "IFD1")  # the link to the next directory leads there


class Tag(NamedTuple):
    """A tag whose value lies within the block."""

    number: int
    type: int
    values: int  # their number
    entry: int  # offset of its 12 bytes
    place: int  # offset of its value
    size: int  # bytes of its value


@dataclass(frozen=True)
class Directory:
    """The intact tags of a directory."""

    offset: int
    length: int  # bytes within the block
    tags: tuple[Tag, ...]
    next: int  # offset of the next directory; 0 for none
    faults: tuple[str, ...]  # a phrase for each broken tag

    def find(self, number: int) -> Tag | None:
        """The first tag of this number."""
        return next((tag for tag in self.tags if tag.number == number), None)

    def without(self, tag: Tag | None, fault: str) -> Directory:
        """The directory without a tag, or for None without the link to the next directory; and with one more fault."""
        left = tuple(t for t in self.tags if t != tag)
        return replace(self, tags=left, next=self.next if tag else 0, faults=(*self.faults, fault))


@dataclass(frozen=True)
class Block:
    """The readable part of a block.  directories: IFD0, and those of Exif, GPS, Interop and IFD1 that it has."""

    data: bytes  # without the prefix
    order: str  # the byte order's `struct` letter
    directories: dict[str, Directory]

    @property
    def faults(self) -> list[str]:
        """A phrase for each broken part."""
        return [f"{fault} in {name}" for name, each in self.directories.items() for fault in each.faults]

    def integer(self, tag: Tag | None) -> int | None:
        """The tag's first value, if it is an integer."""
        if tag is None or tag.type not in INTEGERS or tag.values < 1:
            return None
        return int(struct.unpack_from(self.order + INTEGERS[tag.type], self.data, tag.place)[0])


def parse(exif: bytes) -> Block | str:
    """The directories of a block; or a phrase that says why it cannot be read."""
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
    for parent, number, child in _CHILDREN:
        above = block.directories.get(parent)
        if above is not None and (tag := above.find(number)) is not None:
            _add(block, (parent, number, child), block.integer(tag))
    if first.next:
        _add(block, _BY_LINK, first.next)
    if (last := block.directories.get("IFD1")) is not None:
        block.directories["IFD1"] = _with_whole_thumbnail(block, last)
    _drop_overlapping(block)
    return block


def _add(block: Block, link: tuple[str, int | None, str], offset: int | None) -> None:
    """Adds the directory that a link leads to.  Where there is none, or one that the block already has, removes the link."""
    known = {each.offset for each in block.directories.values()}
    found = None if offset is None or offset in known else directory(block.data, block.order, offset)
    if found is None:
        _unlink(block, link)
    else:
        block.directories[link[2]] = found


def _unlink(block: Block, link: tuple[str, int | None, str]) -> None:
    parent, number, child = link
    block.directories.pop(child, None)
    above = block.directories[parent]
    if number is None:
        block.directories[parent] = above.without(None, "the link to the next directory")
    else:
        block.directories[parent] = above.without(above.find(number), f"{number:#06x} (it leads to no directory)")


def _with_whole_thumbnail(block: Block, last: Directory) -> Directory:
    """IFD1, without the tag of a thumbnail that is not within the block."""
    tag = last.find(THUMBNAIL)
    start, length = block.integer(tag), block.integer(last.find(THUMBNAIL_BYTES))
    if tag is None or (start is not None and length is not None and 0 <= start <= start + length <= len(block.data)):
        return last
    return last.without(tag, f"{THUMBNAIL:#06x} (the thumbnail is not within the block)")


def _drop_overlapping(block: Block) -> None:
    """Drops each broken directory that shares bytes with others.

    A wrong offset leads there, to other data, which mending would destroy.
    """
    for link in (_BY_LINK, *reversed(_CHILDREN)):
        child = link[2]
        if (each := block.directories.get(child)) and each.faults and _overlaps(block, each):
            if child == "Exif":
                block.directories.pop("Interop", None)
            _unlink(block, link)


def _overlaps(block: Block, directory: Directory) -> bool:
    """True if it shares bytes with another directory or with the values of one."""
    others = [each for each in block.directories.values() if each is not directory]
    used = [(each.offset, each.length) for each in others] + [(t.place, t.size) for each in others for t in each.tags if t.size > 4]
    return any(start < directory.offset + directory.length and directory.offset < start + length for start, length in used)


def directory(data: bytes, order: str, offset: int) -> Directory | None:
    """The directory at `offset`; None where the block has no room for one."""
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
