"""A finding made small: bytes are left out as long as the same fault remains."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from . import check
from .sanitized import environment
from .seeds import ROOT
from .worker import Memory, signature

SECONDS = 60.0  # for one finding
WAIT_S = 30.0  # for one process


def replayed(data: bytes) -> None:
    """All that must hold of these bytes, as a file to decode and as a picture to encode."""
    for work in (check.any_file, check.any_original):
        memory = Memory()
        memory.begin()
        memory.check(work(data, Counter()))


def fault(data: bytes) -> str:
    """The signature of what these bytes do, nothing if all holds."""
    try:
        replayed(data)
    except Exception as error:
        return signature(error)
    return ""


def dies(data: bytes, sanitized: Path | None) -> str:
    """The word "dies" if these bytes end a process of their own, or make it wait for ever; nothing if not."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        path.write_bytes(data)
        command = [sys.executable, "-m", "fuzz.replay", str(path)]
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment(sanitized), capture_output=True, timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            return "dies"
    return "dies" if done.returncode not in (0, 1) else ""


def smallest(data: bytes, tells: Callable[[bytes], str]) -> bytes:
    """The least of `data` of which `tells` says the same, as far as there is time to try."""
    wanted, end = tells(data), time.monotonic() + SECONDS
    if not wanted:
        return data  # it hung on what came before, or on memory
    length = len(data) // 2
    while length:
        at = 0
        while at < len(data) and time.monotonic() < end:
            shorter = data[:at] + data[at + length :]
            if tells(shorter) == wanted:
                data = shorter
            else:
                at += length
        length //= 2
    return data
