"""Samples to the 8-bit pixels of a base, in three steps: lay transparency on white, convert colours, round 16 bits to 8."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...arrays import Pixels, Vector
from .deep import bands
from .picture import FULL, Deep, Samples
from .spaces import Convert, between

_MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # by channels
OPAQUE = ("L", "RGB", "CMYK")


def flat(samples: Samples, transparent: tuple[int, ...] | None, convert: Convert | None) -> tuple[Image.Image, bool]:
    """An L, RGB or CMYK image, and True if something was transparent.

    samples: of these modes, or of L and RGB with alpha.  transparent: the transparent colour.  convert: from `spaces.conversion`.
    """
    if isinstance(samples, Image.Image) and samples.mode in OPAQUE and transparent is None and convert is None:
        return samples._new(samples.im), False  # a new image that shares the pixels, but has an `info` of its own
    out, found = None, False
    for top, bottom in bands(samples.size):
        part = samples.rows(top, bottom) if isinstance(samples, Deep) else np.asarray(samples.crop((0, top, samples.width, bottom)))
        opaque, laid = on_white(part, samples.mode, transparent)
        found |= laid
        pixels = np.ascontiguousarray(_eight_bit(opaque, convert))
        mode = _MODES[1 if pixels.ndim == 2 else pixels.shape[2]]
        out = out or Image.new(mode, samples.size)
        out.paste(Image.frombuffer(mode, (pixels.shape[1], pixels.shape[0]), pixels, "raw", mode, 0, 1), (0, top))
    assert out is not None  # a picture has rows
    return out, found


def on_white(samples: NDArray[Any], mode: str, transparent: tuple[int, ...] | None) -> tuple[NDArray[Any], bool]:
    """Samples (n, W) or (n, W, channels) without alpha, and True if something was transparent."""
    full = FULL if samples.dtype == np.uint16 else 255
    if mode[-1] in "Aa":
        colours, alpha = samples[..., :-1].astype(np.uint32), samples[..., -1:].astype(np.uint32)
        if mode[-1] == "a":  # the colours are multiplied by alpha
            colours = np.minimum(colours + full - alpha, full)
        else:
            colours = (colours * alpha + full * (full - alpha) + full // 2) // full
        laid = colours.astype(samples.dtype)
        return laid[..., 0] if mode[0] == "L" else laid, bool(alpha.min() < full)
    if transparent is None:
        return samples, False
    equal = np.equal(samples, np.array(transparent))
    hidden = equal.all(axis=2) if samples.ndim == 3 else equal
    return np.where(hidden[..., None] if samples.ndim == 3 else hidden, full, samples).astype(samples.dtype), bool(hidden.any())


def _eight_bit(samples: NDArray[Any], convert: Convert | None) -> Pixels:
    """The samples, converted, and rounded to 8 bits after that."""
    if samples.dtype == np.uint8:
        return convert(samples) if convert else samples
    if convert is None:
        rounded: NDArray[np.uint32] = (samples.astype(np.uint32) + 128) // 257
        return rounded.astype(np.uint8)
    exact: Vector = between(convert, samples) + np.float32(0.5)
    return exact.clip(0, 255).astype(np.uint8)
