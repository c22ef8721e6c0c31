"""Mean squared error and PSNR of 8-bit pixels."""

from __future__ import annotations

import numpy as np

from ..arrays import Pixels
from ..formats.base import bands

PEAK = 255


def mse(a: Pixels, b: Pixels) -> float:
    """The mean squared difference of two uint8 planes or pictures of one shape, in grey levels squared; ValueError for anything else."""
    if a.dtype != np.uint8 or b.dtype != np.uint8 or a.shape != b.shape or not a.size:
        raise ValueError(f"{a.dtype} {a.shape} against {b.dtype} {b.shape}; expected uint8 arrays of one shape")
    total = 0
    for top, bottom in bands(a.shape[0], a.size // a.shape[0]):
        difference = np.subtract(a[top:bottom], b[top:bottom], dtype=np.int16).ravel()
        total += int(np.einsum("i,i->", difference, difference, dtype=np.int64))
    return total / a.size


def psnr_db(mse: float) -> float:
    """The peak signal-to-noise ratio of a mean squared error, 10 log10(255^2 / mse); infinite for 0."""
    return float(10 * np.log10(PEAK**2 / mse)) if mse else float("inf")


def mse_of(psnr_db: float) -> float:
    """The mean squared error of a PSNR; 0 for infinite."""
    return float(PEAK**2 / 10 ** (psnr_db / 10))
