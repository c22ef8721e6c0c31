"""JPEG 2000 as a base format: the payload travels in a `uuid` box before the codestream, nothing else changes.

Pillow (OpenJPEG) codes the pixels; the boxes are `_jp2file`'s.  FORMAT.md, section 1.  A bare codestream (.j2k) is decoded, and has no
place for a payload.
"""

from __future__ import annotations

import math
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from ..errors import FormatError, LimitError, UnsupportedError
from . import Base, Pixels
from ._jp2cost import check_cost
from ._jp2file import (
    CODESTREAM,
    EXIF_UUID,
    GEO_UUID,
    HEADER,
    SIGNATURE,
    STREAM,
    UUID,
    XMP_UUID,
    Box,
    Header,
    box,
    boxes,
    read_header,
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
    image = _decode(data, header)
    if image.mode != ("L" if header.model == "gray" else "RGB"):
        raise FormatError(f"the JPEG 2000 file's boxes and its codestream, of {len(header.depths)} components, contradict each other")
    return Base(header.model, image)


def decode_luma(data: bytes) -> Pixels:
    """The luma of `decode_base`, (H, W)."""
    return decode_base(data).luma


def decode_image(data: bytes) -> Image.Image:
    """The picture as any viewer shows it, L or RGB, of more than 8 bits the highest; no EXIF orientation is applied."""
    return _decode(data, read_header(data))


def decoding_bytes(data: bytes) -> int:
    """The file twice, Pillow's pixels of 4 bytes, and OpenJPEG's samples of 4 bytes, of a tile at a time."""
    header = read_header(data)
    tile_px = min(header.tile[0], header.width) * min(header.tile[1], header.height)
    return 2 * len(data) + 4 * (header.width * header.height + len(header.depths) * tile_px)


def _decode(data: bytes, header: Header) -> Image.Image:
    """An image in Pillow's mode L or RGB; every failure is an InlayError."""
    size = f"{header.width}x{header.height} pixels"
    if Image.MAX_IMAGE_PIXELS is not None and header.width * header.height > 2 * Image.MAX_IMAGE_PIXELS:
        raise LimitError(f"{size}; at most {2 * Image.MAX_IMAGE_PIXELS} are allowed (2 * PIL.Image.MAX_IMAGE_PIXELS)")
    check_cost(data, header)
    try:
        # Without the payload: wherever a file has it, before the box `ftyp` too, its base is that of the stripped file.
        image = Jpeg2KImageFile(BytesIO(strip(data)))
        if image.size != (header.width, header.height):  # Pillow takes its size from a box, and allocates by it
            raise FormatError(f"a box says {image.width}x{image.height} pixels, the codestream {size}")
        image.load()
        if image.mode == "I;16":
            return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        mode = "L" if image.mode in ("L", "LA") else "RGB"
        plain = image if image.mode == mode else image.convert(mode)
        plain.info = {}
        return plain
    except MemoryError as error:
        raise LimitError(f"no memory for {size}") from error
    except Exception as error:  # Pillow raises nearly anything for hostile bytes
        raise FormatError(f"cannot decode this JPEG 2000 file: {error}") from error


# ------------------------------------------------------------------------------------------------ encoding


def encode_base(image: Image.Image, quality: int | None, options: dict[str, Any]) -> bytes:
    """The plain base file of an L or RGB image (9/7 wavelet), with the ICC, EXIF and XMP of `image.info`.

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
    return _with_metadata(_save(image, **settings), image)


def requantised(data: bytes, image: Image.Image, factor: float) -> bytes | None:
    """`image` encoded as the base `data` was, without metadata, at its bytes divided by `factor`.

    Several quality layers are taken for one.  None where OpenJPEG cannot code like this.
    """
    header = read_header(data)
    if reason := header.obstacle():
        raise UnsupportedError(f"cannot encode like this JPEG 2000 file: {reason}")
    mode = "L" if header.model == "gray" else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    rate_bpp = 8 * header.stream_bytes / (header.width * header.height)
    least_side = min(*image.size, *header.tile)
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


def _with_metadata(data: bytes, image: Image.Image) -> bytes:
    """The file with the ICC, EXIF and XMP that the image came with."""
    parts, added = [], b""
    exif, xmp, icc = (image.info.get(key) for key in ("exif", "xmp", "icc_profile"))
    if isinstance(exif, bytes) and exif:
        added += box(UUID, EXIF_UUID + exif.removeprefix(b"Exif\0\0"))
    if isinstance(xmp, str):
        xmp = xmp.encode()
    if isinstance(xmp, bytes) and xmp:
        added += box(UUID, XMP_UUID + xmp)
    for each in boxes(data):
        whole = data[each.offset : each.end]
        if each.type == HEADER and isinstance(icc, bytes) and icc[16:20] == (b"GRAY" if image.mode == "L" else b"RGB "):
            inner = [(b.type, b.content(data)) for b in boxes(data, each.body, each.end)]
            whole = box(HEADER, b"".join(box(kind, b"\2\0\0" + icc if kind == b"colr" else body) for kind, body in inner))
        parts += [added, whole] if each.type == STREAM else [whole]
    return b"".join(parts)


# ------------------------------------------------------------------------------------------------ the payload


def embed(data: bytes, payload: bytes) -> bytes:
    """`data` with `payload` in a box of its own before the codestream, in place of any older one; FormatError if the file is damaged."""
    if reason := obstacle(data):
        raise UnsupportedError(f"this JPEG 2000 file cannot carry an inlay: {reason}")
    plain = strip(data)
    at = next(b.offset for b in boxes(plain) if b.type == STREAM)
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


def metadata(data: bytes) -> dict[str, Any]:
    """The ICC profile, EXIF and XMP, as Pillow names and writes them, of those that are there."""
    found: dict[str, Any] = {}
    for each in top_boxes(data):
        body = each.content(data) if each.type in (UUID, HEADER) else b""
        if body.startswith(EXIF_UUID):
            found["exif"] = b"Exif\0\0" + body[16:].removeprefix(b"Exif\0\0")
        elif body.startswith(XMP_UUID):
            found["xmp"] = body[16:]
        for inner in boxes(data, each.body, each.end) if each.type == HEADER else ():
            if inner.type == b"colr" and inner.end - inner.body > 3 and data[inner.body] in (2, 3):
                found["icc_profile"] = inner.content(data)[3:]
    return found


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
        "metadata": ["ICC"] * (0 in header.spaces) + names,
    }
