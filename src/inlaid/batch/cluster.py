"""Work on a cluster of Dask, or on one that is made on this machine.  Needs the extra `batch`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from distributed import Client, LocalCluster, as_completed

from .. import __version__
from ..errors import InlayError
from .local import AHEAD
from .processes import deaf_to_interrupts

T = TypeVar("T")
R = TypeVar("R")
LOCAL = "local"


class Cluster:
    """A connected cluster."""

    def __init__(self, client: Client) -> None:
        """`client`: connected to the scheduler."""
        self.client = client
        self.jobs = max(1, sum(client.nthreads().values()))  # one task a thread

    def __call__(self, work: Callable[[T], R], tasks: Iterable[T], jobs: int) -> Generator[tuple[T, R | Exception], None, None]:
        """Each task with its result or error, as it comes.  The scheduler gives the tasks of a lost worker to another.

        No more than `jobs` are under way where the cluster has more threads.
        """
        todo = iter(tasks)
        most = jobs if jobs < self.jobs or jobs == 1 else AHEAD * jobs
        running: dict[Any, T] = {}
        done = as_completed()
        try:
            while True:
                while len(running) < most and (task := next(todo, None)) is not None:
                    # Not pure: a task is done again where its output was removed.
                    future = self.client.submit(work, task, pure=False)
                    running[future] = task
                    done.add(future)
                if not running:
                    return
                future = next(done)
                task = running.pop(future)
                try:
                    result: R | Exception = future.result()
                except Exception as error:
                    result = error
                yield task, result
        finally:
            self.client.cancel(list(running))


@contextmanager
def connected(address: str, jobs: int) -> Iterator[Cluster]:
    """The cluster of a scheduler's address; for `local`, one of `jobs` workers on this machine.

    InlayError if nobody answers, if it has no workers, or if they have another version of inlaid.
    """
    if address == LOCAL:
        settings = {"n_workers": jobs, "threads_per_worker": 1, "memory_limit": None, "dashboard_address": None}
        with deaf_to_interrupts():
            made = LocalCluster(**settings, silence_logs=50)
        with made as cluster, Client(cluster) as client:
            yield Cluster(client)
        return
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TypeError) as error:
        raise InlayError(f"{address}: no Dask scheduler answers; expected an address as tcp://host:8786") from error
    with client:
        _check(address, client)
        yield Cluster(client)


def _check(address: str, client: Client) -> None:
    try:
        versions = client.run(version)
    except Exception as error:  # what a worker raises is sent to us
        raise InlayError(f"{address}: its workers cannot load inlaid {__version__}: {error}") from error
    if not versions:
        raise InlayError(f"{address}: the cluster has no workers; expected one or more")
    if others := {found for found in versions.values() if found != __version__}:
        raise InlayError(f"{address}: a worker has inlaid {', '.join(sorted(others))}; expected {__version__}, as here")


def version() -> str:
    """The version of inlaid where it is called."""
    return __version__
