"""Decoded pixels as a picture file of any format that Pillow writes, with the metadata of the file that they came from.

What a format holds is not known by heart, but tried with a small picture: written, read again, compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from .. import formats
from ..errors import UnsupportedError
from ..formats import jp2, jpeg
from ..formats.items import Metadata
from ..metadata import exif, tags, xmp
from . import tiff

_LIBJPEG = ("JPEG", "MPO", "PDF")  # formats that Pillow writes by it
# Where Pillow's defaults would lose more than they must.
_SETTINGS: dict[str, dict[str, Any]] = {
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True},
    **{format: {"quality": 95, "subsampling": 0} for format in _LIBJPEG},
}
_COMMENTED = ("GIF", "JPEG", "MPO")  # formats with comments; of other files they are left out, and seldom say anything
_NAMES = {"comment": "comment", "icc_profile": "ICC profile", "exif": "EXIF", "xmp": "XMP", "dpi": "resolution"}
_ICC_SPACE = {"L": b"GRAY", "RGB": b"RGB "}  # at bytes 16 to 20 of a profile
_TRIED = (53, 37)  # width, height: no icon has this size
_CODED_DIFFERENCE = 8.0  # grey levels, on average: more than any lossy codec makes of the picture that is tried


def format_of(name: str) -> str | None:
    """Pillow's name of the format that a file of this name would have, None if Pillow writes no such format."""
    format = Image.registered_extensions().get(Path(name).suffix.lower())
    return format if format in Image.SAVE else None


def check(format: str, size: tuple[int, int], mode: str) -> tuple[str, ...]:
    """Notes on what a file of this format makes of a picture of this size (width, height) and mode, "L" or "RGB".

    UnsupportedError if Pillow cannot write the picture so, or would write another one.
    """
    notes = _differences(format, size, mode)
    if format in _LIBJPEG and max(size) > jpeg.codec.MAX_SIDE_PX:  # asked to, libjpeg writes a line of its own on standard error
        raise UnsupportedError(
            f"a picture of {size[0]}x{size[1]} pixels is too large: {format} holds at most {jpeg.codec.MAX_SIDE_PX} a side"
        )
    for side in ((max(size[0], 1), 1), (1, max(size[1], 1))):
        try:
            shown = _opened(_file(format, Image.new(mode, side)))
        except UnsupportedError as error:
            raise UnsupportedError(f"a picture of {size[0]}x{size[1]} pixels is too large: {error}") from error
        if shown is not None and shown.size != side:
            raise UnsupportedError(f"a file of format {format} would not have {size[0]}x{size[1]} pixels")
    return notes


def _differences(format: str, size: tuple[int, int], mode: str) -> tuple[str, ...]:
    """Notes on how a small picture's file differs from the picture; UnsupportedError if it is another picture."""
    tried = _tried(mode)
    data = _file(format, tried)
    try:
        shown = _opened(data)
        pixels = None if shown is None else formats.base.pixels(shown.convert(mode))
    except Exception:  # Pillow knows the format, and reads it with another program
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
    if difference.mean() > _CODED_DIFFERENCE:
        raise UnsupportedError(f"a file of format {format} would be another picture")
    return ()


def write(picture: Image.Image, source: bytes, format: str, file: IO[bytes]) -> tuple[str, ...]:
    """Writes an L or RGB image to `file`; notes on what could not be kept of the metadata in `source`.

    ICC, EXIF, XMP and resolution are kept where the format holds them, each by itself.  Where EXIF's orientation is not, the picture is
    turned upright.  UnsupportedError if Pillow cannot write this picture so.
    """
    found = formats.by_content(source).container.metadata(source)
    held = {key: value for key, value in found.items.items() if key != "comment" or format in _COMMENTED}
    kept = _kept(format, held, picture.mode)
    items, notes = dict(kept.items), [*found.notes, *kept.notes]
    turn = exif.orientation(found.items.get("exif", b""))
    if turn != exif.orientation(items.get("exif", b"")):
        picture = picture.transpose(exif.UPRIGHT[turn])
        notes.append("the picture was turned upright, for its orientation is not kept")
        if turn >= 5 and "dpi" in items:
            items["dpi"] = items["dpi"][::-1]
    _save(picture, format, items, file)
    return tuple(notes)


# ------------------------------------------------------------------------------------------------ metadata


def _kept(format: str, found: Mapping[str, Any], mode: str) -> Metadata:
    """What of the items a file of this format keeps."""
    items, notes = dict(found), list[str]()
    if "exif" in items:
        items["exif"], said = exif.mended(items["exif"])
        notes += said
    if "xmp" in items:
        items["xmp"], said = xmp.without_further_pictures(items["xmp"])
        notes += said
    stored = "RGB" if format == "WEBP" else mode
    if "icc_profile" in items and items["icc_profile"][16:20] != _ICC_SPACE[stored]:
        del items["icc_profile"]
        notes.append(f"the ICC profile is not for {'gray' if stored == 'L' else 'RGB'} and was left out")
    items = {key: value for key, value in items.items() if value}
    if format == "TIFF":
        notes += _thumbnail(items)
    elif format in ("JPEG", "MPO", "JPEG2000"):
        own = (jp2 if format == "JPEG2000" else jpeg).container.writable(items, mode)
        items, notes = dict(own.items), [*notes, *own.notes]
    lost = []
    # Of the formats that inlaid writes itself Pillow does not read all; but it must be able to turn the picture by its EXIF.
    names = () if format == "JPEG2000" else ("exif",) if format in ("JPEG", "MPO", "TIFF") else tuple(items)
    for key in [name for name in names if name in items]:
        value = items[key]
        # Where it is not, for odd tags, it can hold the EXIF of one that lies upright.
        held = [v for v in ((value, exif.upright(value)) if key == "exif" else (value,)) if _holds(format, mode, key, v)]
        if held:
            items[key] = held[0]
        else:
            del items[key]
            lost.append(key)
    if "dpi" in lost and exif.resolution(items.get("exif", b"")) == found["dpi"]:
        lost.remove("dpi")
    if lost:
        *others, last = (_NAMES[key] for key in lost)
        listed = f"{', '.join(others)} and {last}" if others else last
        notes.append(f"{format} does not keep {listed} of this file; {'they were' if others else 'it was'} left out")
    return Metadata(items, tuple(notes))


def _thumbnail(items: Mapping[str, Any]) -> tuple[str, ...]:
    block = tags.parse(items.get("exif", b""))
    if isinstance(block, str) or "IFD1" not in block.directories:
        return ()
    return ("the EXIF thumbnail was left out: in a TIFF file it would be a second page",)


def _holds(format: str, mode: str, key: str, value: Any) -> bool:
    """Whether a small picture, written so with this item, is read with it."""
    try:
        shown = _opened(_file(format, _tried(mode), {key: value}))
        if shown is None:
            return key == "dpi" and format == "PDF"
        got = shown.info.get(key, shown.info.get("XML:com.adobe.xmp") if key == "xmp" else None)
        if key == "dpi":
            return got is not None and bool(np.allclose(got, value, rtol=0.02))
        if isinstance(got, str):
            got = got.encode()
        if key == "exif" and (exif.orientation(value) != 1 or format == "TIFF"):
            turn = shown.getexif().get(tags.ORIENTATION, 1)
            ImageOps.exif_transpose(shown)
            return bool(turn == exif.orientation(value))
        return got is not None and got.removeprefix(tags.PREFIX) == value.removeprefix(tags.PREFIX)
    except Exception:  # Pillow raises nearly anything for damaged metadata
        return False


# ------------------------------------------------------------------------------------------------ files


def _tried(mode: str) -> Image.Image:
    """A small picture of more than 256 colours."""
    y, x = np.mgrid[: _TRIED[1], : _TRIED[0]]
    planes = [x * 255 // _TRIED[0], y * 255 // _TRIED[1], (x + y) * 255 // sum(_TRIED)]
    return Image.fromarray((planes[2] if mode == "L" else np.stack(planes, axis=2)).astype(np.uint8))


def _file(format: str, picture: Image.Image, items: Mapping[str, Any] | None = None) -> bytes:
    file = BytesIO()
    _save(picture, format, items or {}, file)
    return file.getvalue()


def _opened(data: bytes) -> Image.Image | None:
    """The picture, its pixels not read yet; None where Pillow reads no such files."""
    try:
        return Image.open(BytesIO(data))
    except UnidentifiedImageError:
        return None


class _Exact(Image.Exif):
    """EXIF that Pillow's AVIF writer takes the orientation out of, which it writes as AVIF has it, and leaves as it is otherwise."""

    def __init__(self, block: bytes) -> None:
        super().__init__()
        self.exact = exif.upright(block)
        if (turn := exif.orientation(block)) != 1:
            self[tags.ORIENTATION] = turn

    def __bool__(self) -> bool:
        return True

    def tobytes(self, offset: int = 8) -> bytes:
        """The block."""
        return self.exact


def _save(picture: Image.Image, format: str, items: Mapping[str, Any], file: IO[bytes]) -> None:
    """UnsupportedError if Pillow cannot."""
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
                settings["exif"] = _Exact(settings["exif"])
            picture.save(file, format, **settings)
    except MemoryError:
        raise
    except OSError as error:
        if error.errno is not None:  # the file's, not the picture's
            raise
        raise UnsupportedError(f"Pillow cannot write {picture.mode} as {format}: {error}") from error
    except Exception as error:  # Pillow raises nearly anything
        raise UnsupportedError(f"Pillow cannot write {picture.mode} as {format}: {error}") from error
