"""The segments of a JPEG file (ISO/IEC 10918-1, T.81, annex B).

    FF D8 | FF marker, length, body | FF marker, length, body | ... | FF DA scan header | coded data ... | FF D9

`length` is 2 bytes, big-endian, and counts itself.  No pixel is decoded here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...errors import FormatError, LimitError

TEM, DHT, RST0, SOI, EOI, SOS, DRI, DHP = 0x01, 0xC4, 0xD0, 0xD8, 0xD9, 0xDA, 0xDD, 0xDE
APP0, APP1, APP2, APP9, APP11, APP13, APP14, APP15, COM = 0xE0, 0xE1, 0xE2, 0xE9, 0xEB, 0xED, 0xEE, 0xEF, 0xFE
SOF_LS = 0xF7  # JPEG-LS, whose frame header has the same form
FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, 0xCC} | {SOF_LS}

MAX_SEGMENT_BYTES = 65533  # of a segment's body: its 16-bit length counts itself
MAX_SEGMENTS = 100_000  # real files have some dozens; bounds the memory that a hostile one can ask for

_MARKER = re.compile(rb"\xff[^\x00\xff]")  # neither a stuffed FF nor fill
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # nor RSTn


class Segment(NamedTuple):
    """A marker and its parameters: `length` bytes from `offset`, where the marker's FF stands (fill bytes excluded)."""

    marker: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The byte behind the segment."""
        return self.offset + self.length

    def body(self, data: bytes) -> bytes:
        """The bytes after marker and length; none for a marker that stands alone."""
        return data[self.offset + 4 : self.end]


def walk(data: bytes) -> Iterator[Segment]:
    """The segments of the first image in `data`, SOI to EOI, skipping entropy-coded data.

    Extra bytes before a marker, stuffed and fill ones among them, are skipped as libjpeg does (next_marker in jdmarker.c).
    Lazy: damage raises FormatError only when the walk gets there.  Linear time, at most MAX_SEGMENTS.
    """
    if not data.startswith(b"\xff\xd8"):
        raise FormatError(f"not a JPEG file: it begins with {data[:3].hex(' ') or 'nothing'}, expected ff d8")
    yield Segment(SOI, 0, 2)
    marker, position = SOI, 2
    for _ in range(MAX_SEGMENTS):
        found = (_SCAN_END if marker == SOS else _MARKER).search(data, position)
        if found is None:
            raise FormatError(f"truncated JPEG file: it ends at byte {len(data)}, expected a marker behind byte {position}")
        offset, length = found.start(), 2
        marker = data[offset + 1]
        if TEM < marker < 0xC0 or marker == SOI:
            what = data[offset : offset + 4].hex(" ")
            raise FormatError(f"damaged JPEG file: {what} at byte {offset}, expected a segment")
        if marker != TEM and not RST0 <= marker <= EOI:
            size = data[offset + 2 : offset + 4]
            length += int.from_bytes(size, "big")
            if len(size) < 2 or offset + length > len(data):
                raise FormatError(f"truncated JPEG file: the segment ff {marker:02x} at byte {offset} has no end")
            if length < 4:
                raise FormatError(f"damaged JPEG file: the segment ff {marker:02x} at byte {offset} has length < 2")
        yield Segment(marker, offset, length)
        position = offset + length
        if marker == EOI:
            return
    raise LimitError(f"the JPEG file has more than {MAX_SEGMENTS} segments")


def head(data: bytes) -> list[Segment]:
    """The segments from SOI through the first SOS (EOI if there is none); what follows is not looked at."""
    segments = []
    for segment in walk(data):
        segments.append(segment)
        if segment.marker == SOS:
            break
    return segments


_KINDS = (
    ("JFIF", APP0, b"JFIF\0", b""),
    ("EXIF", APP1, b"Exif\0", b""),
    ("XMP", APP1, b"http://ns.adobe.com/x", b""),  # .../xap/1.0/ and .../xmp/extension/
    ("ICC", APP2, b"ICC_PROFILE\0", b""),
    ("IPTC", APP13, b"Photoshop 3.0\0", b"8BIM\x04\x04"),
    ("MPF", APP2, b"MPF\0", b""),
    ("C2PA/JUMBF", APP11, b"JP", b"jumb"),
    ("Adobe", APP14, b"Adobe", b""),
    ("comment", COM, b"", b""),
)


def metadata_names(data: bytes, segments: Iterable[Segment]) -> list[str]:
    """The names of the kinds of metadata among `segments`, each once, in the order of `_KINDS`."""
    bodies = [(s.marker, s.body(data)) for s in segments if APP0 <= s.marker <= APP15 or s.marker == COM]
    return [
        name
        for name, kind, prefix, inside in _KINDS
        if any(marker == kind and body.startswith(prefix) and inside in body for marker, body in bodies)
    ]


def pixels_only(data: bytes, segments: Sequence[Segment]) -> bytes:
    """`data` with only the header segments that decoding needs: no metadata, which may be hostile, no extra bytes and markers."""
    needless = {*range(APP0, APP15 + 1), COM, TEM, *range(RST0, SOI)} - {APP0, APP14}  # these two say the colour model
    kept = [data[s.offset : s.end] for s in segments if s.marker not in needless]
    return b"".join([*kept, data[segments[-1].end :]])
