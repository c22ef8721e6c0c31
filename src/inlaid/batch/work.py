"""One file of a batch: read, worked on, written, and the line about it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ..errors import LimitError, said
from .manifest import DONE, FAILED, Record
from .planning import Task
from .trees import Tree, join


class Made(NamedTuple):
    """What an action made of a file."""

    data: bytes
    payload_bytes: int = 0  # of the inlay in it
    gain_db: float | None = None
    notes: tuple[str, ...] = ()


class Action(Protocol):
    """What is done to each file.  It can be pickled."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that shapes the bytes, in JSON types."""

    def __call__(self, data: bytes, master: bytes | None, max_memory: int | None) -> Made:
        """What it makes of the bytes of a file.  LimitError if that would take more than `max_memory` bytes."""


@dataclass(frozen=True)
class Work:
    """What a worker has to know of a batch."""

    source: Tree
    dest: Tree
    masters: Tree | None
    action: Action
    max_memory: int | None  # bytes for one file

    def __call__(self, task: Task) -> Record:
        """The line of a file, which is written.  An error of the file is in the line; its state then says failed."""
        begun = time.perf_counter()
        record, limited = task.record, False
        try:
            if task.obstacle is not None:
                raise OSError(task.obstacle)
            data = self.source.read(task.name)
            master = self.masters.read(join(task.folder, task.master.name)) if self.masters and task.master else None
            made = self.action(data, master, self.max_memory)
            self.dest.write(task.output, made.data)
            record |= {"state": DONE, "bytes": len(made.data), "payload_bytes": made.payload_bytes, "gain_db": made.gain_db}
            record |= {"error": None, "notes": list(made.notes)}
        except Exception as error:  # Pillow and stores raise nearly any; one bad file must not end the batch
            limited = isinstance(error, LimitError)
            record |= failure(said(error))
        return record | {"seconds": round(time.perf_counter() - begun, 3)} | ({LIMITED: True} if limited else {})


LIMITED = "limited"  # in a line: the file needs more than its share of the memory


def failure(text: str) -> Record:
    """The part of a line on a file that failed."""
    return {"state": FAILED, "bytes": None, "payload_bytes": None, "gain_db": None, "error": text, "notes": []}
