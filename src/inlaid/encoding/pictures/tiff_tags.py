"""The EXIF among the tags of a TIFF file: a block of the tags that say where the picture comes from."""

from __future__ import annotations

import struct
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from ...metadata.exif import STRUCTURAL, listed
from ...metadata.tags import EXIF, GPS, INTEROP, ORIENTATION, PREFIX, SIZES, Block, parse

_TOP = 0  # stands for IFD0, where the other directories are named by the tags that lead to them
_GROUPS = {_TOP: "IFD0", EXIF: "Exif", INTEROP: "Interop", GPS: "GPS"}
_PARENTS = {INTEROP: EXIF, EXIF: _TOP, GPS: _TOP}
_ASCII, _LONG, _UNDEFINED, _SIGNED_RATIONAL = 2, 4, 7, 10
# Exif tags of signed rationals: shutter speed, brightness, exposure bias.  Pillow would write a value that is not negative as unsigned.
_SIGNED = {0x9201, 0x9203, 0x9204}
_Entries = dict[int, tuple[int, int, bytes]]  # type, count and value by tag


def exif_of(image: Image.Image) -> tuple[bytes, tuple[str, ...]]:
    """The EXIF of a TIFF image, and notes on what is damaged; empty for an image of another format, or without such tags.

    The orientation is left out, because Pillow applies it when it loads the pixels.
    """
    own = getattr(image, "tag_v2", None)
    if own is None:
        return b"", ()
    block = parse(_file_of(image))
    notes: list[str] = []
    groups = _stored(block, notes) if isinstance(block, Block) else _loaded(image, own, notes)
    left_out = STRUCTURAL | {ORIENTATION, EXIF, GPS, INTEROP}
    kept = {group: {n: entry for n, entry in tags.items() if group == GPS or n not in left_out} for group, tags in groups.items()}
    return _written(kept, block.order if isinstance(block, Block) else "<"), tuple(notes)


def _file_of(image: Image.Image) -> bytes:
    """The file that the image is read from; empty if it is closed, or the image is not its first."""
    file: Any = getattr(image, "fp", None)
    try:
        place = file.tell()
        file.seek(0)
        data: bytes = file.read() if image.tell() == 0 else b""
        file.seek(place)
        return data
    except (AttributeError, OSError, ValueError):
        return b""


def _stored(block: Block, notes: list[str]) -> dict[int, _Entries]:
    """The tags as the file has them.  Of two with one number, the first counts."""
    directories = {group: block.directories[name] for group, name in _GROUPS.items() if name in block.directories}
    if faults := [fault for each in directories.values() for fault in each.faults]:
        notes.append(f"tags of the TIFF file are damaged; left out: {listed(faults)}")
    return {
        group: {t.number: (t.type, t.values, block.data[t.place : t.place + t.size]) for t in reversed(each.tags)}
        for group, each in directories.items()
    }


def _loaded(image: Image.Image, own: Any, notes: list[str]) -> dict[int, _Entries]:
    """The tags as Pillow has read them."""
    groups = {_TOP: _encoded(own, _TOP, notes)}
    for group in (EXIF, INTEROP, GPS):
        try:
            groups[group] = _encoded(image.getexif().get_ifd(group), group, notes)
        except Exception as error:  # Pillow raises errors of many types for damaged directories
            notes.append(f"the {_GROUPS[group]} directory of the TIFF file is damaged and was left out: {error!r}")
    return groups


def _encoded(values: Any, group: int, notes: list[str]) -> _Entries:
    """Pillow's values as bytes.  Each is written in a directory of its own, so that a damaged one takes no other along."""
    entries: _Entries = {}
    for number in values:
        try:
            alone = ImageFileDirectory_v2(group=group or None)
            value = values[number]
            if group == _TOP and number in values.tagtype:
                alone.tagtype[number] = values.tagtype[number]
            elif group == EXIF and number in _SIGNED:
                alone.tagtype[number] = _SIGNED_RATIONAL
            elif group == EXIF and isinstance(value, bytes):  # Pillow would choose BYTE
                alone.tagtype[number] = _UNDEFINED
            if isinstance(value, str):  # Pillow has decoded it from latin-1, and would encode ASCII alone
                alone.tagtype.setdefault(number, _ASCII)
                value = value.encode("latin-1")
            alone[number] = value
            block = alone.tobytes()
            _, kind, count, place = struct.unpack_from("<HHII", block, 2)
            size = SIZES[kind] * count
            start = 10 if size <= 4 else place
            entries[number] = (kind, count, block[start : start + size])
        except Exception as error:  # Pillow raises errors of many types for damaged tags
            notes.append(f"the tag {number:#06x} of the TIFF file is damaged and was left out: {error!r}")
    return entries


def _written(groups: dict[int, _Entries], order: str) -> bytes:
    """A block of these directories, with the tags that lead from one to another; empty if all are empty."""
    for group, parent in _PARENTS.items():
        if groups.get(group):
            groups.setdefault(parent, {})[group] = (_LONG, 1, bytes(4))
    present = [group for group in _GROUPS if groups.get(group)]
    at = 8
    for group in present:
        if group != _TOP:
            groups[_PARENTS[group]][group] = (_LONG, 1, struct.pack(order + "I", at))
        at += len(_laid_out(groups[group], order, at))
    data = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    for group in present:
        data += _laid_out(groups[group], order, len(data))
    return PREFIX + data if present else b""


def _laid_out(entries: _Entries, order: str, at: int) -> bytes:
    """The bytes of a directory at offset `at`, followed by the values of more than 4 bytes."""
    tags, values = b"", b""
    for number, (kind, count, value) in sorted(entries.items()):
        tags += struct.pack(order + "HHI", number, kind, count)
        if len(value) <= 4:
            tags += value.ljust(4, b"\0")
        else:
            tags += struct.pack(order + "I", at + 6 + 12 * len(entries) + len(values))
            values += value + b"\0" * (len(value) % 2)
    return struct.pack(order + "H", len(entries)) + tags + bytes(4) + values
