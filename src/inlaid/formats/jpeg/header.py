"""What a JPEG file says of its picture before the first scan: size, coding, colour model.

ISO/IEC 10918-1 (T.81) annex B, and libjpeg's rule for the colour model.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...errors import FormatError
from .segments import APP0, APP14, DHP, DHT, DRI, FRAMES, SOF_LS, Segment, head

_ANNEX_K_AC = bytes.fromhex("00020103030204030505040400 00017d")  # code lengths of table K.5, luminance AC
_SUBSAMPLING: dict[tuple[float, float], str] = {  # from the luma's sampling factors over those of both chromas
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}


class Component(NamedTuple):
    """A component of the frame: its identifier, its sampling factors, its quantisation table."""

    id: int
    h: int  # 1..4
    v: int  # 1..4
    table: int


@dataclass(frozen=True)
class Header:
    """What a file says before its first scan."""

    segments: list[Segment]
    frame: int  # the marker, one of FRAMES
    bits: int
    height: int  # 0: given later, by DNL
    width: int
    components: tuple[Component, ...]
    model: str  # gray | ycbcr | rgb | cmyk | "2 components" and so on
    restart_interval: int  # in MCUs, 0 for none
    standard_huffman: bool  # the tables of T.81 annex K.3 are among the file's

    @property
    def progressive(self) -> bool:
        """True for progressive DCT."""
        return self.frame & 3 == 2

    @property
    def arithmetic(self) -> bool:
        """True for arithmetic coding."""
        return 0xC8 < self.frame < 0xD0

    def obstacle(self) -> str | None:
        """What makes this valid file something other than 8-bit DCT of gray, YCbCr or RGB; None if nothing does."""
        if self.frame == SOF_LS:
            return "JPEG-LS"
        if self.frame & 3 == 3:
            return "lossless"
        if self.arithmetic:
            return "arithmetic coding"
        if self.frame & 4 or any(s.marker == DHP for s in self.segments):
            return "hierarchical"
        if self.bits != 8:
            return f"{self.bits}-bit samples"
        if self.model not in ("gray", "ycbcr", "rgb"):
            return self.model.replace("cmyk", "CMYK")
        if self.height == 0:
            return "height given after the first scan (DNL)"
        if any(self._most_h % c.h or self._most_v % c.v for c in self.components):
            return "fractional subsampling"
        return None

    def blocks(self) -> int:
        """The number of 8x8 blocks of the first component."""
        first = self.components[0]
        across = -(-self.width * first.h // (8 * self._most_h))
        return across * -(-self.height * first.v // (8 * self._most_v))

    @property
    def _most_h(self) -> int:
        return max(c.h for c in self.components)

    @property
    def _most_v(self) -> int:
        return max(c.v for c in self.components)

    def subsampling(self) -> str:
        """As "4:2:0" where that notation fits, else every component's HxV; "gray" for a single one."""
        if len(self.components) == 1:
            return "gray"
        if len(self.components) == 3:
            y, cb, cr = self.components
            if cb[1:3] == cr[1:3] and (y.h / cb.h, y.v / cb.v) in _SUBSAMPLING:
                return _SUBSAMPLING[y.h / cb.h, y.v / cb.v]
        return ",".join(f"{c.h}x{c.v}" for c in self.components)


def read_header(data: bytes) -> Header:
    """FormatError if there is no picture in `data`, or a frame header that T.81 does not allow."""
    segments = head(data)
    frames = [s for s in segments if s.marker in FRAMES]
    if len(frames) != 1:
        raise FormatError(f"damaged JPEG file: {len(frames)} frame headers before the first scan, expected 1")
    body = frames[0].body(data)
    if len(body) < 9 or len(body) != 6 + 3 * body[5]:
        raise FormatError(f"damaged JPEG file: a frame header of {len(body)} bytes, expected 6 + 3 per component")
    bits, height, width = struct.unpack_from(">BHH", body)
    components = tuple(Component(i, hv >> 4, hv & 15, t) for i, hv, t in struct.iter_unpack("BBB", body[6:]))
    if width == 0:
        raise FormatError("damaged JPEG file: the picture is 0 pixels wide")
    if not all(1 <= c.h <= 4 and 1 <= c.v <= 4 for c in components):
        raise FormatError("damaged JPEG file: a sampling factor is outside 1..4")
    intervals = [int.from_bytes(s.body(data)[:2], "big") for s in segments if s.marker == DRI]
    return Header(
        segments=segments,
        frame=frames[0].marker,
        bits=bits,
        height=height,
        width=width,
        components=components,
        model=_colour_model(data, segments, components),
        restart_interval=intervals[-1] if intervals else 0,
        standard_huffman=any(s.marker == DHT and _ANNEX_K_AC in s.body(data) for s in segments),
    )


def _colour_model(data: bytes, segments: Sequence[Segment], components: Sequence[Component]) -> str:
    """As libjpeg decides it (default_decompress_parms in jdapimin.c), from the markers before the first scan."""
    if len(components) != 3:
        return {1: "gray", 4: "cmyk"}.get(len(components), f"{len(components)} components")
    if any(s.marker == APP0 and s.length >= 18 and s.body(data).startswith(b"JFIF\0") for s in segments):
        return "ycbcr"
    adobe = [s.body(data) for s in segments if s.marker == APP14 and s.length >= 16]
    transforms = [body[11] for body in adobe if body.startswith(b"Adobe")]
    if transforms:
        return "ycbcr" if transforms[-1] else "rgb"
    return "rgb" if bytes(c.id for c in components) == b"RGB" else "ycbcr"
