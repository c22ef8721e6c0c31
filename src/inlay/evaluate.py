"""The bench: real files, encoded and decoded again, measured, one JSON line a measurement (DESIGN.md, section 5).

A measurement takes one picture's luma at one setting, writes the plain base file and the file with an inlay, decodes both
from their bytes with the real decoder, and keeps sizes and PSNRs.  Lines are appended to a run file as they come, so an
interrupted run goes on where it stopped; a line is taken over only if picture, settings and code are what they were.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import multiprocessing
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from multiprocessing import connection
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, UnidentifiedImageError, features

from . import __version__, decoder, encoder, formats, kernel, metrics, pictures, presets, runs
from .errors import InlayError, LimitError, UnsupportedError
from .runs import Line

Progress = Callable[[int, int], None]

# Modules that encoding, decoding and measuring never import: a change to them leaves the lines that are there good.
EDGES = {"__main__", "cli", "cli_support", "demo", "evaluate_cli", "export", "plots", "pretrain", "pretrain_cli", "report"}
# One process, one thread, also inside numpy's linear algebra: then the lines do not depend on `jobs`.
THREADS = 1
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), str(THREADS))


@dataclass(frozen=True)
class Settings:
    """What is measured of a picture; every field is part of a line, and of its key."""

    codec: str = "jpeg"
    quality: int = 75  # the base codec's own
    preset: str = presets.DEFAULT
    effort: int = 5
    optimize: bool = False  # Huffman tables of the base: the file's own instead of the standard's
    progressive: bool = False
    seed: int = 0

    def check(self) -> None:
        """InlayError if nothing could be measured so."""
        formats.by_name(self.codec)
        presets.by_name(self.preset).at(self.effort)
        if not 1 <= self.quality <= 100:
            raise InlayError(f"quality {self.quality}, expected 1 to 100")


@dataclass
class Summary:
    """What became of a bench: numbers of lines, and the pictures that gave none, with the reason."""

    measured: int = 0
    reused: int = 0
    skipped: dict[Path, str] = field(default_factory=dict)  # broken, not a picture, or beyond what the codec takes
    failed: dict[Path, str] = field(default_factory=dict)  # inlay's own fault


def bench(
    folders: Sequence[Path],
    settings: Iterable[Settings],
    run: Path,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Measures every picture that lies in `folders` at all `settings`, and appends the lines to the file `run`.

    jobs: processes, by default one a processor.  `progress` is told the lines done and the lines in all.  InlayError if a folder
    holds no file or `run` holds something else than lines.
    """
    settings = list(settings)
    for each in settings:
        each.check()
    summary = Summary()
    files = _files(folders)
    known = {runs.key(line): line for line in runs.recover(run)}
    wanted: list[tuple[Path, Settings]] = []
    for path in files:
        try:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            summary.skipped[path] = f"cannot be read: {error.strerror}"
            continue
        for each in settings:
            if runs.key(_head(path, sha256, each)) in known:
                summary.reused += 1
            else:
                wanted.append((path, each))
    for path, outcome in _measure_all(wanted, jobs or kernel.default_threads()):
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


class Unmeasurable(Exception):
    """The picture is at fault, not inlay: broken, not a picture, or of a kind that the codec does not take."""


def measure(path: Path, settings: Settings) -> Line:
    """The line of one measurement.  Unmeasurable if the picture is at fault, InlayError if inlay is."""
    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as opened:
            original = pictures.luma(pictures.prepare(opened)[0])
    except Exception as error:  # Pillow raises nearly anything for broken files
        if isinstance(error, UnidentifiedImageError):
            raise Unmeasurable("not a picture that Pillow knows") from error
        raise Unmeasurable(f"{error or type(error).__name__}") from error

    module = formats.by_name(settings.codec)
    try:
        options = {"optimize": settings.optimize, "progressive": settings.progressive}
        plain = module.encode_base(Image.fromarray(original), settings.quality, options)
        started = time.perf_counter()
        encoded = encoder.encode(
            original, format=settings.codec, quality=settings.quality, effort=settings.effort, preset=settings.preset,
            progressive=settings.progressive, optimize=settings.optimize, seed=settings.seed, threads=THREADS,
        )  # fmt: skip
        encode_s = time.perf_counter() - started
    except (UnsupportedError, LimitError, MemoryError) as error:
        raise Unmeasurable(f"{error or type(error).__name__}") from error
    file = encoded.data
    if module.strip(file) != plain:
        raise InlayError("the base inside the file is not the plain base that it is compared with")
    started = time.perf_counter()
    restored = decoder.decode(file, threads=THREADS)
    decode_s = time.perf_counter() - started
    inlay = decoder.info(file)["inlay"]
    if restored.state != ("restored" if inlay else "plain"):
        raise InlayError(f"the file that was written does not decode: {restored.reason}")

    psnr_plain_db = metrics.psnr_db(decoder.decode(plain).pixels, original)
    psnr_db = metrics.psnr_db(restored.pixels, original)
    network = inlay["network"] if inlay else None
    return {
        **_head(path, hashlib.sha256(data).hexdigest(), settings),
        "width": original.shape[1],
        "height": original.shape[0],
        "plain_bytes": len(plain),
        "file_bytes": len(file),
        "payload_bytes": len(file) - len(plain),
        # None stands for infinite (nothing was lost), which JSON has no number for.
        "psnr_plain_db": _finite(psnr_plain_db),
        "psnr_db": _finite(psnr_db),
        "gain_db": _finite(psnr_db - psnr_plain_db),
        "reason": encoded.reason,
        "prior": inlay["prior"] if inlay else None,
        "network": {k: network[k] for k in ("channels", "layers", "weights", "biases")} if network else None,
        "encode_s": round(encode_s, 4),
        "decode_s": round(decode_s, 4),
        "versions": versions(),
        "machine": machine(),
    }


def _finite(number: float) -> float | None:
    return round(number, 6) if math.isfinite(number) else None


# ------------------------------------------------------------------------------------------------ what a line hangs on


def _head(path: Path, sha256: str, settings: Settings) -> Line:
    """The beginning of a line, known before anything is measured: it holds the whole key."""
    return {
        "image": path.name,
        "set": path.absolute().parent.name,
        "sha256": sha256,
        **asdict(settings),
        "threads": THREADS,
        "code": code(),
    }


@cache
def code() -> str:
    """A digest of all that can change a measurement: inlay's source, priors and kernel, and the libraries below."""
    digest = hashlib.sha256(json.dumps(versions(), sort_keys=True).encode())
    package = Path(__file__).parent
    sources = [p for p in package.rglob("*.py") if p.relative_to(package).as_posix() not in {f"{e}.py" for e in EDGES}]
    for path in (*sorted(sources), *sorted(package.rglob("*.json"))):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    digest.update(Path(kernel._library()._name).read_bytes())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Of everything that a result hangs on."""
    return {
        "inlay": __version__,
        "kernel": os.environ.get("INLAY_PATH") or kernel.paths()[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "Pillow": PIL.__version__,
        "libjpeg-turbo": features.version("libjpeg_turbo") or "none",
    }


@cache
def machine() -> str:
    """The processor's name and how many of them this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line)
        name = next(found, name)
    return f"{name}, {kernel.default_threads()} cores"


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


# ------------------------------------------------------------------------------------------------ processes


def _measure_all(wanted: Sequence[tuple[Path, Settings]], jobs: int) -> Iterator[tuple[Path, Line | Unmeasurable | Exception]]:
    """Each measurement as it is done.  A picture at fault is tried at most once a process, and told once."""
    if not wanted:
        return
    todo = iter(wanted)
    at_fault: set[Path] = set()
    running: dict[Future[Line], Path] = {}
    with _one_thread_each(), _pool(min(jobs, len(wanted))) as pool:
        while True:
            for path, settings in todo:  # only as many as keep the processes busy: a broken picture is not tried again and again
                if path not in at_fault:
                    running[pool.submit(measure, path, settings)] = path
                if len(running) > jobs:
                    break
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                path = running.pop(future)
                try:
                    yield path, future.result()
                except BrokenProcessPool as error:
                    raise InlayError("a process of the bench was killed (no memory?); the lines so far are kept") from error
                except Exception as error:
                    if path not in at_fault:
                        yield path, error
                    at_fault.add(path)


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    # spawn: a fork would inherit the threads' locks of whoever calls.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """In a new process: die at once, and without a word, when the run is interrupted or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(parent: int) -> None:
    connection.wait([parent])
    os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """The environment for processes started inside: numpy's linear algebra reads it when it is loaded."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def at_qualities(settings: Settings, qualities: Iterable[int]) -> list[Settings]:
    """`settings` at each quality."""
    return [replace(settings, quality=quality) for quality in qualities]
