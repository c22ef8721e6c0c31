"""JP2 as a container: the payload travels in a `uuid` box before the header box, nothing else changes (FORMAT.md, section 1).

    jP | ftyp | uuid: inlay's identifier, payload | jp2h | jp2c

A bare codestream (.j2k) is decoded, and has no place for a payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import UnsupportedError
from ...metadata import exif, xmp
from ...metadata.tags import PREFIX
from ..items import Metadata, resolution, texts
from . import boxes as jp2_boxes
from .boxes import CODESTREAM, EXIF_UUID, GEO_UUID, HEADER, SIGNATURE, STREAM, UUID, XMP_UUID, Box, box, boxes, resolution_box, top_boxes
from .header import read_header

IDENTIFIER = bytes.fromhex("b8bfa4b04e4c5d0b9b1f696e6c617900")  # ends in "inlay\0"
OVERHEAD_BYTES = 8 + len(IDENTIFIER)  # length, type, identifier


def detect(data: bytes) -> bool:
    """True if `data` begins like a JP2 file or a JPEG 2000 codestream."""
    return data.startswith((SIGNATURE, CODESTREAM))


def obstacle(data: bytes) -> str | None:
    """Why this file cannot carry an inlay, or None; FormatError if its header is damaged."""
    return read_header(data).obstacle()


def embed(data: bytes, payload: bytes) -> bytes:
    """`data` with `payload` in a box of its own, in place of any older one.

    FormatError if the file is damaged, UnsupportedError if there is an `obstacle`.

    It goes before the header box, for Pillow looks for the codestream's comment right behind that.
    """
    if reason := obstacle(data):
        raise UnsupportedError(f"this JPEG 2000 file cannot carry an inlay: {reason}")
    plain = strip(data)
    at = next(b.offset for b in boxes(plain) if b.type in (HEADER, STREAM))
    return plain[:at] + box(UUID, IDENTIFIER + payload) + plain[at:]


def extract(data: bytes) -> bytes | None:
    """The payload, or None if there is none; what follows the codestream is not looked at."""
    ours = _ours(data)
    return b"".join(b.content(data)[len(IDENTIFIER) :] for b in ours) if ours else None


def strip(data: bytes) -> bytes:
    """`data` without a payload, byte for byte what `embed` was given; unchanged if there is none."""
    ours = _ours(data)
    kept = zip([0, *(each.end for each in ours)], [*(each.offset for each in ours), len(data)], strict=True)
    return b"".join(data[start:end] for start, end in kept) if ours else data


def _ours(data: bytes) -> list[Box]:
    found = []
    for each in top_boxes(data):
        if each.type == STREAM:
            break
        if each.type == UUID and data.startswith(IDENTIFIER, each.body):
            found.append(each)
    return found


def metadata(data: bytes) -> Metadata:
    """The ICC profile, EXIF, XMP and dpi."""
    items: dict[str, Any] = {}
    for each in top_boxes(data):
        body = each.content(data) if each.type == UUID else b""
        if body.startswith(EXIF_UUID):
            items.setdefault("exif", PREFIX + body[16:].removeprefix(PREFIX))
        elif body.startswith(XMP_UUID):
            items.setdefault("xmp", body[16:])
        for inner in boxes(data, each.body, each.end) if each.type == HEADER else ():
            content = inner.content(data)
            if inner.type == b"colr" and len(content) > 3 and content[0] in (2, 3):
                items.setdefault("icc_profile", content[3:])
            elif inner.type == b"res " and (dpi := jp2_boxes.resolution(content)):
                items.setdefault("dpi", dpi)
    if (said := exif.resolution(items.get("exif", b""))) is not None:
        items.setdefault("dpi", said)
    return Metadata(items)


def describe(data: bytes) -> dict[str, Any]:
    """The picture's size and coding, and the names of the boxes with metadata."""
    header = read_header(data)
    known = {EXIF_UUID: "EXIF", XMP_UUID: "XMP", GEO_UUID: "GeoJP2"}
    names = []
    for each in top_boxes(data):
        if each.type == UUID and not data.startswith(IDENTIFIER, each.body):
            names.append(known.get(data[each.body : each.body + 16], "uuid"))
        elif each.type == b"xml ":
            names.append("XML")
    return {
        "width": header.width,
        "height": header.height,
        "components": len(header.depths),
        "model": header.model,
        "wavelet": "5/3" if header.reversible else "9/7",
        "resolutions": header.resolutions,
        "layers": header.layers,
        "tile": list(header.tile) if header.tiled else None,
        "metadata": ["ICC"] * any(isinstance(space, str) for space in header.spaces) + names,
    }


def writable(info: Mapping[Any, Any], mode: str) -> Metadata:
    """What `codec.encode` writes of an image's `info`: EXIF mended, XMP, ICC for pictures of this mode, dpi."""
    items: dict[str, Any] = {}
    notes: list[str] = []
    for key, value in texts(info, ("exif", "xmp", "icc_profile"), notes):
        said: tuple[str, ...] = ()
        if key == "exif":
            value, said = exif.mended(value)
        elif key == "xmp":
            value, said = xmp.without_further_pictures(value)
        elif value[16:20] != (b"GRAY" if mode == "L" else b"RGB "):
            value, said = b"", (f"the ICC profile is not for {'gray' if mode == 'L' else 'RGB'} and was left out",)
        notes += said
        if value:
            items[key] = value
    if (dpi := resolution(info)) is not None:
        items["dpi"] = dpi
    return Metadata(items, tuple(notes))


def with_metadata(data: bytes, items: Mapping[str, Any]) -> bytes:
    """A file as Pillow writes it, with these items, which are `writable`."""
    parts, added = [], b""
    if "exif" in items:
        added += box(UUID, EXIF_UUID + items["exif"].removeprefix(PREFIX))
    if "xmp" in items:
        added += box(UUID, XMP_UUID + items["xmp"])
    for each in boxes(data):
        whole = data[each.offset : each.end]
        if each.type == HEADER:
            inner = [(b.type, b.content(data)) for b in boxes(data, each.body, each.end)]
            if "icc_profile" in items:
                inner = [(kind, b"\2\0\0" + items["icc_profile"] if kind == b"colr" else body) for kind, body in inner]
            if "dpi" in items:
                inner.append((b"res ", box(b"resc", resolution_box(items["dpi"]))))
            whole = box(HEADER, b"".join(box(kind, body) for kind, body in inner))
        parts += [added, whole] if each.type == STREAM else [whole]
    return b"".join(parts)
