"""The standard streams, guarded so that every lost line shows in the exit code.

`prepare` runs before the first file is opened, `close` at the end of the program.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

INPUT, OUTPUT = "standard input", "standard output"
# A closed stream is opened in the wrong direction, so that every use of it fails and is reported.
_PLACES = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDONLY))
_lost: list[str] = []


def prepare() -> None:
    """Give closed streams their descriptors back, and escape text that the locale cannot encode.

    Without its descriptor a closed stream would be replaced by the next file that is opened, and messages would be written into that
    file.  A file name that is not UTF-8 is an example of text that cannot be encoded.
    """
    _lost.clear()
    for descriptor, (name, mode, flags) in enumerate(_PLACES):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # `open` takes the lowest free descriptor: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115  # stays open to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write_line(text: str, *, err: bool = False) -> None:
    """A line on standard output, or on standard error.  OSError if it cannot be written."""
    stream = sys.stderr if err else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


def write_error_line(text: str) -> None:
    """A line on standard error.  A failure does not stop the work; `close` reports it in the exit code."""
    try:
        write_line(text, err=True)
    except OSError:
        _lost.append(text)


def check_output() -> None:
    """OSError if standard output is closed or a full device."""
    with suppress(io.UnsupportedOperation):  # a test's stream has no descriptor
        os.write(sys.stdout.fileno(), b"")


def close() -> int:
    """The exit code: 1 if a line was lost, else 0.

    Bytes that a stream does not take are dropped.  Otherwise Python would print an error of its own when it exits.
    """
    code = int(bool(_lost))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = 1
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code
