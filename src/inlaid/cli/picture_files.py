"""Picture files as Pillow writes them, with metadata, and a small sample picture to try a format with."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from ..errors import UnsupportedError
from ..formats import jp2, jpeg
from ..metadata import exif, tags
from . import tiff

LIBJPEG = ("JPEG", "MPO", "PDF")  # formats whose pixels Pillow writes by libjpeg
# Settings where Pillow's defaults would lose more than the format must.
_SETTINGS: dict[str, dict[str, Any]] = {
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True},
    **{format: {"quality": 95, "subsampling": 0} for format in LIBJPEG},
}
_SAMPLE_PX = (53, 37)  # width, height: no icon has this size


def save(picture: Image.Image, format: str, items: Mapping[str, Any], file: IO[bytes]) -> None:
    """Write an L or RGB image to `file`; `items` as in `formats.items.Metadata`.  UnsupportedError if Pillow cannot."""
    settings: dict[str, Any] = {**_SETTINGS.get(format, {}), **items}
    try:
        if format == "TIFF":
            tiff.write(picture, items, file)
        elif format == "JPEG2000":
            plain = BytesIO()
            picture.save(plain, format)
            file.write(jp2.container.with_metadata(plain.getvalue(), items))
        elif format in ("JPEG", "MPO"):
            picture.save(file, format, **_SETTINGS[format], **jpeg.metadata.pillow_settings(items))
        else:
            if format == "PNG" and (packet := settings.pop("xmp", None)):
                settings["pnginfo"] = PngImagePlugin.PngInfo()
                settings["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode())
            if format == "AVIF" and "exif" in settings:
                settings["exif"] = _AvifExif(settings["exif"])
            picture.save(file, format, **settings)
    except MemoryError:
        raise
    except OSError as error:
        if error.errno is not None:  # an error of the file, not of the picture
            raise
        raise UnsupportedError(f"Pillow cannot write {picture.mode} as {format}: {error}") from error
    except Exception as error:  # Pillow raises nearly any exception
        raise UnsupportedError(f"Pillow cannot write {picture.mode} as {format}: {error}") from error


class _AvifExif(Image.Exif):
    """EXIF for Pillow's AVIF writer: the orientation as a tag, which the writer stores in AVIF's own way, and the rest as exact bytes."""

    def __init__(self, block: bytes) -> None:
        super().__init__()
        self.exact = exif.upright(block)
        if (turn := exif.orientation(block)) != 1:
            self[tags.ORIENTATION] = turn

    def __bool__(self) -> bool:
        return True

    def tobytes(self, offset: int = 8) -> bytes:
        """The EXIF block without an orientation."""
        return self.exact


def data_of(format: str, picture: Image.Image, items: Mapping[str, Any] | None = None) -> bytes:
    """The bytes that `save` writes."""
    file = BytesIO()
    save(picture, format, items or {}, file)
    return file.getvalue()


def opened(data: bytes) -> Image.Image | None:
    """The picture, its pixels not read yet; None if Pillow does not read this format."""
    try:
        return Image.open(BytesIO(data))
    except UnidentifiedImageError:
        return None


def sample(mode: str) -> Image.Image:
    """A small L or RGB picture; RGB has more than 256 colours."""
    y, x = np.mgrid[: _SAMPLE_PX[1], : _SAMPLE_PX[0]]
    planes = [x * 255 // _SAMPLE_PX[0], y * 255 // _SAMPLE_PX[1], (x + y) * 255 // sum(_SAMPLE_PX)]
    return Image.fromarray((planes[2] if mode == "L" else np.stack(planes, axis=2)).astype(np.uint8))
