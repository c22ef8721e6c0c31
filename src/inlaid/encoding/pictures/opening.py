"""Bytes of a picture file, an image of Pillow's, or an array: all as a `Picture`.

Metadata never decides over pixels: it is read item by item, apart from them.  What Pillow would misread is read by another library, or
refused.
"""

from __future__ import annotations

import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from ... import formats
from ...errors import FormatError, InlayError, UnsupportedError
from . import colour_chunks, deep, png, tiff, tiff_tags
from .colour_chunks import Colours
from .picture import Check, Extent, Picture, Samples
from .raw_profiles import exif_of_info

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SGI_16_BIT = (b"\x01\xda\0\2", b"\x01\xda\1\2")
_KEPT = ("icc_profile", "exif", "xmp", "comment", "dpi")


def open_picture(data: bytes, check: Check | None = None, *, frame: int = 0) -> Picture:
    """The picture in a file's bytes; of an animation, or of a file of pages, that of `frame`.

    check: may refuse the picture by its size, before it is decoded.  FormatError where the bytes are damaged, UnsupportedError for
    samples that cannot be read right, UnidentifiedImageError for what Pillow does not know.
    """
    try:
        if png.detect(data) and frame == 0:
            return _of_png(data, check)
        if data.startswith(_TIFF):
            return _of_tiff(data, check, frame)
        if frame == 0 and (module := formats.that_detects(data)) is not None:
            return _of_base(module, data, check)
        return _of_pillow(data, check, frame)
    except (InlayError, MemoryError, UnidentifiedImageError):
        raise
    except Exception as error:  # Pillow raises nearly anything for damaged bytes
        raise FormatError(f"cannot decode the picture: {error or type(error).__name__}") from error


def taken(image: Image.Image | NDArray[np.generic] | Picture) -> Picture:
    """A picture that a program holds.  It stays as it is: an image that is not decoded yet is read from its file anew."""
    if isinstance(image, Picture):
        return image
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if (data := _undecoded(image)) is not None:
        return open_picture(data, frame=image.tell())
    try:
        image.load()
        return _of_image(image)
    except (InlayError, MemoryError):
        raise
    except Exception as error:  # a file that was opened, and is damaged further on
        raise FormatError(f"cannot decode the picture: {error or type(error).__name__}") from error


def _undecoded(image: Image.Image) -> bytes | None:
    """The file that an image was opened from, if nothing of it was decoded or changed since; None if it cannot be had."""
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return None
    try:
        stream = image.fp
        data = stream.getvalue() if isinstance(stream, BytesIO) else Path(os.fsdecode(image.filename)).read_bytes()
        again = _opened(data, None, image.tell())
    except Exception:  # no name, or no longer that file
        return None
    same = (again.size, again.mode, again.tile, again.info) == (image.size, image.mode, image.tile, image.info)
    return data if same else None


def _opened(data: bytes, check: Check | None, frame: int = 0) -> ImageFile.ImageFile:
    """An image that is not decoded yet."""
    image = Image.open(BytesIO(data))
    if check is not None:
        check(Extent(image.width, image.height, image.mode in deep.GRAY_MODES, deep.is_deep(image)))
    if frame:
        image.seek(frame)
    return image


def _of_png(data: bytes, check: Check | None) -> Picture:
    found = list(png.chunks(data))
    plain = png.pixels_only(data, found)
    metadata, described, notes = png.metadata(data, found)
    if (frames := png.frames(data, found)) > 1:
        notes.append(_first_of(frames))
    samples = deep.decoded(lambda: _opened(plain, check))
    colours = Colours() if "icc_profile" in metadata else described.colours(gray=png.is_gray(data))
    return Picture(samples, metadata, tuple(notes), png.transparent(data, found), colours)


def _of_tiff(data: bytes, check: Check | None, frame: int) -> Picture:
    try:
        image = _opened(data, check, frame)
        found = tiff.misread(image)
    except (InlayError, MemoryError, Image.DecompressionBombError):
        raise
    except UnidentifiedImageError:
        return tiff.read(data, "samples that Pillow does not know", check, frame)
    except Exception as error:  # Pillow raises nearly anything for damaged bytes
        return tiff.read(data, f"tags that Pillow does not read ({error or type(error).__name__})", check, frame)
    if found:
        read = tiff.read(data, found, check, frame)
        block, damaged = tiff_tags.exif_of(image)
        return replace(read, metadata=read.metadata | ({"exif": block} if block else {}), notes=(*read.notes, *damaged))
    frames = getattr(image, "n_frames", 1)
    samples = deep.decoded(lambda: _opened(data, None, frame))
    return _of_tiff_image(image, samples, (_first_of(frames),) * (frame == 0 and frames > 1))


def _of_base(module: formats.Format, data: bytes, check: Check | None) -> Picture:
    described = module.container.describe(data)
    if check is not None:
        check(Extent(described["width"], described["height"], described["components"] == 1))
    metadata = module.container.metadata(data)
    others = ("the other pictures in the file (MPF) were left out",) * ("MPF" in described["metadata"])
    return Picture(module.codec.decode_original(data), metadata.items, (*metadata.notes, *others))


def _of_pillow(data: bytes, check: Check | None, frame: int) -> Picture:
    if data.startswith(_SGI_16_BIT):
        raise UnsupportedError("an SGI file of 16 bits a sample, which Pillow cuts to 8; expected 8")
    image = _opened(data, check, frame)
    frames = getattr(image, "n_frames", 1)
    samples = deep.decoded(lambda: _opened(data, None, frame))
    return Picture(samples, _metadata(image.info), (_first_of(frames),) * (frame == 0 and frames > 1))


def _of_image(image: Image.Image) -> Picture:
    if isinstance(image, TiffImageFile):
        if found := tiff.misread(image):
            raise UnsupportedError(f"Pillow has misread this TIFF file ({found}); expected the image before it was decoded, or its pixels")
        return _of_tiff_image(image, deep.of_image(image), ())
    key = image.info.get("transparency") if image.mode in ("1", "L", "RGB", "I;16") else None
    transparent = tuple(key) if isinstance(key, tuple) else (key,) if isinstance(key, int) else None
    colours = Colours()
    if "icc_profile" not in image.info:
        colours = colour_chunks.of_info(image.info).colours(gray=image.mode in deep.GRAY_MODES)
    return Picture(deep.of_image(image), _metadata(image.info), (), _on_scale(transparent, image.mode), colours)


def _of_tiff_image(image: Image.Image, samples: Samples, notes: tuple[str, ...]) -> Picture:
    """Pillow has applied its orientation.  Its EXIF are its own tags."""
    metadata = _metadata(image.info)
    if metadata.get("dpi") == (1, 1):  # Pillow's word for none
        del metadata["dpi"]
    block, damaged = tiff_tags.exif_of(image)
    if block:
        metadata["exif"] = block
    return Picture(samples, metadata, (*notes, *damaged), upright=True)


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


def _metadata(info: dict[Any, Any]) -> dict[str, Any]:
    """What is kept of an image's `info`."""
    found = {key: info[key] for key in _KEPT if info.get(key)}
    if block := exif_of_info(info):
        found["exif"] = block
    if "xmp" not in found and info.get("XML:com.adobe.xmp"):  # as PNG holds it
        found["xmp"] = info["XML:com.adobe.xmp"]
    return found


def _on_scale(key: tuple[int, ...] | None, mode: str) -> tuple[int, ...] | None:
    """A transparent colour as Pillow has it, on the scale of the pixels."""
    if key is None or mode == "I;16":
        return key
    if mode == "1":
        return tuple(255 * value for value in key)
    return tuple(value >> 8 for value in key) if max(key) > 255 else key  # of a picture that Pillow cut to 8 bits


def _first_of(frames: int) -> str:
    return f"the first of {frames} frames is used"
