"""Run files: what `inlaid bench` measured, one JSON line each, appended as they come and read by bench and report."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import InlayError

Line = dict[str, Any]

# What a line must agree in to be taken over: where the picture is found, what it is, how it is measured, and by what code.
SETTINGS = ("codec", "quality", "rate_bpp", "preset", "effort", "optimize", "progressive", "seed", "threads")
KEY = ("set", "image", "sha256", *SETTINGS, "code")
MEASURED = (
    "width", "height", "plain_bytes", "file_bytes", "payload_bytes", "psnr_plain_db", "psnr_db", "gain_db",
    "metrics", "ssim_plain", "ms_ssim_plain", "ssimulacra2_plain", "ssim", "ms_ssim", "ssimulacra2",
    "reason", "prior", "network", "encode_s", "decode_s", "crop", "versions", "machine",
)  # fmt: skip
# What the first lines did not have yet.
_SINCE = {"rate_bpp": None, "metrics": "psnr", "crop": None} | {
    look + which: None for look in ("ssim", "ms_ssim", "ssimulacra2") for which in ("_plain", "")
}

# Lines of `inlaid bench --speed` say so: `"benchmark": SPEED`.
SPEED = "speed"
TIMED = ("codec", "network", "prior", "width", "height", "threads", "restore_s", "decode_s", "repeats", "versions", "machine")


def key(line: Line) -> tuple[Any, ...]:
    """What two lines must agree in to be the same measurement."""
    return tuple(line[name] for name in KEY)


def read_lines(run: Path) -> list[Line]:
    """The measurements of a run file; a last one that an interruption cut off is left out.  InlayError for anything else."""
    return [line for line in _parse(run)[0] if not _is_speed(line)]


def read_speeds(run: Path) -> list[Line]:
    """The times of a run file."""
    return [line for line in _parse(run)[0] if _is_speed(line)]


def _is_speed(line: Line) -> bool:
    return line.get("benchmark") == SPEED


def recover(run: Path) -> list[Line]:
    """The measurements of a run file, which is made if there is none; a cut-off last line is removed, so that more can follow."""
    run.touch()
    lines, good_bytes = _parse(run)
    with run.open("r+b") as file:
        file.truncate(good_bytes)
        file.seek(0, os.SEEK_END)
        if lines and not run.read_bytes().endswith(b"\n"):
            file.write(b"\n")
    return [line for line in lines if not _is_speed(line)]


def append(run: Path, line: Line) -> None:
    """One write, straight to the file: whenever the run stops, all lines but the last are whole."""
    with run.open("ab", buffering=0) as file:
        file.write(json.dumps(line, allow_nan=False).encode() + b"\n")


def _is_whole(line: Line) -> bool:
    return all(name in line or name in _SINCE for name in (TIMED if _is_speed(line) else (*KEY, *MEASURED)))


def _parse(run: Path) -> tuple[list[Line], int]:
    """The lines, and the bytes that they take."""
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
            lines.append(_SINCE | line)
        elif position + len(raw) == len(data) and raw.startswith(b"{") and not raw.endswith(b"\n"):
            break
        elif raw.strip():
            raise InlayError(f"{run}, line {number}, is not a measurement of `inlaid bench`")
        position += len(raw)
    return lines, position
