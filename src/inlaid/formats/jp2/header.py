"""What a JP2 file says of its picture: its boxes, and the main header of its codestream (ISO/IEC 15444-1, annexes I and A)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...errors import FormatError
from .boxes import CODESTREAM, HEADER, SIGNATURE, STREAM, boxes, top_boxes

# Boxes that hold offsets from the beginning of the file: fragment tables, and the index of a file for JPIP.
POINTING = {b"ftbl", b"flst", b"cidx", b"fidx"}
_SIZ, _COD, _SOT = 0xFF51, 0xFF52, 0xFF90
CMYK, SRGB, GRAY, SYCC = 12, 16, 17, 18  # enumerated colour spaces
COLOUR, OPACITY, PREMULTIPLIED = 0, 1, 2  # types of channels; 65535 says nothing


class Definition(NamedTuple):
    """What a channel is: its number, its type, and the colour that it goes with, counted from 1 (0: all of them)."""

    channel: int
    kind: int
    colour: int


@dataclass(frozen=True)
class Header:
    """What the file says of its picture; `depths` as stored: bits - 1, plus 0x80 if signed."""

    width: int
    height: int
    depths: tuple[int, ...]
    subsampled: bool
    aligned: bool  # every tile begins and ends with a sample of each component
    tile: tuple[int, int]
    tiled: bool
    layers: int
    resolutions: int
    code_block: tuple[int, int]
    reversible: bool
    mixed: bool  # the component transform: RGB coded as luma and chroma
    stream: tuple[int, int]  # where the codestream is
    bare: bool  # a codestream alone, no boxes
    sizes: tuple[tuple[int, int, int], ...]  # what boxes say: height, width, components
    spaces: tuple[int | str, ...]  # of the colours: an enumerated number, or what the ICC profile names, "" if it is damaged
    palette: bytes  # the content of the first box of its kind
    mapping: bytes  # of a palette, the same
    channels: bytes  # the definitions in all boxes of their kind
    pointing: str  # a box that holds offsets, or nothing

    @property
    def model(self) -> str:
        """gray or rgb, where there is no obstacle."""
        return "gray" if len(self.depths) == 1 else "rgb"

    @property
    def definitions(self) -> Iterator[Definition]:
        """What the channels are; none where the file does not say it."""
        return map(Definition._make, struct.iter_unpack(">3H", self.channels))

    def obstacle(self) -> str | None:
        """Why the file cannot carry an inlay, or None."""
        if self.bare:
            return "a bare codestream has no boxes; a .jp2 file has"
        if self.palette:
            return "a palette"
        alpha = any(each.kind in (OPACITY, PREMULTIPLIED) for each in self.definitions)
        if len(self.depths) not in (1, 3) or alpha:
            return f"{len(self.depths)} components" + (", alpha among them" if alpha else "")
        odd = any(each != (each.channel, COLOUR, each.channel + 1) for each in self.definitions)
        if odd or (self.channels and {each.channel for each in self.definitions} != set(range(len(self.depths)))):
            return "a channel definition (cdef) that gives the components another order or meaning"
        if any(depth != 7 for depth in self.depths):
            signed = "signed " if any(depth & 0x80 for depth in self.depths) else ""
            return f"{signed}{max(depth & 0x7F for depth in self.depths) + 1}-bit components"
        if self.subsampled:
            return "subsampled components"
        expected = (GRAY, "GRAY", "") if self.model == "gray" else (SRGB, "RGB ", "")
        for space in self.spaces:
            if space not in expected:
                return space_name(space)
        return f"a {self.pointing!r} box, which holds offsets" if self.pointing else None


def read_header(data: bytes) -> Header:
    """The header; FormatError where it is damaged."""
    found: dict[bytes, list[bytes]] = {kind: [] for kind in (b"ihdr", b"colr", b"pclr", b"cmap", b"cdef")}
    pointing, bare = "", data.startswith(CODESTREAM)
    stream = (0, len(data)) if bare else None
    if not bare and not data.startswith(SIGNATURE):
        raise FormatError(f"not a JPEG 2000 file: it begins with {data[:8].hex(' ') or 'nothing'}")
    for each in top_boxes(data):
        if each.type == STREAM and stream is None:
            stream = each.body, each.end
        elif each.type == HEADER:
            for inner in boxes(data, each.body, each.end):
                if inner.type in found:
                    found[inner.type].append(inner.content(data))
        elif each.type in POINTING:
            pointing = each.type.decode()
    if stream is None:
        raise FormatError("the JP2 file has no codestream")
    return Header(
        **_main_header(data, *stream),
        stream=stream,
        bare=bare,
        sizes=tuple(struct.unpack_from(">IIH", body) for body in found[b"ihdr"] if len(body) >= 10),
        spaces=tuple(_space(body) for body in found[b"colr"] if len(body) >= 3),
        palette=b"".join(found[b"pclr"][:1]),
        mapping=b"".join(found[b"cmap"][:1]),
        channels=b"".join(body[2 : max(len(body) - 2, 0) // 6 * 6 + 2] for body in found[b"cdef"]),
        pointing=pointing,
    )


def _space(body: bytes) -> int | str:
    """What a `colr` box says: by its first byte it has a number (1), an ICC profile (2, 3), or what has no meaning here."""
    if body[0] == 1 and len(body) >= 7:
        return int.from_bytes(body[3:7], "big")
    profile = body[3:]
    return profile[16:20].decode("latin-1") if body[0] in (2, 3) and profile[36:40] == b"acsp" else ""


def space_name(space: int | str) -> str:
    """For messages."""
    if isinstance(space, str):
        return f"an ICC profile of {space.strip()} colour"
    return "sYCC colour" if space == SYCC else f"colour space {space}"


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
                found["width"], found["height"] = width, height
                found["depths"] = tuple(part[0] for part in parts)
                found["subsampled"] = any(part[1:] != b"\1\1" for part in parts)
                found["tile"] = (tile_width, tile_height)
                found["aligned"] = _aligned(parts, (left, right, tile_left, tile_width), (top, bottom, tile_top, tile_height))
                found["tiled"] = tile_left + tile_width < right or tile_top + tile_height < bottom
            elif marker == _COD:
                _, _, layers, mixed, levels, block_width, block_height, _, transform = struct.unpack_from(">BBHBBBBBB", body)
                found["layers"], found["resolutions"] = layers, levels + 1
                found["reversible"], found["mixed"] = transform == 1, bool(mixed)
                found["code_block"] = (4 << (block_width & 15), 4 << (block_height & 15))
        except (struct.error, IndexError) as error:
            raise FormatError("the JPEG 2000 codestream's header is damaged") from error
        at += 2 + length
    if "width" not in found:
        raise FormatError("the JPEG 2000 codestream's header has no size")
    return found


def _aligned(parts: list[bytes], *sides: tuple[int, int, int, int]) -> bool:
    """Whether every tile begins and ends with a sample of each component; of each side: picture from and to, tiles from, their size."""
    for part in parts:
        for step, (start, end, tiles, size) in zip(part[1:], sides, strict=True):
            if step != 1 and (not step or start % step or end % step or (tiles + size < end and (tiles % step or size % step))):
                return False
    return True
