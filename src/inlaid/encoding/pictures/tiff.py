"""TIFF files that Pillow misreads or does not know, read by `tifffile`, an optional dependency."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    EXTRASAMPLES,
    ICCPROFILE,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
    XMP,
)

from ...arrays import DeepPixels
from ...errors import InlayError, LimitError, UnsupportedError
from ...metadata.tags import ORIENTATION
from ...threads import uncut
from .deep import of_array, scaled
from .picture import Check, Extent, Picture, frame_notes

_RGB, _CMYK, _YCBCR = 2, 5, 6  # photometric interpretations
_ZERO_IS_WHITE = 0
_MODES = {_ZERO_IS_WHITE: "L", 1: "L", _RGB: "RGB", _CMYK: "CMYK"}
_KINDS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}  # by sample format
_MULTIPLIED, _ALPHA = 1, 2  # kinds of extra samples: alpha that the colours are multiplied by, and plain alpha
_SEPARATE = 2  # planar configuration
# What makes an orientation upright: exchange rows and columns, then reverse the rows, reverse the columns.
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def misread(image: Image.Image) -> str | None:
    """A phrase for the samples of a TIFF file that Pillow decodes wrongly ("planar samples of 16 bits"); None if it decodes them right."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]  # of a TiffImageFile
    bits = max(_several(tags.get(BITSPERSAMPLE, 1)))
    formats = set(_several(tags.get(SAMPLEFORMAT, 1))) & set(_KINDS)
    if formats:
        return f"{_KINDS[min(formats)]} samples"
    if bits > 16:
        return f"samples of {bits} bits"
    if tags.get(PLANAR_CONFIGURATION, 1) == _SEPARATE and tags.get(SAMPLESPERPIXEL, 1) > 1:
        coloured = tags.get(PHOTOMETRIC_INTERPRETATION) in (_RGB, _CMYK, _YCBCR)
        multiplied = _MULTIPLIED in _several(tags.get(EXTRASAMPLES, ()))
        if bits > 8 or not coloured or multiplied:
            return f"planar samples of {bits} bits" + (", colours multiplied by alpha" if multiplied else "")
    if tags.get(PHOTOMETRIC_INTERPRETATION) == _YCBCR and tags.get(COMPRESSION, 1) == 1:
        return "YCbCr samples without compression"
    return None


def read(data: bytes, found: str, check: Check | None, frame: int) -> Picture:
    """Page `frame` of a file, by tifffile.  found: a phrase for what Pillow does not read right.

    UnsupportedError where tifffile does not read it either.
    """
    try:
        with uncut():
            import tifffile
    except ImportError as error:
        raise UnsupportedError(f"this TIFF file has {found}; pip install 'inlaid[tiff]' adds a reader for it") from error
    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            page: Any = file.pages[frame]
            tags = {tag.code: tag.value for tag in page.tags}
            mode = _mode(tags, int(page.samplesperpixel), found)
            extent = Extent(page.imagewidth, page.imagelength, mode[0] == "L", deep=True)
            if Image.MAX_IMAGE_PIXELS is not None and extent.pixels > 2 * Image.MAX_IMAGE_PIXELS:
                raise LimitError(f"{extent.width}x{extent.height} pixels; at most {2 * Image.MAX_IMAGE_PIXELS} are allowed")
            if check is not None:
                check(extent)
            samples: NDArray[Any] = page.asarray()
            pages = len(file.pages)
    except (InlayError, MemoryError):
        raise
    except Exception as error:  # tifffile raises errors of many types for damaged and for unknown files
        raise UnsupportedError(f"this TIFF file cannot be read: it has {found}; tifffile: {error or type(error).__name__}") from error
    if samples.dtype.kind not in "ub" or samples.dtype.itemsize > 2:
        raise UnsupportedError(f"this TIFF file has {samples.dtype} samples; expected unsigned ones of at most 16 bits")
    if samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1) if page.planarconfig == _SEPARATE else samples
        samples = samples[..., 0] if mode == "L" else samples[..., : len(mode)]
    metadata = {key: tags[tag] for key, tag in (("icc_profile", ICCPROFILE), ("xmp", XMP)) if isinstance(tags.get(tag), bytes)}
    upright = _upright(_scaled(samples, tags, mode), tags.get(ORIENTATION))
    return Picture(of_array(upright, mode), metadata, frame_notes(frame, pages), upright=True)


def _scaled(samples: NDArray[Any], tags: dict[int, Any], mode: str) -> DeepPixels:
    """The samples on the scale of 16 bits, 0 being black."""
    full = (1 << max(_several(tags.get(BITSPERSAMPLE, 1)))) - 1
    inverted = tags.get(PHOTOMETRIC_INTERPRETATION) == _ZERO_IS_WHITE
    deep = scaled(samples, full, inverted=inverted)
    if mode == "LA" and inverted:
        deep[..., 1] = scaled(samples[..., 1], full)  # alpha is not inverted
    return deep


def _mode(tags: dict[int, Any], channels: int, found: str) -> str:
    """The mode of the channels that are colours or alpha."""
    photometric = int(tags.get(PHOTOMETRIC_INTERPRETATION, 1))
    mode = _MODES.get(photometric)
    if mode is None or channels < len(mode):
        raise UnsupportedError(f"this TIFF file has {found} and photometric interpretation {photometric}; expected gray, RGB or CMYK")
    extra = [int(each) for each in _several(tags.get(EXTRASAMPLES, ()))]
    return mode + ({_MULTIPLIED: "a", _ALPHA: "A"}.get(extra[0], "") if extra and channels > len(mode) and mode != "CMYK" else "")


def _upright(samples: DeepPixels, orientation: Any) -> DeepPixels:
    exchange, rows, columns = _TURNS.get(orientation, (False, False, False))
    samples = samples.swapaxes(0, 1) if exchange else samples
    return samples[:: -1 if rows else 1, :: -1 if columns else 1]


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)
