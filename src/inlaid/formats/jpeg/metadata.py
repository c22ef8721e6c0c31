"""The metadata in a JPEG file's segments, read and written item by item: EXIF, XMP in one packet or two, ICC, resolution.

CIPA DC-008, 4.7.2; XMP specification, part 3, 1.1.3; ICC.1, annex B.4; ISO/IEC 10918-5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ...metadata import exif, xmp
from ...metadata.tags import PREFIX
from ..items import NAMES, Metadata, resolution, texts
from .segments import APP0, APP1, APP2, COM, MAX_SEGMENT_BYTES, Segment

_XMP, _EXTENSION, _ICC = xmp.IDENTIFIER, b"http://ns.adobe.com/xmp/extension/\0", b"ICC_PROFILE\0"
_CHUNK_BYTES = 65400  # of an extended packet, as the specification has it
_MOST = {  # bytes that a file takes
    "exif": MAX_SEGMENT_BYTES,
    "xmp": MAX_SEGMENT_BYTES - len(_XMP),
    "comment": MAX_SEGMENT_BYTES,
    "icc_profile": 255 * (MAX_SEGMENT_BYTES - len(_ICC) - 2),
}


# ------------------------------------------------------------------------------------------------ reading


def read(data: bytes, segments: Iterable[Segment]) -> Metadata:
    """What is in these segments of a file's header."""
    bodies = [(s.marker, s.body(data)) for s in segments]
    app1, app2 = ([body for marker, body in bodies if marker == kind] for kind in (APP1, APP2))
    items: dict[str, Any] = {}
    notes: list[str] = []
    if block := _joined_exif(body[len(PREFIX) :] for body in app1 if body.startswith(PREFIX)):
        items["exif"] = PREFIX + block
    if packet := next((body[len(_XMP) :] for body in app1 if body.startswith(_XMP)), b""):
        items["xmp"] = _whole_xmp(packet, [body[len(_EXTENSION) :] for body in app1 if body.startswith(_EXTENSION)], notes)
    if profile := _joined_icc([body[len(_ICC) :] for body in app2 if body.startswith(_ICC)], notes):
        items["icc_profile"] = profile
    if comment := next((body for marker, body in bodies if marker == COM and body), b""):
        items["comment"] = comment
    density = [body for marker, body in bodies if marker == APP0 and body.startswith(b"JFIF\0") and len(body) >= 12]
    unit, across, down = struct.unpack_from(">BHH", density[0], 7) if density else (0, 0, 0)
    if unit in (1, 2) and across and down:
        factor = 1.0 if unit == 1 else 2.54
        items["dpi"] = (across * factor, down * factor)
    elif said := exif.resolution(items.get("exif", b"")):
        items["dpi"] = said
    return Metadata(items, tuple(notes))


def _joined_exif(bodies: Iterable[bytes]) -> bytes:
    """The first block, and the segments that go on with it: those that do not begin a block of their own."""
    first, *others = [*bodies] or [b""]
    return first + b"".join(body for body in others if not body.startswith((b"II*\0", b"MM\0*")))


def _whole_xmp(packet: bytes, parts: list[bytes], notes: list[str]) -> bytes:
    """The packet, with what its extension adds."""
    try:
        name = xmp.extension_of(packet)
        if name is None:
            return packet
        extended = bytearray()
        for part in sorted((p for p in parts if p[:32] == name.encode()), key=lambda p: p[36:40]):
            size, place = struct.unpack_from(">II", part, 32)
            if place == len(extended) and len(extended) + len(part) - 40 <= size:
                extended += part[40:]
        whole = bytes(extended)
        if xmp.digest(whole) == name.upper():
            return xmp.joined(packet, whole)
        notes.append("the extended XMP is incomplete; the main part alone is kept")
        return xmp.joined(packet, None)
    except (ValueError, struct.error) as error:
        notes.append(f"the extended XMP is damaged, the main part alone is kept: {error}")
        return packet


def _joined_icc(parts: list[bytes], notes: list[str]) -> bytes:
    """The profile of all its parts; nothing if one is missing."""
    if not parts:
        return b""
    places = [(part[0], part[1]) if len(part) >= 2 else (0, 0) for part in parts]
    if sorted(places) != [(k, len(parts)) for k in range(1, len(parts) + 1)]:
        said = ", ".join(f"{number} of {count}" for number, count in places[:4])
        notes.append(f"the ICC profile is damaged and was left out: its parts are {said}")
        return b""
    return b"".join(part[2:] for _, part in sorted(zip(places, parts, strict=True)))


# ------------------------------------------------------------------------------------------------ writing


def writable(info: Mapping[Any, Any], mode: str) -> Metadata:
    """What a JPEG file takes of an image's `info`."""
    items: dict[str, Any] = {}
    notes: list[str] = []
    for key, value in texts(info, ("exif", "xmp", "comment", "icc_profile"), notes):
        most = _MOST[key]
        if key == "exif":
            value, said = exif.mended(value)
            notes += said
            if value[:2] in (b"II", b"MM"):  # as WebP and PNG may hold it
                value = PREFIX + value
        if key == "xmp":
            value, said = xmp.without_further_pictures(value)
            notes += said
            if len(value) > most:
                with suppress(ValueError):  # damaged: it cannot be divided
                    xmp.split(value, most)
                    most = len(value)
        if len(value) > most:
            notes.append(f"the {NAMES[key]} has {len(value)} bytes, a JPEG file takes at most {most}; it was left out")
        elif value:
            items[key] = value
    if (dpi := resolution(info)) is not None and max(dpi) < 65535.5 and min(dpi) > 0.5:
        items["dpi"] = dpi
    return Metadata(items, tuple(notes))


def pillow_settings(items: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with which Pillow's JPEG writer writes these items, which are `writable`, and no others."""
    kept = {key: items.get(key, b"") for key in ("comment", "exif", "icc_profile")}
    main, extended = items.get("xmp", b""), b""
    if len(main) > _MOST["xmp"]:
        main, extended = xmp.split(main, _MOST["xmp"])
    head = xmp.digest(extended).encode() + struct.pack(">I", len(extended))
    chunks = [extended[at : at + _CHUNK_BYTES] for at in range(0, len(extended), _CHUNK_BYTES)]
    bodies = [_XMP + main] if main else []
    bodies += [_EXTENSION + head + struct.pack(">I", k * _CHUNK_BYTES) + chunk for k, chunk in enumerate(chunks)]
    kept["extra"] = b"".join(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body for body in bodies)
    kept["xmp"] = b""
    if "dpi" in items:
        kept["dpi"] = tuple(round(value) for value in items["dpi"])
    return kept
