"""The standard streams: no other file gets their place, whatever is printed can be encoded, and what is lost shows in the exit code."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

INPUT, OUTPUT = "standard input", "standard output"
# What a stream that was closed is opened with: the wrong direction, so that its use fails and is told.
_PLACES = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDONLY))
_lost: list[str] = []


def prepare() -> None:
    """Call it before any file is opened.

    A stream that was closed gets its descriptor back, or the next file would take it and be printed into.  Text that the locale cannot
    encode, such as a file name that is not UTF-8, is escaped.
    """
    _lost.clear()
    for descriptor, (name, mode, flags) in enumerate(_PLACES):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # the lowest free descriptor: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115  # stays open to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, *, err: bool = False) -> None:
    """A line on standard output, or on standard error.  OSError if it cannot be written."""
    stream = sys.stderr if err else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


def note(text: str) -> None:
    """A line on standard error.  One that cannot be written stops no work: `close` remembers it."""
    try:
        say(text, err=True)
    except OSError:
        _lost.append(text)


def check_output() -> None:
    """OSError if standard output is closed or a full device."""
    with suppress(io.UnsupportedOperation):  # a test's stream has no descriptor
        os.write(sys.stdout.fileno(), b"")


def close() -> int:
    """The exit code: 1 if a line was lost.  What a stream does not take is dropped, or Python would complain at its end."""
    code = int(bool(_lost))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = 1
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code
