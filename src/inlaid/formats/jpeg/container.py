"""JPEG as a container: the payload travels in APP9 segments, nothing else changes (FORMAT.md, section 1).

SOI | APP0 JFIF | APP1 EXIF, XMP | APP9 "inlay" NUL payload | APP2 ICC, MPF | ... | SOS
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ...errors import UnsupportedError
from ..items import Metadata
from . import metadata as jpeg_metadata
from .edits import Edit, splice
from .header import read_header
from .metadata import writable
from .segments import APP0, APP1, APP9, MAX_SEGMENT_BYTES, Segment, head, metadata_names, walk

__all__ = ["OVERHEAD_BYTES", "describe", "detect", "embed", "extract", "metadata", "obstacle", "strip", "writable"]

IDENTIFIER = b"inlay\0"
OVERHEAD_BYTES = 4 + len(IDENTIFIER)  # marker, length, identifier
CHUNK_BYTES = MAX_SEGMENT_BYTES - len(IDENTIFIER)


def detect(data: bytes) -> bool:
    """True if `data` begins like a JPEG file."""
    return data.startswith(b"\xff\xd8")  # two bytes alone: fill bytes may follow SOI


def obstacle(data: bytes) -> str | None:
    """Why this file cannot carry an inlay, or None; FormatError if its header is damaged."""
    return read_header(data).obstacle()


def embed(data: bytes, payload: bytes) -> bytes:
    """`data` with `payload` inside, in place of any older one.

    FormatError if the file is damaged or truncated, UnsupportedError if its MPF index contradicts itself.

    The segments go behind the leading run of APP0 and APP1, so that JFIF, EXIF and XMP stay where readers expect
    them, and before any APP2, so that an MPF index moves together with the images it points at.
    """
    plain = strip(data)
    segments = list(walk(plain))
    at = segments[0].end
    for segment in segments[1:]:
        if segment.marker not in (APP0, APP1):
            break
        at = segment.end
    chunks = [payload[i : i + CHUNK_BYTES] for i in range(0, max(len(payload), 1), CHUNK_BYTES)]
    inlay = b"".join(_segment(IDENTIFIER + chunk) for chunk in chunks)
    result = splice(plain, segments, [Edit(at, at, inlay)])
    if extract(result) != payload or strip(result) != plain:
        raise UnsupportedError("this JPEG file would not come back from embedding: its MPF index contradicts itself")
    return result


def extract(data: bytes) -> bytes | None:
    """The payload, or None if there is none; what follows the first SOS is not looked at."""
    ours = _ours(data, head(data))
    return b"".join(s.body(data)[len(IDENTIFIER) :] for s in ours) if ours else None


def strip(data: bytes) -> bytes:
    """`data` without a payload, byte for byte what `embed` was given; unchanged if there is none.

    Fill bytes before a segment of ours, which others put there, go with it: left alone they would make a marker of what follows.
    """
    segments = head(data)
    ours = set(_ours(data, segments))
    pairs = [(before, s) for before, s in pairwise(segments) if s in ours]
    edits = [Edit(before.end + len(data[before.end : s.offset].rstrip(b"\xff")), s.end) for before, s in pairs]
    return splice(data, segments, edits) if ours else data


def _ours(data: bytes, segments: list[Segment]) -> list[Segment]:
    return [s for s in segments if s.marker == APP9 and s.body(data).startswith(IDENTIFIER)]


def _segment(body: bytes) -> bytes:
    return bytes((0xFF, APP9)) + (len(body) + 2).to_bytes(2, "big") + body


def metadata(data: bytes) -> Metadata:
    """The ICC profile, EXIF, XMP and dpi of those segments before the first scan that are sound."""
    return jpeg_metadata.read(data, head(data))


def describe(data: bytes) -> dict[str, Any]:
    """The picture's size and coding, and the names of the metadata before the first scan."""
    header = read_header(data)
    return {
        "width": header.width,
        "height": header.height,
        "components": len(header.components),
        "model": header.model,
        "subsampling": header.subsampling(),
        "progressive": header.progressive,
        "restart_interval": header.restart_interval,
        "optimized_huffman": not (header.standard_huffman or header.arithmetic),
        "metadata": metadata_names(data, header.segments),
    }
