"""Edits to the bytes of a JPEG file that keep its index of further pictures right (MPF, CIPA DC-007)."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from ...errors import UnsupportedError
from .segments import APP2, Segment


class Edit(NamedTuple):
    """The bytes [start, end) become `new`."""

    start: int
    end: int
    new: bytes = b""


def splice(data: bytes, segments: Sequence[Segment], edits: Sequence[Edit]) -> bytes:
    """`data` with all `edits` made, which do not overlap and come in order.

    The MPF index, if `segments` (of `data`'s header) hold one, is kept pointing at what it pointed at: it gives the
    size of this very image, and places relative to itself.  UnsupportedError if a corrected value exceeds 32 bits.
    """
    starts = [e.start for e in edits]
    growth = list(accumulate((len(e.new) - (e.end - e.start) for e in edits), initial=0))

    def moved(position: int) -> int:
        """Where the byte at `position` of `data` comes to stand."""
        before = bisect_right(starts, position) - 1
        if before < 0:
            return position
        edit = edits[before]
        return position + growth[before] + len(edit.new) - (min(edit.end, position) - edit.start)

    parts, position = [], 0
    for edit in edits:
        parts += [data[position : edit.start], edit.new]
        position = edit.end
    result = bytearray(b"".join([*parts, data[position:]]))
    for base, order, entries in _mpf_indices(data, segments):
        for number, entry in enumerate(entries):
            size, place = struct.unpack_from(order + "II", data, entry + 4)
            if number and not place:
                continue  # only the first image, which holds this index, is said to be at 0
            start = base + place if place else 0
            size = moved(start + size) - moved(start)
            place = moved(start) - moved(base) if place else 0
            try:
                struct.pack_into(order + "II", result, moved(entry + 4), size, place)
            except struct.error:
                message = f"the MPF index has an image of {size} bytes at {place}, expected at most 32 bits"
                raise UnsupportedError(message) from None
    return bytes(result)


def _mpf_indices(data: bytes, segments: Iterable[Segment]) -> Iterator[tuple[int, str, range]]:
    """For each MPF index: where its offsets count from, its byte order, and where its 16-byte image entries are.

    One that makes no sense is passed over: it is not ours to repair.
    """
    for segment in segments:
        if segment.marker != APP2 or not segment.body(data).startswith(b"MPF\0"):
            continue
        base, body = segment.offset + 8, segment.body(data)[4:]
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(body[:4])
        if order is None or len(body) < 8:
            continue
        (directory,) = struct.unpack_from(order + "I", body, 4)
        if directory + 2 > len(body):
            continue
        (count,) = struct.unpack_from(order + "H", body, directory)
        fields = body[directory + 2 : directory + 2 + 12 * count]
        for tag, _, size, place in struct.iter_unpack(order + "HHII", fields[: len(fields) // 12 * 12]):
            if tag == 0xB002:
                if place + size <= len(body):
                    yield base, order, range(base + place, base + place + size - 15, 16)
                break
