"""Makes a finding small: leaves out bytes while the same fault remains."""

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
    """Checks these bytes as a file to decode and as a picture to encode."""
    for work in (check.any_file, check.any_original):
        memory = Memory()
        memory.begin()
        memory.check(work(data, Counter()))


def fault(data: bytes) -> str:
    """The signature of the fault that these bytes cause, "" if there is none."""
    try:
        replayed(data)
    except Exception as error:
        return signature(error)
    return ""


def dies(data: bytes, sanitized: Path | None) -> str:
    """The word "dies" if a process of its own ends or hangs on these bytes, else ""."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        path.write_bytes(data)
        command = [sys.executable, "-m", "fuzz.replay", str(path)]
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment(sanitized), capture_output=True, timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            return "dies"
    return "dies" if done.returncode not in (0, 1) else ""


def smallest(data: bytes, fault_of: Callable[[bytes], str]) -> bytes:
    """The shortest part of `data` for which `fault_of` returns the same, as far as time allows."""
    wanted, end = fault_of(data), time.monotonic() + SECONDS
    if not wanted:
        return data  # the fault depended on earlier inputs, or on memory
    length = len(data) // 2
    while length:
        at = 0
        while at < len(data) and time.monotonic() < end:
            shorter = data[:at] + data[at + length :]
            if fault_of(shorter) == wanted:
                data = shorter
            else:
                at += length
        length //= 2
    return data
