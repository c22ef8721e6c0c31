"""Read a training set of files with inlays in worker processes, as torchvision's ImageFolder does.

python data_loader.py FOLDER

PyTorch's DataLoader is used where it is installed, else a pool of processes.  Neither knows of inlays.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import inlaid

inlaid.register(threads=1)  # outside `main`: a worker that is spawned imports this file, and one that is forked has it already
WORKERS = 2


class Pictures:
    """The pictures of a folder by number: what DataLoader calls a data set."""

    def __init__(self, folder: str) -> None:
        """Every JPEG and JP2 file of `folder`."""
        self.paths = sorted(path for path in Path(folder).iterdir() if path.suffix in (".jpg", ".jp2"))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.paths)

    def __getitem__(self, number: int) -> np.ndarray:
        """(H, W, 3), uint8.  DataLoader tells by an IndexError where the set ends."""
        with Image.open(self.paths[number]) as picture:  # what torchvision's loader does
            return np.asarray(picture.convert("RGB"))


def loaded(pictures: Pictures) -> Iterator[np.ndarray]:
    """The pictures in order, decoded by workers."""
    try:
        from torch.utils.data import DataLoader
    except ImportError:
        with multiprocessing.Pool(WORKERS) as pool:
            yield from pool.imap(pictures.__getitem__, range(len(pictures)))
    else:
        yield from DataLoader(pictures, batch_size=None, num_workers=WORKERS, collate_fn=np.asarray)


def main(folder: str) -> None:
    """Print a line for each picture."""
    pictures = Pictures(folder)
    for path, pixels in zip(pictures.paths, loaded(pictures), strict=True):
        print(f"{path.name}: {pixels.shape[1]}x{pixels.shape[0]}, mean {pixels.mean():.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
