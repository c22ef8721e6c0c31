"""JPEG 2000 files of every kind, made box by box, and a reader of their boxes that shares no code with the program."""

import struct
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from .pictures import coloured, file_of, texture

SIGNATURE = bytes.fromhex("0000000c 6a502020 0d0a870a")  # the first box of a JP2 file
CODESTREAM = bytes.fromhex("ff4f ff51")  # how a codestream begins: SOC, SIZ
EXIF_UUID = b"JpgTiffExif->JP2"
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
GEO_UUID = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")
GRAY, COLOUR = texture(160, 120, seed=1), coloured(192, 144, seed=2)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
EXIF = Image.Exif()
EXIF[0x010F] = "a camera"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


class Box(NamedTuple):
    """A box: bytes [offset, end) of the file.  `body` is what follows length and type."""

    type: bytes
    offset: int
    end: int
    body: bytes


def box(kind, body):
    """The bytes of a box."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def boxes(data, start=0, end=None):
    """The boxes in `data[start:end]`, in order.  A length of 0 or one that is too large goes to the end."""
    end, found = len(data) if end is None else end, []
    while start < end:
        length, kind = struct.unpack_from(">I4s", data, start)
        head = 16 if length == 1 else 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start + 8)
        after = min(start + length, end) if length else end
        found.append(Box(kind, start, after, data[start + head : after]))
        start = after
    return found


def saved(pixels, **settings):
    """A JP2 file of an array or an image: the 9/7 wavelet, one sixteenth of the raw bytes."""
    return file_of(pixels, "JPEG2000", **({"irreversible": True, "quality_mode": "rates", "quality_layers": [16]} | settings))


def split(data):
    """The bytes before the codestream's box, and the codestream."""
    stream = next(b for b in boxes(data) if b.type == b"jp2c")
    return data[: stream.offset], stream.body


def with_boxes(data, *added):
    """`data` with more boxes (type, body) before its codestream."""
    head, stream = split(data)
    return head + b"".join(box(*each) for each in added) + box(b"jp2c", stream)


def in_header(data, edit):
    """`data` with other boxes in its jp2h box: `edit` is given their list of (type, body) and returns the new one."""
    parts = []
    for each in boxes(data):
        if each.type == b"jp2h":
            inner = [(b.type, b.body) for b in boxes(data, each.end - len(each.body), each.end)]
            parts.append(box(b"jp2h", b"".join(box(*b) for b in edit(inner))))
        else:
            parts.append(data[each.offset : each.end])
    return b"".join(parts)


def in_space(data, number):
    """`data` with this enumerated colour space."""
    return in_header(data, lambda inner: [(k, b"\1\0\0" + struct.pack(">I", number) if k == b"colr" else b) for k, b in inner])


FULL = (
    (b"xml ", b"<a>some</a>"),
    (b"uuid", EXIF_UUID + EXIF.tobytes().removeprefix(b"Exif\0\0")),
    (b"uuid", XMP_UUID + XMP),
    (b"uuid", GEO_UUID + b"II*\0"),
)
# Every kind that can take a payload, by name.
FILES = {
    "gray": saved(GRAY),
    "colour": saved(COLOUR, mct=1),
    "reversible, tiles": saved(COLOUR, irreversible=False, tile_size=(64, 64), quality_layers=[20, 10]),
    "boxes": with_boxes(saved(GRAY), *FULL),
    "to the end": split(saved(GRAY))[0] + b"\0\0\0\0jp2c" + split(saved(GRAY))[1],
    "long length": split(saved(GRAY))[0] + struct.pack(">I4sQ", 1, b"jp2c", 16 + len(split(saved(GRAY))[1])) + split(saved(GRAY))[1],
    "behind": saved(GRAY) + box(b"xml ", b"<b/>"),
    "cut off": saved(GRAY)[:-200],
}
# Files that cannot carry an inlay, by what `obstacle` says of them.
RGBA = saved(Image.fromarray(np.dstack([COLOUR, COLOUR[..., 0]])), mct=0)
OBSTACLES = {
    "a bare codestream": split(FILES["gray"])[1],
    "alpha": RGBA,
    "2 components": saved(Image.fromarray(np.dstack([GRAY, GRAY]), "LA")),
    "16-bit": saved(Image.fromarray(GRAY.astype(np.uint16) * 257)),
    "palette": in_header(FILES["gray"], lambda inner: [*inner, (b"pclr", b"\0\2\3\7\7\7" + bytes(6)), (b"cmap", bytes(12))]),
    "sYCC": in_space(FILES["colour"], 18),
    "colour space 12": in_space(FILES["colour"], 12),
    "subsampled": FILES["colour"].replace(b"\7\1\1\7\1\1\7\1\1", b"\7\1\1\7\2\2\7\2\2"),
    "signed": FILES["gray"].replace(b"\0\1\7\1\1", b"\0\1\x87\1\1"),
    "'ftbl'": with_boxes(FILES["gray"], (b"ftbl", bytes(8))),
}
SMALL_FILES = [with_boxes(saved(pixels), *FULL) for pixels in (texture(16, 16), coloured(16, 16))]


def claiming(data, width, height):
    """`data` with this size in its codestream and in its header box."""
    size = struct.pack(">II", height, width)
    data = in_header(data, lambda inner: [(kind, size + body[8:] if kind == b"ihdr" else body) for kind, body in inner])
    at = data.index(CODESTREAM) + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]
