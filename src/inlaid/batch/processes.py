"""Processes of one thread each, so that no result depends on how many run at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection

THREADS = 1  # in each process, also inside numpy's linear algebra
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), str(THREADS))


@contextmanager
def pool(jobs: int, begin: Callable[[], None]) -> Iterator[ProcessPoolExecutor]:
    """A pool of `jobs` processes.  Each calls `begin` first.  At the end they are waited for; what has not begun is dropped."""
    # spawn: a forked process would inherit locks that the caller's threads hold.
    with one_thread_each():
        executor = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=begin)
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)


def end_with_the_parent() -> None:
    """In a new process: end at once when the parent has ended."""
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(parent: int) -> None:
    connection.wait([parent])
    os._exit(1)


@contextmanager
def one_thread_each() -> Iterator[None]:
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


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started inside ignore Ctrl-C, which a terminal sends to all, from their first moment on."""
    if threading.current_thread() is not threading.main_thread():  # it may not change how signals are handled
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def begin_to_be_ended() -> None:
    """In a new process, which is deaf to interrupts: end with the parent, or by its SIGTERM.

    SIGTERM is an exception, so that temporary files are removed.
    """
    signal.signal(signal.SIGTERM, _stop)
    end_with_the_parent()


def _stop(*_: object) -> None:
    raise SystemExit(1)
