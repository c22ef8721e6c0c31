"""The pictures that a prior is trained on: originals and their bases, coded at random qualities of a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..arrays import Integers, Pixels, Rectangles
from ..encoding import pictures
from ..errors import FormatError
from ..formats import by_name


@dataclass(frozen=True)
class Band:
    """The codec and the range of qualities of a corpus's bases.  Each picture gets a random value of the range."""

    codec: str
    knob: str  # "quality" or "rate_bpp"
    low: float
    high: float

    def encode(self, luma: Image.Image, rng: np.random.Generator) -> bytes:
        """The base file of an L image.  Qualities are drawn uniformly, rates uniformly in their logarithm."""
        module = by_name(self.codec)
        if self.knob == "quality":
            return module.codec.encode(luma, int(rng.integers(int(self.low), int(self.high) + 1)), {})
        return module.codec.encode(luma, None, {self.knob: self.low * (self.high / self.low) ** rng.random()})


@dataclass(frozen=True)
class Corpus:
    """Bases and originals of many pictures, one below the other in two planes of one shape."""

    base: Pixels
    original: Pixels
    places: Integers  # (n, 3): top row, height and width of each picture
    skipped: tuple[str, ...]  # names of files that are not pictures, or too small

    def draw(self, rng: np.random.Generator, count: int, size: tuple[int, int], halo_px: int) -> Rectangles:
        """Random patches (count, 4) of `size` (rows, columns).  Each lies in one picture together with its halo."""
        rows, columns = size
        top, height, width = self.places[rng.integers(0, len(self.places), count)].T
        y = top + halo_px + (rng.random(count) * (height - rows - 2 * halo_px + 1)).astype(np.int64)
        x = halo_px + (rng.random(count) * (width - columns - 2 * halo_px + 1)).astype(np.int64)
        return np.stack([y, y + rows, x, x + columns], axis=1).astype(np.int32)

    def picture(self, index: int) -> tuple[Pixels, Pixels]:
        """Base and original of one picture."""
        top, height, width = self.places[index]
        here = (slice(top, top + height), slice(0, width))
        return np.ascontiguousarray(self.base[here]), np.ascontiguousarray(self.original[here])


def images_in(folders: Sequence[Path]) -> list[Path]:
    """The files in folders and their subfolders whose extension Pillow knows, sorted."""
    known = Image.registered_extensions()
    return sorted(f for folder in folders for f in folder.rglob("*") if f.suffix.lower() in known)


def load(files: Sequence[Path], band: Band, smallest: tuple[int, int], seed: int) -> Corpus:
    """The luma of `files` and their bases.  Broken files, and pictures below `smallest` (rows, columns), are skipped.

    FormatError if no picture is left.
    """
    rng, module = np.random.default_rng(seed), by_name(band.codec)
    pairs, places, top = [], [], 0
    skipped: list[str] = []
    rows, columns = smallest
    for file in files:
        try:
            luma = Image.fromarray(pictures.luma(pictures.prepare(pictures.open_picture(file.read_bytes()))[0]))
            if luma.height < rows or luma.width < columns:
                raise FormatError(f"{luma.width}x{luma.height} pixels")
        except Exception:  # Pillow raises nearly any exception for a broken file
            skipped.append(file.name)
            continue
        pairs.append((module.codec.decode_luma(band.encode(luma, rng)), np.asarray(luma)))
        places.append((top, *pairs[-1][0].shape))
        top += places[-1][1]
    if not pairs:
        raise FormatError(f"{len(files)} files, none an image of at least {columns}x{rows} pixels")
    width = max(p[2] for p in places)
    base, original = (np.zeros((top, width), np.uint8) for _ in range(2))
    for (b, o), (y, h, w) in zip(pairs, places, strict=True):
        base[y : y + h, :w], original[y : y + h, :w] = b, o
    return Corpus(base, original, np.array(places), tuple(skipped))
