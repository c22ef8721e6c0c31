"""Mutations of JPEG files: one fault at a time in the segments."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

from .noise import any_field, damaged, field, number, rearranged, some_bytes
from .pieces import Segment, mp_index, segments
from .tiff_mutations import exif

Parts = list[Segment]
SCAN, OURS = Segment(0), b"inlay\0"
FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
SIZES = (0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 255, 256, 1024, 4096, 16384, 65500, 65535)


def mutated(rng: Random, data: bytes, other: bytes) -> bytes:
    """`data`, changed in one place.  Pieces may come from the file `other`."""
    parts = segments(data)
    return b"".join(each.joined() for each in rng.choice(MUTATIONS)(rng, parts, segments(other)))


def _at(rng: Random, parts: Parts, *markers: int) -> int | None:
    """The index of one of the segments with these markers."""
    return rng.choice([i for i, each in enumerate(parts) if each.marker in markers] or [None])


def _with(parts: Parts, at: int | None, change: Callable[[bytes], bytes]) -> Parts:
    """One of these segments with another body; where there is none, the segments in another order."""
    if at is None:
        return parts
    return [*parts[:at], parts[at]._replace(body=change(parts[at].body)), *parts[at + 1 :]]


def order(rng: Random, parts: Parts, others: Parts) -> Parts:
    """Segments left out, doubled, moved, swapped, put in from another file."""
    return rearranged(rng, parts, others)


def length(rng: Random, parts: Parts, others: Parts) -> Parts:
    """A segment with a false length."""
    at = rng.randrange(len(parts) or 1)
    if at >= len(parts) or not parts[at].marker:
        return parts
    said = len(parts[at].body) + 2 + rng.choice((-3, -2, -1, 1, 2, 3)) if rng.random() < 0.6 else number(rng, 2)
    return [*parts[:at], parts[at]._replace(length=max(0, min(said, 0xFFFF))), *parts[at + 1 :]]


def between(rng: Random, parts: Parts, others: Parts) -> Parts:
    """Bytes before a marker: fill, zeros, anything, a marker that stands alone."""
    filling = rng.choice(
        (b"\xff" * rng.randrange(1, 9), bytes(rng.randrange(1, 5)), some_bytes(rng), b"\xff\x01", b"\xff\xd0", b"\xff\x00", b"\xff\xd9")
    )
    at = rng.randrange(len(parts) + 1)
    return [*parts[:at], Segment(0, filling), *parts[at:]]


def segment(rng: Random, parts: Parts, others: Parts) -> Parts:
    """A segment of any marker and content."""
    marker = rng.choice((rng.randrange(1, 256), rng.randrange(0xE0, 0xF0), rng.randrange(0xC0, 0xE0)))
    at = rng.randrange(len(parts) + 1)
    return [*parts[:at], *[Segment(marker, some_bytes(rng), alone=rng.random() < 0.1)] * rng.choice((1, 1, 1, 3, 300)), *parts[at:]]


def marker(rng: Random, parts: Parts, others: Parts) -> Parts:
    """A segment with another marker, mostly another kind of frame."""
    at = _at(rng, parts, *FRAMES) if rng.random() < 0.6 else rng.randrange(len(parts) or 1)
    if at is None or at >= len(parts):
        return parts
    new = rng.choice(FRAMES) if parts[at].marker in FRAMES else rng.randrange(1, 255)
    return [*parts[:at], parts[at]._replace(marker=new), *parts[at + 1 :]]


def size(rng: Random, parts: Parts, others: Parts) -> Parts:
    """Another width or height, or both."""
    height, width = rng.choice(SIZES), rng.choice(SIZES)
    which = rng.randrange(3)
    change = (lambda b: b[:1] + struct.pack(">H", height) + b[3:], lambda b: b[:3] + struct.pack(">H", width) + b[5:])
    out = parts
    for i in (0, 1):
        if which in (i, 2):
            out = _with(out, _at(rng, out, *FRAMES), change[i])
    return out


def frame(rng: Random, parts: Parts, others: Parts) -> Parts:
    """Bits, components, sampling factors, tables."""
    change = (
        lambda b: rng.choice((b"\x08", b"\x0c", b"\x10", b"\x02")) + b[1:],
        lambda b: b[:5] + bytes([rng.choice((0, 1, 2, 3, 4, 5, 255))]) + b[6:],
        lambda b: _factors(rng, b),
        lambda b: field(rng, b, rng.randrange(len(b) or 1), 1),
        lambda b: b + bytes((rng.randrange(256), 0x11, rng.randrange(4))),
        lambda b: b[:6] + b"RGB\0"[: b[5] if len(b) > 5 else 0] + b[9:],
    )
    return _with(parts, _at(rng, parts, *FRAMES), rng.choice(change))


def _factors(rng: Random, body: bytes) -> bytes:
    """Sampling factors, mostly 1 to 4, for as many components as the body claims."""
    out = bytearray(body)
    for at in range(7, len(out), 3):
        out[at] = rng.choice((0x11, 0x11, 0x21, 0x12, 0x22, 0x14, 0x41, 0x44, 0x13, 0x31, 0x33)) if rng.random() < 0.9 else number(rng, 1)
    return bytes(out)


def tables(rng: Random, parts: Parts, others: Parts) -> Parts:
    """Quantisation and Huffman tables, arithmetic conditioning, restart intervals, scan headers."""
    if rng.random() < 0.2:
        at = _at(rng, parts, 0xDA)
        new = Segment(0xDD, number(rng, 2).to_bytes(2, "big")) if rng.random() < 0.6 else Segment(0xCC, some_bytes(rng, 6))
        return [*parts[: at or 0], new, *parts[at or 0 :]]
    return _with(parts, _at(rng, parts, 0xDB, 0xC4, 0xCC, 0xDD, 0xDA), lambda b: rng.choice((any_field, damaged))(rng, b))


def scan(rng: Random, parts: Parts, others: Parts) -> Parts:
    """Entropy-coded data with flips, with restart markers too many or too few, cut short."""

    def change(body: bytes) -> bytes:
        kind, at = rng.randrange(5), rng.randrange(len(body) + 1)
        if kind == 0:
            return body[:at] + bytes((0xFF, 0xD0 + rng.randrange(8))) * rng.choice((1, 1, 2, 50)) + body[at:]
        if kind == 1:
            return body.replace(bytes((0xFF, 0xD0 + rng.randrange(8))), b"")
        return damaged(rng, body) if kind < 4 else body[:at]

    return _with(parts, _at(rng, parts, 0), change)


def scans(rng: Random, parts: Parts, others: Parts) -> Parts:
    """Scans many times over, or of a progressive file in another order."""
    at = _at(rng, parts, 0xDA)
    return parts if at is None else [*parts[:at], *parts[at : at + 2] * rng.choice((2, 3, 20, 600)), *parts[at + 2 :]]


def height_later(rng: Random, parts: Parts, others: Parts) -> Parts:
    """A height of 0 and DNL behind the first scan, one of the two, or DNL anywhere."""
    out = _with(parts, _at(rng, parts, *FRAMES), lambda b: b[:1] + b"\0\0" + b[3:]) if rng.random() < 0.7 else parts
    at = _at(rng, out, 0) if rng.random() < 0.8 else rng.randrange(len(out) + 1)
    later = Segment(0xDC, number(rng, 2).to_bytes(2, "big") if rng.random() < 0.9 else some_bytes(rng, 3))
    return [*out[: (at or 0) + 1], later, *out[(at or 0) + 1 :]] if rng.random() < 0.8 else out


def application(rng: Random, parts: Parts, others: Parts) -> Parts:
    """JFIF, Exif, XMP, ICC, MPF, IPTC, C2PA, Adobe segments: damaged, or put in."""
    at = _at(rng, parts, *range(0xE0, 0xF0))
    if rng.random() < 0.4:
        return _with(parts, at, lambda b: rng.choice((any_field, damaged))(rng, b))
    many = mp_index(number(rng, 4), number(rng, 4))
    new = rng.choice((
        (0xE1, exif(rng)), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + some_bytes(rng)),
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + some_bytes(rng, 60)),
        (0xE2, b"ICC_PROFILE\0" + bytes((rng.randrange(4), rng.randrange(4))) + some_bytes(rng)),
        (0xE2, many), (0xE2, any_field(rng, many)), (0xE2, many[: rng.randrange(len(many))]),
        (0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0" + some_bytes(rng)), (0xEB, b"JP\0\1\0\0\0\1\0\0\0\x10jumb" + some_bytes(rng)),
        (0xE0, b"JFIF\0\1\1" + some_bytes(rng, 12)), (0xEE, b"Adobe\0d\0\0\0\0" + bytes([rng.randrange(4)])), (0xFE, some_bytes(rng)),
    ))  # fmt: skip
    at = rng.randrange(1, max(2, min(5, len(parts))))
    return [*parts[:at], Segment(*new), *parts[at:]]


def ours(rng: Random, parts: Parts, others: Parts) -> Parts:
    """The payload's segments: in pieces, moved, doubled, empty, behind the scan, damaged, or those of another file."""
    places = [i for i, each in enumerate(parts) if each.marker == 0xE9 and each.body.startswith(OURS)]
    found = [parts[i] for i in places] or [s for s in others if s.body.startswith(OURS)] or [Segment(0xE9, OURS + some_bytes(rng))]
    rest = [each for i, each in enumerate(parts) if i not in places]
    kind, raw = rng.randrange(7), b"".join(each.body[len(OURS) :] for each in found)
    if kind == 0:
        cuts = sorted(rng.randrange(len(raw) + 1) for _ in range(rng.choice((1, 2, 5, 40))))
        found = [Segment(0xE9, OURS + raw[a:b]) for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    elif kind == 1:
        found = found * 2 if rng.random() < 0.5 else [*found, Segment(0xE9, OURS)]
    elif kind == 2:
        found = [each._replace(body=damaged(rng, each.body)) for each in found]
    elif kind == 3:
        found = [each._replace(marker=rng.choice((0xE0, 0xE1, 0xE2, 0xE8, 0xEA, 0xFE))) for each in found]
    elif kind == 4:
        found = [Segment(0xE9, OURS + raw + some_bytes(rng, 400))]
    for each in found:
        at = rng.randrange(len(rest) + 1) if kind >= 5 or rng.random() < 0.3 else min(2, len(rest))
        rest.insert(at, each)
    return rest


def ending(rng: Random, parts: Parts, others: Parts) -> Parts:
    """No EOI, a second one, or something behind it: another image or bytes."""
    out = [each for each in parts if each.marker != 0xD9] if rng.random() < 0.4 else list(parts)
    return out + rng.choice(([], others, parts, [Segment(0xD9, alone=True)], [Segment(0, some_bytes(rng, 200))]))


MUTATIONS: tuple[Callable[[Random, Parts, Parts], Parts], ...] = (
    order, length, between, segment, marker, size, frame, tables, scan, scans, height_later, application, ours, ours, ending,
)  # fmt: skip
