"""Refuses headers that promise far more tiles or packets than the file holds: OpenJPEG would allocate memory for all of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ...errors import FormatError
from .header import Header

TILE_BYTES = 14  # at least: its SOT segment and its SOD marker
# Of a file that is cut off, tiles and packets are missing.  So many may be: they cost OpenJPEG 10 kB and 0.5 kB.
MISSING_TILES, MISSING_PACKETS = 1000, 1 << 16
_COD, _COC, _SOT, _SOD = 0xFF52, 0xFF53, 0xFF90, 0xFF93


def check_cost(data: bytes, header: Header) -> None:
    """Refuse, before any pixel is allocated, what is out of proportion to the file."""
    stream_bytes = header.stream[1] - header.stream[0]
    width, height = (min(side, tile) for side, tile in zip((header.width, header.height), header.tile, strict=True))
    tiles = -(-header.width // width) * -(-header.height // height)
    if tiles > MISSING_TILES + stream_bytes // TILE_BYTES:
        raise FormatError(f"{tiles} tiles need at least {TILE_BYTES * tiles} bytes; the JPEG 2000 codestream has {stream_bytes}")
    for layers, exponents in _codings(data, header):
        packets = 0
        for level, (x, y) in enumerate(reversed(exponents)):  # a precinct of a level is a packet a layer, a byte at least
            across, down = (-(-side // (1 << level + exponent)) for side, exponent in ((width, x), (height, y)))
            packets += across * down * tiles * len(header.depths) * layers
        if packets > MISSING_PACKETS + stream_bytes:
            raise FormatError(f"{packets} packets need at least as many bytes; the JPEG 2000 codestream has {stream_bytes}")


def _codings(data: bytes, header: Header) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Layers and the exponents of the precincts' sides, from the lowest resolution up, of every coding style in any header."""
    component, layers = 1 if len(header.depths) < 257 else 2, header.layers  # bytes that name a component in COC
    for marker, body in _segments(data, header):
        # COD: its flags, progression, layers (2 bytes), transform, style; COC: its component, flags, style.
        flags, style = (body[:1], body[5:]) if marker == _COD else (body[component : component + 1], body[component + 1 :])
        if len(style) < 5:
            continue
        if marker == _COD:
            layers = int.from_bytes(body[2:4], "big")
        # A style: the levels of the wavelet, four bytes, and of each resolution, if the flags say so, the precincts' sides.
        sizes = style[5 : 6 + style[0]] if flags[0] & 1 else b"\xff" * min(style[0] + 1, 33)
        yield layers, [(size & 15, size >> 4) for size in sizes]


def _segments(data: bytes, header: Header) -> Iterator[tuple[int, bytes]]:
    """The coding styles in the main header and in those of tile-parts, as far as they can be followed."""
    begin, end = header.stream
    at, behind = begin + 2, end
    while at + 4 <= end:
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == _SOT and at + 10 <= end:
            part = struct.unpack_from(">I", data, at + 6)[0]
            behind = at + part if part else end
        if marker == _SOD or length < 2:
            if behind <= at:
                return
            at, behind = behind, end
            continue
        if marker in (_COD, _COC):
            yield marker, data[at + 4 : min(at + 2 + length, end)]
        at += 2 + length
