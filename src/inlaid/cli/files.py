"""Inputs and outputs of the commands: an output appears when it is complete, and what can go wrong with it is found before the work.

An output is written to a temporary file in the same folder, which then takes its name.  `check_output` makes such a file before the
work and removes it at once, so a run that is killed leaves nothing behind unless it was just then writing; the next run onto the same
output removes what was left.  Nothing here imports Pillow before it is needed.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from ..errors import FormatError
from . import streams
from .messages import STREAM, about

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed: that is lock enough
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from ..encoding import pictures

BLOCK_BYTES = 4096  # of most file systems


# ------------------------------------------------------------------------------------------------ inputs


def read(name: str) -> bytes:
    """The bytes of a file, or of standard input."""
    with about(name), nullcontext(sys.stdin.buffer) if name == STREAM else Path(name).open("rb") as file:
        device = _is_device(file)  # some never end
        data: bytes = file.read(1 if device else -1)
        if not data:
            raise FormatError("it is empty; expected a picture")
        if device:
            raise FormatError("it is a device; expected a file or a pipe")
    return data


def _is_device(file: IO[bytes]) -> bool:
    try:
        mode = os.fstat(file.fileno()).st_mode
    except io.UnsupportedOperation:  # a test's stream has no descriptor
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def open_picture(name: str, check: pictures.Check | None = None) -> pictures.Picture:
    """A picture of any kind that Pillow reads; `check` may refuse it before it is decoded."""
    from PIL import UnidentifiedImageError

    from ..encoding import pictures
    from . import signatures

    data = read(name)
    with about(name):
        try:
            return pictures.open_picture(data, check)
        except UnidentifiedImageError as error:
            raise FormatError(signatures.unreadable(data)) from error


def check_names(**names: str) -> None:
    """A usage error if more than one input is standard input."""
    if sum(name == STREAM for name in names.values()) > 1:
        raise click.UsageError(f"only one of {' and '.join(names)} can be standard input")


# ------------------------------------------------------------------------------------------------ outputs


def check_output(name: str) -> None:
    """Fails now, not after minutes of work, if `write` could not write there.  What killed runs onto the same output left is removed."""
    with about(name, streams.OUTPUT):
        if name == STREAM:
            streams.check_output()
            return
        path, there = Path(name), _status(name)
        if name.endswith(("/", os.sep)) or (there and stat.S_ISDIR(there.st_mode)):
            raise IsADirectoryError(0, "it is a folder; expected the name of a file")
        target = _target(path)
        if there is None and not target.parent.is_dir():
            raise FileNotFoundError(0, f"the folder {target.parent} does not exist")
        if there and (not os.access(path, os.W_OK) or _is_kept(there, target.parent)):
            raise PermissionError(0, "it is there already, and may not be written")
        if not _in_place(there, target):
            _remove_left_overs(target)
            with _beside(target) as file:
                file.write(bytes(BLOCK_BYTES))  # a full disk still takes an empty file
                file.flush()


def write(name: str, data: bytes) -> None:
    """All of `data` under that name, or what was there before."""
    with writing(name) as file:
        file.write(data)


@contextmanager
def writing(name: str) -> Iterator[IO[bytes]]:
    """A file to write and to seek in, which gets its name when all is written.

    It is synchronised with the disk before that: else, after a crash of the machine, the name could stand for a file whose bytes never
    arrived, which is neither the old one nor the new.  The name itself need not have arrived, so the folder is not synchronised.
    """
    with about(name, streams.OUTPUT):
        target = _target(Path(name))
        there = None if name == STREAM else _status(name)
        if name == STREAM or _in_place(there, target):
            with tempfile.TemporaryFile() as temporary:
                yield temporary
                temporary.seek(0)
                with nullcontext(sys.stdout.buffer) if name == STREAM else Path(name).open("wb") as out:
                    shutil.copyfileobj(temporary, out)
                    out.flush()
            return
        with _beside(target) as file:
            beside = Path(file.name)
            if there:
                _copy_permissions(target, beside)
            yield file
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:  # Windows renames no open file
                file.close()
            beside.replace(target)


def _status(name: str) -> os.stat_result | None:
    """Of what is there; None if nothing is.  OSError if nothing can be: the name is too long, or goes through a file."""
    try:
        return Path(name).stat()
    except FileNotFoundError:
        return None


def _target(path: Path) -> Path:
    """Where a symbolic link leads; it stays a link."""
    return Path(os.path.realpath(path))


def _in_place(there: os.stat_result | None, target: Path) -> bool:
    """Whether it cannot be replaced, only written to: a device, a pipe, a file that is mounted on its own."""
    return there is not None and (not stat.S_ISREG(there.st_mode) or os.path.ismount(target))


def _is_kept(there: os.stat_result, folder: Path) -> bool:
    """Whether another user's file is in a folder, such as /tmp, where none but its owner may replace it."""
    status = folder.stat()
    return bool(status.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, there.st_uid, status.st_uid)


def _copy_permissions(source: Path, target: Path) -> None:
    with suppress(OSError):  # as far as the system lets us
        shutil.copymode(source, target)
        if hasattr(os, "chown"):
            os.chown(target, source.stat().st_uid, source.stat().st_gid)


# ------------------------------------------------------------------------------------------------ temporary files


def _prefix(target: Path) -> str:
    """How the names of temporary files for `target` begin.  A digest: the name itself may be as long as names can be."""
    return f".inlaid-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}-"


@contextmanager
def _beside(target: Path) -> Iterator[IO[bytes]]:
    """A new file in the folder of `target`, locked while it is open; removed at the end unless it got another name."""
    file = _locked_file(target)
    try:
        with file:
            yield file
    finally:
        Path(file.name).unlink(missing_ok=True)


def _locked_file(target: Path) -> IO[bytes]:
    while True:
        beside = target.with_name(f"{_prefix(target)}{os.urandom(6).hex()}.tmp")
        file = beside.open("xb+")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if beside.exists():
                return file
        except BlockingIOError:
            pass  # another run found it before it was locked, and is about to remove it
        except OSError:  # a file system without locks: nobody can take the file for a left-over
            return file
        file.close()


def _remove_left_overs(target: Path) -> None:
    """Removes the temporary files of runs onto `target` that were killed: nobody holds a lock on them."""
    with suppress(OSError):
        for entry in os.scandir(target.parent):
            if entry.name.startswith(_prefix(target)):
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
