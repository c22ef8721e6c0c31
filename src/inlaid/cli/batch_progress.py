"""The progress of many files: a bar on a terminal, with the rate and the time left, and the first failures as lines."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from .messages import print_message

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

SHOWN = 20  # failures; the manifest has all


class Files:
    """A context in which files are counted."""

    def __init__(self, what: str, total: int | None) -> None:
        """`what`: a word for the work.  `total`: None where nothing is shown."""
        self.failures = 0
        self.bar: RichProgress | None = None
        if not total:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class Rate(ProgressColumn):
            """Files a second."""

            def render(self, task: Task) -> Text:
                """As rich asks."""
                speed = task.finished_speed or task.speed
                return Text("" if speed is None else f"{speed:.3g}/s")

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(), TextColumn("left"))
        self.bar = RichProgress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=120)
        self.task = self.bar.add_task(what, total=total)

    def __call__(self, name: str, error: str | None) -> None:
        """Count a file; its error is printed."""
        if self.bar is not None:
            self.bar.advance(self.task)
        if error is None:
            return
        self.failures += 1
        if self.failures <= SHOWN:
            self._print(f"{name}: {error}")
        elif self.failures == SHOWN + 1:
            self._print("more files failed; the manifest names them")

    def _print(self, text: str) -> None:
        if self.bar is not None:
            self.bar.stop()  # else the line would be drawn over
        print_message(text)
        if self.bar is not None:
            self.bar.start()

    def __enter__(self) -> Files:
        """Itself, with the bar shown."""
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.stop()


def is_wanted() -> bool:
    """True if standard error is a terminal."""
    return sys.stderr.isatty()
