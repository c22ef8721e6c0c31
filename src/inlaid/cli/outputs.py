"""The outputs of the commands: files that appear when they are complete, and are checked before the work begins.

An output is written to a temporary file in its folder, which is renamed when it is complete.  `check_output` finds what would stop that.
Importing this module does not import Pillow.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO

from ..batch import temporary_files
from . import streams
from .inputs import read
from .messages import STREAM, error_prefix

BLOCK_BYTES = 4096  # of most file systems


def check_output(name: str) -> None:
    """`Failure` if `write` could not write there.  Also removes the temporary files that killed runs left beside this output."""
    with error_prefix(name, streams.OUTPUT):
        if name == STREAM:
            streams.check_output()
            return
        path, status = Path(name), _status(name)
        if name.endswith(("/", os.sep)) or (status and stat.S_ISDIR(status.st_mode)):
            raise IsADirectoryError(0, "it is a folder; expected the name of a file")
        target = _target(path)
        if status is None and not target.parent.is_dir():
            raise FileNotFoundError(0, f"the folder {target.parent} does not exist")
        if status and (not os.access(path, os.W_OK) or _is_protected(status, target.parent)):
            raise PermissionError(0, "it exists and may not be written")
        if not _in_place(status, target):
            temporary_files.remove_abandoned(target)
            with temporary_files.beside(target) as file:
                file.write(bytes(BLOCK_BYTES))  # a full disk still takes an empty file
                file.flush()


def convert(source: str, output: str, change: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    """Write what `change` makes of an input.  The bytes of both."""
    check_output(output)
    data = read(source)
    with error_prefix(source):
        made = change(data)
    write(output, made)
    return data, made


def write(name: str, data: bytes) -> None:
    """Write `data` to a file or to standard output.  A failure leaves an existing file as it was."""
    with writing(name) as file:
        file.write(data)


@contextmanager
def writing(name: str) -> Iterator[IO[bytes]]:
    """A file to write to and to seek in.  It is renamed to `name` at the end of the context.

    The bytes are synchronised with the disk before the file is renamed.  Otherwise the name could belong, after a crash of the
    machine, to a file whose bytes were never stored.  The folder is not synchronised: after a crash the name may still be that of the
    old file.
    """
    with error_prefix(name, streams.OUTPUT):
        target = _target(Path(name))
        status = None if name == STREAM else _status(name)
        if name == STREAM or _in_place(status, target):
            with tempfile.TemporaryFile() as temporary:
                yield temporary
                temporary.seek(0)
                with nullcontext(sys.stdout.buffer) if name == STREAM else Path(name).open("wb") as out:
                    shutil.copyfileobj(temporary, out)
                    out.flush()
            return
        with temporary_files.beside(target) as file:
            if status:
                _copy_permissions(target, Path(file.name))
            yield file
            temporary_files.put(file, target)


def _status(name: str) -> os.stat_result | None:
    """The status of an existing file, else None.  OSError if no file can have this name, for example because it is too long."""
    try:
        return Path(name).stat()
    except FileNotFoundError:
        return None


def _target(path: Path) -> Path:
    """The file behind a symbolic link.  The link itself is kept."""
    return Path(os.path.realpath(path))


def _in_place(status: os.stat_result | None, target: Path) -> bool:
    """True if the file cannot be replaced, only written to: a device, a pipe, or a file that is a mount point."""
    return status is not None and (not stat.S_ISREG(status.st_mode) or os.path.ismount(target))


def _is_protected(status: os.stat_result, folder: Path) -> bool:
    """True if the file is another user's and the folder has the sticky bit, as /tmp has: only the owner may replace it."""
    of_folder = folder.stat()
    return bool(of_folder.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, status.st_uid, of_folder.st_uid)


def _copy_permissions(source: Path, target: Path) -> None:
    with suppress(OSError):  # another user's file may not allow it
        shutil.copymode(source, target)
        if hasattr(os, "chown"):
            os.chown(target, source.stat().st_uid, source.stat().st_gid)
