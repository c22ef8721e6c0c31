"""JPEG files packed into JPEG XL without loss: 7 to 17 % fewer bytes, and the JPEG comes back byte for byte, its inlay included.

A packed file is a JPEG XL container (ISO/IEC 18181-2) with a box of what the codestream lacks of the JPEG:

    +------+------+--------------------------------+------+--------------------------------+
    | JXL  | ftyp | jxlp                           | jbrd | jxlp                           |
    +------+------+--------------------------------+------+--------------------------------+
                    number, the codestream's begin  tables, segments   number, the rest

`imagecodecs` packs and unpacks (the `pack` extra).  The size of the picture is read here, so that limits hold before anything is unpacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ..errors import FormatError, InlayError, UnsupportedError

_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
_CODESTREAM = b"\xff\x0a"
_HEADER_BYTES = 16  # of a codestream: more than its size takes
NO_JPEG = "this JPEG XL file holds no JPEG file; expected one that `inlaid pack` made"
_RATIOS = {1: (1, 1), 2: (6, 5), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}  # width : height
PACKING_BYTES, UNPACKING_BYTES = 17, 6  # measured: the peak memory of each, bytes a pixel
PACKING_SHARE = 21  # measured: packing takes this much more for a byte of the file
EXTENSION = ".jxl"


def is_packed(data: bytes) -> bool:
    """True if `data` begins like a JPEG XL container."""
    return data.startswith(_SIGNATURE)


def is_other(data: bytes) -> bool:
    """True if `data` begins like a JPEG XL file and holds no JPEG file.  FormatError if it is damaged."""
    return data.startswith(_CODESTREAM) or (is_packed(data) and all(kind != b"jbrd" for kind, _ in _boxes(data)))


def obstacle() -> str | None:
    """Why nothing can be packed or unpacked here, or None."""
    try:
        _imagecodecs()
    except InlayError as error:
        return str(error)
    return None


def pack(data: bytes) -> bytes:
    """The packed file of a JPEG file.  UnsupportedError if it would not come back byte for byte."""
    codecs = _imagecodecs()
    try:
        packed: bytes = codecs.jpegxl_encode_jpeg(data, usecontainer=True)
    except codecs.JpegxlError as error:
        raise UnsupportedError(f"JPEG XL cannot pack this file; expected a whole JPEG file in gray, YCbCr or RGB ({error})") from error
    if _unpacked(packed) != data:
        raise UnsupportedError("JPEG XL would not give this file back byte for byte; it was not packed")
    return packed


def unpack(packed: bytes) -> bytes:
    """The JPEG file in a packed file.  FormatError if there is none."""
    picture_size(packed)
    return _unpacked(packed)


def picture_size(packed: bytes) -> tuple[int, int]:
    """Width and height of a packed file's picture, without unpacking it.  FormatError if it holds no JPEG."""
    if is_other(packed):
        raise FormatError(NO_JPEG)
    parts = (body[4:] if kind == b"jxlp" else body for kind, body in _boxes(packed) if kind in (b"jxlp", b"jxlc"))
    begin = b"".join(bytes(part[:_HEADER_BYTES]) for part in parts)
    if not begin.startswith(_CODESTREAM):
        raise FormatError("the packed file is damaged: its boxes hold no codestream")
    bits = _Bits(begin[len(_CODESTREAM) :])
    small = bits.take(1)
    height = bits.side(small)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height * across // down, height
    return bits.side(small), height


class _Bits:
    """The size header of a codestream (ISO/IEC 18181-1, D.2), read from the lowest bit on."""

    def __init__(self, data: bytes) -> None:
        self.rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """The next bits as a number."""
        value = self.rest & ((1 << count) - 1)
        self.rest >>= count
        return value

    def side(self, small: int) -> int:
        """A width or height; `small`: one of at most 256, a multiple of 8."""
        return 8 * (1 + self.take(5)) if small else 1 + self.take((9, 13, 18, 30)[self.take(2)])


def _boxes(packed: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The kinds and bodies of the boxes; FormatError if the file ends in one."""
    view, at = memoryview(packed), 0
    while at < len(packed):
        size, header = int.from_bytes(view[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(view[at + 8 : at + 16], "big"), 16
        end = len(packed) if size == 0 else at + size
        if (size and size < header) or end > len(packed) or at + header > len(packed):
            raise FormatError(f"the packed file is damaged: it ends in the box at byte {at}")
        yield bytes(view[at + 4 : at + 8]), view[at + header : end]
        at = end


def _unpacked(packed: bytes) -> bytes:
    codecs = _imagecodecs()
    try:
        data: bytes = codecs.jpegxl_decode_jpeg(packed)
    except (codecs.JpegxlError, ValueError) as error:
        raise FormatError(f"the packed file is damaged ({error})") from error
    return data


def _imagecodecs() -> Any:
    """The library; InlayError without the `pack` extra."""
    try:
        codecs = import_module("imagecodecs")
    except ImportError as error:
        raise InlayError(f"packed files need {error.name or 'imagecodecs'}: pip install 'inlaid[pack]'") from error
    if not hasattr(codecs, "jpegxl_decode_jpeg"):
        raise InlayError("this build of imagecodecs has no JPEG XL; expected one from the package index: pip install 'inlaid[pack]'")
    return codecs
