"""A process that runs a part of a campaign: its inputs one after another, in this very process.

Which input it is at stands in a file, so that whoever started it knows the one that it died of.  A fault that Python can tell is written
down, and the next input follows.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import struct
import sys
import traceback
from collections import Counter
from mmap import mmap
from pathlib import Path
from typing import Any

from inlaid import native

from . import check, mutate
from .seeds import Seeds

AT = struct.Struct("<qq")  # the input in hand, and how many were done
KEPT_BYTES = 32 << 20
SANITIZERS_SLOW_DOWN = 5  # the kernel: measured 4
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")  # 5 written to it makes the peak the present memory


def tested(input: mutate.Input, counts: Counter[str], *, attach: bool = True) -> int:
    """What must hold of it; the pixels of its picture."""
    return check.any_original(input.data, counts) if input.kind == "original" else check.any_file(input.data, counts, attach=attach)


def signature(error: BaseException) -> str:
    """What is alike in findings of one fault: the error, and where in inlaid it came from."""
    places = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(check.PACKAGE)]
    where = f" ({Path(places[-1].filename).name}, {places[-1].name})" if places else ""
    text = "".join("#" if c.isdigit() else c for c in str(error).partition(":")[0])
    return f"{type(error).__name__}: {text[:80]}{where}"


class Memory:
    """The peak of one input, in bytes above what the process had before it; and what the inputs before it have left behind."""

    def __init__(self) -> None:
        """Where the system does not say, nothing is bounded."""
        self.known = _STATUS.exists() and _RESET.exists()
        self.before = self.now = self._read("VmRSS:") if self.known else 0

    def _read(self, key: str) -> int:
        text = _STATUS.read_text()
        return int(text[text.index(key) + len(key) :].split(None, 1)[0]) << 10

    def begin(self) -> None:
        """The peak counts from here.  Fault if what is held by now is more than inputs may take in passing."""
        if not self.known:
            return
        self.now = self._read("VmRSS:")
        if self.now - self.before > KEPT_BYTES and _TRIM is not None:
            _TRIM(0)  # the allocator keeps what is free
            self.now = self._read("VmRSS:")
        check.require(self.now - self.before <= check.SPARE_BYTES, f"memory is kept: {(self.now - self.before) >> 20} MB")
        _RESET.write_text("5")

    def check(self, pixels: int) -> None:
        """Fault if the peak was more than the picture takes and what is spare."""
        peak = self._read("VmHWM:") - self.now if self.known else 0
        most = check.SPARE_BYTES + check.BYTES_A_PIXEL * pixels
        check.require(peak <= most, f"too much memory: {peak >> 20} MB for {pixels} pixels")


def kernels() -> set[Path]:
    """The kernel libraries that this process has loaded."""
    native.library()
    maps = Path("/proc/self/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[5]) for line in maps if line.endswith("/_kernel.so")}


def run(task: dict[str, Any], progress: mmap, out: Any) -> None:
    """Inputs [first, last) of a campaign; counts and faults go to `out`, a line of JSON each."""
    seeds = Seeds(*pickle.loads(Path(task["seeds"]).read_bytes()))
    counts: Counter[str] = Counter()
    paths = native.paths()
    check.remember_parameters()
    for data in seeds.files[:8]:  # warm: what is loaded but once is nobody's memory
        check.any_file(data, Counter())
    for data in seeds.originals:
        check.any_original(data, Counter())
    memory = Memory()
    for index in range(task["first"], task["last"]):
        progress[: AT.size] = AT.pack(index, index - task["first"])
        os.environ["INLAID_PATH"] = paths[index % len(paths)]
        input = mutate.made(task["seed"], index, seeds)
        try:
            memory.begin()
            memory.check(tested(input, counts, attach=index % task["attach_every"] == 0))
        except Exception as error:
            found = {"index": index, "signature": signature(error), "text": traceback.format_exc(limit=-6)}
            print(json.dumps({"fault": found}), file=out, flush=True)
        counts[f"inputs: {input.kind}"] += 1
        if index % 100 == 99 or index == task["last"] - 1:
            print(json.dumps({"counts": counts}), file=out, flush=True)
            counts = Counter()
    progress[: AT.size] = AT.pack(task["last"], task["last"] - task["first"])


def main() -> None:
    """The task is a file's JSON; the last argument is the file that says how far it is."""
    task = json.loads(Path(sys.argv[1]).read_text())
    if task["sanitized"]:
        if not any(b"__asan_init" in library.read_bytes() for library in kernels()):
            raise SystemExit("the kernel was not built with sanitizers")
        check.HANG_S *= SANITIZERS_SLOW_DOWN
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not ours
    with Path(sys.argv[2]).open("r+b") as file, mmap(file.fileno(), AT.size) as progress:
        run(task, progress, out)


if __name__ == "__main__":
    main()
