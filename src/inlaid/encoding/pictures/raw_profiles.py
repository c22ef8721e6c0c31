"""Metadata in the text of a PNG file: "Raw profile type KIND" chunks, as ImageMagick and ExifTool write them.

The text is a line with a name, a line with a length (often wrong), and the bytes in hexadecimal digits.
"""

from __future__ import annotations

import re
from typing import Any

from ...metadata.tags import PREFIX
from ...metadata.xmp import IDENTIFIER

KEYWORD = b"Raw profile type "
_NAMES = {b"exif": "exif", b"APP1": "exif", b"xmp": "xmp", b"icc": "icc_profile", b"icm": "icc_profile"}  # Pillow's, by kind


def raw_profile(text: str | bytes) -> bytes:
    """The bytes of a profile; empty where the text is damaged."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    found = re.match(r"\n[^\n]*\n\s*\d+\n", text)
    try:
        return bytes.fromhex(text[found.end() :]) if found else b""
    except ValueError:
        return b""


def items(keyword: bytes, text: bytes) -> dict[str, Any]:
    """The profile of a chunk by Pillow's name; none for an unknown kind.  ValueError where the text is damaged."""
    block = raw_profile(text)
    if not block:
        raise ValueError("no hexadecimal digits")
    kind = keyword.removeprefix(KEYWORD)
    if kind == b"APP1" and block.startswith(IDENTIFIER):
        return {"xmp": block.removeprefix(IDENTIFIER)}
    name = _NAMES.get(kind)
    return {name: block} if name else {}


def exif_of_info(info: dict[Any, Any]) -> bytes:
    """The EXIF in the `info` of an image that Pillow read from a PNG file: of its eXIf chunk, else of a raw profile; empty for none."""
    own = info.get("exif")
    if isinstance(own, bytes) and own:
        return own
    for kind in ("exif", "APP1"):
        text = info.get(f"{KEYWORD.decode()}{kind}", "")
        data = raw_profile(text) if isinstance(text, str | bytes) else b""
        if data.startswith((PREFIX, b"II*\0", b"MM\0*")):
            return data
    return b""
