"""Mutations of pictures to encode, mostly of their metadata: PNG and WebP chunks, TIFF entries, JPEG segments, JP2 boxes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from random import Random

from . import jp2_mutations, jpeg_mutations, tiff_mutations
from .noise import any_field, damaged, number, rearranged, some_bytes
from .pieces import chunks, png, riff, webp

Chunks = list[tuple[bytes, bytes]]
WORDS = (b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type iptc", b"Raw profile type icc", b"Comment", b"", b"a" * 90)


def mutated(rng: Random, data: bytes, other: bytes) -> bytes:
    """`data`, changed in one place.  Pieces may come from the picture `other` if it is of the same kind."""
    if data.startswith(b"\x89PNG"):
        return png(_changed(rng, chunks(data), chunks(other) if other.startswith(b"\x89PNG") else [], _of_png))
    if data.startswith(b"RIFF"):
        return webp(_changed(rng, riff(data), riff(other) if other.startswith(b"RIFF") else [], _of_webp))
    if data[:2] in (b"II", b"MM"):
        return tiff_mutations.mutated(rng, data)
    if data.startswith(b"\xff\xd8"):
        return jpeg_mutations.mutated(rng, data, other)
    if data.startswith(b"\0\0\0\x0cjP"):
        return jp2_mutations.mutated(rng, data, other)
    return damaged(rng, data)


def _changed(rng: Random, parts: Chunks, others: Chunks, fresh: Callable[[Random], tuple[bytes, bytes]]) -> Chunks:
    kind, at = rng.randrange(4), rng.randrange(len(parts) or 1)
    if kind == 0 or not parts:
        return rearranged(rng, parts, others)
    if kind == 1:
        name, body = parts[at]
        return [*parts[:at], (name, rng.choice((any_field, damaged))(rng, body)), *parts[at + 1 :]]
    at = rng.randrange(1, min(len(parts), 4) + 1)
    return [*parts[:at], fresh(rng), *parts[at:]]


def _text(rng: Random) -> bytes:
    """The content of a text chunk: XMP, a hexadecimal profile, or anything."""
    whole = tiff_mutations.exif(rng)
    return rng.choice((
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/' tiff:Orientation='" + str(number(rng, 2)).encode() + b"'/>", some_bytes(rng),
        b"\nexif\n%8d\n" % (len(whole) if rng.random() < 0.7 else number(rng, 4)) + whole.hex().encode() + b"\n",
        b"\nexif\n" + some_bytes(rng), b"\xff\xfe<\0x\0", "\u00e9\u4e00\ud7ff".encode(), b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    ))  # fmt: skip


def _of_png(rng: Random) -> tuple[bytes, bytes]:
    word, text = rng.choice(WORDS), _text(rng)
    packed = zlib.compress(text) if rng.random() < 0.8 else some_bytes(rng)
    return rng.choice((
        (b"tEXt", word + b"\0" + text), (b"zTXt", word + b"\0\0" + packed), (b"tEXt", word), (b"iTXt", word + b"\0" + some_bytes(rng)),
        (b"iTXt", word + b"\0\1\0en\0\0" + packed), (b"iTXt", word + b"\0\0\0en\0\0" + text),
        (b"eXIf", tiff_mutations.exif(rng).removeprefix(b"Exif\0\0")), (b"eXIf", tiff_mutations.exif(rng)), (b"eXIf", some_bytes(rng)),
        (b"iCCP", b"a\0\0" + packed), (b"iCCP", b"a" * rng.choice((0, 1, 79, 80)) + b"\0" + bytes([number(rng, 1)]) + packed),
        (b"gAMA", number(rng, 4).to_bytes(4, "big")), (b"gAMA", some_bytes(rng, 6)), (b"sRGB", some_bytes(rng, 2)),
        (b"cHRM", struct.pack(">8I", *(number(rng, 4) for _ in range(8)))), (b"cHRM", some_bytes(rng, 34)), (b"cICP", some_bytes(rng, 5)),
        (b"tRNS", some_bytes(rng, 8)),
        (b"pHYs", struct.pack(">IIB", number(rng, 4), number(rng, 4), number(rng, 1))),
        (b"pHYs", some_bytes(rng, 10)),
        (b"acTL", struct.pack(">II", number(rng, 4), number(rng, 4))), (b"fcTL", some_bytes(rng, 26)), (b"bKGD", some_bytes(rng, 6)),
    ))  # fmt: skip


def _of_webp(rng: Random) -> tuple[bytes, bytes]:
    return rng.choice((
        (b"EXIF", tiff_mutations.exif(rng)), (b"EXIF", tiff_mutations.exif(rng).removeprefix(b"Exif\0\0")), (b"EXIF", some_bytes(rng)),
        (b"XMP ", _text(rng)), (b"ICCP", some_bytes(rng, 200)), (b"ANIM", some_bytes(rng, 6)), (b"VP8X", some_bytes(rng, 10)),
    ))  # fmt: skip
