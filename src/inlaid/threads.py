"""Work shared among threads, in a way that ends in any program: after a fork, beside other threads, while the interpreter shuts down.

Whoever calls `parallel` works too, and waits only for what a helping thread has begun.  So helpers that never come (they did not survive
a fork, can no longer be started, are busy elsewhere) cost speed and nothing else.
"""

from __future__ import annotations

import os
import threading
import weakref
from _thread import LockType, allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from .errors import InlayError

S = TypeVar("S")
T = TypeVar("T")

# Rows of a band: the fewest that are worth a thread's start, and as many as make what neighbours compute twice not count.  A band that
# is waiting is taken by whichever thread is free, for processors are not equally quick.
_MIN_BAND, _BAND = 64, 256


def default_threads() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_of(threads: int | None) -> int:
    """The number of threads that is meant: all processors for None."""
    if threads is not None and threads < 1:
        raise InlayError(f"{threads} threads, expected at least 1")
    return threads or default_threads()


def bands(y0: int, y1: int, threads: int) -> list[tuple[int, int]]:
    """Rows [y0, y1) in bands that are worth a thread, all in one for a single thread."""
    rows = y1 - y0
    count = 1 if threads == 1 else max(1, min(threads, rows // _MIN_BAND), rows // _BAND // threads * threads)
    return [(y0 + a, y0 + b) for a, b in pairwise(edges(rows, count))]


def edges(size: int, count: int) -> list[int]:
    """0 to `size` in `count` about equal steps."""
    return [size * i // count for i in range(count + 1)]


def parallel(work: Callable[[S], T], items: Iterable[S], threads: int | None = None) -> list[T]:
    """`work` of each item, by this thread and helping ones (a kernel call inside releases the GIL); results in order.

    After an error no further item is begun; the error is raised when those that were begun have ended.
    """
    parts = list(items)
    others = min(threads_of(threads), len(parts)) - 1
    if others < 1:
        return [work(part) for part in parts]
    results: list[Any] = [None] * len(parts)
    waiting = deque(range(len(parts)))
    errors: list[BaseException] = []

    def take() -> None:
        try:
            while waiting:
                try:
                    i = waiting.popleft()
                except IndexError:  # another thread was quicker
                    return
                results[i] = work(parts[i])
        finally:
            waiting.clear()

    def take_too() -> None:
        try:
            take()
        except BaseException as error:
            errors.append(error)

    asked = _ask(others, take_too)
    try:
        take()
    finally:
        for helper, task in asked:
            helper.settle(task)
    if errors:
        raise errors[0]
    return results


class _Task(NamedTuple):
    run: Callable[[], None]
    done: LockType  # held until then


class _Helper:
    """A thread that carries out one task at a time.  It keeps no program from ending."""

    def __init__(self) -> None:
        self._tasks: list[_Task] = []  # what it is asked for and has not begun: one at most
        self._asked = _held_lock()
        # Not `threading.Thread`: its `start` waits for the new thread, which never runs where the interpreter is about to end.
        start_new_thread(self._work, ())

    def ask(self, task: _Task) -> None:
        self._tasks.append(task)
        with suppress(RuntimeError):  # it is on its way already, to a task that was withdrawn
            self._asked.release()

    def settle(self, task: _Task) -> None:
        """Withdraws a task, or waits until it is done where it was begun."""
        try:
            self._tasks.remove(task)
        except ValueError:
            task.done.acquire()
        else:
            _idle.append(self)

    def _work(self) -> None:
        while True:
            self._asked.acquire()
            try:
                run, done = self._tasks.pop()
            except IndexError:  # it was withdrawn
                continue
            run()
            del run  # what it refers to may be large
            _idle.append(self)
            done.release()


def _held_lock() -> LockType:
    lock = allocate_lock()
    lock.acquire()
    return lock


_helpers: list[_Helper] = []
_idle: list[_Helper] = []


def _ask(count: int, run: Callable[[], None]) -> list[tuple[_Helper, _Task]]:
    """Asks up to `count` helpers for `run`.  There are no more than processors, or than one caller wants."""
    asked: list[tuple[_Helper, _Task]] = []
    while len(asked) < count:
        try:
            helper = _idle.pop()
        except IndexError:
            if len(_helpers) >= max(count, default_threads() - 1):
                break
            try:
                helper = _Helper()
            except (RuntimeError, MemoryError):  # no more threads: a limit is reached, or the interpreter is about to end
                break
            _helpers.append(helper)
        task = _Task(run, _held_lock())
        helper.ask(task)
        asked.append((helper, task))
    return asked


# A fork copies the memory as it is, but no thread except the one that forks.  What the others had half done stays half done in the child.
_own = threading.local()
_new = threading.RLock()  # held where a thread gets its lock
_locks: weakref.WeakSet[threading.RLock] = weakref.WeakSet()  # one a thread
_taken: list[threading.RLock] = []  # by the fork that goes on


def uncut() -> threading.RLock:
    """A lock of this thread's own that forks wait for: `with uncut():` no fork comes.

    For imports on demand (Python's lock of the module would stay held in the child), for linear algebra (a fork ends the threads of
    OpenBLAS, and a product that waits for them never ends), for a setting that is changed for a while.  What is done inside must not
    take long, nor wait for another thread's `uncut`.
    """
    if not hasattr(_own, "lock"):
        with _new:
            _own.lock = threading.RLock()
            _locks.add(_own.lock)
    lock: threading.RLock = _own.lock
    return lock


def _before_fork() -> None:
    _new.acquire()
    for lock in list(_locks):
        lock.acquire()
        _taken.append(lock)


def _after_fork() -> None:
    while _taken:
        _taken.pop().release()
    _new.release()


def _in_the_child() -> None:
    _helpers.clear()  # they do not run there
    _idle.clear()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_the_child)
