"""Decoded pixels as a picture file of any format that Pillow writes, with the metadata of the file that they were decoded from.

What a format can hold is found by trial: a sample picture is written, read again and compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from .. import formats
from ..errors import UnsupportedError
from ..formats import jpeg
from ..metadata import exif
from .kept_metadata import kept
from .picture_files import LIBJPEG, data_of, opened, sample, save

_COMMENTED = ("GIF", "JPEG", "MPO")  # formats with comments; files of others lose them without a note
_LARGEST_CODING_ERROR = 8.0  # mean difference in grey levels; every lossy codec stays below it on the sample


def format_of(name: str) -> str | None:
    """Pillow's name of the format that a file of this name has; None if Pillow writes no such format."""
    suffix = Path(name).suffix.lower()
    Image.preinit()  # the usual formats; all of them take Pillow some 50 ms
    format = Image.EXTENSION.get(suffix) or Image.registered_extensions().get(suffix)
    return format if format in Image.SAVE else None


def size_and_mode(source: bytes) -> tuple[tuple[int, int], str]:
    """Size (width, height) and mode, "L" or "RGB", of the picture in a base file."""
    header = formats.by_content(source).container.describe(source)
    return (header["width"], header["height"]), "L" if header["model"] == "gray" else "RGB"


def check(format: str, size: tuple[int, int], mode: str) -> tuple[str, ...]:
    """Notes on how a file of this format will differ from a picture of this size (width, height) and mode, "L" or "RGB".

    UnsupportedError if Pillow cannot write such a picture in this format, or would write a different picture.
    """
    notes = _differences(format, size, mode)
    if format in LIBJPEG and max(size) > jpeg.codec.MAX_SIDE_PX:  # libjpeg itself would also print a message on standard error
        raise UnsupportedError(
            f"a picture of {size[0]}x{size[1]} pixels is too large: {format} holds at most {jpeg.codec.MAX_SIDE_PX} a side"
        )
    for side in ((max(size[0], 1), 1), (1, max(size[1], 1))):
        try:
            shown = opened(data_of(format, Image.new(mode, side)))
        except UnsupportedError as error:
            raise UnsupportedError(f"a picture of {size[0]}x{size[1]} pixels is too large: {error}") from error
        if shown is not None and shown.size != side:
            raise UnsupportedError(f"a file of format {format} would not have {size[0]}x{size[1]} pixels")
    return notes


def _differences(format: str, size: tuple[int, int], mode: str) -> tuple[str, ...]:
    """Notes on how the file of a sample differs from the sample; UnsupportedError if it holds a different picture."""
    tried = sample(mode)
    data = data_of(format, tried)
    try:
        shown = opened(data)
        pixels = None if shown is None else formats.base.pixels(shown.convert(mode))
    except Exception:  # Pillow knows the format, but reads it by a program that is not installed
        shown = pixels = None
    if shown is None or pixels is None:
        return (f"Pillow does not read {format} here, so the file was not compared with the picture",)
    if pixels.shape[:2] != (tried.height, tried.width):
        raise UnsupportedError(
            f"a file of format {format} would not have {size[0]}x{size[1]} pixels: it holds pictures of certain sizes only"
        )
    difference = np.abs(pixels.astype(np.int16) - formats.base.pixels(tried))
    if shown.mode in ("1", "P", "PA") and difference.any():
        return (f"{format} holds at most 256 colours; the picture's were reduced to them",)
    if difference.mean() > _LARGEST_CODING_ERROR:
        raise UnsupportedError(f"a file of format {format} would hold a different picture")
    return ()


def write(picture: Image.Image, source: bytes, format: str, file: IO[bytes]) -> tuple[str, ...]:
    """Write an L or RGB image to `file` with the metadata of the base file `source`; notes on what could not be kept.

    ICC profile, EXIF, XMP and resolution are kept, each by itself, where the format holds them.  Where it does not hold the EXIF
    orientation, the picture is turned upright.  UnsupportedError if Pillow cannot write the picture in this format.
    """
    found = formats.by_content(source).container.metadata(source)
    items = {key: value for key, value in found.items.items() if key != "comment" or format in _COMMENTED}
    metadata = kept(format, items, picture.mode)
    items, notes = dict(metadata.items), [*found.notes, *metadata.notes]
    turn = exif.orientation(found.items.get("exif", b""))
    if turn != exif.orientation(items.get("exif", b"")):
        picture = picture.transpose(exif.UPRIGHT[turn])
        notes.append(f"the picture was turned upright: {format} does not keep its orientation")
        if turn >= 5 and "dpi" in items:
            items["dpi"] = items["dpi"][::-1]
    save(picture, format, items, file)
    return tuple(notes)
