"""A batch from its plan to its summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

from ..errors import said
from .manifest import DONE, FAILED, Manifest, Record
from .planning import Counts, Plan, Task
from .work import LIMITED, Action, Work, failure


class Executor(Protocol):
    """Where the work is done: `local.in_processes`, `local.here`, or a `cluster.Cluster`."""

    def __call__(
        self, work: Callable[[Task], Record], tasks: Iterable[Task], jobs: int, /
    ) -> Generator[tuple[Task, Record | Exception], None, None]:
        """Each task with its result, in any order.  With one job, tasks follow one another."""


@dataclass
class Summary:
    """What a run did."""

    done: int = 0
    failed: int = 0
    bytes_read: int = 0  # of the sources that are done
    bytes_written: int = 0
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True)
class Batch:
    """A plan, what is done to each file, and where.

    jobs: files worked on at once.  max_memory: bytes for all of them together.
    """

    plan: Plan
    action: Action
    executor: Executor
    jobs: int
    max_memory: int | None = None

    def run(self, manifest: Manifest, report: Callable[[Record], None]) -> Summary:
        """Do what is not done, and write a line for each file.  `report` is called with each line.

        A file that needs more than its share of the memory waits until the others are done, and is then worked on alone.
        """
        summary = Summary()
        large: list[Task] = []
        share = self.max_memory and max(1, self.max_memory // self.jobs)
        with closing(self._records(self.plan.tasks(manifest, summary.counts), self.jobs, share)) as found:
            for record, task in found:
                if record.pop(LIMITED, False) and self.jobs > 1 and share:
                    large.append(task)
                else:
                    _add(summary, manifest, record, report)
        with closing(self._records(large, 1, self.max_memory)) as found:
            for record, _ in found:
                record.pop(LIMITED, None)
                _add(summary, manifest, record, report)
        return summary

    def _records(self, tasks: Iterable[Task], jobs: int, max_memory: int | None) -> Generator[tuple[Record, Task], None, None]:
        work = Work(self.plan.source, self.plan.dest, self.plan.masters, self.action, max_memory)
        with closing(self.executor(work, tasks, jobs)) as results:  # closed at once where Ctrl-C ends the loop
            for task, result in results:
                if isinstance(result, Exception):
                    result = task.record | failure(said(result)) | {"seconds": None}
                yield result, task

    def left(self, manifest: Manifest) -> int:
        """The number of files that are not done."""
        return sum(1 for _ in self.plan.tasks(manifest, Counts()))


def _add(summary: Summary, manifest: Manifest, record: Record, report: Callable[[Record], None]) -> None:
    manifest.append(record)
    if record["state"] == DONE:
        summary.done += 1
        summary.bytes_read += record["source_bytes"] or 0
        summary.bytes_written += record["bytes"]
    else:
        summary.failed += record["state"] == FAILED
    report(record)


def key_of(action: Action) -> str:
    """The key of an action's settings: its kind, and a digest of all that shapes the bytes."""
    settings = action.settings
    text = json.dumps(settings, sort_keys=True).encode()
    return f"{settings['action']}-{blake2b(text, digest_size=6).hexdigest()}"
