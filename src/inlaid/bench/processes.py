"""Measurements in several processes, each of one thread, so that no measurement depends on how many run at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from typing import Any

from ..errors import InlayError
from .runs import Line

THREADS = 1  # in each process, also inside numpy's linear algebra
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), str(THREADS))


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
    with _one_thread_each(), _pool(min(jobs, len(wanted))) as pool:
        while True:
            for path, *rest in todo:  # submits no more than keeps the processes busy, so that a broken picture is tried few times
                if path not in at_fault:
                    running[pool.submit(work, path, *rest)] = path
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


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    # spawn: a forked process would inherit locks that the caller's threads hold.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """In a new process: end at once and silently when the run is interrupted or the parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(parent: int) -> None:
    connection.wait([parent])
    os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """The environment for processes that are started inside.  Numpy's linear algebra reads it when it is loaded."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
