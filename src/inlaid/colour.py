"""Luma and RGB, with the very numbers of libjpeg (FORMAT.md, section 7)."""

from __future__ import annotations

import ctypes

import numpy as np

from .arrays import Pixels
from .native import address, function


def luma(pixels: Pixels, *, path: str | None = None) -> Pixels:
    """The luma (H, W) of (H, W, 3) RGB; gray pixels (H, W) are their own luma."""
    if pixels.ndim == 2:
        return pixels
    pixels, out = np.ascontiguousarray(pixels), np.empty(pixels.shape[:2], np.uint8)
    function("inlaid_luma", path)(address(pixels), address(out), ctypes.c_ssize_t(out.size))
    return out


def rgb(luma: Pixels, planes: Pixels, *, path: str | None = None) -> Pixels:
    """The RGB of (H, W, 3) Y, Cb, Cr, with (H, W) `luma` in place of Y."""
    luma, out = np.ascontiguousarray(luma), np.array(planes, order="C")
    function("inlaid_rgb", path)(address(luma), address(out), ctypes.c_ssize_t(luma.size))
    return out
