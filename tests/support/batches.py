"""Trees for the tests of `inlaid batch`, what a manifest says, and work that ends badly.  Other processes import it too."""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from inlaid.batch.work import Made
from inlaid.errors import LimitError
from support.pictures import file_of, textured

# The fastest files that have an inlay, by the command and by the library.
SETTINGS = ("-e", "1", "-q", "30", "--base", "turbo", "--legacy-loss", "0")
OPTIONS = {"effort": 1, "quality": 30, "base": "turbo", "legacy_loss_db": 0, "threads": 1}
INLAID = [sys.executable, "-m", "inlaid"]


def make_tree(folder, count, size=(48, 40)):
    """`count` different small PNG files in three folders, sub/0.png, sub/deep/1.png, 2.png, ..."""
    for i in range(count):
        path = Path(folder, ("sub", "sub/deep", "")[i % 3], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_of(textured(*size, seed=i)))
    return Path(folder)


def lines(manifest):
    """The lines of a manifest by their sources.  There must be one of each."""
    found = [json.loads(line) for line in Path(manifest).read_text("utf-8").splitlines()]
    by_name = {line["source"]: line for line in found}
    assert len(by_name) == len(found), "a source has two lines"
    return by_name


def files_of(folder):
    """The bytes of all files in a folder by their relative names, but for the manifest."""
    every = {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in every.items() if path.name != "inlaid-manifest.jsonl"}


def wait_for_lines(manifest, count, process, seconds=120):
    """Waits until a manifest has so many lines, while `process` runs."""
    end = time.monotonic() + seconds
    while not Path(manifest).exists() or Path(manifest).read_bytes().count(b"\n") < count:
        assert process.poll() is None, "the run ended too early"
        assert time.monotonic() < end, "the run is too slow"
        time.sleep(0.005)


@dataclass(frozen=True)
class Copy:
    """An action that needs as much memory as the file has bytes, and copies it."""

    settings: ClassVar = {"action": "copy"}

    def __call__(self, data, master, max_memory):
        if max_memory is not None and len(data) > max_memory:
            raise LimitError(f"{len(data)} bytes, at most {max_memory} are allowed")
        return Made(data)


def square_or_die(number):
    """The square of a number.  13 kills its process; 7 is an error."""
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 7:
        raise ValueError("seven")
    return number * number
