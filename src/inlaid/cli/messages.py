"""What the commands print: errors, messages, progress and reports.

A failure is one line `inlaid: FILE: message` on standard error and exit code 1.  Importing this module does not import rich.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EBADF
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import click

from ..errors import InlayError, said
from . import streams

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

STREAM = "-"
BAR_AFTER_S = 1.0
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Failure(click.ClickException):
    """An error on one line; exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it on standard error."""
        print_message(self.message)


class Interrupted(Failure):
    """Ctrl-C."""

    exit_code = 130


@contextmanager
def error_prefix(name: str, stream: str = streams.INPUT) -> Iterator[None]:
    """Turn errors raised inside into a `Failure` that begins with the file's name, or with `stream` where the name is `-`."""
    try:
        yield
    except (InlayError, OSError, MemoryError) as error:
        raise Failure(f"{stream if name == STREAM else name or repr(name)}: {error_text(error)}") from error


def error_text(error: BaseException) -> str:
    """The error in words, without the file's name."""
    return "it is closed" if isinstance(error, OSError) and error.errno == EBADF else said(error)


def print_message(message: str) -> None:
    """One line on standard error, `inlaid: message`."""
    streams.write_error_line(f"inlaid: {one_line(message)}")


def one_line(text: str) -> str:
    """The text on one line, with control characters escaped: names of files may hold line breaks and terminal sequences."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), " ".join(text.splitlines()))


def print_result(text: str) -> None:
    """Lines on standard output."""
    with error_prefix(STREAM, streams.OUTPUT):
        streams.write_line(text)


def print_report(fields: dict[str, Any], text: str, *, as_json: bool, output: str = "") -> None:
    """Print `fields` as one JSON object, or `text`; on standard error where the picture goes to standard output."""
    report = to_json(fields) if as_json else text
    if output == STREAM:
        streams.write_error_line(report)
    else:
        print_result(report)


def to_json(value: Any) -> str:
    """`value` as JSON on one line.  JSON has no infinity; it becomes null."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Progress:
    """A progress bar on standard error, shown after one second of work.  There is none where standard error is not a terminal.

    Use it as a context manager, and call it with the number of steps done and the number of all steps.
    """

    def __init__(self, what: str) -> None:
        """`what`: a word for the work."""
        self.what, self.begun = what, time.monotonic()
        self.terminal = sys.stderr.isatty()
        self.bar: RichProgress | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` steps are made."""
        if self.bar is None:
            if not self.terminal or done >= total or time.monotonic() - self.begun < BAR_AFTER_S:
                return
            from rich.console import Console
            from rich.progress import Progress as RichProgress

            self.bar = RichProgress(console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task(self.what)
            self.bar.start()
        self.bar.update(self.task, completed=done, total=total)

    def __enter__(self) -> Progress:
        """Itself.  Nothing is shown yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.stop()
