"""The base formats: each is a container, which carries the payload, and a base codec, which makes the pixels.

A format is a folder here: its `container.py` has the functions of `Container`, its `codec.py` those of `BaseCodec`, and its
`__init__.py` makes a `Format` of the two modules.  Adding a format is adding a folder and one entry to `all_formats`.  Bytes in, bytes
or images out; a file that is not what it claims raises `FormatError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from ..arrays import Pixels, Shift
from ..errors import FormatError
from ..threads import uncut
from . import packing
from .base import Base, Made
from .items import Metadata

__all__ = [
    "Base",
    "BaseCodec",
    "Container",
    "Format",
    "Made",
    "Metadata",
    "all_formats",
    "by_content",
    "by_extension",
    "by_name",
    "extensions",
    "strip",
    "that_detects",
]


class Container(Protocol):
    """The bytes of a file around its coded picture (a module is used as an object of this type)."""

    OVERHEAD_BYTES: int  # what `embed` adds to a payload that fits in one piece

    def detect(self, data: bytes) -> bool:
        """True if `data` begins like a file of this format."""

    def obstacle(self, data: bytes) -> str | None:
        """Why this valid file cannot carry an inlay ("CMYK", ...), or None.  FormatError if it is not valid."""

    def embed(self, data: bytes, payload: bytes) -> bytes:
        """`data` with `payload` inside; an older payload is replaced.  `strip` of the result is `strip(data)`.

        FormatError if the file is damaged, UnsupportedError if it would not come back from `strip` as it was.
        """

    def extract(self, data: bytes) -> bytes | None:
        """The payload, or None if there is none."""

    def strip(self, data: bytes) -> bytes:
        """`data` without a payload: the bytes that `embed` was given."""

    def metadata(self, data: bytes) -> Metadata:
        """ICC profile, EXIF, XMP and dpi of a file: EXIF as it is, damaged or not."""

    def writable(self, info: Mapping[Any, Any], mode: str) -> Metadata:
        """What of an image's `info` a file of this format can hold, mended where it is damaged; `mode` is the image's."""

    def describe(self, data: bytes) -> dict[str, Any]:
        """Width, height and the coding of the base, for `info`."""


class BaseCodec(Protocol):
    """The picture in a file, encoded and decoded (a module is used as an object of this type)."""

    OPTIONS: set[str]  # of `encode`
    LOOP_LENGTH: float  # measured: the length of the closed loop's steps that gains most (`encoding.loop`)
    ENCODING_BYTES: dict[str, int]  # measured peak memory of an encoding, bytes a pixel by mode: picture, codec, planes of luma

    def encode(self, image: Image.Image, quality: float | None, options: dict[str, Any], *, shift: Shift | None = None) -> bytes:
        """The plain base file of an L, RGB or CMYK image, with what is `writable` of `image.info`.

        quality: 1..100, the codec's own scale, or None where an option says how good.  shift: (H, W), grey levels that are added to
        the luma: see `encoding.loop`.
        """

    def encoded_like(self, data: bytes, image: Image.Image, factor: float, made: Made | None = None) -> bytes | None:
        """`image` encoded as `data` was, only coarser by `factor` (finer below 1).  made: how `encode` made it, if that did.

        None where the codec cannot encode so, or where the factor changes nothing.  `image` may be a part of the picture.
        """

    def decode(self, data: bytes) -> Base:
        """The base, for restoring."""

    def decode_luma(self, data: bytes) -> Pixels:
        """The luma of the base alone, (H, W), in less memory."""

    def decode_image(self, data: bytes) -> Image.Image:
        """The base as any viewer shows it: L or RGB, with nothing in its `info`."""

    def decode_original(self, data: bytes) -> Image.Image:
        """The picture as an original for another file: L, RGB or CMYK, with nothing in its `info`."""

    def decoding_bytes(self, data: bytes) -> int:
        """The most memory that a decoding takes, about, the file included and a large picture's bands left out."""


@dataclass(frozen=True)
class Format:
    """A base format.  `name` is what the command line calls it, `extensions` are those of its files, the usual one first."""

    name: str
    extensions: tuple[str, ...]
    container: Container
    codec: BaseCodec


def by_name(name: str) -> Format:
    """The format called `name`; FormatError if there is none."""
    for each in all_formats():
        if name == each.name:
            return each
    raise FormatError(f"unknown format {name!r}; expected one of {', '.join(f.name for f in all_formats())}")


def by_content(data: bytes) -> Format:
    """The format that recognises `data`; FormatError if none does."""
    if (found := that_detects(data)) is not None:
        return found
    if packing.is_packed(data):
        raise FormatError("a packed file; expected the JPEG file in it, which `inlaid unpack` gives")
    expected = " or ".join(f.name.upper() for f in all_formats())
    raise FormatError(f"not a {expected} file: it begins with {bytes(data[:8]).hex(' ') or 'nothing'}")


def strip(data: bytes) -> bytes:
    """The base file of a file of any format.  FormatError if none recognises it."""
    return by_content(data).container.strip(data)


def that_detects(data: bytes) -> Format | None:
    """The format that recognises `data`, or None."""
    return next((each for each in all_formats() if each.container.detect(data)), None)


def by_extension(suffix: str) -> Format | None:
    """The format whose files end in `suffix` (".jpg"), or None."""
    return next((each for each in all_formats() if suffix in each.extensions), None)


def extensions() -> frozenset[str]:
    """The extensions of files that may carry an inlay."""
    return frozenset(suffix for each in all_formats() for suffix in each.extensions)


def all_formats() -> tuple[Format, ...]:
    """Every format."""
    with uncut():
        from . import jp2, jpeg

    return (jpeg.FORMAT, jp2.FORMAT)
