"""A process that tests a part of a campaign's inputs, one after another.

A file holds the number of the current input, so the campaign knows which input ended the process.  A fault that Python can catch is
reported, and the next input follows.
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

AT = struct.Struct("<qq")  # the number of the current input, and how many are done
KEPT_BYTES = 32 << 20
SANITIZERS_SLOW_DOWN = 5  # times that the sanitized kernel takes longer; measured 4
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")  # writing 5 to it resets the peak to the present memory


def tested(input: mutate.Input, counts: Counter[str], *, attach: bool = True) -> int:
    """Checks an input.  Returns the number of pixels of its picture."""
    return check.any_original(input.data, counts) if input.kind == "original" else check.any_file(input.data, counts, attach=attach)


def signature(error: BaseException) -> str:
    """What findings of one fault have in common: the error, and the place in inlaid that raised it."""
    places = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(check.PACKAGE)]
    where = f" ({Path(places[-1].filename).name}, {places[-1].name})" if places else ""
    text = "".join("#" if c.isdigit() else c for c in str(error).partition(":")[0])
    return f"{type(error).__name__}: {text[:80]}{where}"


class Memory:
    """The peak memory of one input, in bytes above the process's memory before it, and what earlier inputs left behind."""

    def __init__(self) -> None:
        """Checks nothing on systems that do not report memory."""
        self.known = _STATUS.exists() and _RESET.exists()
        self.before = self.now = self._read("VmRSS:") if self.known else 0

    def _read(self, key: str) -> int:
        text = _STATUS.read_text()
        return int(text[text.index(key) + len(key) :].split(None, 1)[0]) << 10

    def begin(self) -> None:
        """Starts measuring.  Fault if earlier inputs have left more memory in use than allowed."""
        if not self.known:
            return
        self.now = self._read("VmRSS:")
        if self.now - self.before > KEPT_BYTES and _TRIM is not None:
            _TRIM(0)  # the allocator keeps freed memory
            self.now = self._read("VmRSS:")
        check.require(self.now - self.before <= check.SPARE_BYTES, f"memory is kept: {(self.now - self.before) >> 20} MB")
        _RESET.write_text("5")

    def check(self, pixels: int) -> None:
        """Fault if the peak was more than allowed for this many pixels."""
        peak = self._read("VmHWM:") - self.now if self.known else 0
        most = check.SPARE_BYTES + check.BYTES_A_PIXEL * pixels
        check.require(peak <= most, f"too much memory: {peak >> 20} MB for {pixels} pixels")


def kernels() -> set[Path]:
    """The kernel libraries that this process has loaded."""
    native.library()
    maps = Path("/proc/self/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[5]) for line in maps if line.endswith("/_kernel.so")}


def run(task: dict[str, Any], progress: mmap, out: Any) -> None:
    """Tests inputs [first, last) of a campaign.  Counts and faults go to `out`, a line of JSON each."""
    seeds = Seeds(*pickle.loads(Path(task["seeds"]).read_bytes()))
    counts: Counter[str] = Counter()
    paths = native.paths()
    check.remember_parameters()
    for data in seeds.files[:8]:  # so that memory for what is loaded once counts for no input
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
    """Arguments: a file with the task in JSON, and the file that holds the number of the current input."""
    task = json.loads(Path(sys.argv[1]).read_text())
    if task["sanitized"]:
        if not any(b"__asan_init" in library.read_bytes() for library in kernels()):
            raise SystemExit("the kernel was not built with sanitizers")
        check.HANG_S *= SANITIZERS_SLOW_DOWN
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # standard output is for results alone; libraries may print
    with Path(sys.argv[2]).open("r+b") as file, mmap(file.fileno(), AT.size) as progress:
        run(task, progress, out)


if __name__ == "__main__":
    main()
