"""Picture files: from bytes to a `Picture`.

Metadata is read apart from the pixels, item by item, so that a damaged item does not make a picture unreadable.  What Pillow would
decode wrongly is read by another library, or refused.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

from PIL import Image, ImageFile, UnidentifiedImageError

from ... import formats
from ...errors import InlayError, UnsupportedError
from . import deep, png, png_items, tiff, tiff_tags
from .colour_chunks import Colours
from .picture import Check, Extent, Picture, Samples, decoding, frame_notes
from .raw_profiles import exif_of_info

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SGI_16_BIT = (b"\x01\xda\0\2", b"\x01\xda\1\2")
_KEPT = ("icc_profile", "exif", "xmp", "comment", "dpi")


def open_picture(data: bytes, check: Check | None = None, *, frame: int = 0) -> Picture:
    """The picture in a file's bytes.

    check: called before the picture is decoded.  frame: of an animation, or page of a document.

    FormatError for damaged bytes, UnsupportedError for samples that cannot be read right, UnidentifiedImageError for a format that Pillow
    does not know.
    """
    with decoding(UnidentifiedImageError):
        if png.detect(data) and frame == 0:
            return _of_png(data, check)
        if data.startswith(_TIFF):
            return _of_tiff(data, check, frame)
        if frame == 0 and (module := formats.that_detects(data)) is not None:
            return _of_base(module, data, check)
        return _of_pillow(data, check, frame)


def opened(data: bytes, check: Check | None, frame: int = 0) -> ImageFile.ImageFile:
    """The image of a file's bytes, checked, not decoded yet."""
    image = Image.open(BytesIO(data))
    if check is not None:
        check(Extent(image.width, image.height, image.mode in deep.GRAY_MODES, deep.is_deep(image)))
    if frame:
        image.seek(frame)
    return image


def _of_png(data: bytes, check: Check | None) -> Picture:
    found = list(png.chunks(data))
    plain = png.pixels_only(data, found)
    metadata, described, notes = png_items.metadata(data, found)
    samples = deep.decoded(lambda: opened(plain, check))
    colours = Colours() if "icc_profile" in metadata else described.colours(gray=png.is_gray(data))
    notes += frame_notes(0, png.frames(data, found))
    return Picture(samples, metadata, tuple(notes), png.transparent(data, found), colours)


def _of_tiff(data: bytes, check: Check | None, frame: int) -> Picture:
    try:
        image = opened(data, check, frame)
        found = tiff.misread(image)
    except (InlayError, MemoryError, Image.DecompressionBombError):
        raise
    except UnidentifiedImageError:
        return tiff.read(data, "samples that Pillow does not know", check, frame)
    except Exception as error:  # Pillow raises errors of many types for damaged bytes
        return tiff.read(data, f"tags that Pillow cannot read ({error or type(error).__name__})", check, frame)
    if found:
        read = tiff.read(data, found, check, frame)
        block, damaged = tiff_tags.exif_of(image)
        return replace(read, metadata=read.metadata | ({"exif": block} if block else {}), notes=(*read.notes, *damaged))
    samples = deep.decoded(lambda: opened(data, None, frame))
    return of_tiff_image(image, samples, frame_notes(frame, getattr(image, "n_frames", 1)))


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
    image = opened(data, check, frame)
    samples = deep.decoded(lambda: opened(data, None, frame))
    return Picture(samples, kept_of(image.info), frame_notes(frame, getattr(image, "n_frames", 1)))


def of_tiff_image(image: Image.Image, samples: Samples, notes: tuple[str, ...]) -> Picture:
    """A TIFF image, whose EXIF is among its own tags, and whose orientation Pillow has applied."""
    metadata = kept_of(image.info)
    if metadata.get("dpi") == (1, 1):  # Pillow's value for none
        del metadata["dpi"]
    block, damaged = tiff_tags.exif_of(image)
    if block:
        metadata["exif"] = block
    return Picture(samples, metadata, (*notes, *damaged), upright=True)


def kept_of(info: dict[Any, Any]) -> dict[str, Any]:
    """The metadata in an image's `info` that a base keeps."""
    found = {key: info[key] for key in _KEPT if info.get(key)}
    if block := exif_of_info(info):
        found["exif"] = block
    if "xmp" not in found and info.get("XML:com.adobe.xmp"):  # of a PNG file
        found["xmp"] = info["XML:com.adobe.xmp"]
    return found
