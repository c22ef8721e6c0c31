"""Measurements in several processes, each of one thread, so that no measurement depends on how many run at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from ..batch.processes import THREADS, end_with_the_parent, pool
from ..errors import InlayError
from .runs import Line

__all__ = ["THREADS", "run_all"]


def run_all(
    work: Callable[..., Line], wanted: Sequence[tuple[Path, *tuple[Any, ...]]], jobs: int
) -> Iterator[tuple[Path, Line | Exception]]:
    """Call `work(path, ...)` for each of `wanted`; yield each path with its line or error as it comes.

    After the first error of a path its other work is skipped, except what is already running, whose errors are dropped.
    """
    if not wanted:
        return
    todo = iter(wanted)
    at_fault: set[Path] = set()
    running: dict[Future[Line], Path] = {}
    with pool(min(jobs, len(wanted)), _begin) as workers:
        while True:
            for path, *rest in todo:  # submits no more than keeps the processes busy, so that a broken picture is tried few times
                if path not in at_fault:
                    running[workers.submit(work, path, *rest)] = path
                if len(running) > jobs:
                    break
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                path = running.pop(future)
                try:
                    yield path, future.result()
                except BrokenProcessPool as error:
                    raise InlayError("a process of the bench was killed, perhaps for lack of memory; the lines so far are kept") from error
                except Exception as error:
                    if path not in at_fault:
                        yield path, error
                    at_fault.add(path)


def _begin() -> None:
    """In a new process: end at once and silently when the run is interrupted or the parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_the_parent()
