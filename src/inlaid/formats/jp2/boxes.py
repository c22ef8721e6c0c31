"""The boxes of a JP2 file (ISO/IEC 15444-1, annex I), read and written.

    length (4 bytes), type (4 bytes), body | length, type, body | ...

A file is a sequence of boxes.  The codestream is the body of one of them, of type `jp2c`.  Numbers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import FormatError

SIGNATURE = bytes.fromhex("0000000c 6a502020 0d0a870a")  # the first box, whole
CODESTREAM = bytes.fromhex("ff4f ff51")  # SOC, SIZ
HEADER, STREAM, UUID = b"jp2h", b"jp2c", b"uuid"
EXIF_UUID = b"JpgTiffExif->JP2"
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
GEO_UUID = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")


@dataclass(frozen=True)
class Box:
    """A box: `data[offset:end]` is all of it, `data[body:end]` what it holds."""

    type: bytes
    offset: int
    body: int
    end: int

    def content(self, data: bytes) -> bytes:
        """What it holds."""
        return data[self.body : self.end]


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes in `data[start:end]`, in order.  FormatError where a length makes no sense; a codestream may be cut off."""
    end = len(data) if end is None else end
    at = start
    while at < end:
        if end - at < 8:
            raise FormatError(f"the JP2 file ends within a box, at byte {at}")
        length, kind = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if length == 1 and end - at >= 16:
            (length,), body = struct.unpack_from(">Q", data, at + 8), at + 16
        after = end if length == 0 else at + length
        if after > end and kind == STREAM and start == 0:
            after = end
        if not body <= after <= end:
            raise FormatError(f"the JP2 box {kind.decode('latin-1')!r} at byte {at} has a length of {length}; {end - at} bytes are left")
        yield Box(kind, at, body, after)
        at = after


def box(kind: bytes, body: bytes) -> bytes:
    """A box's bytes."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def resolution_box(dpi: tuple[float, float]) -> bytes:
    """What a capture resolution box says of so many pixels an inch: a fraction and a power of ten a metre, down and across.

    The power is never negative, which Pillow misreads.
    """
    parts, powers = [], []
    for value in reversed(dpi):
        metre, power = value / 0.0254, 0
        while metre >= 0xFFFF and power < 127:
            metre, power = metre / 10, power + 1
        below = max(1, min(0xFFFF, int(0xFFFF / metre)))
        parts += [min(max(round(metre * below), 1), 0xFFFF), below]
        powers.append(power)
    return struct.pack(">4H2b", *parts, *powers)


def resolution(content: bytes) -> tuple[float, float] | None:
    """Pixels an inch, across and down, by the boxes in a `res ` box's content; None if they are damaged."""
    try:
        found = {each.type: each.content(content) for each in boxes(content)}
        down, below, across, left, power_down, power_across = struct.unpack(">4H2b", found.get(b"resc") or found[b"resd"])
        dpi = (0.0254 * across / left * 10.0**power_across, 0.0254 * down / below * 10.0**power_down)
    except (FormatError, KeyError, struct.error, ArithmeticError):
        return None
    return dpi if min(dpi) > 0 else None


def top_boxes(data: bytes) -> Iterator[Box]:
    """The boxes of a file, none of a bare codestream.  FormatError before the codestream; damage behind it ends them."""
    streamed = data.startswith(CODESTREAM)
    if streamed:
        return
    try:
        for each in boxes(data):
            yield each
            streamed |= each.type == STREAM
    except FormatError:
        if not streamed:
            raise
