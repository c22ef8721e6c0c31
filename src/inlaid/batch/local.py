"""Work in processes of this machine, or in this one."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from typing import TypeVar

from ..errors import InlayError
from . import processes

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 2  # tasks that wait in the pool for each process, so that none is idle

KILLED = "its process was killed, perhaps for lack of memory"


def here(work: Callable[[T], R], tasks: Iterable[T], jobs: int = 1) -> Generator[tuple[T, R | Exception], None, None]:
    """Each task with its result, worked on in this process."""
    for task in tasks:
        yield task, work(task)


def in_processes(work: Callable[[T], R], tasks: Iterable[T], jobs: int) -> Generator[tuple[T, R | Exception], None, None]:
    """Each task with its result or error, as it comes, from `jobs` processes.  Few tasks are taken ahead.

    A killed process ends all of its pool.  The tasks that were under way are then tried one by one, so that only the one which gets its
    process killed is at fault.
    """
    todo: Iterator[T] = iter(tasks)
    suspects: list[T] = []
    while (first := next(todo, None)) is not None:
        todo = chain([first], todo)
        lost: list[T] = []
        yield from _until_broken(work, todo, jobs, lost)
        suspects += lost
        while suspects:
            one = [suspects.pop(0)]
            lost = []
            yield from _until_broken(work, iter(one), 1, lost)
            yield from ((task, InlayError(KILLED)) for task in lost)


def _until_broken(work: Callable[[T], R], todo: Iterator[T], jobs: int, lost: list[T]) -> Generator[tuple[T, R | Exception], None, None]:
    """Work until nothing is to be done, or a process is killed: `lost` then gets the tasks that were under way."""
    running: dict[Future[R], T] = {}
    others = set(multiprocessing.active_children())
    with processes.pool(jobs, processes.begin_to_be_ended) as pool:
        try:
            while True:
                while len(running) < AHEAD * jobs and not lost and (task := next(todo, None)) is not None:
                    try:
                        with processes.deaf_to_interrupts():  # a process may be started
                            running[pool.submit(_worked, work, task)] = task
                    except BrokenProcessPool:
                        lost.append(task)
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        result: R | Exception = future.result()
                    except BrokenProcessPool:
                        lost.append(task)
                        continue
                    except Exception as error:
                        result = error
                    yield task, result
        except BaseException:  # Ctrl-C, or the caller has ended early: what is under way is given up, and done again by the next run
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            raise


def _worked(work: Callable[[T], R], task: T) -> R:
    """The result, in a process of the pool.  Where it is to end, it ends: the pool itself would go on with the next task."""
    try:
        return work(task)
    except SystemExit:
        os._exit(1)
