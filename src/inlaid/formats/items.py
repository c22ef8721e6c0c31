"""Metadata as items: what a file holds beside its pixels, named as Pillow names it in an image's `info`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NAMES = {"exif": "EXIF", "xmp": "XMP", "comment": "comment", "icc_profile": "ICC profile"}


@dataclass(frozen=True)
class Metadata:
    """What a file holds, or can hold, beside its pixels, item by item.

    items: `icc_profile`, `exif`, `xmp` and `comment` as bytes, `dpi` as two floats; those that are there, named as Pillow names them.
    notes: a sentence for each item that is not, and why.
    """

    items: dict[str, Any]
    notes: tuple[str, ...] = ()


def texts(info: Mapping[Any, Any], keys: Iterable[str], notes: list[str]) -> Iterator[tuple[str, bytes]]:
    """Those of the items that are there, as bytes; notes on those of another type."""
    for key in keys:
        value = info.get(key)
        if isinstance(value, str):
            value = value.encode("utf-8", "replace")
        if isinstance(value, bytes) and value:
            yield key, value
        elif value:
            notes.append(f"the {NAMES[key]} is a {type(value).__name__}, expected bytes; it was left out")


def resolution(info: Mapping[Any, Any]) -> tuple[float, float] | None:
    """Pixels an inch, across and down, if `info` says them and they mean something."""
    try:
        across, down = (float(value) for value in info.get("dpi", ()))
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < float("inf") and 0 < down < float("inf") else None
