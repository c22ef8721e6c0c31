"""The metadata in the chunks of a PNG file, read chunk by chunk: a damaged chunk is left out, with a note."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

from . import raw_profiles
from .colour_chunks import ColourChunks
from .png import Chunk

MAX_ITEM_BYTES = 1 << 26  # of a decompressed text or profile
_XMP = b"XML:com.adobe.xmp"


def metadata(data: bytes, found: list[Chunk]) -> tuple[dict[str, Any], ColourChunks, list[str]]:
    """ICC profile, EXIF, XMP and dpi by Pillow's names; the chunks that describe the colours; and notes."""
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
    return {"dpi": (x * 0.0254, y * 0.0254)} if unit == 1 else {}  # unit 1: pixels a metre


def _text(body: bytes) -> dict[str, Any]:
    keyword, text = body.split(b"\0", 1)
    return raw_profiles.items(keyword, text) if keyword.startswith(raw_profiles.KEYWORD) else {}


def _compressed_text(body: bytes) -> dict[str, Any]:
    keyword, rest = body.split(b"\0", 1)
    return raw_profiles.items(keyword, _inflated(rest[1:])) if keyword.startswith(raw_profiles.KEYWORD) else {}


def _international_text(body: bytes) -> dict[str, Any]:
    keyword, rest = body.split(b"\0", 1)
    if keyword != _XMP:
        return {}
    compressed, text = rest[0], rest[2:].split(b"\0", 2)[2]
    return {"xmp": _inflated(text) if compressed else text}


def _code_points(body: bytes) -> dict[str, Any]:
    return {"code_points": struct.unpack(">BBBB", body)}


def _srgb(body: bytes) -> dict[str, Any]:
    return {"srgb": True}


def _gamma(body: bytes) -> dict[str, Any]:
    return {"gamma": struct.unpack(">I", body)[0] / 1e5}


def _chromaticity(body: bytes) -> dict[str, Any]:
    return {"chromaticity": tuple(value / 1e5 for value in struct.unpack(">8I", body))}


_READERS: dict[bytes, Callable[[bytes], dict[str, Any]]] = {
    b"iCCP": _icc,
    b"eXIf": _exif,
    b"pHYs": _physical,
    b"tEXt": _text,
    b"zTXt": _compressed_text,
    b"iTXt": _international_text,
    b"cICP": _code_points,
    b"sRGB": _srgb,
    b"gAMA": _gamma,
    b"cHRM": _chromaticity,
}
