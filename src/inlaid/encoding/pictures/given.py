"""Pictures that a program holds, images of Pillow or arrays: as a `Picture`."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from ...errors import UnsupportedError
from ...pillow_plugin import RestoredFile
from . import colour_chunks, deep, tiff
from .colour_chunks import Colours
from .opening import kept_of, of_tiff_image, open_picture, opened
from .picture import Picture, decoding


def picture_of(image: Image.Image | NDArray[np.generic] | Picture) -> Picture:
    """A `Picture` of an image or array, which stays as it is.  An image that is not decoded yet is read from its file again.

    FormatError for a damaged file behind the image, UnsupportedError for samples that cannot be read right.
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if (data := _undecoded(image)) is not None:
        return open_picture(data, frame=image.tell())
    with decoding():
        image.load()
        return _of_image(image)


def _undecoded(image: Image.Image) -> bytes | None:
    """The bytes of the file that an image was opened from; None if they are gone, or the image was decoded or changed since."""
    if not isinstance(image, ImageFile.ImageFile) or isinstance(image, RestoredFile) or not image.tile:  # restored by its own `load`
        return None
    try:
        stream = image.fp
        data = stream.getvalue() if isinstance(stream, BytesIO) else Path(os.fsdecode(image.filename)).read_bytes()
        again = opened(data, None, image.tell())
    except Exception:  # it has no name, or the file has changed
        return None
    same = (again.size, again.mode, again.tile, again.info) == (image.size, image.mode, image.tile, image.info)
    return data if same else None


def _of_image(image: Image.Image) -> Picture:
    if isinstance(image, TiffImageFile):
        if found := tiff.misread(image):
            raise UnsupportedError(f"Pillow decodes this TIFF file wrongly ({found}); expected the image before decoding, or its pixels")
        return of_tiff_image(image, deep.of_image(image), ())
    key = image.info.get("transparency") if image.mode in ("1", "L", "RGB", "I;16") else None
    transparent = tuple(key) if isinstance(key, tuple) else (key,) if isinstance(key, int) else None
    colours = Colours()
    if "icc_profile" not in image.info:
        colours = colour_chunks.of_info(image.info).colours(gray=image.mode in deep.GRAY_MODES)
    return Picture(deep.of_image(image), kept_of(image.info), (), _on_scale(transparent, image.mode), colours)


def _of_array(array: NDArray[np.generic]) -> Picture:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    known = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype not in (np.uint8, np.uint16) or not known or not array.size:
        raise UnsupportedError(
            f"an array of shape {array.shape} and type {array.dtype}; expected (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16"
        )
    if array.dtype == np.uint8:
        return Picture(Image.fromarray(np.ascontiguousarray(array)))
    mode = "L" if array.ndim == 2 else {3: "RGB", 4: "RGBA"}[array.shape[2]]
    return Picture(deep.of_array(array.astype(np.uint16, copy=False), mode))


def _on_scale(key: tuple[int, ...] | None, mode: str) -> tuple[int, ...] | None:
    """Pillow's transparent colour on the scale of the pixels that Pillow decodes."""
    if key is None or mode == "I;16":
        return key
    if mode == "1":
        return tuple(255 * value for value in key)
    return tuple(value >> 8 for value in key) if max(key) > 255 else key  # 16 bits, where Pillow cuts the pixels to 8
