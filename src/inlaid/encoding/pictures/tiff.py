"""TIFF files that Pillow misreads or does not know, by `tifffile`, which is an extra."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import InlayError, LimitError, UnsupportedError
from ...threads import uncut
from .deep import of_array, scaled
from .picture import Check, Extent, Picture

_BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _PLANAR = 258, 259, 262, 274, 277, 284
_EXTRA, _FORMAT, _XMP, _ICC = 338, 339, 700, 34675
_RGB, _CMYK, _YCBCR = 2, 5, 6
_MODES = {0: "L", 1: "L", _RGB: "RGB", _CMYK: "CMYK"}  # by photometric interpretation; 0: zero is white
_KINDS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}  # by sample format
# What makes an orientation upright: exchange rows and columns, then reverse rows, reverse columns.
_TURNS = {
    2: (False, False, True), 3: (False, True, True), 4: (False, True, False), 5: (True, False, False),
    6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip


def misread(image: Image.Image) -> str | None:
    """What there is in a TIFF file that Pillow would make another picture of ("planar samples of 16 bits"), or None."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]  # of a TiffImageFile
    bits = max(_several(tags.get(_BITS, 1)))
    formats = set(_several(tags.get(_FORMAT, 1))) & set(_KINDS)
    if formats:
        return f"{_KINDS[min(formats)]} samples"
    if bits > 16:
        return f"samples of {bits} bits"
    if tags.get(_PLANAR, 1) == 2 and tags.get(_SAMPLES, 1) > 1:
        coloured, multiplied = tags.get(_PHOTOMETRIC) in (_RGB, _CMYK, _YCBCR), 1 in _several(tags.get(_EXTRA, ()))
        if bits > 8 or not coloured or multiplied:
            return f"planar samples of {bits} bits" + (", colours multiplied by alpha" if multiplied else "")
    if tags.get(_PHOTOMETRIC) == _YCBCR and tags.get(_COMPRESSION, 1) == 1:
        return "YCbCr samples without compression"
    return None


def read(data: bytes, found: str, check: Check | None, frame: int) -> Picture:
    """A page of a file, by tifffile.  found: what keeps Pillow from it.  UnsupportedError where tifffile does not read it either."""
    try:
        with uncut():
            import tifffile
    except ImportError as error:
        raise UnsupportedError(f"this TIFF file has {found}; pip install 'inlaid[tiff]' brings what reads it") from error
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
    except Exception as error:  # tifffile raises several kinds for damaged and for unknown files
        raise UnsupportedError(f"this TIFF file cannot be read: it has {found}; tifffile: {error or type(error).__name__}") from error
    if samples.dtype.kind not in "ub" or samples.dtype.itemsize > 2:
        raise UnsupportedError(f"this TIFF file has {samples.dtype} samples; expected unsigned ones of at most 16 bits")
    if samples.ndim == 3:
        samples = (np.moveaxis(samples, 0, -1) if page.planarconfig == 2 else samples)[..., : len(mode)]
        samples = samples[..., 0] if mode == "L" else samples
    full = (1 << max(_several(tags.get(_BITS, 1)))) - 1
    deep = scaled(samples, full, inverted=tags.get(_PHOTOMETRIC) == 0)
    if mode == "LA" and tags.get(_PHOTOMETRIC) == 0:
        deep[..., 1] = scaled(samples[..., 1], full)  # alpha is not inverted
    metadata = {key: tags[tag] for key, tag in (("icc_profile", _ICC), ("xmp", _XMP)) if isinstance(tags.get(tag), bytes)}
    notes = (f"the first of {pages} frames is used",) * (frame == 0 and pages > 1)
    return Picture(of_array(_upright(deep, tags.get(_ORIENTATION)), mode), metadata, notes, upright=True)


def _mode(tags: dict[int, Any], channels: int, found: str) -> str:
    """The mode of the channels that mean something."""
    photometric = int(tags.get(_PHOTOMETRIC, 1))
    mode = _MODES.get(photometric)
    if mode is None or channels < len(mode):
        raise UnsupportedError(f"this TIFF file has {found} and photometric interpretation {photometric}; expected gray, RGB or CMYK")
    extra = [int(each) for each in _several(tags.get(_EXTRA, ()))]
    return mode + ({1: "a", 2: "A"}.get(extra[0], "") if extra and channels > len(mode) and mode != "CMYK" else "")


def _upright(samples: NDArray[np.uint16], orientation: Any) -> NDArray[np.uint16]:
    exchange, rows, columns = _TURNS.get(orientation, (False, False, False))
    samples = samples.swapaxes(0, 1) if exchange else samples
    return samples[:: -1 if rows else 1, :: -1 if columns else 1]


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)
