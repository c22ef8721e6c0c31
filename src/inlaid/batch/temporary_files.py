"""Temporary files beside an output: locked while their run lives, removed by a later run when it was killed.

A run that is killed leaves at most one temporary file.  The next run onto the same output removes it: nobody holds its lock.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows needs no lock: it does not remove a file that is open
    fcntl = None  # type: ignore[assignment]  # a module elsewhere

_BEGINNING, _END = ".inlaid-", ".tmp"  # of the names


def prefix(target: Path) -> str:
    """The beginning of the names of temporary files for `target`: a digest, since the name itself may have the greatest length."""
    return f"{_BEGINNING}{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}-"


@contextmanager
def beside(target: Path) -> Iterator[IO[bytes]]:
    """A new file in the folder of `target`, locked while it is open.  It is removed at the end unless it was renamed."""
    file = locked_file(target)
    try:
        with file:
            yield file
    finally:
        Path(file.name).unlink(missing_ok=True)


def put(file: IO[bytes], target: Path) -> None:
    """Give a file of `beside` its name, after its bytes have reached the disk."""
    file.flush()
    os.fsync(file.fileno())
    if fcntl is None:  # Windows renames no open file
        file.close()
    Path(file.name).replace(target)


def locked_file(target: Path) -> IO[bytes]:
    """A new file in the folder of `target`, open and locked."""
    while True:
        path = target.with_name(f"{prefix(target)}{os.urandom(6).hex()}{_END}")
        file = path.open("xb+")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():
                return file
        except BlockingIOError:
            pass  # another run found the file before it was locked, and is about to remove it
        except OSError:  # a file system without locks: no other run can lock the file, so none removes it
            return file
        file.close()


def remove_abandoned(target: Path) -> None:
    """Remove the temporary files for `target` that no living run has locked."""
    _remove_abandoned(target.parent, prefix(target))


def remove_all_abandoned(folder: Path) -> None:
    """Remove the temporary files in `folder`, for any output, that no living run has locked."""
    _remove_abandoned(folder, _BEGINNING)


def _remove_abandoned(folder: Path, beginning: str) -> None:
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.startswith(beginning) and entry.name.endswith(_END):
                with suppress(OSError):
                    _remove_unlocked(entry.path)


def _remove_unlocked(name: str) -> None:
    if fcntl is None:
        Path(name).unlink()
        return
    descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Path(name).unlink()
    finally:
        os.close(descriptor)
