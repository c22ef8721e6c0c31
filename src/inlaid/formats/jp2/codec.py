"""JPEG 2000 as a base codec: Pillow (OpenJPEG) encodes and decodes the components, `channels` makes colours of them."""

from __future__ import annotations

import math
import struct
from io import BytesIO
from typing import Any

from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from ...arrays import Pixels, Shift
from ...errors import FormatError, LimitError, UnsupportedError
from ..base import Base, Made, shifted_by
from .boxes import HEADER, SIGNATURE, STREAM, box
from .channels import Picture, check, picture
from .container import with_metadata, writable
from .cost import check_cost
from .header import GRAY, SRGB, Header, read_header

OPTIONS = {"rate_bpp", "psnr_db", "block_px"}
BLOCKS_PX = (64, 32, 16)
LOOP_LENGTH = 1.5
ENCODING_BYTES = {"L": 14, "RGB": 40}


def decode(data: bytes) -> Base:
    """The base as OpenJPEG gives it; UnsupportedError if there is an `obstacle`."""
    header = read_header(data)
    if reason := header.obstacle():
        raise UnsupportedError(f"this JPEG 2000 file cannot carry an inlay: {reason}")
    if any(count != len(header.depths) for _, _, count in header.sizes):
        raise FormatError(f"the JPEG 2000 file's boxes and its codestream, of {len(header.depths)} components, contradict each other")
    return Base(header.model, _components(data, header))


def decode_luma(data: bytes) -> Pixels:
    """The luma of `decode`, (H, W)."""
    return decode(data).luma


def decode_image(data: bytes) -> Image.Image:
    """The picture as any viewer shows it, L or RGB, of 8 bits, on white; no EXIF orientation is applied.

    UnsupportedError where its colours or its components are of a kind that is not known here.
    """
    return _picture(data).on_white()


def decode_original(data: bytes) -> Image.Image:
    """The picture with its own channels: L, LA, RGB, RGBA or CMYK, of 8 bits; `metadata` has its ICC profile.  Errors as above."""
    return _picture(data).whole()


def decoding_bytes(data: bytes) -> int:
    """The file twice, 4 bytes a pixel for Pillow, and 4 a sample of a tile for OpenJPEG or, if more, 12 a pixel to convert colours."""
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
        # In boxes of our own that say gray or sRGB, so that Pillow converts nothing.
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


def encode(image: Image.Image, quality: float | None, options: dict[str, Any], *, shift: Shift | None = None) -> bytes:
    """The plain base file of an L or RGB image (9/7 wavelet), with what is `writable` of `image.info`.

    One of three says how good: quality 1..100, which aims at a PSNR of 26 + quality / 5 dB; options["psnr_db"]; or
    options["rate_bpp"], bits a pixel of the coded picture without metadata.  options["block_px"]: the side of a code block, one of
    BLOCKS_PX, by default 64.  Smaller ones cost bytes, but a file's size then changes in smaller steps.  UnsupportedError for anything
    else.
    """
    if unknown := set(options) - OPTIONS:
        raise UnsupportedError(f"unknown JPEG 2000 options {sorted(unknown)}; expected some of {sorted(OPTIONS)}")
    rate_bpp, psnr_db = options.get("rate_bpp"), options.get("psnr_db")
    block_px = options.get("block_px", BLOCKS_PX[0])
    if block_px not in BLOCKS_PX:
        raise UnsupportedError(f"JPEG 2000 code blocks of {block_px} pixels; expected one of {', '.join(map(str, BLOCKS_PX))}")
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
    shifted = image if shift is None else shifted_by(image, shift)
    return with_metadata(_save(shifted, codeblock_size=(block_px, block_px), **settings), writable(image.info, image.mode).items)


def encoded_like(data: bytes, image: Image.Image, factor: float, made: Made | None = None) -> bytes | None:
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
