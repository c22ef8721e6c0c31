"""Decoded pixels as a picture file of any format that Pillow writes, with the metadata of the file that they came from."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from . import formats
from .errors import UnsupportedError

# Where Pillow's defaults would lose more than they must.
_SETTINGS: dict[str, dict[str, Any]] = {
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "JPEG": {"quality": 95, "subsampling": 0},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "WEBP": {"lossless": True},
}
_HOLDS_EXIF = {"AVIF", "JPEG", "MPO", "PNG", "TIFF", "WEBP"}
# The most pixels a side that writers take (AVIF: that readers take).
_LARGEST_PX = {
    "AVIF": 32768, "GIF": 65535, "JPEG": 65500, "MPO": 65500, "PCX": 65535, "PDF": 65500, "SGI": 65535, "TGA": 65535, "WEBP": 16383,
}  # fmt: skip
_SAMPLE_PX = (40, 24)  # no size that a format for icons keeps
_TIFF_XMP = 700
_ICC_SPACE = {"L": b"GRAY", "RGB": b"RGB "}  # at bytes 16 to 20 of a profile


def format_of(name: str) -> str | None:
    """Pillow's name of the format that a file of this name would have, None if Pillow writes no such format."""
    format = Image.registered_extensions().get(Path(name).suffix.lower())
    return format if format in Image.SAVE else None


def check(format: str, mode: str, size: tuple[int, int]) -> None:
    """UnsupportedError if `write` could not write an L or RGB picture of this size as `format`, or would write one of another size.

    It needs no pixels: what the format does with the mode is tried on a small sample.
    """
    largest = _LARGEST_PX.get(format)
    if largest is not None and max(size) > largest:
        raise UnsupportedError(f"{format} holds at most {largest} pixels a side; the picture has {size[0]}x{size[1]}")
    sample = BytesIO()
    try:
        _save(Image.new(mode, _SAMPLE_PX), format, {}, sample)
    except Exception as error:
        raise UnsupportedError(f"Pillow cannot write this picture as {format}: {error}") from error
    try:
        with Image.open(sample) as reopened:
            kept = reopened.size
    except UnidentifiedImageError:  # Pillow writes PDF, but does not read it
        return
    if kept != _SAMPLE_PX:
        raise UnsupportedError(f"{format} does not keep the size of a picture; expected .png, for example")


def write(picture: Image.Image, source: bytes, format: str, file: IO[bytes]) -> tuple[str, ...]:
    """Writes an L or RGB image to `file`; notes on what could not be kept of the metadata in `source`.

    ICC, EXIF, XMP and resolution are kept where the format holds them.  One that does not hold EXIF gets the pixels turned upright.
    UnsupportedError if Pillow cannot write this picture so.
    """
    notes: list[str] = []
    metadata = formats.by_content(source).metadata(source)
    icc = metadata.get("icc_profile")
    if icc is not None and icc[16:20] != _ICC_SPACE[picture.mode]:
        del metadata["icc_profile"]
        notes.append(f"the ICC profile is not for {'gray' if picture.mode == 'L' else 'RGB'} and was left out")
    if format not in _HOLDS_EXIF and "exif" in metadata:
        picture.info["exif"] = metadata.pop("exif")
        try:
            picture = ImageOps.exif_transpose(picture)
        except Exception:  # Pillow raises nearly anything for damaged EXIF
            notes.append("the EXIF is damaged; the picture was not turned upright")
        picture.info.clear()
    try:
        _save(picture, format, metadata, file)
        return tuple(notes)
    except Exception as error:  # metadata can be damaged in ways that Pillow does not forgive
        if not metadata:
            raise UnsupportedError(f"Pillow cannot write this picture as {format}: {error}") from error
    file.seek(0)
    file.truncate()
    try:
        _save(picture, format, {}, file)
        return (*notes, "the metadata could not be written and was left out")
    except Exception as error:
        raise UnsupportedError(f"Pillow cannot write this picture as {format}: {error}") from error


def _save(picture: Image.Image, format: str, metadata: dict[str, Any], file: IO[bytes]) -> None:
    settings = _SETTINGS.get(format, {}) | metadata
    if format == "PNG" and (xmp := settings.pop("xmp", None)):
        settings["pnginfo"] = PngImagePlugin.PngInfo()
        settings["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    if format == "TIFF" and (xmp := settings.pop("xmp", None)):
        exif = Image.Exif()
        exif.load(settings.get("exif", b""))
        exif[_TIFF_XMP] = xmp
        settings["exif"] = exif
    picture.save(file, format, **settings)
