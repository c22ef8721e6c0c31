"""The inputs of the commands: files and standard input.  Importing this module does not import Pillow."""

from __future__ import annotations

import io
import os
import stat
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from ..errors import FormatError
from .messages import STREAM, error_prefix

if TYPE_CHECKING:
    from ..encoding import pictures


def read(name: str) -> bytes:
    """The bytes of a file, or of standard input where the name is `-`.  `Failure` if it is empty or a device."""
    with error_prefix(name), nullcontext(sys.stdin.buffer) if name == STREAM else Path(name).open("rb") as file:
        device = _is_device(file)
        data: bytes = file.read(1 if device else -1)  # /dev/zero never ends
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
    """A picture of any format that Pillow reads.  `check` is called before the picture is decoded, and may raise an error."""
    from PIL import UnidentifiedImageError

    from ..encoding import pictures
    from . import signatures

    data = read(name)
    with error_prefix(name):
        try:
            return pictures.open_picture(data, check)
        except UnidentifiedImageError as error:
            raise FormatError(signatures.unreadable(data)) from error


def check_names(**names: str) -> None:
    """Usage error if more than one of these inputs is standard input."""
    if sum(name == STREAM for name in names.values()) > 1:
        raise click.UsageError(f"only one of {' and '.join(names)} can be standard input")
