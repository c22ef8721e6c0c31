"""One measurement: a picture's luma, or the picture in colour, at one setting, encoded and decoded again, as one JSON line.

It writes the plain base file and the file with an inlay, decodes both with the real decoder, and records sizes and metrics.  For a
peer there is the plain file alone.  A linear filter in the network's place is applied to the base.

A closed loop makes a base of its own for the inlay, and a search for a target tries many: the plain base file is then what a plain viewer
shows of the file with the inlay.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from .. import colour, decoder, formats
from ..arrays import Pixels
from ..encoding import encoder, pictures
from ..encoding.distortion import mse, psnr_db
from ..errors import InlayError, LimitError, TargetError, UnsupportedError
from ..formats import Format, packing
from . import metrics, peers, wiener
from .processes import THREADS
from .provenance import code, machine, versions
from .runs import Line
from .settings import PSNR_ONLY, Box, Detail, Settings


class Unmeasurable(Exception):
    """The picture is at fault, not inlaid: it is broken, not a picture, or of a kind that the codec does not take."""


@dataclass(frozen=True)
class _Coded:
    """The files of one measurement, and the luma (H, W) or the RGB (H, W, 3) that was decoded from them."""

    plain: bytes
    file: bytes
    plain_pixels: Pixels
    pixels: Pixels
    encode_s: float
    decode_s: float
    reason: str = ""
    inlay: dict[str, Any] | None = None  # as in `decoder.info`


def measure(path: Path, settings: Settings, detail: Detail = PSNR_ONLY) -> Line:
    """The line of one measurement.  Unmeasurable if the picture is at fault, InlayError if inlaid is."""
    data = path.read_bytes()
    try:
        original = _original(pictures.prepare(pictures.open_picture(data))[0], settings)
    except Exception as error:  # Pillow raises nearly any exception for a broken file
        if isinstance(error, UnidentifiedImageError):
            raise Unmeasurable("not a picture that Pillow knows") from error
        raise Unmeasurable(f"{error or type(error).__name__}") from error
    encode = _peer if settings.codec in peers.NAMES else _filtered if settings.preset == wiener.NAME else _inlay
    coded = encode(original, settings)
    decoded = (coded.plain_pixels, coded.pixels)
    psnr_plain_db, psnr_restored_db = (psnr_db(mse(colour.luma(pixels), colour.luma(original))) for pixels in decoded)
    rgb_db = [_finite(psnr_db(mse(pixels, original))) if original.ndim == 3 else None for pixels in decoded]
    network = coded.inlay["network"] if coded.inlay else None
    return {
        **head(path, hashlib.sha256(data).hexdigest(), settings),
        "width": original.shape[1],
        "height": original.shape[0],
        "plain_bytes": len(coded.plain),
        "file_bytes": len(coded.file),
        "payload_bytes": len(coded.file) - len(coded.plain),
        "packed_bytes": len(packing.pack(coded.file)) if detail.packed and settings.can_be_packed else None,
        # None where nothing was lost: the PSNR is infinite, for which JSON has no number.
        "psnr_plain_db": _finite(psnr_plain_db),
        "psnr_db": _finite(psnr_restored_db),
        "gain_db": _finite(psnr_restored_db - psnr_plain_db),
        "psnr_rgb_plain_db": rgb_db[0],
        "psnr_rgb_db": rgb_db[1],
        **_perceptual(coded, original, detail),
        "reason": coded.reason,
        "prior": coded.inlay["prior"] if coded.inlay else None,
        "network": {k: network[k] for k in ("channels", "layers", "weights", "biases")} if network else None,
        "encode_s": round(coded.encode_s, 4),
        "decode_s": round(coded.decode_s, 4),
        "crop": _crop(coded, original, detail.crop),
        "versions": versions() | ({settings.codec: peers.library(settings.codec)} if settings.codec in peers.NAMES else {}),
        "machine": machine(),
    }


def head(path: Path, sha256: str, settings: Settings) -> Line:
    """The part of a line that is known before anything is measured.  It holds the whole key."""
    library = f" {peers.library(settings.codec)}" if settings.codec in peers.NAMES else ""
    return {
        "image": path.name,
        "set": path.absolute().parent.name,
        "sha256": sha256,
        **asdict(settings),
        "threads": THREADS,
        "code": code() + library,
    }


def _original(image: Image.Image, settings: Settings) -> Pixels:
    """What is coded and measured: the image itself where it is gray, the RGB in colour, else the first of Pillow's `convert("YCbCr")`."""
    if settings.colour and image.mode != "L":
        return np.array(image.convert("RGB"))
    return np.array(image if image.mode == "L" else image.convert("RGB").convert("YCbCr").getchannel(0))


# ------------------------------------------------------------------------------------------------ encoding and decoding


def _plain(original: Pixels, settings: Settings) -> tuple[Format, bytes]:
    """The base codec, and the plain base file."""
    module, quality = formats.by_name(settings.codec), _quality(settings)
    try:
        return module, module.codec.encode(Image.fromarray(original), quality, settings.base_options())
    except (UnsupportedError, LimitError, MemoryError) as error:
        raise Unmeasurable(f"{error or type(error).__name__}") from error


def _quality(settings: Settings) -> Any:
    """The quality as it was asked for: a codec whose scale has whole numbers alone judges a fraction itself."""
    return settings.quality


def _inlay(original: Pixels, settings: Settings) -> _Coded:
    """The plain base, and the file with an inlay, which must decode and, without a closed loop or a target, hold that base."""
    module, plain = formats.by_name(settings.codec), None
    if not settings.legacy_loss_db and not settings.target:
        _, plain = _plain(original, settings)
    try:
        begun = time.perf_counter()
        encoded = encoder.encode(
            original,
            format=settings.codec,
            quality=_quality(settings),
            effort=settings.effort,
            preset=settings.preset,
            seed=settings.seed,
            threads=THREADS,
            **settings.base_options() | settings.fit_options() | settings.target,
        )
        encode_s = time.perf_counter() - begun
    except (UnsupportedError, LimitError, TargetError, MemoryError) as error:
        raise Unmeasurable(f"{error or type(error).__name__}") from error
    file = encoded.data
    inside = module.container.strip(file)
    if plain is not None and inside != plain:
        raise InlayError("the base inside the file is not the plain base that it is compared with")
    begun = time.perf_counter()
    restored = decoder.decode(file, threads=THREADS)
    decode_s = time.perf_counter() - begun
    inlay = decoder.info(file)["inlay"]
    if restored.state != ("restored" if inlay else "plain"):
        raise InlayError(f"the file that was written does not decode: {restored.reason}")
    return _Coded(inside, file, decoder.decode(inside).pixels, restored.pixels, encode_s, decode_s, encoded.reason, inlay)


def _filtered(original: Pixels, settings: Settings) -> _Coded:
    """The plain base, and a file that is longer by the bytes of a linear filter; the filter is applied to the base."""
    begun = time.perf_counter()
    module, plain = _plain(original, settings)
    base = module.codec.decode_luma(plain)
    pixels = wiener.restored(base, original)
    encode_s = time.perf_counter() - begun
    file = plain + bytes(module.container.OVERHEAD_BYTES + wiener.PAYLOAD_BYTES)
    return _Coded(plain, file, base, pixels, encode_s, 0.0, wiener.DESCRIPTION)


def _peer(original: Pixels, settings: Settings) -> _Coded:
    """The peer's file, as both the plain file and the file."""
    begun = time.perf_counter()
    try:
        file = peers.encode(settings.codec, original, int(settings.quality or 0))
    except (OSError, ValueError, MemoryError) as error:
        raise Unmeasurable(f"{error or type(error).__name__}") from error
    encoded = time.perf_counter()
    pixels = peers.decode(settings.codec, file, gray=original.ndim == 2)
    return _Coded(file, file, pixels, pixels, encoded - begun, time.perf_counter() - encoded)


# ------------------------------------------------------------------------------------------------ what the pixels are worth


def _perceptual(coded: _Coded, original: Pixels, detail: Detail) -> dict[str, Any]:
    """The perceptual metrics without and with an inlay.  None where they are not asked for, or the picture is too small."""
    found: dict[str, Any] = {"metrics": detail.metrics}
    values: dict[str, float | None] = dict.fromkeys(metrics.PERCEPTUAL)
    for suffix, pixels in (("_plain", coded.plain_pixels), ("", coded.pixels)):
        same = not suffix and pixels is coded.plain_pixels  # a peer's: the values are those of the plain file
        if detail.metrics == "all" and not same:
            values = metrics.perceptual(pixels, original=original)
        found |= {name + suffix: None if value is None else round(value, 6) for name, value in values.items()}
    return found


def _crop(coded: _Coded, original: Pixels, box: Box | None) -> dict[str, Any] | None:
    """The same part of the original, the plain base and the restored picture, as PNG in base64: the report has no other pixels."""
    if box is None:
        return None
    x, y, width, height = box
    if x + width > original.shape[1] or y + height > original.shape[0]:
        raise Unmeasurable(f"the crop {x},{y},{width},{height} exceeds the picture's {original.shape[1]}x{original.shape[0]} pixels")
    kept: dict[str, Any] = {"box": list(box)}
    for name, pixels in (("original", original), ("plain", coded.plain_pixels), ("restored", coded.pixels)):
        Image.fromarray(pixels[y : y + height, x : x + width]).save(png := io.BytesIO(), "PNG", optimize=True)
        kept[name] = base64.b64encode(png.getvalue()).decode()
    return kept


def _finite(number: float) -> float | None:
    return round(number, 6) if math.isfinite(number) else None
