"""ICC profiles of a matrix and a curve, made from primaries and a transfer function (ICC.1:2022).

A PNG file can describe its colours without a profile.  Pillow converts between profiles only, and makes none but sRGB.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ...arrays import Matrix
from ...threads import uncut

Chromaticity = tuple[float, float]  # CIE x, y

D50 = np.array([0.9642, 1.0, 0.8249])  # XYZ of the white of the profile connection space
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Primaries:
    """The chromaticities of red, green, blue and white."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity = (0.3127, 0.3290)  # D65

    def is_srgb(self) -> bool:
        """True for those of sRGB, up to the rounding in files."""
        return bool(np.abs(np.subtract(self._all(), SRGB._all())).max() < 0.003)

    def _all(self) -> tuple[Chromaticity, ...]:
        return self.red, self.green, self.blue, self.white


@dataclass(frozen=True)
class Curve:
    """Linear light Y of a sample X in 0..1: (a X + b) ^ gamma where X >= d, else c X (ICC.1, 10.18, function type 3)."""

    gamma: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0


SRGB = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
BT709_CURVE = Curve(1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)


def colour_profile(primaries: Primaries, curve: Curve) -> bytes:
    """The profile of RGB pixels.  ValueError for impossible primaries."""
    adaptation = _adaptation(_xyz(primaries.white))
    with uncut():
        colorants = adaptation @ _to_xyz(primaries)
    tags = {b"chad": _numbers(b"sf32", adaptation.ravel())}
    tags |= {name: _numbers(b"XYZ ", column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants.T, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(curve))
    return _profile(b"RGB ", tags)


def gray_profile(curve: Curve) -> bytes:
    """The profile of gray pixels."""
    return _profile(b"GRAY", {b"kTRC": _curve(curve)})


def _xyz(xy: Chromaticity) -> Matrix:
    """(3,): XYZ of a chromaticity at Y = 1."""
    x, y = xy
    if not y > 0:
        raise ValueError(f"a chromaticity of y = {y}, expected more than 0")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _to_xyz(primaries: Primaries) -> Matrix:
    """(3, 3): linear RGB to XYZ, such that RGB (1, 1, 1) is the white (IEC 61966-2-1, annex)."""
    columns = np.stack([_xyz(primaries.red), _xyz(primaries.green), _xyz(primaries.blue)], axis=1)
    with uncut():
        if not abs(np.linalg.det(columns)) > 1e-4:
            raise ValueError("primaries that lie on a line, expected a triangle")
        scaled: Matrix = columns * np.linalg.solve(columns, _xyz(primaries.white))
    return scaled


def _adaptation(white: Matrix) -> Matrix:
    """(3, 3): XYZ under `white` to XYZ under D50, by the Bradford transform (ICC.1, annex E)."""
    with uncut():
        adaptation: Matrix = np.linalg.inv(BRADFORD) @ np.diag(BRADFORD @ D50 / (BRADFORD @ white)) @ BRADFORD
    return adaptation


def _fixed(values: Matrix | list[float]) -> bytes:
    """The values as s15Fixed16Number.  ValueError beyond its range."""
    scaled = np.rint(np.asarray(values, np.float64) * 65536)
    if not np.abs(scaled).max() < 1 << 31:
        raise ValueError("colours beyond the range of an ICC profile, 32768")
    return scaled.astype(">i4").tobytes()


def _numbers(kind: bytes, values: Matrix) -> bytes:
    return kind + bytes(4) + _fixed(values)


def _curve(curve: Curve) -> bytes:
    return b"para" + struct.pack(">IHH", 0, 3, 0) + _fixed([curve.gamma, curve.a, curve.b, curve.c, curve.d])


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Header, tag table and tag data; tags of equal data share it."""
    tags = {b"desc": _text("colours of a PNG file"), b"cprt": _text("no copyright"), b"wtpt": _numbers(b"XYZ ", D50), **tags}
    table, data, places = b"", b"", dict[bytes, int]()
    begin = 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        if body not in places:
            places[body] = begin + len(data)
            data += body + bytes(-len(body) % 4)
        table += struct.pack(">4sII", name, places[body], len(body))
    header = [
        struct.pack(">III", begin + len(data), 0, 0x04400000),  # size, no preferred CMM, version 4.4
        b"mntr" + space + b"XYZ ",  # a display profile, its colour space, the connection space
        struct.pack(">6H", 2026, 1, 1, 0, 0, 0),  # date
        b"acsp" + bytes(28),  # platform, flags, manufacturer, model, attributes, intent: all 0
        _fixed(D50),
    ]
    return b"".join(header).ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data
