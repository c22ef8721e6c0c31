"""The bench: real files, encoded and decoded again, measured, one JSON line a measurement (docs/design.md, How results are measured).

A measurement takes one picture's luma at one setting, writes the plain base file and the file with an inlay, decodes both
from their bytes with the real decoder, and keeps sizes and what the pixels are worth; of a peer there is the plain file alone, and a
linear filter in the network's place is applied to the base.
Lines are appended to a run file as they come, so an interrupted run goes on where it stopped; a line is taken over only if
picture, settings and code are what they were, and nothing is missing from it that is asked for now.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .. import decoder, formats
from ..encoding import encoder, pictures, presets
from ..errors import InlayError, LimitError, UnsupportedError
from ..formats import Format
from ..threads import default_threads
from . import metrics, peers, runs, wiener
from .processes import THREADS, run_all
from .provenance import code, machine, versions
from .runs import Line

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]
Box = tuple[int, int, int, int]  # x, y, width, height in pixels

BASE_OPTIONS = ("optimize", "progressive", "rate_bpp")


@dataclass(frozen=True)
class Settings:
    """What is measured of a picture; every field is part of a line, and of its key.  One of quality and rate_bpp is None."""

    codec: str = "jpeg"
    quality: int | None = 75  # the base codec's own
    preset: str = presets.DEFAULT
    effort: int = 5
    optimize: bool = False  # Huffman tables of the base: the file's own instead of the standard's
    progressive: bool = False
    seed: int = 0
    rate_bpp: float | None = None  # of the base, where the codec takes a rate

    def __post_init__(self) -> None:
        if self.codec in peers.NAMES:
            object.__setattr__(self, "preset", "none")
        if self.preset in ("none", wiener.NAME):  # no steps are made
            for name in ("effort", "seed"):
                object.__setattr__(self, name, 0)

    def check(self) -> None:
        """InlayError if nothing could be measured so."""
        if (self.quality is None) == (self.rate_bpp is None):
            raise InlayError(f"quality {self.quality} and rate {self.rate_bpp}, expected one of the two")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise InlayError(f"quality {self.quality}, expected 1 to 100")
        if self.rate_bpp is not None and not 0 < self.rate_bpp <= 24:
            raise InlayError(f"rate {self.rate_bpp}, expected more than 0 bits a pixel, at most 24")
        if self.codec in peers.NAMES:
            peers.library(self.codec)
            taken: set[str] = set()
        else:
            taken = formats.by_name(self.codec).codec.OPTIONS
            if self.preset != wiener.NAME:
                presets.by_name(self.preset).at(self.effort)
        for name, value in self.base_options().items():
            if name not in taken:
                expected = "; expected a quality" if name == "rate_bpp" else ""
                raise InlayError(f"{name} {value} for {self.codec}, which takes none{expected}")

    def base_options(self) -> dict[str, Any]:
        """The base codec's options that are set."""
        return {name: value for name in BASE_OPTIONS if (value := getattr(self, name)) not in (None, False)}


@dataclass(frozen=True)
class Detail:
    """What a line holds besides sizes and PSNRs."""

    metrics: str = "psnr"  # or "all": SSIM, MS-SSIM and SSIMULACRA2 too
    crop: Box | None = None  # a part whose pixels are kept

    @classmethod
    def of(cls, line: Line) -> Detail:
        """What a line has."""
        return cls(line["metrics"], tuple(line["crop"]["box"]) if line["crop"] else None)

    def over(self, line: Line | None) -> Detail:
        """What is asked for, and what the line has anyhow."""
        has = Detail.of(line) if line else self
        return Detail("all" if "all" in (self.metrics, has.metrics) else "psnr", self.crop or has.crop)


@dataclass
class Summary:
    """What became of a bench: numbers of lines, and the pictures that gave none, with the reason."""

    measured: int = 0
    reused: int = 0
    skipped: dict[Path, str] = field(default_factory=dict)  # broken, not a picture, or beyond what the codec takes
    failed: dict[Path, str] = field(default_factory=dict)  # inlaid's own fault


def bench(
    folders: Sequence[Path],
    settings: Iterable[Settings],
    run: Path,
    *,
    metrics: str = "psnr",
    crops: Mapping[str, Box] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Measures every picture that lies in `folders` at all `settings`, and appends the lines to the file `run`.

    metrics: "psnr" or "all".  crops: by name of a picture's file, the part whose pixels its lines keep.  jobs: processes, by default
    one a processor.  `progress` is told the lines done and the lines in all.  InlayError if a folder holds no file or `run` holds
    something else than lines.
    """
    settings, crops = list(settings), crops or {}
    for each in settings:
        each.check()
    summary = Summary()
    files = _files(folders)
    if unknown := crops.keys() - {path.name for path in files}:
        raise InlayError(f"no file {', '.join(sorted(unknown))} in these folders, to keep a crop of")
    known = {runs.key(line): line for line in runs.recover(run)}
    wanted: list[tuple[Path, Settings, Detail]] = []
    for path in files:
        try:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            summary.skipped[path] = f"cannot be read: {error.strerror}"
            continue
        for each in settings:
            line = known.get(runs.key(_head(path, sha256, each)))
            detail = Detail(metrics, crops.get(path.name)).over(line)
            if line and detail == Detail.of(line):
                summary.reused += 1
            else:
                wanted.append((path, each, detail))
    for path, outcome in run_all(measure, wanted, jobs or default_threads()):
        if isinstance(outcome, dict):
            runs.append(run, outcome)
            summary.measured += 1
        elif isinstance(outcome, Unmeasurable):
            summary.skipped[path] = str(outcome)
        else:
            summary.failed[path] = f"{type(outcome).__name__}: {outcome}"
        if progress:
            progress(summary.reused + summary.measured, summary.reused + len(wanted))
    return summary


# ------------------------------------------------------------------------------------------------ one measurement


def _luma(image: Image.Image) -> NDArray[np.uint8]:
    """The plane that is coded and measured: the first of Pillow's `convert("YCbCr")`, or the image itself where it is gray."""
    return np.array(image if image.mode == "L" else image.convert("RGB").convert("YCbCr").getchannel(0))


class Unmeasurable(Exception):
    """The picture is at fault, not inlaid: broken, not a picture, or of a kind that the codec does not take."""


@dataclass(frozen=True)
class _Made:
    """The files of one measurement, and what was decoded from them; (H, W) luma."""

    plain: bytes
    file: bytes
    plain_pixels: Pixels
    pixels: Pixels
    encode_s: float
    decode_s: float
    reason: str = ""
    inlay: dict[str, Any] | None = None  # as `decoder.info` has it


def measure(path: Path, settings: Settings, detail: Detail = Detail()) -> Line:
    """The line of one measurement.  Unmeasurable if the picture is at fault, InlayError if inlaid is."""
    data = path.read_bytes()
    try:
        original = _luma(pictures.prepare(pictures.open_picture(data))[0])
    except Exception as error:  # Pillow raises nearly anything for broken files
        if isinstance(error, UnidentifiedImageError):
            raise Unmeasurable("not a picture that Pillow knows") from error
        raise Unmeasurable(f"{error or type(error).__name__}") from error
    make = _peer if settings.codec in peers.NAMES else _filtered if settings.preset == wiener.NAME else _inlay
    made = make(original, settings)
    psnr_plain_db = metrics.psnr_db(made.plain_pixels, original)
    psnr_db = metrics.psnr_db(made.pixels, original)
    network = made.inlay["network"] if made.inlay else None
    return {
        **_head(path, hashlib.sha256(data).hexdigest(), settings),
        "width": original.shape[1],
        "height": original.shape[0],
        "plain_bytes": len(made.plain),
        "file_bytes": len(made.file),
        "payload_bytes": len(made.file) - len(made.plain),
        # None stands for infinite (nothing was lost), which JSON has no number for.
        "psnr_plain_db": _finite(psnr_plain_db),
        "psnr_db": _finite(psnr_db),
        "gain_db": _finite(psnr_db - psnr_plain_db),
        **_looks(made, original, detail),
        "reason": made.reason,
        "prior": made.inlay["prior"] if made.inlay else None,
        "network": {k: network[k] for k in ("channels", "layers", "weights", "biases")} if network else None,
        "encode_s": round(made.encode_s, 4),
        "decode_s": round(made.decode_s, 4),
        "crop": _crop(made, original, detail.crop),
        "versions": versions() | ({settings.codec: peers.library(settings.codec)} if settings.codec in peers.NAMES else {}),
        "machine": machine(),
    }


def _plain(original: Pixels, settings: Settings) -> tuple[Format, bytes, dict[str, Any]]:
    """The base codec, the plain base file, and the options that it was made with."""
    module, options = formats.by_name(settings.codec), settings.base_options()
    # JPEG's encoder optimises by default.
    options = {name: options.get(name, False) for name in ("optimize", "progressive") if name in module.codec.OPTIONS} | options
    try:
        return module, module.codec.encode(Image.fromarray(original), settings.quality, options), options
    except (UnsupportedError, LimitError, MemoryError) as error:
        raise Unmeasurable(f"{error or type(error).__name__}") from error


def _inlay(original: Pixels, settings: Settings) -> _Made:
    """The plain base, and the file with an inlay: decoded, and checked to have that base."""
    module, plain, options = _plain(original, settings)
    try:
        started = time.perf_counter()
        encoded = encoder.encode(
            original, format=settings.codec, quality=settings.quality, effort=settings.effort, preset=settings.preset,
            seed=settings.seed, threads=THREADS, **options,
        )  # fmt: skip
        encode_s = time.perf_counter() - started
    except (UnsupportedError, LimitError, MemoryError) as error:
        raise Unmeasurable(f"{error or type(error).__name__}") from error
    file = encoded.data
    if module.container.strip(file) != plain:
        raise InlayError("the base inside the file is not the plain base that it is compared with")
    started = time.perf_counter()
    restored = decoder.decode(file, threads=THREADS)
    decode_s = time.perf_counter() - started
    inlay = decoder.info(file)["inlay"]
    if restored.state != ("restored" if inlay else "plain"):
        raise InlayError(f"the file that was written does not decode: {restored.reason}")
    return _Made(plain, file, decoder.decode(plain).pixels, restored.pixels, encode_s, decode_s, encoded.reason, inlay)


def _filtered(original: Pixels, settings: Settings) -> _Made:
    """The plain base, and the same with as many bytes more as a linear filter in the network's place would take."""
    started = time.perf_counter()
    module, plain, _ = _plain(original, settings)
    base = module.codec.decode_luma(plain)
    pixels = wiener.restored(base, original)
    encode_s = time.perf_counter() - started
    file = plain + bytes(module.container.OVERHEAD_BYTES + wiener.PAYLOAD_BYTES)
    return _Made(plain, file, base, pixels, encode_s, 0.0, wiener.ABOUT)


def _peer(original: Pixels, settings: Settings) -> _Made:
    started = time.perf_counter()
    try:
        file = peers.encode(settings.codec, original, settings.quality or 0)
    except (OSError, ValueError, MemoryError) as error:
        raise Unmeasurable(f"{error or type(error).__name__}") from error
    encoded = time.perf_counter()
    pixels = peers.decode(settings.codec, file)
    return _Made(file, file, pixels, pixels, encoded - started, time.perf_counter() - encoded)


def _looks(made: _Made, original: Pixels, detail: Detail) -> dict[str, Any]:
    """The metrics of the plain base and of what was restored; None where they are not asked for, or the picture is too small."""
    found: dict[str, Any] = {"metrics": detail.metrics}
    values: dict[str, float | None] = dict.fromkeys(metrics.LOOKS)
    for name, pixels in (("_plain", made.plain_pixels), ("", made.pixels)):
        if detail.metrics == "all" and (name or pixels is not made.plain_pixels):  # of a peer they are the same
            values = metrics.looks(pixels, original=original)
        found |= {look + name: None if value is None else round(value, 6) for look, value in values.items()}
    return found


def _crop(made: _Made, original: Pixels, box: Box | None) -> dict[str, Any] | None:
    """The same part of all three, as PNG in base64, so that a report needs no pixels."""
    if box is None:
        return None
    x, y, width, height = box
    if x + width > original.shape[1] or y + height > original.shape[0]:
        raise Unmeasurable(f"the crop {x},{y},{width},{height} leaves its {original.shape[1]}x{original.shape[0]} pixels")
    kept: dict[str, Any] = {"box": list(box)}
    for name, pixels in (("original", original), ("plain", made.plain_pixels), ("restored", made.pixels)):
        Image.fromarray(pixels[y : y + height, x : x + width]).save(png := io.BytesIO(), "PNG", optimize=True)
        kept[name] = base64.b64encode(png.getvalue()).decode()
    return kept


def _finite(number: float) -> float | None:
    return round(number, 6) if math.isfinite(number) else None


def _head(path: Path, sha256: str, settings: Settings) -> Line:
    """The beginning of a line, known before anything is measured: it holds the whole key."""
    library = f" {peers.library(settings.codec)}" if settings.codec in peers.NAMES else ""
    return {
        "image": path.name,
        "set": path.absolute().parent.name,
        "sha256": sha256,
        **asdict(settings),
        "threads": THREADS,
        "code": code() + library,
    }


def _files(folders: Sequence[Path]) -> list[Path]:
    """All files of the folders, in order.  A folder is a set, named as it is, so two of one name would be mixed up."""
    named: dict[str, Path] = {}
    found = []
    for folder in dict.fromkeys(f.resolve() for f in folders):
        if folder.name in named:
            raise InlayError(f"{named[folder.name]} and {folder} have one name, and a set is known by it: rename one")
        named[folder.name] = folder
        if not folder.is_dir():
            raise InlayError(f"{folder} is not a folder")
        files = sorted(p for p in folder.iterdir() if p.is_file())
        if not files:
            raise InlayError(f"no files in {folder} (pictures in folders below it are not looked for)")
        found += files
    return found


def at_points(settings: Settings, *, qualities: Iterable[int] = (), rates: Iterable[float] = ()) -> list[Settings]:
    """`settings` at each quality, and at each rate in bits a pixel."""
    return [
        *(replace(settings, quality=quality, rate_bpp=None) for quality in qualities),
        *(replace(settings, quality=None, rate_bpp=rate) for rate in rates),
    ]
