"""From a picture to a file with an inlay, or to the plain base file where an inlay does not pay.

    original -> base file -> candidates -> decision -> file

The candidates are the shipped prior as it is, fitted to the picture, and fitted to areas of it.  The decision is by D + lambda * R: D is
the mean squared error that the real decoder leaves, R all bytes that the inlay adds, lambda the base codec's own exchange rate between
the two around this quality.  Every file is decoded again, and compared, before it is returned.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import formats, payload, priors
from ..arrays import Shift
from ..decoder import integer_parameters
from ..errors import InlayError
from ..formats import Format, Made
from ..formats.jpeg import trellis  # noqa: F401  # imported now, since an import by the first picture could meet a fork
from ..formats.validity import invalidated
from ..payload import Payload
from ..restoration import restore
from . import pictures, presets
from .alignment import Place, as_stored, exif_notes
from .bases import Base
from .candidates import Candidate, Settings, candidates
from .distortion import mse, mse_of, psnr_db
from .fit import FitResult
from .knob import knobs
from .loop import LEGACY_LOSS_DB, MOST_LOSS_DB, Loop
from .rate_slope import RateCurve
from .run import Progress, Run
from .target import target_of
from .target_search import meet

Image.preinit()  # Pillow's modules are imported now, not by the first picture that is saved: see `threads.uncut`

QUALITY = 75
MOST_LOOP_PX = 1 << 26  # a larger picture is encoded without the closed loop, in half the memory
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
    psnr_without_loop_db: float | None = None  # of the base that the closed loop began with, if it made another
    quality: float | None = None  # that the base was made with, asked for or found
    rate_bpp: float | None = None
    mse_per_byte: float | None = None  # lambda of the decision

    @property
    def payload_bytes(self) -> int:
        """Bytes that the inlay adds to the file, its segment's header included."""
        return len(self.data) - self.base_bytes


def encode(
    image: Image.Image | NDArray[np.generic] | pictures.Picture,
    *,
    format: str = "jpeg",
    quality: float | None = None,
    target_bytes: int | None = None,
    target_bpp: float | None = None,
    target_psnr_db: float | None = None,
    target_ssimulacra2: float | None = None,
    effort: int = 5,
    preset: str | None = None,
    legacy_loss_db: float | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Encoded:
    """`image` as a base file of that quality with an inlay, where one pays.

    target_bytes, target_bpp: in place of the quality, the most bytes of the whole file, or bits a pixel; it has at most 1 % less
    (`target_search`).  target_psnr_db, target_ssimulacra2: the least quality of the restored picture; it is at most 0.05 dB or half a point
    above.
    legacy_loss_db: how much worse the plain picture may be than without the closed loop (`loop`), in PSNR; 0: no loop; None:
    LEGACY_LOSS_DB.  options: the base codec's, as its `encode` takes them; those that are None are left to it, but a JPEG base is made by
    the trellis.
    """
    settings = Settings.of(preset, effort, Run(seed, threads, progress))
    chosen = formats.by_name(format)
    given = {name: value for name, value in options.items() if value is not None}
    if "base" in chosen.codec.OPTIONS:
        given = {"base": "trellis", "tune": "looks"} | given
    most_loss_db = LEGACY_LOSS_DB if legacy_loss_db is None else legacy_loss_db
    if not 0 <= most_loss_db <= MOST_LOSS_DB:
        raise InlayError(f"legacy loss {most_loss_db} dB; expected 0 to {MOST_LOSS_DB:g}")
    named = given.keys() & {"rate_bpp", "psnr_db"}
    has_target = any(each is not None for each in (target_bytes, target_bpp, target_psnr_db, target_ssimulacra2))
    if has_target and (named or quality is not None):
        raise InlayError("a target takes the place of quality, rate_bpp and psnr_db")
    if quality is None and not named:
        quality = QUALITY
    prepared, notes = pictures.prepare(image)
    del image
    notes += chosen.container.writable(prepared.info, prepared.mode).notes
    target = target_of(
        prepared, bytes=target_bytes, bpp=target_bpp, psnr_db=target_psnr_db, ssimulacra2=target_ssimulacra2, threads=settings.run.threads
    )
    job = _Job(chosen, prepared, settings, most_loss_db)
    if target is None:
        encoded = job.encoded(job.adapted(Made(quality, given)))
    else:
        # Without the loop a file is larger, but neighbouring settings give more even amounts.
        ways = [job.encoded, replace(job, most_loss_db=0.0).encoded] if most_loss_db else [job.encoded]
        encoded = meet(target, knobs(chosen.codec, prepared, given), job.plain, *ways)
        if not target.meets(target.amount(encoded)):
            notes += ("no file comes nearer to the target; files of this picture leap over it",)
    return replace(encoded, notes=notes)


@dataclass(frozen=True)
class _Job:
    """A prepared picture, and how it is encoded at any quality."""

    format: Format
    image: Image.Image
    settings: Settings
    most_loss_db: float

    def adapted(self, made: Made) -> Made:
        """`made` with the tilt of its tables that suits the picture, by files with priors as they are; at high efforts, by the trellis."""
        if self.settings.effort < presets.TILTED or made.options.get("base") != "trellis":
            return made
        quick = replace(self, settings=replace(self.settings, effort=1, run=replace(self.settings.run, progress=None)))
        tried = [replace(made, options=made.options | {"tilt": tilt}) for tilt in presets.TILTS]
        files = [quick.encoded(each) for each in tried]
        lmbda, errors = files[0].mse_per_byte, [each.psnr_db and mse_of(each.psnr_db) for each in files]
        if lmbda is None or None in errors:  # nothing was lost, or the luma is not known
            return made
        costs = [error + lmbda * len(each.data) for error, each in zip(errors, files, strict=True) if error is not None]
        return tried[int(np.argmin(costs))]

    def encoded(self, made: Made) -> Encoded:
        """The finished file."""
        data = self._data(made)
        if obstacle := self.format.container.obstacle(data):
            return _as_made(_plain(data, _CANNOT.format(obstacle)), made)
        base = Base.of(self.format, data, self.format.codec.decode_luma(data), self.image)
        loop = None
        if self.most_loss_db and base.original.size <= MOST_LOOP_PX:
            again = partial(self._again, base, made)
            loop = Loop(again, base, self.most_loss_db, self.format.codec.LOOP_LENGTH, self.settings.run.threads)
        return _as_made(_encoded(base, self.settings, made, loop), made)

    def plain(self, made: Made) -> Encoded:
        """The plain base, without an inlay and without a loop."""
        data = self._data(made)
        if obstacle := self.format.container.obstacle(data):
            return _as_made(_plain(data, _CANNOT.format(obstacle)), made)
        error = mse(self.format.codec.decode_luma(data), pictures.luma(self.image))
        return _as_made(_plain(data, "no inlay: it does not fit into the wanted size", error), made)

    def _again(self, base: Base, made: Made, shift: Shift) -> Base:
        return base.made_as(self._data(made, shift))

    def _data(self, made: Made, shift: Shift | None = None) -> bytes:
        return self.format.codec.encode(self.image, made.quality, made.options, shift=shift)


def _as_made(encoded: Encoded, made: Made) -> Encoded:
    return replace(encoded, quality=made.quality, rate_bpp=made.options.get("rate_bpp"))


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
    encoded = _encoded(aligned, settings)
    return replace(encoded, notes=notes + (invalidated(data) if encoded.payload else ()))


def _encoded(base: Base, settings: Settings, made: Made | None = None, loop: Loop[Base] | None = None) -> Encoded:
    """The file with the best candidate, or the plain base.

    made: how this program made the base, so an inlay has to beat a finer base of the same size.  None: another program's base, which stays
    as it is.
    """
    if base.mse == 0:
        return _plain(base.data, "no inlay: the base has lost nothing", base.mse)
    if not made and base.mse >= base.original.var():
        return _plain(base.data, "no inlay: the base is no picture of the original; a flat one would be as near to it", base.mse)
    curve = RateCurve(base.format, base.data, base.sample, made)
    mse_per_byte = curve.mse_per_byte()
    best = min(candidates(base, mse_per_byte, settings, made, loop), key=lambda c: c.cost(mse_per_byte), default=None)
    if best is None and not settings.preset.at(settings.effort).steps:
        return _plain(base.data, "no inlay: effort 1 takes a prior as it is, and this preset has none", base.mse)
    fitted = best.fit if best else None
    if best is None or best.cost(mse_per_byte) >= base.cost(mse_per_byte):
        return _plain(base.data, "no inlay: none was worth its bytes", base.mse, fitted)
    data = base.format.container.embed(best.base.data, payload.write(best.payload))
    if made and any(error <= best.mse / base.mse for error in curve.plain_errors(len(data))):
        return _plain(base.data, "no inlay: a plain base of the same size is as good", base.mse, fitted)
    _verify(best, data, settings.run.threads)
    gain_db = psnr_db(best.mse) - psnr_db(best.base.mse)
    began_db = None if best.base is base else psnr_db(base.mse)
    reason = f"the inlay brings {gain_db:.2f} dB for {best.payload_bytes} bytes"
    reached = psnr_db(best.base.mse), psnr_db(best.mse)
    return Encoded(
        data, len(best.base.data), *reached, reason, best.payload, fitted, psnr_without_loop_db=began_db, mse_per_byte=mse_per_byte
    )


def _plain(data: bytes, reason: str, error: float | None = None, fitted: FitResult | None = None) -> Encoded:
    """The base alone, and why."""
    reached = None if error is None else psnr_db(error)
    return Encoded(data, len(data), reached, reached, reason, fit=fitted)


def _verify(best: Candidate, data: bytes, threads: int | None) -> None:
    """Decodes the finished file and compares it with what was encoded.  InlayError if they differ."""
    base = best.base
    container = base.format.container
    found = payload.read(container.extract(data) or b"", priors.network_of)
    luma = base.format.codec.decode_luma(data)
    error = mse(restore(found.network, integer_parameters(found, luma.shape), luma, threads=threads), base.original)
    if container.strip(data) != base.data or not found.fingerprint.matches(luma) or error != best.mse:
        raise InlayError("the encoder's file does not decode to what was encoded; this is a bug in inlaid")
