"""The boxes of a JP2 file and the main header of its codestream (ISO/IEC 15444-1, annexes I and A), read and never rewritten.

A file is a sequence of boxes, each with its length and type before its body; the codestream is the body of one of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import FormatError

SIGNATURE = bytes.fromhex("0000000c 6a502020 0d0a870a")  # the first box, whole
CODESTREAM = bytes.fromhex("ff4f ff51")  # SOC, SIZ
HEADER, STREAM, UUID = b"jp2h", b"jp2c", b"uuid"
# Boxes that hold offsets from the beginning of the file: fragment tables, and the index of a file for JPIP.
POINTING = {b"ftbl", b"flst", b"cidx", b"fidx"}
EXIF_UUID = b"JpgTiffExif->JP2"
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
GEO_UUID = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")
_SIZ, _COD, _SOT = 0xFF51, 0xFF52, 0xFF90
_SRGB, _GRAY, _SYCC = 16, 17, 18  # enumerated colour spaces


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


@dataclass(frozen=True)
class Header:
    """What the file says of its picture; `depths` as stored: 7 is 8 bits, 0x80 more is signed."""

    width: int
    height: int
    depths: tuple[int, ...]
    subsampled: bool
    tile: tuple[int, int]
    tiled: bool
    layers: int
    resolutions: int
    code_block: tuple[int, int]
    reversible: bool
    mixed: bool  # the component transform: RGB coded as luma and chroma
    stream_bytes: int
    bare: bool  # a codestream alone, no boxes
    spaces: tuple[int, ...]  # enumerated colour spaces named by the file, 0 for an ICC profile
    palette: bool
    alpha: bool
    pointing: str  # a box that holds offsets, or nothing

    @property
    def model(self) -> str:
        """gray or rgb, where there is no obstacle."""
        return "gray" if len(self.depths) == 1 else "rgb"

    def obstacle(self) -> str | None:
        """Why the filter cannot apply, or None."""
        if self.bare:
            return "a bare codestream has no boxes; a .jp2 file has"
        if self.palette:
            return "a palette"
        if len(self.depths) not in (1, 3) or self.alpha:
            return f"{len(self.depths)} components" + (", alpha among them" if self.alpha else "")
        if any(depth != 7 for depth in self.depths):
            signed = "signed " if any(depth & 0x80 for depth in self.depths) else ""
            return f"{signed}{max(depth & 0x7F for depth in self.depths) + 1}-bit components"
        if self.subsampled:
            return "subsampled components"
        expected = (0, _GRAY if self.model == "gray" else _SRGB)
        if not all(space in expected for space in self.spaces):
            return "sYCC colour" if _SYCC in self.spaces else f"colour space {max(self.spaces)}"
        return f"a {self.pointing!r} box, which holds offsets" if self.pointing else None


def read_header(data: bytes) -> Header:
    """The header; FormatError where it is damaged."""
    spaces: list[int] = []
    palette = alpha = False
    pointing = ""
    if data.startswith(CODESTREAM):
        start, end, bare = 0, len(data), True
    else:
        if not data.startswith(SIGNATURE):
            raise FormatError(f"not a JPEG 2000 file: it begins with {data[:8].hex(' ') or 'nothing'}")
        start, end, bare = -1, -1, False
        for each in top_boxes(data):
            if each.type == STREAM and start < 0:
                start, end = each.body, each.end
            elif each.type == HEADER:
                for inner in boxes(data, each.body, each.end):
                    if inner.type == b"colr" and inner.end - inner.body >= 3:
                        enumerated = inner.content(data)[0] == 1 and inner.end - inner.body >= 7
                        spaces.append(struct.unpack_from(">I", data, inner.body + 3)[0] if enumerated else 0)
                    palette |= inner.type == b"pclr"
                    # Channel definitions: of each channel a number, a type (0 is colour) and what it goes with.
                    alpha |= inner.type == b"cdef" and any(data[i] | data[i + 1] for i in range(inner.body + 4, inner.end - 1, 6))
            elif each.type in POINTING:
                pointing = each.type.decode()
        if start < 0:
            raise FormatError("the JP2 file has no codestream")
    boxed: dict[str, Any] = {"bare": bare, "spaces": tuple(spaces), "palette": palette, "alpha": alpha, "pointing": pointing}
    return Header(**_main_header(data, start, end), **boxed, stream_bytes=end - start)


def _main_header(data: bytes, start: int, end: int) -> dict[str, Any]:
    if data[start : start + 4] != CODESTREAM:
        raise FormatError(f"the JPEG 2000 codestream begins with {data[start : start + 4].hex(' ') or 'nothing'}, expected ff 4f ff 51")
    found: dict[str, Any] = {}
    at = start + 2
    while "reversible" not in found:
        if end - at < 4:
            raise FormatError("the JPEG 2000 codestream ends within its header")
        marker, length = struct.unpack_from(">HH", data, at)
        body = data[at + 4 : min(at + 2 + length, end)]
        if marker == _SOT or length < 2 or len(body) != length - 2:
            raise FormatError("the JPEG 2000 codestream's header is damaged or cut off")
        try:
            if marker == _SIZ:
                _, right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, count = struct.unpack_from(">H8IH", body)
                parts = [body[36 + 3 * i : 39 + 3 * i] for i in range(count)]
                width, height = right - left, bottom - top
                if not (count and width > 0 and height > 0 and tile_width and tile_height and len(parts[-1]) == 3):
                    raise FormatError(f"a JPEG 2000 picture of {width}x{height} pixels and {count} components")
                found |= {
                    "width": width, "height": height, "depths": tuple(part[0] for part in parts),
                    "subsampled": any(part[1:] != b"\1\1" for part in parts), "tile": (tile_width, tile_height),
                    "tiled": tile_left + tile_width < right or tile_top + tile_height < bottom,
                }  # fmt: skip
            elif marker == _COD:
                _, _, layers, mixed, levels, block_width, block_height, _, transform = struct.unpack_from(">BBHBBBBBB", body)
                found |= {
                    "layers": layers, "resolutions": levels + 1, "reversible": transform == 1, "mixed": bool(mixed),
                    "code_block": (4 << (block_width & 15), 4 << (block_height & 15)),
                }  # fmt: skip
        except (struct.error, IndexError) as error:
            raise FormatError("the JPEG 2000 codestream's header is damaged") from error
        at += 2 + length
    if "width" not in found:
        raise FormatError("the JPEG 2000 codestream's header has no size")
    return found
