"""`image.save(..., inlaid=True)`: the settings of Pillow's `save`, as options of the encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from ..errors import UnsupportedError
from ..metadata import exif
from . import encoder

_QUALITIES = ("quality", "target_bytes", "target_bpp", "target_psnr_db", "target_ssimulacra2", "rate_bpp", "psnr_db")
_BASES = ("base", "tune", "legacy_loss_db", "subsampling", "progressive", "optimize")
OPTIONS = frozenset((*_QUALITIES, *_BASES, "effort", "preset", "seed", "threads"))
METADATA = frozenset(("exif", "icc_profile", "xmp", "dpi", "comment"))
_FORMATS = {"JPEG": "jpeg", "JPEG2000": "jpeg2000"}
_SUBSAMPLINGS = {0: "444", 1: "422", 2: "420", "4:4:4": "444", "4:2:2": "422", "4:2:0": "420"}  # as Pillow names them


def encoded(image: Image.Image, format: str, settings: Mapping[str, Any]) -> bytes:
    """The file.  As with Pillow, metadata that is not among `settings` is left out, and an EXIF orientation turns no pixel.

    format: Pillow's name.  settings: OPTIONS, METADATA and "inlaid".  UnsupportedError for any other setting, InlayError where they
    contradict each other.
    """
    if format not in _FORMATS:
        raise UnsupportedError(f"inlaid=True for format {format}; expected one of {', '.join(_FORMATS)}")
    if unknown := settings.keys() - OPTIONS - METADATA - {"inlaid"}:
        expected = ", ".join(sorted(OPTIONS | METADATA))
        raise UnsupportedError(f"inlaid=True together with {', '.join(sorted(unknown))}; expected no other settings than {expected}")
    options = {name: settings[name] for name in OPTIONS & settings.keys()}
    quality = options.get("quality")
    if quality is not None and not isinstance(quality, int | float):
        raise UnsupportedError(f"inlaid=True together with quality={quality!r}; expected a number from 1 to 100")
    if "subsampling" in options:
        options["subsampling"] = _SUBSAMPLINGS.get(options["subsampling"], options["subsampling"])
    info: dict[Any, Any] = {name: settings[name] for name in METADATA & settings.keys()}
    if format == "JPEG" and image.info.get("comment"):  # the one item that Pillow takes from the image
        info.setdefault("comment", image.info["comment"])
    block = info.get("exif", b"")
    block = block.tobytes() if isinstance(block, Image.Exif) else block
    plain = image.copy()
    plain.info = {**info, "exif": exif.upright(block)}
    data = encoder.encode(plain, format=_FORMATS[format], **options).data
    return _with_orientation(data, block) if exif.orientation(block) != 1 else data


def _with_orientation(data: bytes, block: bytes) -> bytes:
    """The file with the orientation of the EXIF `block`, of which it has the rest.  Nothing moves: the tag is in place."""
    written, wanted = (exif.mended(each)[0].removeprefix(b"Exif\0\0") for each in (exif.upright(block), block))
    return data.replace(written, wanted, 1) if written else data
