"""Work shared among threads.  It ends in any program: after a fork, beside other threads, while the interpreter shuts down.

The caller of `parallel` works too, and waits only for a helper thread that has begun.  So a helper that never begins (it did not survive
a fork, could not be started, or is busy) costs speed and nothing else.  The states of a helper:

           ask             begin            end
    idle -------> asked -----------> busy -------> idle
                    |
                    +-- withdraw ----------------> idle

`settle` withdraws an asked helper, and waits for the end of a busy one.
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

# Rows of a band.  Fewer than _MIN_BAND are not worth a thread.  From _BAND on, the rows that two neighbours both compute hardly count, so
# a large picture has several bands a thread: a fast processor then takes more of them than a slow one.
_MIN_BAND, _BAND = 64, 256


def default_threads() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_of(threads: int | None) -> int:
    """The number of threads to use: `threads`, or one a processor for None.  InlayError below 1."""
    if threads is not None and threads < 1:
        raise InlayError(f"{threads} threads, expected at least 1")
    return threads or default_threads()


def bands(y0: int, y1: int, threads: int) -> list[tuple[int, int]]:
    """Rows [y0, y1) cut in bands (top, bottom) for so many threads; one band for one thread."""
    rows = y1 - y0
    count = 1 if threads == 1 else max(1, min(threads, rows // _MIN_BAND), rows // _BAND // threads * threads)
    return [(y0 + a, y0 + b) for a, b in pairwise(edges(rows, count))]


def edges(size: int, count: int) -> list[int]:
    """0 .. `size` in `count` steps of nearly equal length: count + 1 numbers."""
    return [size * i // count for i in range(count + 1)]


def parallel(work: Callable[[S], T], items: Iterable[S], threads: int | None = None) -> list[T]:
    """[work(item) for each item], computed by this thread and helpers; the kernel's calls release the GIL.

    After an error no further item begins.  The error is raised when all begun items have ended.
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
                except IndexError:  # another thread took the last one
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
    done: LockType  # released when `run` has ended


class _Helper:
    """A thread that runs one task at a time.  It does not keep the interpreter from exiting."""

    def __init__(self) -> None:
        # Invariant: at most one task, and only in the state `asked`.  `pop` and `remove` are atomic, so either the thread begins the task
        # or the caller withdraws it.
        self._tasks: list[_Task] = []
        self._asked = _held_lock()
        # Not `threading.Thread`: its `start` waits for the new thread, which never runs while the interpreter shuts down.
        start_new_thread(self._work, ())

    def ask(self, task: _Task) -> None:
        self._tasks.append(task)
        with suppress(RuntimeError):  # the lock is free: the thread was asked for a task that was withdrawn, and has not woken up since
            self._asked.release()

    def settle(self, task: _Task) -> None:
        """Withdraws a task that has not begun; waits for the end of one that has."""
        try:
            self._tasks.remove(task)
        except ValueError:
            task.done.acquire()
        else:
            idle.append(self)

    def _work(self) -> None:
        while True:
            self._asked.acquire()
            try:
                run, done = self._tasks.pop()
            except IndexError:  # it was withdrawn
                continue
            run()
            del run  # it may hold large arrays
            idle.append(self)
            done.release()


def _held_lock() -> LockType:
    lock = allocate_lock()
    lock.acquire()
    return lock


helpers: list[_Helper] = []  # all
idle: list[_Helper] = []  # those that may be asked


def _ask(count: int, run: Callable[[], None]) -> list[tuple[_Helper, _Task]]:
    """Asks up to `count` helpers to run `run`.  All callers share the helpers: as many as processors less one, or as `count` if more."""
    asked: list[tuple[_Helper, _Task]] = []
    while len(asked) < count:
        try:
            helper = idle.pop()
        except IndexError:
            if len(helpers) >= max(count, default_threads() - 1):
                break
            try:
                helper = _Helper()
            except (RuntimeError, MemoryError):  # no more threads: a limit is reached, or the interpreter shuts down
                break
            helpers.append(helper)
        task = _Task(run, _held_lock())
        helper.ask(task)
        asked.append((helper, task))
    return asked


# Forks.  The child of a fork has the memory as it was, but only the forking thread.  What another thread was in the middle of never ends
# there, and its locks stay held.  So a fork first takes the lock of every thread (`uncut`), and waits for those that are held.
_own = threading.local()
_new = threading.RLock()  # held while a thread gets its lock
fork_locks: weakref.WeakSet[threading.RLock] = weakref.WeakSet()  # one for each thread that has called `uncut`
_taken: list[threading.RLock] = []  # those that the current fork has taken


def uncut() -> threading.RLock:
    """This thread's own lock, which forks wait for: inside `with uncut():` no fork happens.

    Needed for

    - an import at run time: in the child, Python's lock of the module would stay held;
    - linear algebra: OpenBLAS would wait for threads that do not exist in the child;
    - a setting that is changed and then changed back.

    The block must be short, and must not wait for another thread's `uncut`.
    """
    if not hasattr(_own, "lock"):
        with _new:
            _own.lock = threading.RLock()
            fork_locks.add(_own.lock)
    lock: threading.RLock = _own.lock
    return lock


def _before_fork() -> None:
    _new.acquire()
    for lock in list(fork_locks):
        lock.acquire()
        _taken.append(lock)


def _after_fork() -> None:
    while _taken:
        _taken.pop().release()
    _new.release()


def _in_the_child() -> None:
    helpers.clear()  # their threads do not exist in the child
    idle.clear()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_the_child)
