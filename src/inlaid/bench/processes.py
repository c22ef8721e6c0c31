"""Measurements side by side: one process each, one thread a process, so that the lines do not depend on how many there are."""

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

# Also inside numpy's linear algebra.
THREADS = 1
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), str(THREADS))


def run_all(
    work: Callable[..., Line], wanted: Sequence[tuple[Path, *tuple[Any, ...]]], jobs: int
) -> Iterator[tuple[Path, Line | Exception]]:
    """`work(path, ...)` for each of `wanted`, as it is done.  A picture at fault is tried at most once a process, and told once."""
    if not wanted:
        return
    todo = iter(wanted)
    at_fault: set[Path] = set()
    running: dict[Future[Line], Path] = {}
    with _one_thread_each(), _pool(min(jobs, len(wanted))) as pool:
        while True:
            for path, *rest in todo:  # only as many as keep the processes busy: a broken picture is not tried again and again
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
                    raise InlayError("a process of the bench was killed (no memory?); the lines so far are kept") from error
                except Exception as error:
                    if path not in at_fault:
                        yield path, error
                    at_fault.add(path)


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    # spawn: a fork would inherit the threads' locks of whoever calls.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """In a new process: die at once, and without a word, when the run is interrupted or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(parent: int) -> None:
    connection.wait([parent])
    os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """The environment for processes started inside: numpy's linear algebra reads it when it is loaded."""
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
