"""Decoded pixels as a picture file of any format that Pillow writes, with the metadata of the file that they came from."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageOps, PngImagePlugin

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
_TIFF_XMP = 700
_ICC_SPACE = {"L": b"GRAY", "RGB": b"RGB "}  # at bytes 16 to 20 of a profile


def format_of(name: str) -> str | None:
    """Pillow's name of the format that a file of this name would have, None if Pillow writes no such format."""
    format = Image.registered_extensions().get(Path(name).suffix.lower())
    return format if format in Image.SAVE else None


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
