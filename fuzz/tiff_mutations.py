"""Mutations of EXIF blocks and TIFF directories: every tag type in every place, false counts and offsets, directories in circles."""

from __future__ import annotations

import struct
from random import Random

from .noise import damaged, field, number, some_bytes
from .pieces import directory, entry, tiff

# Tags that programs read: sizes and strips of a TIFF, texts, numbers, pointers to further directories, XMP, IPTC, ICC, Photoshop.
TAGS = (
    0x100, 0x101, 0x102, 0x103, 0x106, 0x10E, 0x10F, 0x111, 0x112, 0x115, 0x116, 0x117, 0x11A, 0x11B, 0x11C, 0x128,
    0x12D, 0x132, 0x13D, 0x140, 0x142, 0x143, 0x144, 0x145, 0x14A, 0x152, 0x153, 0x15B, 0x201, 0x202, 0x211, 0x212,
    0x213, 0x214, 0x2BC, 0x8298, 0x829A, 0x83BB, 0x8649, 0x8769, 0x8773, 0x8825, 0x9000, 0x9003, 0x9101, 0x9201, 0x927C, 0x9286,
    0xA000, 0xA001, 0xA002, 0xA005, 0xA20E, 0xC4A5, 0xC612, 0xEA1C, 1, 2,
)  # fmt: skip


def exif(rng: Random) -> bytes:
    """An EXIF block: a sound one with damage, or directories of random entries."""
    if rng.random() < 0.4:
        return b"Exif\0\0" + mutated(rng, tiff(rng.randrange(1, 9), some_bytes(rng, 30)))
    order = rng.choice("<>")
    parts = [_directory(rng, order) for _ in range(rng.choice((1, 1, 2, 4)))]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 if rng.random() < 0.9 else number(rng, 4))
    return (
        rng.choice((b"Exif\0\0", b"Exif\0\0", b"Exif\0\0", b"Exif\0", b"", b"Exif\0\0Exif\0\0"))
        + head
        + b"".join(parts)
        + some_bytes(rng, 60)
    )


def _directory(rng: Random, order: str) -> bytes:
    entries = [_entry(rng, order) for _ in range(rng.choice((0, 1, 2, 5, 12)))]
    whole = directory(entries, rng.choice((0, 0, 8, number(rng, 2))), order)
    return whole if rng.random() < 0.8 else struct.pack(order + "H", number(rng, 2)) + whole[2:]


def _entry(rng: Random, order: str) -> bytes:
    count = rng.choice((0, 1, 1, 1, 2, 4, 5, 9, number(rng, 4)))
    value = rng.choice((struct.pack(order + "I", rng.randrange(120)), struct.pack(order + "I", number(rng, 4)), rng.randbytes(4)))
    return entry(rng.choice(TAGS), rng.choice((*range(14), 16, 129)), count, value, order)


def mutated(rng: Random, data: bytes) -> bytes:
    """A TIFF file with another number in a directory entry, or with a whole entry from elsewhere."""
    order = "<" if data[:2] == b"II" else ">"
    places = _entries(data, order)
    if not places or rng.random() < 0.15:
        return damaged(rng, data)
    at = rng.choice(places)
    if rng.random() < 0.2:
        return data[:at] + _entry(rng, order) + data[at + 12 :]
    if rng.random() < 0.2:
        from_ = rng.choice(places)
        return data[:at] + data[from_ : from_ + 12] + data[at + 12 :]
    if rng.random() < 0.3:
        return data[: at + 2] + struct.pack(order + "H", rng.randrange(19)) + data[at + 4 :]
    offset, size = rng.choice(((0, 2), (4, 4), (8, 4), (8, 2)))
    return field(rng, data, at + offset, size, "little" if order == "<" else "big")


def _entries(data: bytes, order: str) -> list[int]:
    """The places of all entries in the directories that can be reached."""
    if len(data) < 8:
        return []
    found: list[int] = []
    waiting, seen = [struct.unpack_from(order + "I", data, 4)[0]], set()
    while waiting:
        at = waiting.pop()
        if at in seen or at + 2 > len(data):
            continue
        seen.add(at)
        count = struct.unpack_from(order + "H", data, at)[0]
        for place in range(at + 2, min(at + 2 + 12 * count, len(data) - 11), 12):
            found.append(place)
            tag, _, _, value = struct.unpack_from(order + "HHII", data, place)
            if tag in (0x8769, 0x8825, 0xA005, 0x14A):
                waiting.append(value)
        if at + 2 + 12 * count + 4 <= len(data):
            waiting.append(struct.unpack_from(order + "I", data, at + 2 + 12 * count)[0])
    return found
