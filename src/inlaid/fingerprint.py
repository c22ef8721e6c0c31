"""A fingerprint of the decoded base luma (FORMAT.md, section 4): does this payload belong to this picture?

It must survive what leaves the picture as it is (another decoder's rounding, a lossless transcode) and must not survive a rotation,
a crop, or another encoding.  Both change all pixels a little, so no hash of pixels will do, and the size of the change must be told.
Twelve sums of all pixels, each with its own pseudo-random signs, tell it: their mean square change is that of a pixel times the
number of pixels (Johnson and Lindenstrauss 1984), wherever in the picture the change is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .threads import uncut

SUMS = 12
MODULUS = 16  # a sum is kept as a number of 4 bits
UNITS_PER_GREY = 2  # a change of one grey level (rms) over the active pixels moves a sum by about this many units
Luma = NDArray[np.uint8] | Iterable[NDArray[np.uint8]]  # (H, W), whole or in bands of rows
# The sum of squared changes up to which it is still the same picture, 12 * 1.25^2 units^2.  Measured, in units rms: a float IDCT 0.1 to
# 0.7, quality 30 coded again at 31 3, at 35 4 or more; another picture 4.6.
TOLERANCE = 18.75


@dataclass(frozen=True)
class Fingerprint:
    """`unit`: what the sums are counted in, as a byte (`unit_size`); `sums`: SUMS numbers 0..15, the sums in units, modulo 16."""

    unit: int
    sums: tuple[int, ...]

    def matches(self, luma: Luma) -> bool:
        """True if `luma` is the fingerprinted picture, up to a decoder's rounding."""
        unit = unit_size(self.unit)
        half_turn = MODULUS // 2 * unit
        change = (signed_sums(luma) - np.array(self.sums) * unit + half_turn) % (MODULUS * unit) - half_turn
        return bool((change.astype(np.float64) ** 2).sum() <= TOLERANCE * float(unit) ** 2)


def unit_size(code: int) -> int:
    """The unit that a byte stands for: 4 bits of exponent, 4 of mantissa; 1 to 63,488."""
    return (16 + (code & 15)) << (code >> 4) >> 4


def fingerprint(luma: NDArray[np.uint8]) -> Fingerprint:
    """The fingerprint of a decoded base luma (H, W)."""
    # Flat areas do not change with the encoding, so they must not water down the change of the others: only pixels that differ
    # from their neighbour count.  A decoder need not know the rule, the unit is in the payload.
    active = sum(int((band[:, 1:] != band[:, :-1]).sum()) for band in _bands(luma))
    wanted = active**0.5 / UNITS_PER_GREY
    code = next((c for c in range(255) if unit_size(c) >= wanted), 255)
    unit = unit_size(code)
    rounded = (signed_sums(luma) + unit // 2) // unit % MODULUS
    return Fingerprint(code, tuple(int(v) for v in rounded))


def signed_sums(luma: Luma) -> NDArray[np.int64]:
    """(SUMS,): sum over y, x of a_k(y) b_k(x) luma(y, x), a and b being +1 or -1."""
    sums, columns, y = np.zeros(SUMS, np.int64), None, 0
    for band in _bands(luma):
        if columns is None:
            columns = signs(band.shape[1], 0x9E3779B9).T.astype(np.float32)
        # Exact in float32 in any order: 255 * 65500 < 2^24, so every partial sum is a whole number that it holds.
        with uncut():
            along = band.astype(np.float32) @ columns
        sums += (along.astype(np.int64) * signs(len(band), 0x7F4A7C15, y).T).sum(0)
        y += len(band)
    return sums


def _bands(luma: Luma) -> Iterator[NDArray[np.uint8]]:
    """In bands that keep float copies small."""
    for part in [luma] if isinstance(luma, np.ndarray) else luma:
        for y in range(0, len(part), 256):
            yield part[y : y + 256]


def signs(count: int, salt: int, first: int = 0) -> NDArray[np.int64]:
    """(SUMS, count) of +1 and -1: bits of a hash of the position, from `first` on (the finaliser of MurmurHash3, 32 bits)."""
    h = np.arange(first, first + count, dtype=np.uint64) ^ np.uint64(salt)
    mask = np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & mask
    h ^= h >> np.uint64(16)
    bits = (h[None, :] >> np.arange(SUMS, dtype=np.uint64)[:, None]) & np.uint64(1)
    return 1 - 2 * bits.astype(np.int64)
