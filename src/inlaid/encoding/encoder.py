"""From a picture to a file with an inlay, or to the plain base file where an inlay does not pay.

Base, candidates (the best shipped prior as it is, fitted to the picture, and fitted to areas of it), then a decision by
D + lambda * R: D the mean squared error that the real decoder gives, R all bytes that the inlay adds, lambda the base codec's own
exchange rate between the two around this quality.  What is returned has been decoded again and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray
from PIL import Image

from .. import formats, kernel, payload, priors
from ..decoder import WORK_BYTES, integer_parameters, restore
from ..errors import FormatError, InlayError, LimitError
from ..fingerprint import fingerprint
from ..formats import Format
from ..formats.validity import invalidated
from ..metadata import exif
from ..network import Network
from ..parameters import UNIT, Prior, blank_prior
from ..payload import Payload
from ..threads import threads_of
from . import pictures, presets
from .areas import divided
from .curvature import gauss_newton, sample, sample_px
from .fit import FitResult, Pixels, RateCost, Vector, fit, he_init, mean_squared_error, random_patches
from .quantize import quantise, rounded

Image.preinit()  # Pillow's modules are imported now, not by the first picture that is saved: see `threads.uncut`

Progress = Callable[[int, int], None]
COARSENESSES = range(-1, 6)
# How much coarser to make the base, tried in turn until the file changes, to see what a byte buys.
NEIGHBOURS = (0.93, 0.85, 0.7, 0.5, 1.1, 1.5, 2.0)
# The same, to see what a plain base of the size of base and inlay would be.
FINER = (0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
QUALITY = 75
_CANNOT = "no inlay: it cannot apply to this file ({})"
# A larger picture is coded again and again only in part: squares of this side, of so many pixels together.
SAMPLE_SIDE_PX, SAMPLE_PX = 512, 1 << 23
MAX_ACTIVE = 800  # parameters that are fitted at most


@dataclass(frozen=True)
class Encoded:
    """A file, and how it came about.  PSNRs are of the luma, in dB, infinite where nothing was lost."""

    data: bytes
    base_bytes: int
    psnr_base_db: float | None  # None where luma is not the base's (CMYK)
    psnr_db: float | None
    reason: str  # a sentence: what the inlay brings, or why there is none
    payload: Payload | None = None
    fit: FitResult | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()  # what else the user should know

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

    options: the base codec's, as its `encode_base` takes them; those that are None are left to it.
    """
    _check_settings(preset, effort, seed)
    module = formats.by_name(format)
    given = {name: value for name, value in options.items() if value is not None}
    if quality is None and not given.keys() & {"rate_bpp", "psnr_db"}:
        quality = QUALITY
    prepared, notes = pictures.prepare(image)
    notes += module.writable(prepared.info, prepared.mode).notes
    job = _Job(module, module.encode_base(prepared, quality, given), prepared, preset, effort, seed, threads, progress)
    del image, prepared  # the job lets go of the pixels when it has what it needs of them, which are few of a large picture
    return job.run(notes)


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
    _check_settings(preset, effort, seed)
    module = formats.by_content(base)
    data = module.strip(base)
    if obstacle := module.obstacle(data):
        return Encoded(data, len(data), None, None, _CANNOT.format(obstacle))
    prepared, notes = pictures.prepare(original, target=space_of(data))
    block = module.metadata(data).items.get("exif", b"")
    stored = _as_stored(prepared, module, data, block)
    job = _Job(module, data, stored, preset, effort, seed, threads, progress)
    encoded = job.run((*notes, *_orientation_notes(prepared, block)), replaceable=False)
    return replace(encoded, notes=(*encoded.notes, *invalidated(data))) if encoded.payload else encoded


def _check_settings(preset: str | None, effort: int, seed: int) -> None:
    """InlayError for a wrong one, before anything is computed."""
    presets.by_name(preset).at(effort)
    if seed < 0:
        raise InlayError(f"seed {seed}, expected 0 or more")


def space_of(base: bytes) -> pictures.Space:
    """The colour space of a base file."""
    module = formats.by_content(base)
    mode = "L" if module.describe(base)["model"] == "gray" else "RGB"
    return pictures.space_of(mode, module.metadata(base).items.get("icc_profile"))


def _orientation_notes(original: Image.Image, block: bytes) -> tuple[str, ...]:
    """On EXIF, of which the orientation counts, that is damaged; it stays in the base as it is."""
    found = (("original", original.info.get("exif", b"")), ("base", block))
    return tuple(f"the EXIF of the {of} is damaged: {what}" for of, each in found if each and (what := exif.damage(each)))


def _as_stored(image: Image.Image, module: Format, data: bytes, block: bytes) -> Image.Image:
    """The original turned as the base's pixels are stored: as its EXIF say, or not at all, whichever is nearer to the base.

    FormatError if neither has the size of the base.
    """
    described = module.describe(data)
    size = (described["width"], described["height"])
    turned = pictures.turned_as(image, block)
    fitting = [each for each in (turned, image)[: 1 if turned is image else 2] if each.size == size]
    if not fitting:
        found, expected, upright = ("x".join(map(str, s)) for s in (image.size, size, size[::-1]))
        hint = f" (or {upright}, upright)" if turned.size != image.size else ""
        raise FormatError(f"the original has {found} pixels, the base {expected}{hint}; expected the same picture at the same size")
    if len(fitting) == 1:
        return fitting[0]
    luma = module.decode_luma(data)
    return min(fitting, key=lambda each: _mse(luma, pictures.luma(each)))


def check_limits(extent: pictures.Extent, format: str, max_pixels: int | None, max_memory: int | None) -> None:
    """LimitError, before anything is decoded, if the picture has more than `max_pixels`, or takes more than `max_memory` bytes."""
    if max_pixels is not None and extent.pixels > max_pixels:
        raise LimitError(f"{extent.width}x{extent.height} pixels, at most {max_pixels} are allowed")
    if max_memory is not None and (needed := encoding_bytes(extent, format)) > max_memory:
        raise LimitError(f"encoding takes about {needed / 1e6:.0f} MB of memory, at most {max_memory / 1e6:.0f} MB are allowed")


def encoding_bytes(extent: pictures.Extent, format: str) -> int:
    """The memory that encoding takes at most, about: what grows with the picture, and the fit."""
    a_pixel = formats.by_name(format).ENCODING_BYTES["L" if extent.gray else "RGB"]
    if extent.deep:  # the samples are held as well as their 8 bits
        a_pixel += 2 if extent.gray else 8
    return a_pixel * extent.pixels + 2 * WORK_BYTES


@dataclass(frozen=True)
class _Candidate:
    """A payload, and the mean squared error of what the decoder makes of it."""

    payload: Payload
    mse: float
    payload_bytes: int
    fit: FitResult | None = field(default=None, repr=False)

    def cost(self, mse_per_byte: float) -> float:
        """D + lambda * R."""
        return self.mse + mse_per_byte * self.payload_bytes


class _Job:
    """One encoding: a base file and the picture that it stands for."""

    def __init__(
        self,
        module: Format,
        data: bytes,
        image: Image.Image,
        preset: str | None,
        effort: int,
        seed: int,
        threads: int | None,
        progress: Progress | None,
    ) -> None:
        self.module, self.data, self.image = module, data, image
        self.preset, self.effort = presets.by_name(preset), effort
        self.seed, self.threads, self.progress = seed, threads_of(threads), progress
        self.original = pictures.luma(image)

    def run(self, notes: tuple[str, ...], *, replaceable: bool = True) -> Encoded:
        """The file with the best candidate, or the plain base.

        replaceable: the base was made here, so an inlay must be better than a larger base; another's base stays what it is.
        """
        if obstacle := self.module.obstacle(self.data):
            return Encoded(self.data, len(self.data), None, None, _CANNOT.format(obstacle), notes=notes)
        self.base = self.module.decode_luma(self.data)
        self.fingerprint = fingerprint(self.base)
        self.shape = (self.base.shape[0], self.base.shape[1])
        mse = _mse(self.base, self.original)
        plain = Encoded(self.data, len(self.data), _psnr(mse), _psnr(mse), "", notes=notes)
        if mse == 0:
            return replace(plain, reason="no inlay: the base has lost nothing")
        if not replaceable and mse >= self.original.var():
            return replace(plain, reason="no inlay: the base is no picture of the original; a flat one would be as near to it")
        self.sample = _sample(self.image, self.original, self.base)
        del self.image
        mse_per_byte = self._exchange_rate()
        found = [c for network in self.preset.networks for c in self._candidates(network, mse, mse_per_byte)]
        best = min(found, key=lambda c: c.cost(mse_per_byte), default=None)
        fitted = best.fit if best else None
        if best is None and not self.preset.at(self.effort).steps:
            return replace(plain, reason="no inlay: effort 1 takes a prior as it is, and this preset has none")
        if best is None or best.cost(mse_per_byte) >= mse:
            return replace(plain, reason="no inlay: none was worth its bytes", fit=fitted)
        data = self.module.embed(self.data, payload.write(best.payload))
        if replaceable and any(error <= best.mse / mse for error in self._bases_within(len(data))):
            return replace(plain, reason="no inlay: a plain base of the same size is as good", fit=fitted)
        self._verify(data, best)
        gain_db = best.payload.gain_db
        reason = f"the inlay brings {gain_db:.2f} dB for {len(data) - len(self.data)} bytes"
        return Encoded(data, len(self.data), _psnr(mse), _psnr(best.mse), reason, best.payload, fitted, notes)

    def _candidates(self, network: Network, mse: float, mse_per_byte: float) -> list[_Candidate]:
        """Payloads of one network: the prior as it is, the fitted parameters as they can be quantised, and divided into areas."""
        found, rate_cost, prior = [], None, self._best_prior(network)
        if prior is None and len(self.preset.networks) > 1:  # other networks have one
            return []
        if prior is not None:
            found = [c for c in [self._candidate(prior, b"", mse)] if c]
            start = (prior.values / UNIT).astype(np.float32)
            rate_cost = RateCost(prior, mse_per_byte / 8) if self.preset.weighs_rate else None
        else:
            prior, start = blank_prior(network), he_init(network, default_rng(self.seed))
        schedule = self.preset.at(self.effort, network)
        if schedule.steps == 0:
            return found
        active = self._active(prior, start)
        fitted = fit(
            network, start, schedule, base=self.base, original=self.original, rate_cost=rate_cost, active=active,
            seed=self.seed, threads=self.threads, progress=self.progress,
        )  # fmt: skip
        fitted_mse = mean_squared_error(network, fitted.parameters, base=self.base, original=self.original, threads=self.threads)
        part = sample(self.base.shape, sample_px(len(active)), self.seed)
        hessian = gauss_newton(network, fitted.parameters, self.base, part, active=active, threads=self.threads)
        if self.preset.rounded:
            codings = [rounded(prior, fitted.parameters)]
        else:
            lmbda = mse_per_byte / 8
            codings = [quantise(prior, fitted.parameters, hessian, fitted_mse, lmbda, c, active).coded for c in COARSENESSES]
        for coded in codings:
            if candidate := self._candidate(prior, coded, mse):
                found.append(replace(candidate, fit=fitted))
        if rate_cost is None or not self.preset.divides:
            return found

        for count in range(2, presets.SETS[self.effort] + 1):
            best = min((c.cost(mse_per_byte) for c in found), default=np.inf)
            try:
                coded = divided(
                    prior, fitted.parameters, count, schedule, mse_per_byte / 8, hessian, active,
                    base=self.base, original=self.original, seed=self.seed, threads=self.threads, progress=self.progress,
                )  # fmt: skip
            except FormatError:  # a parameter beyond 16 bits
                break
            candidate = self._candidate(prior, coded, mse)
            if candidate is None or candidate.cost(mse_per_byte) >= best:
                break
            found.append(replace(candidate, fit=fitted))
        return found

    def _active(self, prior: Prior, start: Vector) -> NDArray[np.intp]:
        """The parameters to fit: those that promise most, where a network has more than would be worth their bytes.

        A parameter's step is as long as makes the same error for all (`pretrain.survey`), so slope times step tells what moving it gains.
        """
        network = prior.network
        if network.size <= MAX_ACTIVE or self.preset.recipe is None:
            return np.arange(network.size)
        patches = random_patches(default_rng(self.seed), self.base.shape, self.preset.schedule)
        _, slope = kernel.gradient(network, start, patches, base=self.base, target=self.original, threads=self.threads)
        return np.sort(np.argsort(-np.abs(slope) * np.exp2(prior.exponents), kind="stable")[:MAX_ACTIVE])

    def _best_prior(self, network: Network) -> Prior | None:
        """The shipped prior that suits the picture best as it is, told from some patches; None if there is none, or none is wanted."""
        if self.preset.recipe is None:
            return None
        patches = random_patches(default_rng(self.seed), self.base.shape, self.preset.schedule)

        def error(prior: Prior) -> float:
            values = (prior.values / UNIT).astype(np.float32)
            return kernel.squared_error(prior.network, values, patches, base=self.base, target=self.original, threads=self.threads)

        return min(priors.candidates(self.module.NAME, network, self.preset.recipe), key=error, default=None)

    def _candidate(self, prior: Prior, coded: bytes, mse: float) -> _Candidate | None:
        """The candidate as the decoder will see it; None where its parameters leave their bounds."""
        candidate = Payload(prior.number, prior.network, 0.0, self.fingerprint, coded)
        try:
            sets = integer_parameters(candidate, self.shape)
        except FormatError:
            return None
        luma = restore(prior.network, sets, self.base, threads=self.threads)
        restored_mse = _mse(luma, self.original)
        gain_db = float(10 * np.log10(mse / restored_mse)) if restored_mse else 99.0
        candidate = replace(candidate, gain_db=gain_db)
        return _Candidate(candidate, restored_mse, len(payload.write(candidate)) + self.module.OVERHEAD_BYTES)

    def _exchange_rate(self) -> float:
        """Lambda: the squared error that the base codec saves a byte, around this quality (0 where it cannot be told)."""
        part = self.sample
        here = self.module.requantised(self.data, part.image, 1.0)
        if here is None:
            return 0.0
        mse = _mse(self.module.decode_luma(here), part.original)
        for factor in NEIGHBOURS:
            there = self.module.requantised(self.data, part.image, factor)
            if there is None or len(there) == len(here):
                continue
            saved = _mse(self.module.decode_luma(there), part.original) - mse
            rate = saved / (len(here) - len(there)) * part.share
            if rate > 0:
                return rate
        return 0.0

    def _bases_within(self, size: int) -> Iterator[float]:
        """Of bases made as this one was, as fine or finer, that are no larger than `size`: the squared error, the base's being 1."""
        # Another encoder may have made the base, and it has its metadata: what counts is how much more the same procedure needs.
        part = self.sample
        mse = _mse(part.base, part.original)
        same = self.module.requantised(self.data, part.image, 1.0)
        if same is None or not mse:
            return
        yield _mse(self.module.decode_luma(same), part.original) / mse
        for factor in FINER:
            finer = self.module.requantised(self.data, part.image, factor)
            if finer and len(self.data) + (len(finer) - len(same)) / part.share > size:
                return
            if finer:
                yield _mse(self.module.decode_luma(finer), part.original) / mse

    def _verify(self, data: bytes, best: _Candidate) -> None:
        """Decodes the finished file from its bytes and compares: what is returned has been seen to work."""
        raw = self.module.extract(data)
        found = payload.read(raw or b"", priors.network_of)
        base = self.module.decode_luma(data)
        mse = _mse(restore(found.network, integer_parameters(found, self.shape), base, threads=self.threads), self.original)
        if self.module.strip(data) != self.data or not found.fingerprint.matches(base) or mse != best.mse:
            raise InlayError("the encoder's file does not decode to what was encoded; this is a bug in inlaid")


@dataclass(frozen=True)
class _Sample:
    """What stands for a picture where it is coded several times to see what a byte buys: all of it, or blocks of a large one."""

    image: Image.Image
    original: Pixels
    base: Pixels
    share: float  # of the picture's pixels


def _sample(image: Image.Image, original: Pixels, base: Pixels) -> _Sample:
    height, width = original.shape
    if height * width <= SAMPLE_PX or min(height, width) < SAMPLE_SIDE_PX:
        return _Sample(image, original, base, 1.0)
    side = SAMPLE_SIDE_PX
    count = SAMPLE_PX // side**2
    places = [(y, x) for y in range(0, height - side + 1, side) for x in range(0, width - side + 1, side)]
    chosen = [places[len(places) * i // count] for i in range(count)]
    picture = Image.new(image.mode, (side, count * side))
    for i, (y, x) in enumerate(chosen):
        picture.paste(image.crop((x, y, x + side, y + side)), (0, i * side))
    of_original, of_base = (np.concatenate([plane[y : y + side, x : x + side] for y, x in chosen]) for plane in (original, base))
    return _Sample(picture, of_original, of_base, count * side**2 / original.size)


def _mse(a: Pixels, b: Pixels) -> float:
    total = 0
    for top, bottom in formats.bands(*a.shape):
        difference = np.subtract(a[top:bottom], b[top:bottom], dtype=np.int16)
        total += int(np.einsum("ij,ij->", difference, difference, dtype=np.int64))
    return total / a.size


def _psnr(mse: float) -> float:
    """Peak signal-to-noise ratio of 8-bit pixels, in dB."""
    return float(10 * np.log10(255**2 / mse)) if mse else float("inf")
