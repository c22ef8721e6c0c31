"""Originals: whatever Pillow opens or numpy holds, made into the 8-bit image that a base codec takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from . import kernel
from .errors import FormatError, UnsupportedError
from .formats import bands, rows

Pixels = NDArray[np.uint8]

# What undoes each EXIF orientation's turning: an upright picture becomes one as it is stored.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def prepare(image: Image.Image | NDArray[np.generic], *, turned_as: bytes | None = None) -> tuple[Image.Image, tuple[str, ...]]:
    """An L, RGB or CMYK image, upright, with the metadata of `image` in its `info`; and notes on what was given up.

    turned_as: EXIF of a file whose pixels are stored turned, as its orientation says; the result is then turned alike.
    """
    opened = _from_array(image) if isinstance(image, np.ndarray) else image
    notes = []
    if (frames := getattr(opened, "n_frames", 1)) > 1:
        notes.append(f"the first of {frames} frames is used")
    try:
        opened.load()
        upright = ImageOps.exif_transpose(opened) if opened.getexif().get(ExifTags.Base.Orientation) in _STORED else opened
    except (OSError, SyntaxError, ValueError) as error:
        raise FormatError(f"cannot decode the picture: {error}") from error
    plain = _opaque(_eight_bit(upright), notes)
    plain = plain._new(plain.im)  # its `info` is its own, its pixels, which may be many, are not
    plain.info = {key: value for key, value in upright.info.items() if key != "transparency"}
    if "XML:com.adobe.xmp" in plain.info:  # as PNG holds it
        plain.info.setdefault("xmp", plain.info["XML:com.adobe.xmp"])
    if upright.mode in ("LAB", "HSV"):
        plain.info.pop("icc_profile", None)
    if turned_as is not None and (turn := _STORED.get(orientation(turned_as))) is not None:
        plain = plain.transpose(turn)
    return plain, tuple(notes)


def luma(image: Image.Image) -> Pixels:
    """(H, W): the luma as a JPEG encoder computes it, or the image itself where it is gray.

    Not Pillow's `convert("YCbCr")`, which rounds down: a network would learn that half a grey level is missing.
    """
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return np.concatenate([kernel.luma(rows(image, top, bottom)) for top, bottom in bands(image.height, image.width)])


def _from_array(array: NDArray[np.generic]) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype == np.uint16:
        array = _from_16_bit(array)
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or not array.size:
        raise UnsupportedError(
            f"an array of shape {array.shape} and type {array.dtype}; expected (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16"
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _from_16_bit(array: NDArray[np.generic]) -> Pixels:
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _eight_bit(image: Image.Image) -> Image.Image:
    """The image in L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise UnsupportedError(f"a picture with values from {values.min()} to {values.max()}; expected 8 or 16 bits")
        return Image.fromarray(_from_16_bit(values))
    if image.mode == "F":
        raise UnsupportedError("a picture of floating-point values; expected 8 or 16 bits")
    if image.mode == "1":
        return image.convert("L")
    if image.has_transparency_data:
        return image.convert("LA" if image.mode in ("L", "LA") else "RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _opaque(image: Image.Image, notes: list[str]) -> Image.Image:
    """Without the alpha channel; what shines through is white."""
    if image.mode not in ("LA", "RGBA"):
        return image
    mode, alpha = image.mode[:-1], image.getchannel("A")
    lowest, _ = alpha.getextrema()
    if isinstance(lowest, int) and lowest < 255:
        notes.append("transparent pixels were laid on white")
        white = Image.new(mode, image.size, "white")
        white.paste(image.convert(mode), mask=alpha)
        return white
    return image.convert(mode)


def orientation(exif: bytes) -> int:
    """How the pixels are stored, 1 to 8, by the EXIF that is with them."""
    parsed = Image.Exif()
    try:
        parsed.load(exif)
        return int(parsed.get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF says nothing about the pixels
        return 1
