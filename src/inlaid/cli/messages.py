"""What the commands tell: errors on one line, progress, and reports.

A failure is one line `inlaid: FILE: message` on standard error and exit code 1.  Nothing here imports rich before it is needed.
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

from ..errors import InlayError
from . import streams

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

STREAM = "-"
BAR_AFTER_S = 1.0
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Failure(click.ClickException):
    """An error on one line; exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it to stderr."""
        tell(self.message)


class Interrupted(Failure):
    """Ctrl-C."""

    exit_code = 130


def tell(message: str) -> None:
    """One line on stderr."""
    streams.note(f"inlaid: {one_line(message)}")


def one_line(text: str) -> str:
    """The text on one line, without characters that would steer a terminal; names of files may hold both."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), " ".join(text.splitlines()))


@contextmanager
def about(name: str, stream: str = streams.INPUT) -> Iterator[None]:
    """Errors that arise here are about the file `name` (about `stream` where that is `-`)."""
    try:
        yield
    except (InlayError, OSError, MemoryError) as error:
        raise Failure(f"{stream if name == STREAM else name or repr(name)}: {in_words(error)}") from error


def in_words(error: BaseException) -> str:
    """What is wrong, without the file's name."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return "it is closed" if error.errno == EBADF else error.strerror
    return str(error) or type(error).__name__


class Progress:
    """A bar on stderr for work that goes on for over a second; none where stderr is not a terminal.

    Call it with the steps done and the steps in all; use it as a context.
    """

    def __init__(self, what: str) -> None:
        """What: a word for the work."""
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
        """Itself; nothing is shown yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()


def report(fields: dict[str, Any], text: str, *, as_json: bool, output: str = "") -> None:
    """`fields` as one JSON object, or `text`; on stderr where standard output carries the picture."""
    said = to_json(fields) if as_json else text
    if output == STREAM:
        streams.note(said)
    else:
        answer(said)


def answer(text: str) -> None:
    """What was asked for, on standard output."""
    with about(STREAM, streams.OUTPUT):
        streams.say(text)


def to_json(value: Any) -> str:
    """`value` on one line.  JSON has no infinity: null stands for it."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
