"""A baseline JPEG file of levels (ITU-T T.81, annex B)."""

from __future__ import annotations

import struct

from ..segments import DHT, SOS
from .huffman import Table
from .levels import Aim
from .planes import Planes
from .scan import AC, DC, Levels, scan, symbols

_DQT, _SOF0 = 0xDB, 0xC0


def baseline(planes: Planes, levels: list[Levels], aims: list[Aim], metadata: bytes) -> bytes:
    """The file.  aims: by kind, with the quantisation steps.  metadata: segments that follow SOI."""
    (width, height), components = planes.size, planes.components
    kinds = sorted({c.kind for c in components})
    counts = symbols(components, levels)
    tables = [[Table.of(of_class) for of_class in of_kind] for of_kind in counts]
    quantisation = b"".join(bytes([kind, *aims[kind].step.astype(int)]) for kind in kinds)
    huffman = b"".join(bytes([which << 4 | kind]) + tables[kind][which].segment() for kind in kinds for which in (DC, AC))
    frame = b"".join(bytes([number, c.h << 4 | c.v, c.kind]) for number, c in enumerate(components, 1))
    selectors = b"".join(bytes([number, c.kind << 4 | c.kind]) for number, c in enumerate(components, 1))
    parts = [
        b"\xff\xd8" + metadata,
        _segment(_DQT, quantisation),
        _segment(_SOF0, struct.pack(">BHHB", 8, height, width, len(components)) + frame),
        _segment(DHT, huffman),
        _segment(SOS, bytes([len(components)]) + selectors + bytes([0, 63, 0])),
        scan(components, levels, tables),
        b"\xff\xd9",
    ]
    return b"".join(parts)


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
