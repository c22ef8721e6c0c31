"""Mutations of JP2 files: one fault at a time in the boxes or in the codestream's markers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from random import Random

from inlaid.formats.jp2.container import IDENTIFIER

from .noise import any_field, damaged, field, number, rearranged, some_bytes
from .pieces import CODESTREAM, SUPERBOXES, Box, Segment, boxes, segments
from .tiff_mutations import exif

Boxes = list[Box]
TYPES = (
    b"jp2h", b"jp2c", b"uuid", b"ihdr", b"colr", b"bpcc", b"pclr", b"cmap", b"cdef", b"res ", b"xml ", b"ftyp", b"jP  ", b"uinf", b"asoc",
    b"ftbl", b"flst", b"cidx", b"fidx", b"free", b"jp2i", b"jpch", b"jplh", b"\0\0\0\0",
)  # fmt: skip
SIZES = (0, 1, 15, 16, 17, 31, 32, 33, 64, 128, 1024, 4096, 65536, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
SIZ, COD, QCD, SOT = 0x51, 0x52, 0x5C, 0x90


def mutated(rng: Random, data: bytes, other: bytes) -> bytes:
    """`data`, changed in one place.  Pieces may come from the file `other`."""
    if data.startswith(CODESTREAM):
        return _stream(rng, data)
    return b"".join(each.joined() for each in rng.choice(MUTATIONS)(rng, boxes(data), boxes(other)))


def _somewhere(rng: Random, parts: Boxes, change: Callable[[Boxes], Boxes]) -> Boxes:
    """Makes the change among the boxes of the file, or in a box that holds boxes."""
    at = rng.choice([i for i, each in enumerate(parts) if each.inner] or [None])
    if at is None or rng.random() < 0.5:
        return change(parts)
    return [*parts[:at], replace(parts[at], inner=tuple(_somewhere(rng, list(parts[at].inner), change))), *parts[at + 1 :]]


def order(rng: Random, parts: Boxes, others: Boxes) -> Boxes:
    """Boxes left out, doubled, moved, swapped, put in from another file."""
    return _somewhere(rng, parts, lambda here: rearranged(rng, here, [*others, *(b for each in others for b in each.inner)]))


def _one(rng: Random, parts: Boxes, change: Callable[[Box], Box]) -> Boxes:
    at = rng.randrange(len(parts) or 1)
    return [*parts[:at], change(parts[at]), *parts[at + 1 :]] if parts else parts


def length(rng: Random, parts: Boxes, others: Boxes) -> Boxes:
    """A box with a false length, with one of 64 bits, or with none."""

    def form(each: Box) -> Box:
        size = 8 + len(each.body)
        near = size + rng.choice((-9, -8, -2, -1, 1, 2, 8))
        return replace(each, form=rng.choice(("long", "rest", str(max(0, near)), str(number(rng, 4)), str(rng.randrange(17)))))

    return _somewhere(rng, parts, lambda here: _one(rng, here, form))


def kind(rng: Random, parts: Boxes, others: Boxes) -> Boxes:
    """A box of another type."""
    return _somewhere(rng, parts, lambda here: _one(rng, here, lambda each: replace(each, type=rng.choice(TYPES))))


def new(rng: Random, parts: Boxes, others: Boxes) -> Boxes:
    """One or many more boxes of any content, or a box around others."""
    body = rng.choice(
        (some_bytes(rng), b"JpgTiffExif->JP2" + exif(rng), b"\1\0\0" + number(rng, 4).to_bytes(4, "big"), b"\2\0\0" + some_bytes(rng, 150))
    )
    box = Box(rng.choice(TYPES), body)

    def put(here: Boxes) -> Boxes:
        at = rng.randrange(len(here) + 1)
        if rng.random() < 0.15:
            end = rng.randrange(at, len(here) + 1)
            return [*here[:at], Box(rng.choice(tuple(SUPERBOXES)), inner=tuple(here[at:end])), *here[end:]]
        return [*here[:at], *[box] * rng.choice((1, 1, 1, 2, 300)), *here[at:]]

    return _somewhere(rng, parts, put)


def content(rng: Random, parts: Boxes, others: Boxes) -> Boxes:
    """Changes in a box's content: sizes, depths, colours, palettes, channels."""
    return _somewhere(
        rng, parts, lambda here: _one(rng, here, lambda each: replace(each, body=rng.choice((any_field, damaged))(rng, each.body)))
    )


def colours(rng: Random, parts: Boxes, others: Boxes) -> Boxes:
    """Header boxes that change the meaning of samples, before the header's end or in place of the old ones."""
    channels = rng.randrange(1, 5)
    definitions = b"".join(
        struct.pack(">HHH", rng.randrange(5), rng.choice((0, 0, 1, 2, 65535)), rng.choice((0, 1, 2, 3, 65535))) for _ in range(channels)
    )
    box = rng.choice((
        Box(b"colr", b"\1\0\0" + struct.pack(">I", rng.choice((0, 12, 14, 16, 17, 18, 24, 255)))),
        Box(b"colr", b"\2\0\0" + some_bytes(rng, 200)),
        Box(b"cdef", struct.pack(">H", channels) + definitions),
        Box(b"pclr", struct.pack(">HB", rng.choice((0, 1, 2, 256, 1024)), channels) + b"\7" * channels + some_bytes(rng, 20)),
        Box(b"cmap", b"".join(struct.pack(">HBB", rng.randrange(4), rng.randrange(2), rng.randrange(4)) for _ in range(channels))),
        Box(b"bpcc", bytes(rng.choice((7, 7, 8, 15, 0x87, 37, 255)) for _ in range(channels))),
    ))  # fmt: skip
    at = next((i for i, each in enumerate(parts) if each.type == b"jp2h"), None)
    if at is None:
        return parts
    kept = tuple(each for each in parts[at].inner if each.type != box.type or rng.random() < 0.5)
    return [*parts[:at], replace(parts[at], inner=(*kept, box)), *parts[at + 1 :]]


def ours(rng: Random, parts: Boxes, others: Boxes) -> Boxes:
    """The payload's boxes: in pieces, doubled, behind the codestream, within another box, with lengths of all forms."""
    found = [each for each in [*parts, *others] if each.type == b"uuid" and each.body.startswith(IDENTIFIER)]
    raw = rng.choice(found).body[16:] if found else some_bytes(rng)
    rest = [each for each in parts if each not in found]
    kind, cut = rng.randrange(5), rng.randrange(len(raw) + 1)
    pieces = {0: [raw[:cut], raw[cut:]], 1: [raw, b""], 2: [raw, raw], 3: [damaged(rng, raw)]}.get(kind, [raw])
    for piece in pieces:
        box = Box(b"uuid", IDENTIFIER + piece, form=rng.choice(("short", "short", "short", "long", "rest")))
        if kind == 4 and rng.random() < 0.5:
            box = Box(b"asoc", inner=(box,))
        rest.insert(rng.randrange(len(rest) + 1), box)
    return rest


def stream(rng: Random, parts: Boxes, others: Boxes) -> Boxes:
    """The codestream."""
    at = next((i for i, each in enumerate(parts) if each.type == b"jp2c"), None)
    return parts if at is None else [*parts[:at], replace(parts[at], body=_stream(rng, parts[at].body)), *parts[at + 1 :]]


def size(rng: Random, parts: Boxes, others: Boxes) -> Boxes:
    """Another size, the same in the box and in the codestream."""
    value, at = number(rng, 4) if rng.random() < 0.3 else rng.choice(SIZES), rng.randrange(2)
    word = value.to_bytes(4, "big")

    def resized(each: Box) -> Box:
        if each.type == b"jp2h":
            return replace(each, inner=tuple(resized(inner) for inner in each.inner))
        if each.type == b"ihdr":  # height, width
            return replace(each, body=each.body[: 4 - 4 * at] + word + each.body[8 - 4 * at :])
        place = 8 + 4 * at  # SOC, SIZ, its length, capabilities; width, height
        return replace(each, body=each.body[:place] + word + each.body[place + 4 :]) if each.type == b"jp2c" else each

    return [resized(each) for each in parts]


def _stream(rng: Random, data: bytes) -> bytes:
    parts = segments(data, wavelet=True)
    kind = rng.randrange(6)
    if kind == 0:
        parts = rearranged(rng, parts, parts)
    elif kind == 1:
        parts.insert(rng.randrange(1, 1 + max(1, len(parts) - 1)), Segment(rng.randrange(0x4F, 0x95), some_bytes(rng, 20)))
    elif parts:
        wanted = {2: (SIZ,), 3: (COD, QCD, 0x53, 0x5D, 0x5E, 0x5F), 4: (SOT, 0)}.get(kind, (SIZ, COD, QCD, SOT, 0))
        at = rng.choice([i for i, each in enumerate(parts) if each.marker in wanted] or [0])
        parts[at] = parts[at]._replace(body=_parameters(rng, parts[at]))
    return b"".join(each.joined() for each in parts)


def _parameters(rng: Random, each: Segment) -> bytes:
    if rng.random() < 0.15 or not each.marker:
        return damaged(rng, each.body)
    if each.marker == SIZ:
        place, size_bytes = rng.choice((*((2 + 4 * i, 4) for i in range(8)), (34, 2), *((36 + i, 1) for i in range(9))))
        if size_bytes == 4 and rng.random() < 0.6:
            return each.body[:place] + rng.choice(SIZES).to_bytes(4, "big") + each.body[place + 4 :]
        return field(rng, each.body, place, size_bytes)
    if each.marker == COD:
        return field(rng, each.body, *rng.choice(((0, 1), (1, 1), (2, 2), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1))))
    return any_field(rng, each.body)


MUTATIONS: tuple[Callable[[Random, Boxes, Boxes], Boxes], ...] = (
    order, length, kind, new, content, colours, ours, ours, stream, stream, stream, size,
)  # fmt: skip
