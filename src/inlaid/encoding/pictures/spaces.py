"""Colour spaces, and the conversion of pixels from one to another by LittleCMS (through Pillow)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import product

import numpy as np
from PIL import Image, ImageCms

from ...arrays import DeepPixels, Pixels, Vector
from ...errors import UnsupportedError

Convert = Callable[[Pixels], Pixels]

MODES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}  # by bytes 16 to 19 of a profile
NAMES = {"L": "gray", "RGB": "RGB", "CMYK": "CMYK"}
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.HIGHRESPRECALC
LATTICE = 9  # two spaces are compared at so many values a channel
SAME = 1  # two descriptions of one space may differ by so many grey levels


@dataclass(frozen=True)
class Space:
    """The meaning of samples.

    mode: L, RGB or CMYK.  icc: the profile.  Without one, L and RGB are sRGB, and CMYK is unknown.
    """

    mode: str
    icc: bytes | None = None

    @property
    def name(self) -> str:
        """The space in words, for messages."""
        if self.icc is None:
            return {"L": "gray without a profile", "RGB": "sRGB", "CMYK": "CMYK without a profile"}[self.mode]
        try:
            described = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(self.icc))).strip()
        except (ImageCms.PyCMSError, OSError):
            described = ""
        return f"{NAMES[self.mode]} by the profile {described!r}"


def is_readable(icc: bytes) -> bool:
    """True if LittleCMS reads the profile."""
    if not _entries_fit(icc):
        return False
    try:
        ImageCms.ImageCmsProfile(BytesIO(icc))
    except Exception:  # Pillow raises errors of several types
        return False
    return True


def _entries_fit(icc: bytes) -> bool:
    """True if each curve and each text has room for the entries that it claims (ICC.1, 10.6 and 10.15).

    LittleCMS allocates memory for all claimed entries before it reads one.
    """
    count = min(int.from_bytes(icc[128:132], "big"), max(len(icc) - 132, 0) // 12)
    for _, place, size in struct.iter_unpack(">4sII", icc[132 : 132 + 12 * count]):
        head, entry = {b"curv": (12, 2), b"mluc": (16, 12)}.get(icc[place : place + 4], (0, 0))
        if head + entry * int.from_bytes(icc[place + 8 : place + 12], "big") > size:
            return False
    return True


def is_of(icc: bytes, mode: str) -> bool:
    """True if a readable profile is for pixels of `mode`: L, RGB or CMYK."""
    return MODES.get(icc[16:20]) == mode


def conversion(source: Space, target: Space) -> Convert | None:
    """A function from pixels (n, W) or (n, W, channels) of `source` to pixels (n, W) or (n, W, 3) of `target`; None for the same space.

    For a gray target without a profile it returns sRGB pixels, whose luma is the gray.  The rendering intent is the source profile's, with
    black point compensation.  UnsupportedError where no conversion exists.
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
    except Exception as error:  # Pillow raises errors of several types
        raise UnsupportedError(f"{source.name} cannot be converted to {target.name}: {error}") from error

    def convert(pixels: Pixels) -> Pixels:
        return np.asarray(ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(pixels), source.mode), transform))

    if source.mode == "L":  # LittleCMS's shortcuts are coarse for gray; without them it is slow, so it converts each of the 256 values once
        table = convert(np.arange(256, dtype=np.uint8)[None])[0]
        convert = table.__getitem__
    return None if _changes_nothing(convert, source.mode, mode) else convert


def _changes_nothing(convert: Convert, source: str, target: str) -> bool:
    """True if `convert`, between these modes, changes no sample of a lattice by more than SAME."""
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


def between(convert: Convert, samples: DeepPixels) -> Vector:
    """`convert` for 16-bit samples (n, W) or (n, W, channels): values 0..255 with fractions.

    Through Pillow, LittleCMS takes 8-bit values only.  So the results at the 8-bit values around each sample are interpolated, linearly
    along each channel.
    """
    low = np.minimum(samples // 257, 254).astype(np.uint8)
    part = (samples - low.astype(np.uint16) * np.uint16(257)).astype(np.float32) / 257
    if samples.ndim == 2:
        here, there = (convert(low + np.uint8(up)).astype(np.float32) for up in (0, 1))
        share = part if here.ndim == 2 else part[..., None]
        return here + share * (there - here)
    out: Vector | None = None
    for corner in product((0, 1), repeat=samples.shape[2]):
        ups = np.array(corner, np.uint8)
        weight = np.where(ups, part, 1 - part).prod(axis=2)
        converted = convert(low + ups).astype(np.float32)
        weighted = converted * (weight if converted.ndim == 2 else weight[..., None])
        out = weighted if out is None else out + weighted
    assert out is not None
    return out
