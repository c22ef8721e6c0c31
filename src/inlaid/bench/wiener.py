"""A least-squares linear filter in the network's place: the sanity check that a network is worth its bytes.

Coefficients of a square window, and a constant, that bring the base nearest to the original (Wiener 1949), but for a little damping and
their rounding to whole steps.  They take about the bytes of an inlay of the default preset.  Only the bench has them, no file.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

NAME = "wiener"  # in the place of a preset's
SIDE, BITS = 13, 10  # of the window, in pixels; of a coefficient
ABOUT = f"a linear filter of {SIDE}x{SIDE} pixels in the network's place"
PAYLOAD_BYTES = -(-(SIDE * SIDE + 1) * BITS // 8) + 2  # the coefficients, and their step
ROWS = 32  # that are taken together: as many windows as fit a little memory


def restored(base: Pixels, original: Pixels) -> Pixels:
    """(H, W) luma as the filter that fits best leaves it; pixels beyond the edge are those at the edge."""
    height, width = base.shape
    padded = np.pad(base.astype(np.float64) - 128, SIDE // 2, mode="edge")
    bands = [(y, min(y + ROWS, height)) for y in range(0, height, ROWS)]

    def windows(y0: int, y1: int) -> NDArray[np.float64]:
        seen = sliding_window_view(padded[y0 : y1 + SIDE - 1], (SIDE, SIDE)).reshape(-1, SIDE * SIDE)
        return np.column_stack([seen, np.full(len(seen), 64.0)])

    left, right = np.zeros((SIDE * SIDE + 1,) * 2), np.zeros(SIDE * SIDE + 1)
    for y0, y1 in bands:
        seen, wanted = windows(y0, y1), (original[y0:y1].astype(np.float64) - base[y0:y1]).ravel()
        left += seen.T @ seen
        right += seen.T @ wanted
    left += np.diag(np.full(len(right), 1e-3 * height * width))  # a flat base says nothing of most coefficients
    coefficients = np.linalg.solve(left, right)
    step = np.abs(coefficients).max() / (2 ** (BITS - 1) - 1) or 1.0
    coefficients = np.rint(coefficients / step) * step
    change = np.concatenate([(windows(y0, y1) @ coefficients).reshape(y1 - y0, width) for y0, y1 in bands])
    out: Pixels = np.clip(np.rint(base + change), 0, 255).astype(np.uint8)
    return out
