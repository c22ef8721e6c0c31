"""The chunks of a PNG file, and what they say of its pixels (W3C PNG, third edition).

Pillow decodes a file of the chunks of the pixels alone, so that a damaged text or profile does not make it refuse the picture.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE = 0, 2, 3  # colour types
_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_BIT_DEPTH, _COLOUR_TYPE = 24, 25  # offsets in the file, in IHDR


class Chunk(NamedTuple):
    """A chunk: length[4], type[4], body, checksum[4] are `data[offset:end]`."""

    type: bytes
    offset: int
    end: int

    def body(self, data: bytes) -> bytes:
        """The body's bytes."""
        return data[self.offset + 8 : self.end - 4]

    def intact(self, data: bytes) -> bool:
        """True if the checksum is right."""
        return zlib.crc32(data[self.offset + 4 : self.end - 4]) == int.from_bytes(data[self.end - 4 : self.end], "big")


def detect(data: bytes) -> bool:
    """True if `data` begins as a PNG file, its header included."""
    return data.startswith(SIGNATURE) and data[12:16] == b"IHDR" and len(data) >= 33


def chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks of a file up to IEND, or up to the first that the file is too short for."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return
        yield Chunk(kind, at, end)
        if kind == b"IEND":
            return
        at = end


def pixels_only(data: bytes, found: list[Chunk]) -> bytes:
    """The file with the chunks of its pixels alone; what follows the last whole chunk stays."""
    palette = data[_COLOUR_TYPE] == PALETTE
    kept = [data[c.offset : c.end] for c in found if c.type in _PIXELS or (palette and c.type == b"tRNS")]
    rest = data[found[-1].end if found else len(SIGNATURE) :]
    return b"".join([SIGNATURE, *kept, rest])


def is_gray(data: bytes) -> bool:
    """True for gray pixels, with or without alpha."""
    return not data[_COLOUR_TYPE] & 2


def frames(data: bytes, found: list[Chunk]) -> int:
    """The number of frames of an animation; 1 for a still picture."""
    return next((int.from_bytes(c.body(data)[:4], "big") for c in found if c.type == b"acTL"), 1)


def transparent(data: bytes, found: list[Chunk]) -> tuple[int, ...] | None:
    """The samples of the transparent colour of a gray or RGB picture, on the scale of 8 bits, or 16 for deep pixels; None for none."""
    channels, bits = {GRAY: 1, RGB: 3}.get(data[_COLOUR_TYPE]), data[_BIT_DEPTH]
    body = next((c.body(data) for c in found if c.type == b"tRNS"), b"")
    if channels is None or len(body) < 2 * channels:
        return None
    most = (1 << bits) - 1
    values = [value & most for value in struct.unpack_from(f">{channels}H", body)]
    return tuple(value * 255 // most for value in values) if bits < 8 else tuple(values)
