"""From a picture to a file with an inlay, or to the plain base file where an inlay does not pay.

    original -> base file -> candidates -> decision -> file

The candidates are the shipped prior as it is, fitted to the picture, and fitted to areas of it.  The decision is by D + lambda * R: D is
the mean squared error that the real decoder leaves, R all bytes that the inlay adds, lambda the base codec's own exchange rate between
the two around this quality.  Every file is decoded again, and compared, before it is returned.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import formats, payload, priors
from ..decoder import integer_parameters
from ..errors import InlayError
from ..formats.validity import invalidated
from ..payload import Payload
from ..restoration import restore
from . import pictures
from .alignment import Place, as_stored, exif_notes
from .candidates import Base, Candidate, Settings, candidates
from .distortion import mse, psnr_db
from .fit import FitResult
from .rate_slope import RateCurve
from .run import Progress, Run

Image.preinit()  # Pillow's modules are imported now, not by the first picture that is saved: see `threads.uncut`

QUALITY = 75
_CANNOT = "no inlay: it cannot apply to this file ({})"


@dataclass(frozen=True)
class Encoded:
    """A file, and how it came about.  PSNRs are of the luma, in dB, infinite where nothing was lost."""

    data: bytes
    base_bytes: int
    psnr_base_db: float | None  # None where the base's luma is not known (CMYK)
    psnr_db: float | None
    reason: str  # a sentence: what the inlay brings, or why there is none
    payload: Payload | None = None
    fit: FitResult | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()  # sentences on what was given up or no longer holds

    @property
    def payload_bytes(self) -> int:
        """Bytes that the inlay adds to the file, its segment's header included."""
        return len(self.data) - self.base_bytes


def encode(
    image: Image.Image | NDArray[np.generic] | pictures.Picture,
    *,
    format: str = "jpeg",
    quality: int | None = None,
    effort: int = 5,
    preset: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Encoded:
    """`image` as a base file of that quality with an inlay, where one pays.

    options: the base codec's, as its `encode` takes them; those that are None are left to it.
    """
    settings = Settings.of(preset, effort, Run(seed, threads, progress))
    chosen = formats.by_name(format)
    given = {name: value for name, value in options.items() if value is not None}
    if quality is None and not given.keys() & {"rate_bpp", "psnr_db"}:
        quality = QUALITY
    prepared, notes = pictures.prepare(image)
    notes += chosen.container.writable(prepared.info, prepared.mode).notes
    data = chosen.codec.encode(prepared, quality, given)
    if obstacle := chosen.container.obstacle(data):
        return replace(_plain(data, _CANNOT.format(obstacle)), notes=notes)
    base = Base.of(chosen, data, chosen.codec.decode_luma(data), prepared)
    del image, prepared  # a large picture's pixels are freed; its luma and a sample are kept
    return replace(_encoded(base, settings, made_here=True), notes=notes)


def attach(
    base: bytes,
    original: Image.Image | NDArray[np.generic] | pictures.Picture,
    *,
    effort: int = 5,
    preset: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """`base`, a file made by any encoder, with an inlay that brings it nearer to `original`, where one pays.

    Image data and metadata of `base` stay byte for byte; an inlay that it had is replaced.
    """
    settings = Settings.of(preset, effort, Run(seed, threads, progress))
    found = formats.by_content(base)
    data = found.container.strip(base)
    if obstacle := found.container.obstacle(data):
        return _plain(data, _CANNOT.format(obstacle))
    place = Place.of(found, data)
    prepared, notes = pictures.prepare(original, target=place.space)
    notes += exif_notes(prepared, place)
    luma = found.codec.decode_luma(data)
    aligned = Base.of(found, data, luma, as_stored(prepared, place, luma))
    del original, prepared
    encoded = _encoded(aligned, settings, made_here=False)
    return replace(encoded, notes=notes + (invalidated(data) if encoded.payload else ()))


def _encoded(base: Base, settings: Settings, *, made_here: bool) -> Encoded:
    """The file with the best candidate, or the plain base.

    made_here: this program made the base, so an inlay has to beat a finer base of the same size.  Another program's base stays as it is.
    """
    if base.mse == 0:
        return _plain(base.data, "no inlay: the base has lost nothing", base.mse)
    if not made_here and base.mse >= base.original.var():
        return _plain(base.data, "no inlay: the base is no picture of the original; a flat one would be as near to it", base.mse)
    curve = RateCurve(base.format, base.data, base.sample)
    mse_per_byte = curve.mse_per_byte()
    best = min(candidates(base, mse_per_byte, settings), key=lambda c: c.cost(mse_per_byte), default=None)
    if best is None and not settings.preset.at(settings.effort).steps:
        return _plain(base.data, "no inlay: effort 1 takes a prior as it is, and this preset has none", base.mse)
    fitted = best.fit if best else None
    if best is None or best.cost(mse_per_byte) >= base.mse:
        return _plain(base.data, "no inlay: none was worth its bytes", base.mse, fitted)
    data = base.format.container.embed(base.data, payload.write(best.payload))
    if made_here and any(error <= best.mse / base.mse for error in curve.plain_errors(len(data))):
        return _plain(base.data, "no inlay: a plain base of the same size is as good", base.mse, fitted)
    _verify(base, data, best, settings.run.threads)
    reason = f"the inlay brings {best.payload.gain_db:.2f} dB for {len(data) - len(base.data)} bytes"
    return Encoded(data, len(base.data), psnr_db(base.mse), psnr_db(best.mse), reason, best.payload, fitted)


def _plain(data: bytes, reason: str, error: float | None = None, fitted: FitResult | None = None) -> Encoded:
    """The base alone, and why."""
    reached = None if error is None else psnr_db(error)
    return Encoded(data, len(data), reached, reached, reason, fit=fitted)


def _verify(base: Base, data: bytes, best: Candidate, threads: int | None) -> None:
    """Decodes the finished file and compares it with what was encoded.  InlayError if they differ."""
    container = base.format.container
    found = payload.read(container.extract(data) or b"", priors.network_of)
    luma = base.format.codec.decode_luma(data)
    error = mse(restore(found.network, integer_parameters(found, luma.shape), luma, threads=threads), base.original)
    if container.strip(data) != base.data or not found.fingerprint.matches(luma) or error != best.mse:
        raise InlayError("the encoder's file does not decode to what was encoded; this is a bug in inlaid")
