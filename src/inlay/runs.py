"""Run files: the measurements of `inlay bench`, one JSON line each, appended as they come and read by bench and report."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .errors import InlayError

Line = dict[str, Any]

# What a line must agree in to be taken over: where the picture is found, what it is, how it is measured, and by what code.
SETTINGS = ("codec", "quality", "preset", "effort", "optimize", "progressive", "seed", "threads")
KEY = ("set", "image", "sha256", *SETTINGS, "code")
MEASURED = (
    "width", "height", "plain_bytes", "file_bytes", "payload_bytes", "psnr_plain_db", "psnr_db", "gain_db",
    "reason", "prior", "network", "encode_s", "decode_s", "versions", "machine",
)  # fmt: skip


def key(line: Line) -> tuple[Any, ...]:
    """What two lines must agree in to be the same measurement."""
    return tuple(line[name] for name in KEY)


def read_lines(run: Path) -> list[Line]:
    """The lines of a run file; a last one that an interruption cut off is left out.  InlayError for anything else."""
    return _parse(run)[0]


def recover(run: Path) -> list[Line]:
    """The lines of a run file, which is made if there is none; a cut-off last line is removed, so that more can follow."""
    run.touch()
    lines, good_bytes = _parse(run)
    with run.open("r+b") as file:
        file.truncate(good_bytes)
        file.seek(0, os.SEEK_END)
        if lines and not run.read_bytes().endswith(b"\n"):
            file.write(b"\n")
    return lines


def append(run: Path, line: Line) -> None:
    """One write, straight to the file: whenever the run stops, all lines but the last are whole."""
    with run.open("ab", buffering=0) as file:
        file.write(json.dumps(line, allow_nan=False).encode() + b"\n")


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
        if isinstance(line, dict) and all(name in line for name in (*KEY, *MEASURED)):
            lines.append(line)
        elif position + len(raw) == len(data) and raw.startswith(b"{") and not raw.endswith(b"\n"):
            break
        elif raw.strip():
            raise InlayError(f"{run}, line {number}, is not a measurement of `inlay bench`")
        position += len(raw)
    return lines, position
