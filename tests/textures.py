"""Pictures for the tests: made, not stored.  Textured, so that a network has something to restore and an inlay pays."""

import io
from functools import cache

import numpy as np
from PIL import Image


@cache
def texture(width=160, height=120, seed=0):
    """(H, W) uint8: sharp-edged regions, each an oriented grating on a shade of its own, under a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    picture = 128 + 60 * np.sin(x / 31 + y / 47)
    for _ in range(max(6, width * height // 1200)):
        angle, period = rng.uniform(0, np.pi), rng.uniform(5, 18)
        along, across = np.cos(angle), np.sin(angle)
        at = (x - rng.uniform(0, width)) * along + (y - rng.uniform(0, height)) * across
        side = -(x - rng.uniform(0, width)) * across + (y - rng.uniform(0, height)) * along
        inside = (np.abs(at) < rng.uniform(8, 30)) & (np.abs(side) < rng.uniform(8, 40))
        grating = rng.uniform(40, 210) + rng.uniform(0, 45) * np.sin(2 * np.pi * at / period)
        picture = np.where(inside, grating, picture)
    return _frozen(picture + rng.normal(0, 1.5, picture.shape))


@cache
def coloured(width=160, height=120, seed=0):
    """(H, W, 3) uint8: a texture under slowly changing colours."""
    y, x = np.mgrid[:height, :width]
    shift = [30 * np.sin(x / 40 + k) + 20 * np.cos(y / (25 + 9 * k)) for k in range(3)]
    return _frozen(texture(width, height, seed)[..., None] * 0.9 + np.stack(shift, -1))


def _frozen(values):
    """Rounded to 8 bits; not writable, for the tests share it."""
    picture = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    picture.flags.writeable = False
    return picture


def jpeg_of(pixels, **settings):
    """The file that Pillow writes of an array or an image."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, "JPEG", **settings)
    return file.getvalue()


def psnr(a, b):
    """In dB, of 8-bit pixels."""
    mse = float(((a.astype(np.float64) - b) ** 2).mean())
    return float("inf") if mse == 0 else float(10 * np.log10(255**2 / mse))


def halves(width, height):
    """A picture of two kinds of texture, one beside the other."""
    left, right = texture(width, height, seed=1), texture(2 * width, 2 * height, seed=2)[::2, ::2]
    return np.hstack([left[:, : width // 2], 255 - right[:, width // 2 :]])
