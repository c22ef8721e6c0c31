"""A least-squares linear filter in the network's place: a check that a network is worth its bytes.

The filter has a square window of coefficients and a constant.  They minimise the squared error between the filtered base and the
original (Wiener 1949), with a little damping, and are rounded to whole steps.  They take about as many bytes as an inlay of the default
preset.  Only the bench has this filter; no file can carry it.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..arrays import Matrix, Pixels

NAME = "wiener"  # used like the name of a preset
SIDE, BITS = 13, 10  # pixels of the window's side; bits of a coefficient
DESCRIPTION = f"a linear filter of {SIDE}x{SIDE} pixels in the network's place"
PAYLOAD_BYTES = -(-(SIDE * SIDE + 1) * BITS // 8) + 2  # the coefficients, the constant and their step
ROWS = 32  # of a band, whose windows are held in memory at once
DAMPING = 1e-3  # added to the normal matrix's diagonal for each pixel: a flat base determines few coefficients
CONSTANT = 64.0  # the input of the constant, in grey levels


def restored(base: Pixels, original: Pixels) -> Pixels:
    """The luma (H, W) of `base`, filtered.  Beyond the edge the edge pixels are repeated."""
    height, width = base.shape
    padded = np.pad(base.astype(np.float64) - 128, SIDE // 2, mode="edge")
    bands = [(y, min(y + ROWS, height)) for y in range(0, height, ROWS)]

    def windows(y0: int, y1: int) -> Matrix:
        """The inputs of rows [y0, y1): one row for each pixel."""
        seen = sliding_window_view(padded[y0 : y1 + SIDE - 1], (SIDE, SIDE)).reshape(-1, SIDE * SIDE)
        return np.column_stack([seen, np.full(len(seen), CONSTANT)])

    left, right = np.zeros((SIDE * SIDE + 1,) * 2), np.zeros(SIDE * SIDE + 1)
    for y0, y1 in bands:
        seen, wanted = windows(y0, y1), (original[y0:y1].astype(np.float64) - base[y0:y1]).ravel()
        left += seen.T @ seen
        right += seen.T @ wanted
    left += np.diag(np.full(len(right), DAMPING * height * width))
    coefficients = np.linalg.solve(left, right)
    step = np.abs(coefficients).max() / (2 ** (BITS - 1) - 1) or 1.0
    coefficients = np.rint(coefficients / step) * step
    change = np.concatenate([(windows(y0, y1) @ coefficients).reshape(y1 - y0, width) for y0, y1 in bands])
    out: Pixels = np.clip(np.rint(base + change), 0, 255).astype(np.uint8)
    return out
