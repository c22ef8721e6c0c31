"""Run files: the measurements of `inlaid bench`, one JSON line each.  The bench appends them, the report reads them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import InlayError
from .metrics import PERCEPTUAL

Line = dict[str, Any]

# What says how fine a file is.  A line has one of these.
TARGETS = ("target_bpp", "target_psnr_db", "target_ssimulacra2")
KNOBS = ("quality", "rate_bpp", *TARGETS)
# Two lines are the same measurement if they agree in KEY: the picture's place and content, the settings, and the code.
SETTINGS = (
    *("codec", *KNOBS, "preset", "effort", "optimize", "progressive", "seed", "threads"),
    *("base", "tune", "legacy_loss_db", "colour", "subsampling"),
)
KEY = ("set", "image", "sha256", *SETTINGS, "code")
_PERCEPTUAL = tuple(name + suffix for suffix in ("_plain", "") for name in PERCEPTUAL)
_SIZES = ("width", "height", "plain_bytes", "file_bytes", "payload_bytes", "packed_bytes")
MEASURED = (
    *(*_SIZES, "psnr_plain_db", "psnr_db", "gain_db", "psnr_rgb_plain_db", "psnr_rgb_db", "metrics", *_PERCEPTUAL),
    *("reason", "prior", "network", "encode_s", "decode_s", "crop", "versions", "machine"),
)
# What the encoder did before it could be told, by the name of its option.
BEFORE: dict[str, Any] = {"tune": "psnr", "legacy_loss_db": 0.0}
JPEG_BEFORE = "turbo"  # the encoder of JPEG bases; JPEG 2000 and peers have one encoder alone, called None
# The values of fields that the oldest lines do not have.
_ADDED_LATER = {
    **{"metrics": "psnr", "crop": None, "base": None, **BEFORE, "colour": False, "subsampling": None},
    **dict.fromkeys(("rate_bpp", "packed_bytes", *TARGETS, "psnr_rgb_plain_db", "psnr_rgb_db", *_PERCEPTUAL)),
}

# Lines of `inlaid bench --speed` have `"benchmark": SPEED`, those of benchmarks/readings.py READING, those of benchmarks/parts.py PART.
SPEED, READING, PART = "speed", "reading", "part"
TIMED = ("codec", "network", "prior", "width", "height", "threads", "restore_s", "decode_s", "repeats", "versions", "machine")
READ = ("pictures", "prior_db", "fitted_db", "payload_bytes", "bd_rate_percent", "bd_rate_uncounted_percent", "bd_psnr_db")
_FIELDS = {
    None: (*KEY, *MEASURED),
    SPEED: TIMED,
    READING: ("name", "codec", "differs", "reason", "training_steps", "fit_steps", *READ, "versions", "machine"),
    PART: ("name", "tune", "differs", "pictures", "bd_rate_percent", "versions", "machine"),
}


def knob(line: Line) -> str:
    """The one of KNOBS that the line has."""
    return next(name for name in KNOBS if line[name] is not None)


def key(line: Line) -> tuple[Any, ...]:
    """The values of `KEY`."""
    return tuple(line[name] for name in KEY)


def read_lines(run: Path) -> list[Line]:
    """The measurements in a run file.  A last line that an interruption cut off is left out; InlayError for any other line."""
    return _of_kind(None, _parse(run)[0])


def read_speeds(run: Path) -> list[Line]:
    """The times in a run file."""
    return _of_kind(SPEED, _parse(run)[0])


def read_readings(run: Path) -> list[Line]:
    """The readings of the paper in a run file."""
    return _of_kind(READING, _parse(run)[0])


def read_parts(run: Path) -> list[Line]:
    """What each part of the base made for its inlay brings, in a run file."""
    return _of_kind(PART, _parse(run)[0])


def _of_kind(kind: str | None, lines: list[Line]) -> list[Line]:
    return [line for line in lines if line.get("benchmark") == kind]


def recover(run: Path) -> list[Line]:
    """The measurements in a run file, made ready to append to: a new file is created, a cut-off last line is removed."""
    run.touch()
    lines, good_bytes = _parse(run)
    with run.open("r+b") as file:
        file.truncate(good_bytes)
        file.seek(0, os.SEEK_END)
        if lines and not run.read_bytes().endswith(b"\n"):
            file.write(b"\n")
    return _of_kind(None, lines)


def append(run: Path, line: Line) -> None:
    """Append a line by one unbuffered write: whenever the run stops, only the last line can be incomplete."""
    with run.open("ab", buffering=0) as file:
        file.write(json.dumps(line, allow_nan=False).encode() + b"\n")


def _is_whole(line: Line) -> bool:
    fields = _FIELDS.get(line.get("benchmark"))
    return fields is not None and all(name in line or name in _ADDED_LATER for name in fields)


def _parse(run: Path) -> tuple[list[Line], int]:
    """The complete lines, and the number of bytes that they take."""
    try:
        data = run.read_bytes()
    except OSError as error:
        raise InlayError(f"cannot read {run}: {error.strerror}") from error
    lines: list[Line] = []
    position = 0
    for number, raw in enumerate(data.splitlines(keepends=True), 1):
        try:
            line = json.loads(raw)
        except ValueError:
            line = None
        if isinstance(line, dict) and _is_whole(line):
            lines.append(_ADDED_LATER | ({"base": JPEG_BEFORE} if line.get("codec") == "jpeg" else {}) | line)
        elif position + len(raw) == len(data) and raw.startswith(b"{") and not raw.endswith(b"\n"):
            break
        elif raw.strip():
            raise InlayError(f"{run}, line {number}, is not a measurement of `inlaid bench`")
        position += len(raw)
    return lines, position
