"""Pictures that the tests make, their files, and how far two of them are apart.

All are textured: a network has something to restore, and an inlay pays.
"""

import io
from functools import cache

import numpy as np
from PIL import Image


@cache
def texture(width=160, height=120, seed=0):
    """(H, W) uint8: regions with sharp edges, each an oriented grating on its own shade, and a little noise."""
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
    """Rounded to 8 bits.  Read-only, because the tests share it."""
    picture = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    picture.flags.writeable = False
    return picture


def textured(width, height, seed=0):
    """An RGB image of stripes and a disc."""
    y, x = np.mgrid[:height, :width].astype(float)
    upper = np.sin(y / 40) > 0
    stripes = np.where(upper, 40 * np.sign(np.sin(x / 5 + y / 9)), 30 * np.sign(np.sin((x - y) / 7)))
    disc = 40 * (np.hypot(x - width / 2, y - height / 2) < min(width, height) / 4)
    planes = [128 + a * stripes + b * np.sin(x / 60) + disc for a, b in ((1, 12), (0.8, 30), (0.6, 54))]
    noise = np.random.default_rng(seed).normal(0, 2, (height, width, 1))
    return Image.fromarray(np.clip(np.stack(planes, axis=2) + noise, 0, 255).astype(np.uint8))


def file_of(pixels, format="PNG", **settings):
    """The bytes of the file that Pillow writes of an array or an image."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, format, **settings)
    return file.getvalue()


def jpeg_of(pixels, **settings):
    """The bytes of the JPEG file that Pillow writes of an array or an image."""
    return file_of(pixels, "JPEG", **settings)


def psnr(a, b):
    """PSNR of 8-bit pixels in dB."""
    mse = float(((a.astype(np.float64) - b) ** 2).mean())
    return float("inf") if mse == 0 else float(10 * np.log10(255**2 / mse))


def halves(width, height):
    """A picture of two kinds of texture, one beside the other."""
    left, right = texture(width, height, seed=1), texture(2 * width, 2 * height, seed=2)[::2, ::2]
    return np.hstack([left[:, : width // 2], 255 - right[:, width // 2 :]])
