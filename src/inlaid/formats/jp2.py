"""JPEG 2000 as a base format: the payload travels in a `uuid` box before the header box, nothing else changes.

Pillow (OpenJPEG) codes the components; the boxes are `_jp2file`'s, the colours `_jp2channels`'.  FORMAT.md, section 1.  A bare
codestream (.j2k) is decoded, and has no place for a payload.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from ..errors import FormatError, LimitError, UnsupportedError
from ..metadata import exif, xmp
from ..metadata.tags import PREFIX
from . import Base, Metadata, Pixels, _jpegmeta
from ._jp2channels import Picture, check, picture
from ._jp2cost import check_cost
from ._jp2file import (
    CODESTREAM,
    EXIF_UUID,
    GEO_UUID,
    GRAY,
    HEADER,
    SIGNATURE,
    SRGB,
    STREAM,
    UUID,
    XMP_UUID,
    Box,
    Header,
    box,
    boxes,
    read_header,
    resolution,
    resolution_box,
    top_boxes,
)

NAME = "jpeg2000"
EXTENSIONS: tuple[str, ...] = (".jp2",)

IDENTIFIER = bytes.fromhex("b8bfa4b04e4c5d0b9b1f696e6c617900")  # ends in "inlay\0"
OVERHEAD_BYTES = 8 + len(IDENTIFIER)  # length, type, identifier
ENCODING_BYTES = {"L": 14, "RGB": 40}

OPTIONS = {"rate_bpp", "psnr_db"}


def detect(data: bytes) -> bool:
    """True if `data` begins like a JP2 file or a JPEG 2000 codestream."""
    return data.startswith((SIGNATURE, CODESTREAM))


def obstacle(data: bytes) -> str | None:
    """Why the filter cannot apply to this file, or None; FormatError if its header is damaged."""
    return read_header(data).obstacle()


# ------------------------------------------------------------------------------------------------ decoding


def decode_base(data: bytes) -> Base:
    """The base as OpenJPEG gives it; UnsupportedError if there is an `obstacle`."""
    header = read_header(data)
    if reason := header.obstacle():
        raise UnsupportedError(f"this JPEG 2000 file cannot carry an inlay: {reason}")
    if any(count != len(header.depths) for _, _, count in header.sizes):
        raise FormatError(f"the JPEG 2000 file's boxes and its codestream, of {len(header.depths)} components, contradict each other")
    return Base(header.model, _components(data, header))


def decode_luma(data: bytes) -> Pixels:
    """The luma of `decode_base`, (H, W)."""
    return decode_base(data).luma


def decode_image(data: bytes) -> Image.Image:
    """The picture as any viewer shows it, L or RGB, of 8 bits, on white; no EXIF orientation is applied.

    UnsupportedError where its colours or its components are of a kind that is not known here.
    """
    return _picture(data).on_white()


def decode_original(data: bytes) -> Image.Image:
    """The picture with its own channels: L, LA, RGB, RGBA or CMYK, of 8 bits; `metadata` has its ICC profile.  Errors as above."""
    return _picture(data).whole()


def decoding_bytes(data: bytes) -> int:
    """The file twice, Pillow's pixels of 4 bytes, and OpenJPEG's samples of 4 bytes, of a tile at a time, or as many of other colours."""
    header = read_header(data)
    tile_px = min(header.tile[0], header.width) * min(header.tile[1], header.height)
    channels_px = 3 * header.width * header.height if header.obstacle() else 0
    return 2 * len(data) + 4 * (header.width * header.height + max(len(header.depths) * tile_px, channels_px))


def _picture(data: bytes) -> Picture:
    header = read_header(data)
    check(header)
    return picture(_components(data, header), header)


def _components(data: bytes, header: Header) -> Image.Image:
    """The components as Pillow holds them: L or I;16, LA, RGB, RGBA, whatever they mean; every failure is an InlayError."""
    size = f"{header.width}x{header.height} pixels"
    if Image.MAX_IMAGE_PIXELS is not None and header.width * header.height > 2 * Image.MAX_IMAGE_PIXELS:
        raise LimitError(f"{size}; at most {2 * Image.MAX_IMAGE_PIXELS} are allowed (2 * PIL.Image.MAX_IMAGE_PIXELS)")
    for height, width, _ in header.sizes:
        if (width, height) != (header.width, header.height):
            raise FormatError(f"a box says {width}x{height} pixels, the codestream {size}")
    check_cost(data, header)
    try:
        # In boxes of our own: told of gray or sRGB, Pillow converts nothing.
        count, stream = len(header.depths), memoryview(data)[slice(*header.stream)]
        depth = 7 if header.depths[0] & 0x7F < 8 else 15
        inner = box(b"ihdr", struct.pack(">IIHBBBB", header.height, header.width, count, depth, 7, 0, 0))
        inner += box(b"colr", struct.pack(">BBBI", 1, 0, 0, GRAY if count < 3 else SRGB))
        parts = SIGNATURE, box(b"ftyp", b"jp2 \0\0\0\0jp2 "), box(HEADER, inner), struct.pack(">I4s", 0, STREAM), stream
        image = Jpeg2KImageFile(BytesIO(b"".join(parts)))
        image.load()
        image.info = {}
        return image
    except MemoryError as error:
        raise LimitError(f"no memory for {size}") from error
    except Exception as error:  # Pillow raises nearly anything for hostile bytes
        raise FormatError(f"cannot decode this JPEG 2000 file: {error}") from error


# ------------------------------------------------------------------------------------------------ encoding


def encode_base(image: Image.Image, quality: int | None, options: dict[str, Any]) -> bytes:
    """The plain base file of an L or RGB image (9/7 wavelet), with what is `writable` of `image.info`.

    One of three says how good: quality 1..100, which aims at a PSNR of 26 + quality / 5 dB; options["psnr_db"]; or
    options["rate_bpp"], bits a pixel of the coded picture without metadata.  UnsupportedError for anything else.
    """
    if unknown := set(options) - OPTIONS:
        raise UnsupportedError(f"unknown JPEG 2000 options {sorted(unknown)}; expected some of {sorted(OPTIONS)}")
    rate_bpp, psnr_db = options.get("rate_bpp"), options.get("psnr_db")
    if sum(value is not None for value in (quality, rate_bpp, psnr_db)) != 1:
        raise UnsupportedError("a JPEG 2000 file needs one of quality, rate_bpp and psnr_db")
    if quality is not None:
        if not 1 <= quality <= 100:
            raise UnsupportedError(f"JPEG 2000 quality {quality}; expected 1 to 100")
        psnr_db = 26 + quality / 5
    for name, value, most in (("rate", rate_bpp, 24.0), ("PSNR", psnr_db, 100.0)):
        if value is not None and not (math.isfinite(value) and 0 < value <= most):
            raise UnsupportedError(f"JPEG 2000 {name} {value}; expected more than 0, at most {most:g}")
    if psnr_db is not None:
        settings = {"quality_mode": "dB", "quality_layers": [float(psnr_db)]}
    else:
        settings = {"quality_mode": "rates", "quality_layers": [_ratio(image, float(rate_bpp or 0))]}
    return with_metadata(_save(image, **settings), writable(image.info, image.mode).items)


def requantised(data: bytes, image: Image.Image, factor: float) -> bytes | None:
    """`image` encoded as the base `data` was, without metadata, at its bytes divided by `factor`.

    Several quality layers are taken for one.  None where OpenJPEG cannot code like this.
    """
    header = read_header(data)
    if reason := header.obstacle():
        raise UnsupportedError(f"cannot encode like this JPEG 2000 file: {reason}")
    mode = "L" if header.model == "gray" else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    rate_bpp = 8 * (header.stream[1] - header.stream[0]) / (header.width * header.height)
    # Of the last tiles too: OpenJPEG ends the process where a decomposition leaves nothing of a tile.
    last = (side % tile or tile for side, tile in zip(image.size, header.tile, strict=True))
    least_side = min(*image.size, *header.tile, *last)
    try:
        return _save(
            image,
            quality_mode="rates",
            quality_layers=[_ratio(image, rate_bpp / factor)],
            irreversible=not header.reversible,
            mct=int(header.mixed),
            num_resolutions=min(header.resolutions, least_side.bit_length()),
            codeblock_size=tuple(min(side, 64) for side in header.code_block),
            **({"tile_size": header.tile} if header.tiled else {}),
        )
    except UnsupportedError:  # a structure that OpenJPEG does not write
        return None


def _ratio(image: Image.Image, rate_bpp: float) -> float:
    """What OpenJPEG calls a rate: raw bits to coded bits."""
    return max(1.0, 8 * len(image.getbands()) / rate_bpp)


def _save(image: Image.Image, **settings: Any) -> bytes:
    if image.mode not in ("L", "RGB"):
        raise UnsupportedError(f"a JPEG 2000 file of a {image.mode} image; expected L or RGB")
    file = BytesIO()
    try:
        # Without `info`, so that nothing of it gets in by Pillow's own choice.
        bare = Image.frombytes(image.mode, image.size, image.tobytes())
        bare.save(file, "JPEG2000", **({"irreversible": True, "mct": int(image.mode == "RGB")} | settings))
    except MemoryError as error:
        raise LimitError(f"no memory to encode {image.width}x{image.height} pixels") from error
    except Exception as error:
        raise UnsupportedError(f"Pillow cannot write this image as JPEG 2000: {error}") from error
    return file.getvalue()


def writable(info: Mapping[Any, Any], mode: str) -> Metadata:
    """What `encode_base` writes of an image's `info`: EXIF mended, XMP, ICC for pictures of this mode, dpi."""
    items: dict[str, Any] = {}
    notes: list[str] = []
    for key, value in _jpegmeta.texts(info, ("exif", "xmp", "icc_profile"), notes):
        said: tuple[str, ...] = ()
        if key == "exif":
            value, said = exif.mended(value)
        elif key == "xmp":
            value, said = xmp.without_further_pictures(value)
        elif value[16:20] != (b"GRAY" if mode == "L" else b"RGB "):
            value, said = b"", (f"the ICC profile is not for {'gray' if mode == 'L' else 'RGB'} and was left out",)
        notes += said
        if value:
            items[key] = value
    if (dpi := _jpegmeta.resolution(info)) is not None:
        items["dpi"] = dpi
    return Metadata(items, tuple(notes))


def with_metadata(data: bytes, items: Mapping[str, Any]) -> bytes:
    """A file as Pillow writes it, with these items, which are `writable`."""
    parts, added = [], b""
    if "exif" in items:
        added += box(UUID, EXIF_UUID + items["exif"].removeprefix(PREFIX))
    if "xmp" in items:
        added += box(UUID, XMP_UUID + items["xmp"])
    for each in boxes(data):
        whole = data[each.offset : each.end]
        if each.type == HEADER:
            inner = [(b.type, b.content(data)) for b in boxes(data, each.body, each.end)]
            if "icc_profile" in items:
                inner = [(kind, b"\2\0\0" + items["icc_profile"] if kind == b"colr" else body) for kind, body in inner]
            if "dpi" in items:
                inner.append((b"res ", box(b"resc", resolution_box(items["dpi"]))))
            whole = box(HEADER, b"".join(box(kind, body) for kind, body in inner))
        parts += [added, whole] if each.type == STREAM else [whole]
    return b"".join(parts)


# ------------------------------------------------------------------------------------------------ the payload


def embed(data: bytes, payload: bytes) -> bytes:
    """`data` with `payload` in a box of its own, in place of any older one; FormatError if the file is damaged.

    It goes before the header box, for Pillow looks for the codestream's comment right behind that.
    """
    if reason := obstacle(data):
        raise UnsupportedError(f"this JPEG 2000 file cannot carry an inlay: {reason}")
    plain = strip(data)
    at = next(b.offset for b in boxes(plain) if b.type in (HEADER, STREAM))
    return plain[:at] + box(UUID, IDENTIFIER + payload) + plain[at:]


def extract(data: bytes) -> bytes | None:
    """The payload, or None if there is none; what follows the codestream is not looked at."""
    ours = _ours(data)
    return b"".join(b.content(data)[len(IDENTIFIER) :] for b in ours) if ours else None


def strip(data: bytes) -> bytes:
    """`data` without a payload, byte for byte what `embed` was given; unchanged if there is none."""
    ours = _ours(data)
    kept = zip([0, *(each.end for each in ours)], [*(each.offset for each in ours), len(data)], strict=True)
    return b"".join(data[start:end] for start, end in kept) if ours else data


def _ours(data: bytes) -> list[Box]:
    found = []
    for each in top_boxes(data):
        if each.type == STREAM:
            break
        if each.type == UUID and data.startswith(IDENTIFIER, each.body):
            found.append(each)
    return found


def metadata(data: bytes) -> Metadata:
    """The ICC profile, EXIF, XMP and dpi."""
    items: dict[str, Any] = {}
    for each in top_boxes(data):
        body = each.content(data) if each.type == UUID else b""
        if body.startswith(EXIF_UUID):
            items.setdefault("exif", PREFIX + body[16:].removeprefix(PREFIX))
        elif body.startswith(XMP_UUID):
            items.setdefault("xmp", body[16:])
        for inner in boxes(data, each.body, each.end) if each.type == HEADER else ():
            content = inner.content(data)
            if inner.type == b"colr" and len(content) > 3 and content[0] in (2, 3):
                items.setdefault("icc_profile", content[3:])
            elif inner.type == b"res " and (dpi := resolution(content)):
                items.setdefault("dpi", dpi)
    if (said := exif.resolution(items.get("exif", b""))) is not None:
        items.setdefault("dpi", said)
    return Metadata(items)


def describe(data: bytes) -> dict[str, Any]:
    """The picture's size and coding, and the names of the boxes with metadata."""
    header = read_header(data)
    known = {EXIF_UUID: "EXIF", XMP_UUID: "XMP", GEO_UUID: "GeoJP2"}
    names = []
    for each in top_boxes(data):
        if each.type == UUID and not data.startswith(IDENTIFIER, each.body):
            names.append(known.get(data[each.body : each.body + 16], "uuid"))
        elif each.type == b"xml ":
            names.append("XML")
    return {
        "width": header.width,
        "height": header.height,
        "components": len(header.depths),
        "model": header.model,
        "wavelet": "5/3" if header.reversible else "9/7",
        "resolutions": header.resolutions,
        "layers": header.layers,
        "tile": list(header.tile) if header.tiled else None,
        "metadata": ["ICC"] * any(isinstance(space, str) for space in header.spaces) + names,
    }
