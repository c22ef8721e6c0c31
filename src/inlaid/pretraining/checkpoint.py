"""The state of a training in a file, so that an interrupted training can go on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..arrays import Matrix
from ..errors import FormatError

State = dict[str, Matrix]


class CheckpointError(FormatError):
    """The file does not hold the state of this training."""


@dataclass(frozen=True)
class Checkpoint:
    """The file of one training."""

    path: Path
    training: str  # all settings of the training: a state belongs to the training with the same text

    def load(self) -> State | None:
        """The state, or None if there is no file.  CheckpointError if the file holds another training's state, or none."""
        if not self.path.exists():
            return None
        try:
            with np.load(self.path) as file:
                state = dict(file)
            if str(state.pop("training")) == self.training:
                return state
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            pass
        raise CheckpointError("not the state of this training; expected one of the same pictures, network, recipe and seed")

    def save(self, state: State) -> None:
        """Replace the file, so that an interruption leaves the old state or the new one."""
        with self.path.with_suffix(".tmp").open("wb") as out:
            np.savez(out, allow_pickle=False, training=np.array(self.training), **state)
        self.path.with_suffix(".tmp").replace(self.path)
