"""The manifest: a JSON line for each file of a batch, by which a later run knows what is done.

A line of a file that was done again takes the place of the older one.  The index in memory takes 16 bytes a file.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import FormatError, InlayError
from . import temporary_files

try:
    import fcntl
except ImportError:  # on Windows nothing stops two runs with one manifest
    fcntl = None  # type: ignore[assignment]  # a module elsewhere

NAME = "inlaid-manifest.jsonl"
DONE, FAILED = "done", "failed"
Record = dict[str, Any]
# What a file was made from and how.  It is made again when one of these has changed.
IDENTITY = ("source_bytes", "source_stamp", "master", "master_bytes", "master_stamp", "output", "settings")
_NONE = 0  # the identity of a file that is not done


def digest(*values: object) -> int:
    """A number of 64 bits, other for other values.  Two of 100,000 are equal by chance once in 10^9 runs."""
    text = "\0".join(map(str, values))
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def identity(record: Record) -> int:
    """A number that changes with the source, the master and the settings."""
    return digest(*(record.get(key) for key in IDENTITY)) or 1


class Manifest:
    """A manifest that this run alone writes."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        """Of an open file, which has whole lines alone.  `opened` makes it."""
        self.path, self._file = path, file
        keys, states = array("Q"), array("Q")
        for record in _records(path, file):
            keys.append(digest(record["source"]))
            states.append(identity(record) if record.get("state") == DONE else _NONE)
        self._keys, last = _last_of_each(keys)
        self._states = np.array(states, np.uint64)[last]
        self._outdated = len(keys) - len(self._keys)

    def is_done(self, record: Record) -> bool:
        """True if the file of `record` was made from the same source, with the same settings."""
        at = self._place(record)
        return at is not None and int(self._states[at]) == identity(record)

    def append(self, record: Record) -> None:
        """Write a line.  It is given to the system at once, so that a killed run keeps it."""
        self._file.seek(0, os.SEEK_END)
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        self._outdated += self._place(record) is not None

    def compact(self) -> None:
        """Leave the latest line of each file alone."""
        if not self._outdated:
            return
        self._file.seek(0)
        keys = array("Q", (digest(json.loads(line)["source"]) for line in self._file))
        _, last = _last_of_each(keys)
        kept = np.zeros(len(keys), bool)
        kept[last] = True
        self._file.seek(0)
        with temporary_files.beside(self.path) as new:
            new.writelines(line for line, keep in zip(self._file, kept, strict=True) if keep)
            if fcntl is None:  # Windows replaces no open file
                self._file.close()
            temporary_files.put(new, self.path)

    def _place(self, record: Record) -> int | None:
        key = np.uint64(digest(record["source"]))
        at = int(np.searchsorted(self._keys, key))
        return at if at < len(self._keys) and self._keys[at] == key else None


@contextmanager
def opened(path: Path) -> Iterator[Manifest]:
    """The manifest in a file, which is made if it is not there.  At the end it holds one line a file.

    InlayError if another run writes it; FormatError if it is no manifest.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary_files.remove_abandoned(path)
    with _locked(path) as file:
        _recover(file)
        manifest = Manifest(path, file)
        try:
            yield manifest
        finally:
            manifest.compact()


def records(path: Path) -> Iterator[Record]:
    """The lines of a manifest, older ones of the same file included.  FormatError if it is none."""
    with path.open("rb") as file:
        yield from _records(path, file)


def _records(path: Path, file: IO[bytes]) -> Iterator[Record]:
    file.seek(0)
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            return  # a run is writing it, or was killed
        try:
            record = json.loads(line)
            _ = record["source"], record["state"]
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{path}: line {number} is not of a manifest; expected a JSON object with source and state") from error
        yield record


def _last_of_each(keys: array[int]) -> tuple[np.ndarray[Any, np.dtype[np.uint64]], np.ndarray[Any, np.dtype[np.intp]]]:
    """The different keys, sorted, and where each stands last."""
    backwards = np.array(keys, np.uint64)[::-1]
    unique, first = np.unique(backwards, return_index=True)
    return unique, len(backwards) - 1 - first


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    while True:
        with path.open("ab+") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise InlayError(f"{path}: another run is writing this manifest; expected one run at a time") from error
                except OSError:  # a file system without locks
                    pass
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    yield file
                    return
        # Another run has replaced the file between the opening and the lock.


def _recover(file: IO[bytes]) -> None:
    """Cut off a last line that a killed run did not finish."""
    size = end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        end = start + found + 1 if found >= 0 else start
        if found >= 0:
            break
    if end != size:
        file.truncate(end)
