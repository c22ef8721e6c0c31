"""The fingerprint of a decoded base luma (FORMAT.md, section 4): does a payload belong to a picture?

The answer must be yes for another decoder, which rounds differently, and after a lossless transcode.  It must be no after a rotation, a
crop or another encoding.  Rounding and encoding both change many pixels, so a hash of the pixels cannot tell one from the other; the size
of the change can.  The fingerprint has twelve sums over all pixels, each with pseudo-random signs of its own.  A change of mean square v
a pixel moves each sum by about sqrt(pixels * v), wherever in the picture it is (Johnson and Lindenstrauss 1984).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arrays import Integers, Pixels
from .native import address, function

SUMS = 12
MODULUS = 16  # a sum takes 4 bits
UNITS_PER_GREY = 2  # a change of one grey level (rms) over the active pixels moves a sum by about this many units
Luma = Pixels | Iterable[Pixels]  # (H, W), whole or in bands of rows
# The largest sum of squared changes of the same picture, in units^2: 12 * 1.25^2.  Measured changes, in units rms: a float IDCT
# 0.1 to 0.7; quality 30 encoded again at 31: 3, at 35: 4 or more; another picture 4.6.
TOLERANCE = 18.75


@dataclass(frozen=True)
class Fingerprint:
    """unit: a byte, the code of the sums' unit (`unit_size`).  sums: SUMS numbers 0..15, in units, modulo 16."""

    unit: int
    sums: tuple[int, ...]

    def matches(self, luma: Luma) -> bool:
        """True if `luma` is the fingerprinted picture, up to the rounding of another decoder."""
        unit = unit_size(self.unit)
        half_turn = MODULUS // 2 * unit
        change = (signed_sums(luma) - np.array(self.sums) * unit + half_turn) % (MODULUS * unit) - half_turn
        return bool((change.astype(np.float64) ** 2).sum() <= TOLERANCE * float(unit) ** 2)


def unit_size(code: int) -> int:
    """The unit that a byte stands for, 1 to 63,488: four bits of exponent, then four of mantissa."""
    return (16 + (code & 15)) << (code >> 4) >> 4


def fingerprint(luma: Pixels) -> Fingerprint:
    """The fingerprint of a decoded base luma (H, W)."""
    # An encoding hardly changes flat areas.  If they counted, the same change would look smaller in a picture with more of them.  So the
    # unit depends on the active pixels alone: those that differ from their left neighbour.  A decoder reads the unit from the payload.
    active = sum(int((band[:, 1:] != band[:, :-1]).sum()) for band in _bands(luma))
    wanted = active**0.5 / UNITS_PER_GREY
    code = next((c for c in range(255) if unit_size(c) >= wanted), 255)
    unit = unit_size(code)
    rounded = (signed_sums(luma) + unit // 2) // unit % MODULUS
    return Fingerprint(code, tuple(int(v) for v in rounded))


def signed_sums(luma: Luma, *, path: str | None = None) -> Integers:
    """(SUMS,): sum k is the sum over y, x of rows_k(y) columns_k(x) luma(y, x); rows_k and columns_k are +1 or -1."""
    sums, columns, y = np.zeros(SUMS, np.int64), None, 0
    run = function("inlaid_signed_sums", path)
    for band in _bands(luma):
        height, width = band.shape
        if columns is None:
            columns = signs(width, 0x9E3779B9)
        pixels, rows = np.ascontiguousarray(band), signs(height, 0x7F4A7C15, y)
        sizes = ctypes.c_ssize_t(height), ctypes.c_ssize_t(width)
        run(address(pixels), *sizes, address(columns), address(rows), address(sums))
        y += height
    return sums


def _bands(luma: Luma) -> Iterator[Pixels]:
    """The luma in bands of at most 256 rows."""
    for part in [luma] if isinstance(luma, np.ndarray) else luma:
        for y in range(0, len(part), 256):
            yield part[y : y + 256]


def signs(count: int, salt: int, first: int = 0) -> NDArray[np.int8]:
    """(SUMS, count): +1 or -1 for the positions from `first` on, each a bit of a hash (the 32-bit finaliser of MurmurHash3)."""
    h = np.arange(first, first + count, dtype=np.uint64) ^ np.uint64(salt)
    mask = np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & mask
    h ^= h >> np.uint64(16)
    bits = (h[None, :] >> np.arange(SUMS, dtype=np.uint64)[:, None]) & np.uint64(1)
    return 1 - 2 * bits.astype(np.int8)
