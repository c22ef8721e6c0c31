"""How a computation runs: its seed, its threads, and a callback for its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Run:
    """The same seed gives the same result on the same kernel path and thread count.

    threads: None for all processors.  progress: called with the steps done and the steps in all.
    """

    seed: int = 0
    threads: int | None = None
    progress: Progress | None = None
