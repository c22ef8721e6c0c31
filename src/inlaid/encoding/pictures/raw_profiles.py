"""Metadata in the text of a PNG file: "Raw profile type ..." chunks, as ImageMagick and ExifTool write them."""

from __future__ import annotations

import re
from typing import Any

from ...metadata.tags import PREFIX


def raw_profile(text: str | bytes) -> bytes:
    """The bytes in the text of such a chunk: a line with a name, one with a length (often wrong), hexadecimal digits.

    Empty where they are damaged.
    """
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    found = re.match(r"\n[^\n]*\n\s*\d+\n", text)
    try:
        return bytes.fromhex(text[found.end() :]) if found else b""
    except ValueError:
        return b""


def exif_of_info(info: dict[Any, Any]) -> bytes:
    """The EXIF in the `info` of an image from a PNG file: that of its eXIf chunk, else of a raw profile; empty where there is none."""
    own = info.get("exif")
    if isinstance(own, bytes) and own:
        return own
    for kind in ("exif", "APP1"):
        text = info.get(f"Raw profile type {kind}", "")
        data = raw_profile(text) if isinstance(text, str | bytes) else b""
        if data.startswith((PREFIX, b"II*\0", b"MM\0*")):
            return data
    return b""
