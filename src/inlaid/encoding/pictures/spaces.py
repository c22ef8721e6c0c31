"""Colour spaces: pixels of one ICC profile as those of another, by LittleCMS (through Pillow)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ...errors import UnsupportedError

Pixels = NDArray[np.uint8]
Convert = Callable[[Pixels], Pixels]

MODES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}  # by bytes 16 to 20 of a profile
NAMES = {"L": "gray", "RGB": "RGB", "CMYK": "CMYK"}
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.HIGHRESPRECALC
LATTICE = 9  # values a channel at which two spaces are compared
SAME = 1  # the grey levels by which two descriptions of one space may differ


@dataclass(frozen=True)
class Space:
    """What samples stand for.  mode: L, RGB or CMYK.  icc: a profile; None is sRGB, for L its grays, for CMYK unknown."""

    mode: str
    icc: bytes | None = None

    @property
    def name(self) -> str:
        """For messages."""
        if self.icc is None:
            return {"L": "gray without a profile", "RGB": "sRGB", "CMYK": "CMYK without a profile"}[self.mode]
        try:
            described = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(self.icc))).strip()
        except (ImageCms.PyCMSError, OSError):
            described = ""
        return f"{NAMES[self.mode]} by the profile {described!r}"


def is_readable(icc: bytes) -> bool:
    """False for a damaged profile, or one of a version that LittleCMS does not know."""
    if not _entries_fit(icc):
        return False
    try:
        ImageCms.ImageCmsProfile(BytesIO(icc))
    except Exception:  # Pillow raises several kinds
        return False
    return True


def _entries_fit(icc: bytes) -> bool:
    """False if a curve or a text claims more entries than its tag has bytes: LittleCMS takes memory for all before it reads one.

    ICC.1, 10.6 and 10.15.
    """
    count = min(int.from_bytes(icc[128:132], "big"), max(len(icc) - 132, 0) // 12)
    for _, place, size in struct.iter_unpack(">4sII", icc[132 : 132 + 12 * count]):
        head, an_entry = {b"curv": (12, 2), b"mluc": (16, 12)}.get(icc[place : place + 4], (0, 0))
        if head + an_entry * int.from_bytes(icc[place + 8 : place + 12], "big") > size:
            return False
    return True


def is_of(icc: bytes, mode: str) -> bool:
    """True if a readable profile is one of pixels of `mode`: L, RGB or CMYK."""
    return MODES.get(icc[16:20]) == mode


def conversion(source: Space, target: Space) -> Convert | None:
    """A function from (n, W) or (n, W, channels) pixels of `source` to (n, W) or (n, W, 3) of `target`; None if both are one space.

    A gray target without a profile is served by sRGB pixels, of which it is the luma.  The intent is the profile's own, with black
    point compensation.  UnsupportedError for what cannot be converted.
    """
    if source == target or (source.icc is None and target.icc is None and source.mode != "CMYK"):
        return None
    if source.mode == "CMYK" and source.icc is None:
        raise UnsupportedError("CMYK without an ICC profile cannot be compared with the base; expected RGB, gray, or a profile")
    if source.icc is None and source.mode == "L":
        inner = conversion(Space("RGB"), target)
        return None if inner is None else lambda pixels: inner(np.repeat(pixels[..., None], 3, axis=2))
    mode = target.mode if target.icc is not None else "RGB"
    try:
        profiles = [ImageCms.ImageCmsProfile(BytesIO(s.icc)) if s.icc else ImageCms.createProfile("sRGB") for s in (source, target)]
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(profiles[0]))
        flags = _FLAGS if source.mode != "L" else _FLAGS | ImageCms.Flags.NOOPTIMIZE
        transform = ImageCms.buildTransform(profiles[0], profiles[1], source.mode, mode, intent, flags)
    except Exception as error:  # LittleCMS has many reasons, of several kinds
        raise UnsupportedError(f"{source.name} cannot be converted to {target.name}: {error}") from error

    def convert(pixels: Pixels) -> Pixels:
        return np.asarray(ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(pixels), source.mode), transform))

    if source.mode == "L":  # without LittleCMS's shortcuts, which are coarse for gray, but only once a value
        table = convert(np.arange(256, dtype=np.uint8)[None])[0]
        convert = table.__getitem__
    return None if _changes_nothing(convert, source.mode, mode) else convert


def _changes_nothing(convert: Convert, source: str, target: str) -> bool:
    if source == "CMYK" or target == "CMYK":
        return False
    values = np.rint(np.linspace(0, 255, LATTICE)).astype(np.uint8)
    channels = 1 if source == "L" else 3
    lattice = np.array(list(product(values, repeat=channels)), np.uint8)[None]
    lattice = lattice[..., 0] if source == "L" else lattice
    found = convert(lattice)
    if found.ndim != lattice.ndim:
        lattice, found = (p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=2) for p in (lattice, found))
    return bool(np.abs(found.astype(np.int16) - lattice).max() <= SAME)


def between(convert: Convert, samples: NDArray[np.uint16]) -> NDArray[np.float32]:
    """`convert` for 16-bit samples (n, W) or (n, W, channels): values 0..255 with fractions.

    LittleCMS takes 8 bits from Pillow, so the answers at the 8-bit values around each sample are interpolated, linearly along each channel.
    """
    low = np.minimum(samples // 257, 254).astype(np.uint8)
    part = (samples - low.astype(np.uint16) * np.uint16(257)).astype(np.float32) / 257
    if samples.ndim == 2:
        here, there = (convert(low + np.uint8(up)).astype(np.float32) for up in (0, 1))
        share = part if here.ndim == 2 else part[..., None]
        return here + share * (there - here)
    out: NDArray[np.float32] | None = None
    for corner in product((0, 1), repeat=samples.shape[2]):
        ups = np.array(corner, np.uint8)
        weight = np.where(ups, part, 1 - part).prod(axis=2)
        answer = convert(low + ups).astype(np.float32)
        weighted = answer * (weight if answer.ndim == 2 else weight[..., None])
        out = weighted if out is None else out + weighted
    assert out is not None
    return out
