"""JPEG as a base codec: Pillow (libjpeg-turbo) decodes the pixels; it or our own trellis encodes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from ...arrays import Pixels, Shift
from ...errors import FormatError, LimitError, UnsupportedError
from ...threads import uncut
from ..base import Base, Made, pixels, shifted_by
from .header import Header, read_header
from .metadata import pillow_settings, writable
from .segments import APP0, APP15, COM, SOS, head, pixels_only, walk

OPTIONS = {"base", "tune", "subsampling", "progressive", "optimize", "tilt"}
BASES, TUNES = ("trellis", "turbo"), ("looks", "psnr")
LOOP_LENGTH = 1.75
ENCODING_BYTES = {"L": 14, "RGB": 24}
MAX_SIDE_PX = 65500  # libjpeg's JPEG_MAX_DIMENSION
MAX_SCANS = 500  # some ten are usual; each costs a pass over the picture, and next to no bytes

_TILT = 0.02  # of the steps of a turbo quality between whole ones, see `_tilted`
_SUBSAMPLING = {"444": 0, "422": 1, "420": 2}  # Pillow's numbers
_maxblock = threading.Lock()


def decode(data: bytes) -> Base:
    """The base in the planes it was coded in, as libjpeg makes them; UnsupportedError if there is an `obstacle`."""
    header = _usable_header(data)
    return Base(header.model, _pillow(data, header, "L" if header.model == "gray" else "planes"))


def decode_luma(data: bytes) -> Pixels:
    """The luma of `decode`, (H, W); of YCbCr libjpeg decodes nothing else."""
    header = _usable_header(data)
    return decode(data).luma if header.model == "rgb" else pixels(_pillow(data, header, "L"))


def decode_image(data: bytes) -> Image.Image:
    """The picture as any viewer shows it, L or RGB; the orientation in its EXIF is not applied."""
    header = read_header(data)
    return _pillow(data, header, "L" if header.model == "gray" else "RGB")


def decode_original(data: bytes) -> Image.Image:
    """The picture in the mode that it was coded in: L, RGB or CMYK."""
    header = read_header(data)
    return _pillow(data, header, None)


def decoding_bytes(data: bytes) -> int:
    """The file twice, Pillow's pixels of 4 bytes, and all coefficients of a progressive file."""
    header = read_header(data)
    samples = sum(c.h * c.v for c in header.components) / max(c.h * c.v for c in header.components)
    a_pixel = (1 if header.model == "gray" else 4) + (2 * samples if header.progressive else 0)
    return 2 * len(data) + int(a_pixel * header.width * header.height)


def _usable_header(data: bytes) -> Header:
    header = read_header(data)
    if reason := header.obstacle():
        raise UnsupportedError(f"this JPEG file cannot carry an inlay: {reason}")
    return header


def _pillow(data: bytes, header: Header, wanted: str | None) -> Image.Image:
    """An image in Pillow's mode L or RGB, or in RGB the file's own three "planes", or as it is; every failure is an InlayError."""
    _check_cost(data, header)
    try:
        # Not Image.open: it would parse and judge metadata (EXIF, MPF), which is no reason to refuse a picture.
        image = JpegImageFile(BytesIO(pixels_only(data, header.segments)))
        image.decodermaxblock = len(data)  # all at once, for libjpeg's arithmetic decoder cannot wait for more
        if wanted == "L":
            image.draft("L", None)
        if wanted == "planes":  # said to be RGB already, so that libjpeg converts nothing
            image.tile = [ImageFile._Tile(*tile[:3], (image.mode, "RGB")) for tile in image.tile]
        image.load()
        mode = {"L": "L", None: image.mode}.get(wanted, "RGB")
        plain = image if image.mode == mode else image.convert(mode)
        plain.info = {}
        return plain
    except MemoryError as error:
        raise LimitError(f"no memory for {header.width}x{header.height} pixels") from error
    except Exception as error:  # Pillow raises nearly anything for hostile bytes
        if reason := header.obstacle():
            raise UnsupportedError(f"cannot decode this JPEG file: {reason}") from error
        raise FormatError(f"cannot decode this JPEG file: {error}") from error


def _check_cost(data: bytes, header: Header) -> None:
    """Refuse, before any pixel is allocated, what is out of proportion to the file."""
    size = f"{header.width}x{header.height} pixels"
    if Image.MAX_IMAGE_PIXELS is not None and header.width * header.height > 2 * Image.MAX_IMAGE_PIXELS:
        raise LimitError(f"{size}; at most {2 * Image.MAX_IMAGE_PIXELS} are allowed (2 * PIL.Image.MAX_IMAGE_PIXELS)")
    # A Huffman code is at least one bit long, and every block has one.  Arithmetic coding knows no such floor.
    coded_bytes = len(data) - header.segments[-1].end  # the header, an inlay among it, does not count
    if not header.arithmetic and header.blocks() > 8 * coded_bytes:
        raise FormatError(f"{size} need at least {header.blocks() // 8} bytes; the JPEG file has {coded_bytes} behind its header")
    scans = 0
    try:
        for segment in walk(data):
            scans += segment.marker == SOS
            if scans > MAX_SCANS:
                raise LimitError(f"the JPEG file has more than {MAX_SCANS} scans")
    except FormatError:
        pass  # damage behind the header is the decoder's to judge: it may show the picture nevertheless


def encode(
    image: Image.Image, quality: float | None, options: dict[str, Any], *, shift: Shift | None = None, coarser: float = 1.0
) -> bytes:
    """The plain base file of an L, RGB or CMYK image, with what is `writable` of `image.info`.

    quality: 1..100, libjpeg's.  options: base "turbo" (default) | "trellis"; tune "looks" (default) | "psnr", which turbo does not
    heed; subsampling "444" | "422" | "420" (default), for RGB only; progressive, by default where that is smaller, of turbo False;
    optimize, of turbo only, True by default; tilt: how much larger, as a share, the steps of the highest frequencies are, and how much
    smaller those of the lowest, by default not at all.  CMYK is left to turbo.  UnsupportedError for anything else.
    """
    wanted = _Options.of(options)
    if quality is None or not 1 <= quality <= 100:
        raise UnsupportedError(f"JPEG quality {quality}; expected 1 to 100")
    _check(image)
    items = writable(image.info, image.mode).items
    if wanted.base == "trellis" and image.mode != "CMYK":
        with uncut():
            from . import trellis

        kind = trellis.Kind(wanted.tune, wanted.subsampling, wanted.progressive, wanted.tilt)
        return trellis.encode(image, quality, kind, coarser=coarser, shift=shift, metadata=_segments(items))
    # Pillow takes whole qualities.  Tables make the ones between.
    fineness: dict[str, Any] = {"quality": round(quality)}
    if coarser != 1 or quality != round(quality) or wanted.tilt:
        tables = _standard_tables()[: 2 if image.mode == "RGB" else 1]
        fineness = {"qtables": [_tilted(table, coarser * _libjpegs_scale(quality), wanted.tilt or _TILT) for table in tables]}
    return _save(
        image if shift is None else shifted_by(image, shift),
        # Pillow would apply it to gray and CMYK too, where it means nothing good.
        subsampling=_SUBSAMPLING[wanted.subsampling] if image.mode == "RGB" else -1,
        progressive=bool(wanted.progressive),
        optimize=wanted.optimize,
        **fineness,
        **pillow_settings(items),
    )


@dataclass(frozen=True)
class _Options:
    """The options of `encode`."""

    base: str = "turbo"
    tune: str = "looks"
    subsampling: str = "420"
    progressive: bool | None = None
    optimize: bool = True
    tilt: float = 0.0

    @classmethod
    def of(cls, options: dict[str, Any]) -> _Options:
        """Those given, and the defaults; UnsupportedError for what is not known or does not go together."""
        if unknown := set(options) - OPTIONS:
            raise UnsupportedError(f"unknown JPEG options {sorted(unknown)}; expected some of {sorted(OPTIONS)}")
        chosen = cls(**options)
        for name, known in (("base", BASES), ("tune", TUNES), ("subsampling", tuple(_SUBSAMPLING))):
            if (value := getattr(chosen, name)) not in known:
                raise UnsupportedError(f"JPEG {name} {value!r}; expected one of {', '.join(known)}")
        if not -0.5 <= chosen.tilt <= 0.5:
            raise UnsupportedError(f"JPEG tilt {chosen.tilt}; expected -0.5 to 0.5")
        if chosen.base == "trellis" and not chosen.optimize:
            raise UnsupportedError("the trellis base always has Huffman tables of its own; the standard's need the base turbo")
        return chosen


def _libjpegs_scale(quality: float) -> float:
    """The factor of libjpeg's quantisation steps (jpeg_quality_scaling)."""
    return 50 / quality if quality < 50 else 2 - quality / 50


def _standard_tables() -> list[list[int]]:
    """The tables of luma and chroma that libjpeg scales: those of quality 50."""
    data = _save(Image.new("RGB", (1, 1)), quality=50, optimize=False, progressive=False)
    return _quantisation(data, read_header(data))


def _tilted(table: list[int], scale: float, tilt: float) -> list[int]:
    """The steps times `scale`, the first ones less by the share `tilt`, the last ones more.

    Many steps of a table are equal.  The tilt lets them change one after another, so the file's size changes in small steps.
    """
    middle = (len(table) - 1) / 2
    return [_limited(step * scale * (1 + tilt * (k / middle - 1))) for k, step in enumerate(table)]


def _segments(items: Mapping[str, Any]) -> bytes:
    """The segments in which Pillow writes these items of metadata, JFIF among them."""
    data = _save(Image.new("L", (1, 1)), quality=50, optimize=False, progressive=False, **pillow_settings(items))
    return b"".join(data[s.offset : s.end] for s in head(data) if APP0 <= s.marker <= APP15 or s.marker == COM)


def encoded_like(data: bytes, image: Image.Image, factor: float, made: Made | None = None) -> bytes | None:
    """`image` encoded as the base `data` was, all quantisation steps times `factor`, without metadata.

    By the trellis if that made it, as a baseline file, else by turbo.

    Steps are rounded and kept in 1..255.  None if no step changes, unless `factor` is 1.  Subsampling other than 4:4:4,
    4:2:2 and 4:2:0 is taken for one of these of nearly the same cost.
    """
    if made and made.options.get("base") == "trellis" and image.mode != "CMYK":
        return encode(image, made.quality, made.options | {"progressive": False}, coarser=factor)
    header = read_header(data)
    if reason := header.obstacle():
        raise UnsupportedError(f"cannot encode like this JPEG file: {reason}")
    tables = _quantisation(data, header)
    scaled = [_scaled(table, factor) for table in tables]
    if factor != 1 and scaled == [_scaled(table, 1.0) for table in tables]:
        return None
    subsampling = {"4:4:4": 0, "gray": -1, "4:2:2": 1, "4:4:0": 1}.get(header.subsampling(), 2)
    mode = "L" if header.model == "gray" else "RGB"
    return _save(
        image if image.mode == mode else image.convert(mode),
        qtables=scaled,
        subsampling=0 if header.model == "rgb" else subsampling,
        keep_rgb=header.model == "rgb",
        progressive=header.progressive,
        optimize=not header.standard_huffman,
        restart_marker_blocks=header.restart_interval,
        **pillow_settings({}),
    )


def _quantisation(data: bytes, header: Header) -> list[list[int]]:
    """The tables of the components in order, natural order within; the last stands for all further components."""
    numbers = [component.table for component in header.components]
    while len(numbers) > 1 and numbers[-1] == numbers[-2]:
        numbers.pop()
    try:
        tables = JpegImageFile(BytesIO(pixels_only(data, header.segments))).quantization
        return [tables[number] for number in numbers]
    except Exception as error:
        raise FormatError(f"cannot read the quantisation tables of this JPEG file: {error!r}") from error


def _scaled(table: list[int], factor: float) -> list[int]:
    return [_limited(step * factor) for step in table]


def _limited(step: float) -> int:
    """The step rounded, as a baseline file takes it."""
    return min(max(int(step + 0.5), 1), 255)


def _save(image: Image.Image, **settings: Any) -> bytes:
    _check(image)
    file = BytesIO()
    try:
        with _large_buffer(image, settings):
            image.save(file, "JPEG", **settings)
    except MemoryError as error:
        raise LimitError(f"no memory to encode {image.width}x{image.height} pixels") from error
    except Exception as error:
        raise UnsupportedError(f"Pillow cannot write this image as JPEG: {error}") from error
    return file.getvalue()


def _check(image: Image.Image) -> None:
    if image.mode not in ("L", "RGB", "CMYK"):
        raise UnsupportedError(f"a JPEG file of a {image.mode} image; expected L, RGB or CMYK")
    if not 1 <= min(image.size) <= max(image.size) <= MAX_SIDE_PX:
        raise UnsupportedError(f"a JPEG file of {image.width}x{image.height} pixels; expected 1..{MAX_SIDE_PX} a side")


@contextmanager
def _large_buffer(image: Image.Image, settings: dict[str, Any]) -> Iterator[None]:
    """Room for what libjpeg must write at once: metadata, and the whole file where it makes two passes.

    Pillow's own guess is too small for noise at quality 94, and MAXBLOCK is the only way to ask for more.
    2 bytes a sample are enough: the DCT of noise has some 9 bits.
    """
    need_bytes = (1 << 18) + sum(len(value) for value in settings.values() if isinstance(value, bytes))
    if settings["optimize"] or settings["progressive"]:
        need_bytes += 2 * len(image.getbands()) * image.width * image.height
    with uncut(), _maxblock:
        usual, ImageFile.MAXBLOCK = ImageFile.MAXBLOCK, max(ImageFile.MAXBLOCK, need_bytes)
        try:
            yield
        finally:
            ImageFile.MAXBLOCK = usual
