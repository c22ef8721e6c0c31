"""JPEG files of every kind, made segment by segment, and a reader of their segments that shares no code with the program."""

import struct
from typing import NamedTuple

import numpy as np
from PIL import Image

from inlaid.formats import jpeg

from .pictures import jpeg_of
from .programs import output, program

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
ALONE = {0x01, *range(0xD0, 0xDA)}  # markers without a length: TEM, RSTn, SOI, EOI
PAYLOAD = b"\x01" + bytes(range(256)) + b"\xff\xd9\xff\xda\xff\xff\x00"


def picture(width=53, height=37, mode="RGB", seed=1):
    """An image of smooth colours, an edge and some noise.  Neither default side is a multiple of 8."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 7 + k) * np.cos(y / (5 + k)) for k in range(len(Image.new(mode, (1, 1)).getbands()))]
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, len(waves)))
    planes = 128 + 90 * np.stack(waves, -1) + noise + 40 * (x > width // 2)[..., None]
    return Image.frombytes(mode, (width, height), planes.clip(0, 255).astype(np.uint8).tobytes())


def saved(image, **settings):
    """A JPEG file of the image: quality 70, 4:4:4."""
    return jpeg_of(image, **{"quality": 70, "subsampling": 0, **settings})


class Segment(NamedTuple):
    """A marker and its parameters: bytes [offset, end) of the file.  `body` is what follows marker and length."""

    marker: int
    offset: int
    end: int
    body: bytes


def segments(data):
    """The segments of a sound file from SOI to the first EOI.  Coded data and extra bytes before a marker are skipped."""
    found, at = [], 0
    while not found or found[-1].marker != EOI:
        passed = {0x00, 0xFF, *(range(0xD0, 0xD8) if found and found[-1].marker == SOS else ())}
        while data[at] != 0xFF or data[at + 1] in passed:
            at += 1
        marker = data[at + 1]
        end = at + 2 if marker in ALONE else at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        found.append(Segment(marker, at, end, data[at + 4 : end]))
        at = end
    return found


def header(data):
    """The segments from SOI to the first SOS."""
    found = segments(data)
    return found[: 1 + next(i for i, each in enumerate(found) if each.marker == SOS)]


def segment(marker, body=b""):
    """The bytes of a segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def marker_at(data, marker):
    """The first segment with this marker."""
    return next(each for each in segments(data) if each.marker == marker)


def replaced(data, offset, new):
    """`data` with the bytes `new` at `offset`, in place of as many."""
    return data[:offset] + new + data[offset + len(new) :]


EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"  # orientation 6
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
METADATA = [
    segment(0xE1, EXIF),
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
    segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(100)),
    segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(range(200))),
    segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x10jumb" + bytes(8)),
    segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x05hello\0"),
    segment(0xEE, b"Adobe\0\x64\0\0\0\0\1"),
    segment(0xFE, b"a comment \xff\xd9"),
    segment(0xE9, b"carrier, but not by us"),
    segment(0xE9, b"inlay"),
    segment(0xEF, b""),
]


def with_metadata(data):
    """`data` with the segments METADATA."""
    return data[:20] + b"".join(METADATA) + data[20:]  # behind SOI and JFIF


def with_fill(data):
    """`data` with fill bytes (FF) before every marker of its header except SOI."""
    found = header(data)[1:]
    return data[:2] + b"".join(b"\xff\xff" + data[each.offset : each.end] for each in found) + data[found[-1].end :]


def mpf(order, size, offset, entries=None):
    """The body of an MPF segment (APP2) for two images.

    size: bytes of the first image.  offset: place of the second image, counted from the byte order mark.
    """
    first = struct.pack(order + "IIIHH", 0x030000, size, 0, 0, 0) + struct.pack(order + "IIIHH", 0, 0, offset, 0, 0)
    table = entries if entries is not None else first
    fields = [(0xB000, 7, 4, b"0100"), (0xB001, 4, 1, struct.pack(order + "I", 2))]
    fields.append((0xB002, 7, len(table), struct.pack(order + "I", 8 + 2 + 3 * 12 + 4)))
    directory = b"".join(struct.pack(order + "HHI", *field[:3]) + field[3] for field in fields)
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    return b"MPF\0" + mark + struct.pack(order + "H", 3) + directory + bytes(4) + table


def two_images(order, padding=0, first=None):
    """A file of two images with a correct MPF index, and the second image.

    padding: bytes behind the first image that belong to it.
    """
    first, second = with_metadata(first or saved(picture())), saved(picture(40, 24, seed=2))
    at = first.index(b"\xff\xe2")
    size = len(first) + len(segment(0xE2, mpf(order, 0, 0))) + padding
    index = mpf(order, size, size - (at + 8))
    index = index[:-12] + struct.pack(order + "I", len(second)) + index[-8:]
    return first[:at] + segment(0xE2, index) + first[at:] + bytes(padding) + second, second


def rotated_422():
    """A 4:4:0 file: a 4:2:2 file, rotated by jpegtran.  Skips the test where jpegtran is not installed."""
    return output(program("jpegtran"), "-rotate", "90", data=saved(picture(64, 48), subsampling=1))


def without_jfif(data):
    """`data` without its JFIF segment."""
    jfif = marker_at(data, 0xE0)
    return data[: jfif.offset] + data[jfif.end :]


def by_trellis(mode="RGB", **options):
    """A file of our own base encoder."""
    return jpeg.codec.encode(picture(mode=mode), 60, {"base": "trellis", **options})


# Every kind that can take a payload, by name: functions that make the file.
VARIANTS = {
    "gray": lambda: saved(picture(mode="L")),
    "444": lambda: saved(picture()),
    "422": lambda: saved(picture(), subsampling=1),
    "420": lambda: saved(picture(), subsampling=2),
    "440": rotated_422,
    "one pixel": lambda: saved(picture(1, 1), subsampling=2),
    "progressive": lambda: saved(picture(), subsampling=2, progressive=True),
    "optimised": lambda: saved(picture(), subsampling=2, optimize=True),
    "restarts": lambda: saved(picture(), subsampling=2, restart_marker_rows=1),
    "16-bit tables": lambda: saved(picture(), quality=-1, qtables=[list(range(250, 314))]),
    "rgb": lambda: saved(picture(), keep_rgb=True),
    "cmyk": lambda: saved(picture(mode="CMYK")),
    "metadata": lambda: with_metadata(saved(picture())),
    "no JFIF": lambda: without_jfif(saved(picture())),
    "fill bytes": lambda: with_fill(with_metadata(saved(picture()))),
    "trailer": lambda: saved(picture()) + b"Samsung\xff\xd8\xff\xe9\0\x09inlay\0\xff\xd9" + bytes(50),
    "two images <": lambda: two_images("<")[0],
    "two images >": lambda: two_images(">")[0],
    "trellis gray": lambda: by_trellis(mode="L"),
    "trellis 420": lambda: by_trellis(progressive=False),
    "trellis 444, progressive": lambda: by_trellis(subsampling="444", progressive=True),
}

SMALL_PICTURE = picture(16, 16)
BASE = saved(SMALL_PICTURE, subsampling=2)


def with_sof(data, offset, new):
    """`data` with the bytes `new` at `offset` in its frame header's body: 0 bits, 1 height, 3 width, 5 components."""
    sof = next(each for each in header(data) if each.marker in (0xC0, 0xC1, 0xC2))
    return replaced(data, sof.offset + 4 + offset, new)


def claiming(data, width, height):
    """`data` with this size in its frame header."""
    return with_sof(data, 1, struct.pack(">HH", height, width))


def with_frame_marker(marker):
    """BASE with this marker for its frame header."""
    return replaced(BASE, marker_at(BASE, 0xC0).offset, bytes((0xFF, marker)))


def components(*factors):
    """A file of this many components, each with sampling factors (4 bits across, 4 bits down), and a scan of nothing."""
    body = b"\x08\0\x10\0\x10" + bytes([len(factors)]) + b"".join(bytes((k, hv, 0)) for k, hv in enumerate(factors))
    return b"\xff\xd8" + segment(0xC0, body) + segment(0xDA, b"\1\0\0\0\x3f\0") + b"\0\xff\xd9"


# (what `obstacle` says, file) of what takes a payload and cannot be restored.
OBSTACLES = [
    *(("lossless", with_frame_marker(marker)) for marker in (0xC3, 0xC7, 0xCB, 0xCF)),
    *(("arithmetic coding", with_frame_marker(marker)) for marker in (0xC9, 0xCA, 0xCD, 0xCE)),
    *(("hierarchical", with_frame_marker(marker)) for marker in (0xC5, 0xC6)),
    ("hierarchical", BASE[:20] + segment(0xDE, b"\x08\0\x08\0\x08\1\1\x11\0") + BASE[20:]),
    ("JPEG-LS", with_frame_marker(0xF7)),
    ("12-bit samples", with_sof(BASE, 0, b"\x0c")),
    ("height given after the first scan", with_sof(BASE, 1, b"\0\0")),
    ("CMYK", saved(picture(mode="CMYK"))),
    ("2 components", components(0x11, 0x11)),
    ("5 components", components(*[0x11] * 5)),
    ("fractional subsampling", components(0x31, 0x21, 0x11)),
]
# With metadata, to be damaged.
SMALL_FILES = [with_metadata(BASE), with_metadata(saved(SMALL_PICTURE, progressive=True)), two_images(">", first=BASE)[0]]
