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


def rgbx(luma: Pixels, pixels: bytes, *, path: str | None = None) -> Pixels:
    """As `rgb`, in four bytes a pixel: of Y, Cb, Cr and a byte more, R, G, B and a byte more, (H, W, 4).  `luma` is (H, W)."""
    luma, planes, out = np.ascontiguousarray(luma), np.frombuffer(pixels, np.uint8), np.empty((*luma.shape, 4), np.uint8)
    if planes.size != out.size:
        raise ValueError(f"{planes.size} bytes for {luma.size} pixels of four")
    function("inlaid_rgbx", path)(address(luma), address(planes), address(out), ctypes.c_ssize_t(luma.size))
    return out


def shifted(pixels: Pixels, luma: Pixels, restored: Pixels) -> Pixels:
    """RGB (H, W, 3) whose luma (H, W) becomes `restored`: each channel changes as much."""
    change = restored.astype(np.int16) - luma
    return np.clip(pixels + change[..., None], 0, 255).astype(np.uint8)
