"""A PNG file in two parts: the chunks that make its pixels, and what the others say (W3C PNG, third edition).

Pillow decodes the first part alone, so that no damaged text or profile refuses a picture.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from .colour_chunks import ColourChunks
from .raw_profiles import raw_profile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE = 0, 2, 3  # colour types
MAX_ITEM_BYTES = 1 << 26  # of a decompressed text or profile
_XMP, _RAW = b"XML:com.adobe.xmp", b"Raw profile type "
_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}


class Chunk(NamedTuple):
    """A chunk: `data[offset:end]` is all of it, length and checksum included."""

    type: bytes
    offset: int
    end: int

    def body(self, data: bytes) -> bytes:
        """What it holds."""
        return data[self.offset + 8 : self.end - 4]

    def intact(self, data: bytes) -> bool:
        """True if the checksum is right."""
        return zlib.crc32(data[self.offset + 4 : self.end - 4]) == int.from_bytes(data[self.end - 4 : self.end], "big")


def detect(data: bytes) -> bool:
    """True if `data` begins like a PNG file, header included."""
    return data.startswith(SIGNATURE) and data[12:16] == b"IHDR" and len(data) >= 33


def chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks of a file, up to IEND or to where a chunk does not fit into the file."""
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
    """The file with nothing in it but its pixels; what follows the last whole chunk stays."""
    palette = data[25] == PALETTE
    kept = [data[c.offset : c.end] for c in found if c.type in _PIXELS or (palette and c.type == b"tRNS")]
    rest = data[found[-1].end if found else len(SIGNATURE) :]
    return b"".join([SIGNATURE, *kept, rest])


def is_gray(data: bytes) -> bool:
    """True without colours, with or without alpha."""
    return not data[25] & 2


def frames(data: bytes, found: list[Chunk]) -> int:
    """The number of frames of an animation; 1 for a still picture."""
    return next((int.from_bytes(c.body(data)[:4], "big") for c in found if c.type == b"acTL"), 1)


def transparent(data: bytes, found: list[Chunk]) -> tuple[int, ...] | None:
    """The samples of the one transparent colour of a gray or RGB picture, of 8 bits or 16; None if there is none."""
    channels, bits = {GRAY: 1, RGB: 3}.get(data[25]), data[24]
    body = next((c.body(data) for c in found if c.type == b"tRNS"), b"")
    if channels is None or len(body) < 2 * channels:
        return None
    most = (1 << bits) - 1
    values = [value & most for value in struct.unpack_from(f">{channels}H", body)]
    return tuple(value * 255 // most for value in values) if bits < 8 else tuple(values)


def metadata(data: bytes, found: list[Chunk]) -> tuple[dict[str, Any], ColourChunks, list[str]]:
    """ICC profile, EXIF, XMP and dpi, as Pillow names them; what says the colours; a note on each damaged item, which is left out."""
    items: dict[str, Any] = {}
    colours: dict[str, Any] = {}
    notes: list[str] = []
    for chunk in found:
        reader = _READERS.get(chunk.type)
        if reader is None:
            continue
        try:
            if not chunk.intact(data):
                raise ValueError("wrong checksum")
            for key, value in reader(chunk.body(data)).items():
                if value == b"":
                    continue
                (colours if key in ColourChunks.__dataclass_fields__ else items).setdefault(key, value)
        except (ValueError, struct.error, zlib.error, IndexError) as error:
            notes.append(f"the {chunk.type.decode()} chunk is damaged ({error}) and was left out")
    return items, ColourChunks(**colours), notes


# ------------------------------------------------------------------------------------------------ one reader a chunk


def _inflated(compressed: bytes) -> bytes:
    inflater = zlib.decompressobj()
    out = inflater.decompress(compressed, MAX_ITEM_BYTES)
    if not inflater.eof:
        raise ValueError(f"it does not end, or has more than {MAX_ITEM_BYTES} bytes")
    return out


def _icc(body: bytes) -> dict[str, Any]:
    _, rest = body.split(b"\0", 1)
    return {"icc_profile": _inflated(rest[1:])}


def _exif(body: bytes) -> dict[str, Any]:
    return {"exif": body}


def _physical(body: bytes) -> dict[str, Any]:
    x, y, unit = struct.unpack(">IIB", body)
    return {"dpi": (x * 0.0254, y * 0.0254)} if unit == 1 else {}


def _text(body: bytes) -> dict[str, Any]:
    keyword, text = body.split(b"\0", 1)
    return _raw_profile(keyword, text) if keyword.startswith(_RAW) else {}


def _compressed_text(body: bytes) -> dict[str, Any]:
    keyword, rest = body.split(b"\0", 1)
    return _raw_profile(keyword, _inflated(rest[1:])) if keyword.startswith(_RAW) else {}


def _international_text(body: bytes) -> dict[str, Any]:
    keyword, rest = body.split(b"\0", 1)
    if keyword != _XMP:
        return {}
    compressed, text = rest[0], rest[2:].split(b"\0", 2)[2]
    return {"xmp": _inflated(text) if compressed else text}


def _raw_profile(keyword: bytes, text: bytes) -> dict[str, Any]:
    """A block in hexadecimal digits, as ImageMagick and ExifTool write it."""
    block = raw_profile(text)
    if not block:
        raise ValueError("no hexadecimal digits")
    kind = keyword.removeprefix(_RAW)
    if kind == b"APP1" and block.startswith(_XMP_IN_JPEG):
        return {"xmp": block.removeprefix(_XMP_IN_JPEG)}
    key = {b"exif": "exif", b"APP1": "exif", b"xmp": "xmp", b"icc": "icc_profile", b"icm": "icc_profile"}.get(kind)
    return {key: block} if key else {}


def _code_points(body: bytes) -> dict[str, Any]:
    return {"code_points": struct.unpack(">BBBB", body)}


def _srgb(body: bytes) -> dict[str, Any]:
    return {"srgb": True}


def _gamma(body: bytes) -> dict[str, Any]:
    return {"gamma": struct.unpack(">I", body)[0] / 1e5}


def _chromaticity(body: bytes) -> dict[str, Any]:
    return {"chromaticity": tuple(value / 1e5 for value in struct.unpack(">8I", body))}


_READERS = {
    b"iCCP": _icc, b"eXIf": _exif, b"pHYs": _physical, b"tEXt": _text, b"zTXt": _compressed_text, b"iTXt": _international_text,
    b"cICP": _code_points, b"sRGB": _srgb, b"gAMA": _gamma, b"cHRM": _chromaticity,
}  # fmt: skip
