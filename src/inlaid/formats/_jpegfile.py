"""The bytes of a JPEG file: where its segments are, what its header says, how to edit it.  No pixel is decoded here.

ISO/IEC 10918-1 (T.81) annex B, CIPA DC-007 (Multi-Picture Format), and libjpeg's guess of the colour model.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from ..errors import FormatError, LimitError, UnsupportedError

TEM, DHT, RST0, SOI, EOI, SOS, DRI, DHP = 0x01, 0xC4, 0xD0, 0xD8, 0xD9, 0xDA, 0xDD, 0xDE
APP0, APP1, APP2, APP9, APP11, APP13, APP14, APP15, COM = 0xE0, 0xE1, 0xE2, 0xE9, 0xEB, 0xED, 0xEE, 0xEF, 0xFE
SOF_LS = 0xF7  # JPEG-LS, whose frame header has the same form
FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, 0xCC} | {SOF_LS}

MAX_SEGMENT_BYTES = 65533  # of a segment's body: its 16-bit length counts itself
MAX_SEGMENTS = 100_000  # real files have some dozens; bounds the memory that a hostile one can ask for

_MARKER = re.compile(rb"\xff[^\x00\xff]")  # neither a stuffed FF nor fill
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # nor RSTn
_ANNEX_K_AC = bytes.fromhex("00020103030204030505040400 00017d")  # code lengths of table K.5, luminance AC


class Segment(NamedTuple):
    """A marker and its parameters: `length` bytes from `offset`, where the marker's FF stands (fill bytes excluded)."""

    marker: int
    offset: int
    length: int

    @property
    def end(self) -> int:
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


_SUBSAMPLING: dict[tuple[float, float], str] = {  # from the luma's sampling factors over those of both chromas
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}


class Component(NamedTuple):
    id: int
    h: int  # sampling factors, 1..4
    v: int
    table: int  # of quantisation


@dataclass(frozen=True)
class Header:
    """What a file says before its first scan."""

    segments: list[Segment]
    frame: int  # the marker, one of FRAMES
    bits: int
    height: int  # 0: given later, by DNL
    width: int
    components: tuple[Component, ...]
    model: str  # gray | ycbcr | rgb | cmyk | "2 components" and so on
    restart_interval: int  # in MCUs, 0 for none
    standard_huffman: bool  # the tables of T.81 annex K.3 are among the file's

    @property
    def progressive(self) -> bool:
        return self.frame & 3 == 2

    @property
    def arithmetic(self) -> bool:
        return 0xC8 < self.frame < 0xD0

    def obstacle(self) -> str | None:
        """What makes this valid file something other than 8-bit DCT of gray, YCbCr or RGB; None if nothing does."""
        if self.frame == SOF_LS:
            return "JPEG-LS"
        if self.frame & 3 == 3:
            return "lossless"
        if self.arithmetic:
            return "arithmetic coding"
        if self.frame & 4 or any(s.marker == DHP for s in self.segments):
            return "hierarchical"
        if self.bits != 8:
            return f"{self.bits}-bit samples"
        if self.model not in ("gray", "ycbcr", "rgb"):
            return self.model.replace("cmyk", "CMYK")
        if self.height == 0:
            return "height given after the first scan (DNL)"
        if any(self._most_h % c.h or self._most_v % c.v for c in self.components):
            return "fractional subsampling"
        return None

    def blocks(self) -> int:
        """The number of 8x8 blocks of the first component."""
        first = self.components[0]
        across = -(-self.width * first.h // (8 * self._most_h))
        return across * -(-self.height * first.v // (8 * self._most_v))

    @property
    def _most_h(self) -> int:
        return max(c.h for c in self.components)

    @property
    def _most_v(self) -> int:
        return max(c.v for c in self.components)

    def subsampling(self) -> str:
        """As "4:2:0" where that notation fits, else every component's HxV; "gray" for a single one."""
        if len(self.components) == 1:
            return "gray"
        if len(self.components) == 3:
            y, cb, cr = self.components
            if cb[1:3] == cr[1:3] and (y.h / cb.h, y.v / cb.v) in _SUBSAMPLING:
                return _SUBSAMPLING[y.h / cb.h, y.v / cb.v]
        return ",".join(f"{c.h}x{c.v}" for c in self.components)


def read_header(data: bytes) -> Header:
    """FormatError if there is no picture in `data`, or a frame header that T.81 does not allow."""
    segments = head(data)
    frames = [s for s in segments if s.marker in FRAMES]
    if len(frames) != 1:
        raise FormatError(f"damaged JPEG file: {len(frames)} frame headers before the first scan, expected 1")
    body = frames[0].body(data)
    if len(body) < 9 or len(body) != 6 + 3 * body[5]:
        raise FormatError(f"damaged JPEG file: a frame header of {len(body)} bytes, expected 6 + 3 per component")
    bits, height, width = struct.unpack_from(">BHH", body)
    components = tuple(Component(i, hv >> 4, hv & 15, t) for i, hv, t in struct.iter_unpack("BBB", body[6:]))
    if width == 0:
        raise FormatError("damaged JPEG file: the picture is 0 pixels wide")
    if not all(1 <= c.h <= 4 and 1 <= c.v <= 4 for c in components):
        raise FormatError("damaged JPEG file: a sampling factor is outside 1..4")
    intervals = [int.from_bytes(s.body(data)[:2], "big") for s in segments if s.marker == DRI]
    return Header(
        segments=segments,
        frame=frames[0].marker,
        bits=bits,
        height=height,
        width=width,
        components=components,
        model=_colour_model(data, segments, components),
        restart_interval=intervals[-1] if intervals else 0,
        standard_huffman=any(s.marker == DHT and _ANNEX_K_AC in s.body(data) for s in segments),
    )


def _colour_model(data: bytes, segments: Sequence[Segment], components: Sequence[Component]) -> str:
    """As libjpeg decides it (default_decompress_parms in jdapimin.c), from the markers before the first scan."""
    if len(components) != 3:
        return {1: "gray", 4: "cmyk"}.get(len(components), f"{len(components)} components")
    if any(s.marker == APP0 and s.length >= 18 and s.body(data).startswith(b"JFIF\0") for s in segments):
        return "ycbcr"
    adobe = [s.body(data) for s in segments if s.marker == APP14 and s.length >= 16]
    transforms = [body[11] for body in adobe if body.startswith(b"Adobe")]
    if transforms:
        return "ycbcr" if transforms[-1] else "rgb"
    return "rgb" if bytes(c.id for c in components) == b"RGB" else "ycbcr"


def metadata_names(data: bytes, segments: Iterable[Segment]) -> list[str]:
    """The names of the kinds of metadata among `segments`, each once, in the order of `_KINDS`."""
    bodies = [(s.marker, s.body(data)) for s in segments if APP0 <= s.marker <= APP15 or s.marker == COM]
    return [
        name
        for name, kind, prefix, inside in _KINDS
        if any(marker == kind and body.startswith(prefix) and inside in body for marker, body in bodies)
    ]


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


def pixels_only(data: bytes, segments: Sequence[Segment]) -> bytes:
    """`data` without what no decoder needs of its header: metadata, which may be damaged or hostile, and extra bytes and markers."""
    needless = {*range(APP0, APP15 + 1), COM, TEM, *range(RST0, SOI)} - {APP0, APP14}  # these two say the colour model
    kept = [data[s.offset : s.end] for s in segments if s.marker not in needless]
    return b"".join([*kept, data[segments[-1].end :]])


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
