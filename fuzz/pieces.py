"""Files cut in pieces for the mutations: segments, boxes, markers, chunks.  Nothing is refused: what is no piece is kept as bytes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

SUPERBOXES = {b"jp2h", b"res ", b"asoc", b"uinf"}
CODESTREAM = b"\xff\x4f"


class Segment(NamedTuple):
    """A JPEG or JPEG 2000 marker with its parameters.  Marker 0 stands for bytes of any kind, mostly entropy-coded data."""

    marker: int
    body: bytes = b""
    length: int | None = None  # written in place of the true length
    alone: bool = False  # no length, no parameters

    def joined(self) -> bytes:
        """Its bytes."""
        if not self.marker:
            return self.body
        head = bytes((0xFF, self.marker))
        if self.alone:
            return head
        length = min(len(self.body) + 2, 0xFFFF) if self.length is None else self.length
        return head + length.to_bytes(2, "big") + self.body


def segments(data: bytes, *, wavelet: bool = False) -> list[Segment]:
    """The segments of a JPEG file, or (wavelet) of a JPEG 2000 codestream as far as its first tile."""
    found, at = [], 0
    while at + 1 < len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0, 0xFF):
            break
        if marker in ((0x4F, 0xD9) if wavelet else (0x01, *range(0xD0, 0xDA))):
            found.append(Segment(marker, alone=True))
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            break
        found.append(Segment(marker, data[at + 4 : end]))
        at = end
        if wavelet and marker == 0x90:  # SOT
            break
        if not wavelet and marker == 0xDA:
            at = _scan_end(data, end)
            found.append(Segment(0, data[end:at]))
    return [*found, Segment(0, data[at:])] if at < len(data) else found


def _scan_end(data: bytes, at: int) -> int:
    while (at := data.find(b"\xff", at)) >= 0:
        if at + 1 < len(data) and data[at + 1] not in (0, 0xFF, *range(0xD0, 0xD8)):
            return at
        at += 1
    return len(data)


@dataclass(frozen=True)
class Box:
    """A JP2 box.  `inner` replaces `body` where it holds boxes.  `form` is how its length is written."""

    type: bytes
    body: bytes = b""
    inner: tuple[Box, ...] = field(default=())
    form: str = "short"  # long: XLBox; rest: length 0; a number: that length

    def joined(self) -> bytes:
        """Its bytes."""
        body = self.body + b"".join(each.joined() for each in self.inner)
        if self.form == "raw":
            return body
        if self.form == "long":
            return struct.pack(">I4sQ", 1, self.type, 16 + len(body)) + body
        length = {"short": 8 + len(body), "rest": 0}.get(self.form)
        return struct.pack(">I4s", int(self.form) if length is None else length, self.type) + body


def boxes(data: bytes) -> list[Box]:
    """The boxes of a JP2 file.  What follows the last whole box is a box without a type."""
    found, at = [], 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body, form = at + 8, "short"
        if length == 1 and at + 16 <= len(data):
            length, body, form = struct.unpack_from(">Q", data, at + 8)[0], at + 16, "long"
        elif length == 0:
            length, form = len(data) - at, "rest"
        if not body <= at + length <= len(data):
            break
        content, at = data[body : at + length], at + length
        found.append(Box(kind, inner=tuple(boxes(content)), form=form) if kind in SUPERBOXES else Box(kind, content, form=form))
    return [*found, Box(b"", data[at:], form="raw")] if at < len(data) else found


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Type and body of a PNG file's chunks."""
    found, at = [], 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def png(parts: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of chunks, with their checksums."""
    packed = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def riff(data: bytes) -> list[tuple[bytes, bytes]]:
    """Type and body of a WebP file's chunks."""
    found, at = [], 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return found


def webp(parts: list[tuple[bytes, bytes]]) -> bytes:
    """A WebP file of chunks."""
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(each)) + each + b"\0" * (len(each) % 2) for kind, each in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment's bytes."""
    return Segment(marker, body).joined()


def entry(tag: int, kind: int, count: int, value: bytes, order: str = "<") -> bytes:
    """An entry of a TIFF directory; `value`: its four bytes."""
    return struct.pack(order + "HHI", tag, kind, count) + value[:4].ljust(4, b"\0")


def directory(entries: list[bytes], following: int = 0, order: str = "<") -> bytes:
    """A TIFF directory."""
    return struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", following)


def tiff(orientation: int, thumbnail: bytes) -> bytes:
    """The TIFF inside Exif: image, Exif, GPS and interoperability directories, and a second image, the thumbnail."""
    number, text = struct.Struct("<I").pack, b"A camera\0"
    first, exif, gps, second = 8, 8 + 2 + 5 * 12 + 4, 0, 0
    gps = exif + 2 + 4 * 12 + 4
    inter = gps + 2 + 2 * 12 + 4
    second = inter + 2 + 12 + 4
    place = second + 2 + 3 * 12 + 4
    parts = [
        directory([
            entry(0x10F, 2, len(text), number(place)), entry(0x112, 3, 1, number(orientation)), entry(0x11A, 5, 1, number(place + 12)),
            entry(0x8769, 4, 1, number(exif)), entry(0x8825, 4, 1, number(gps)),
        ], second),
        directory([
            entry(0x829A, 5, 1, number(place + 12)), entry(0x9000, 7, 4, b"0232"), entry(0x927C, 7, 20, number(place)),
            entry(0xA005, 4, 1, number(inter)),
        ]),
        directory([entry(1, 2, 2, b"N\0"), entry(2, 5, 1, number(place + 12))]),
        directory([entry(1, 2, 4, b"R98\0")]),
        directory([entry(0x103, 3, 1, number(6)), entry(0x201, 4, 1, number(place + 20)), entry(0x202, 4, 1, number(len(thumbnail)))]),
    ]  # fmt: skip
    return b"II*\0" + number(first) + b"".join(parts) + text.ljust(12, b"\0") + struct.pack("<II", 1, 125) + thumbnail


def mp_index(first: int, place: int) -> bytes:
    """The MPF index of two images: the size of the first and the place of the second."""
    values = struct.pack("<IIIHHIIIHH", 0x030000, first, 0, 0, 0, 0, first, place, 0, 0)
    entries = [entry(0xB000, 7, 4, b"0100"), entry(0xB001, 4, 1, b"\2\0\0\0"), entry(0xB002, 7, 32, struct.pack("<I", 50))]
    return b"MPF\0II*\0" + struct.pack("<I", 8) + directory(entries) + values
