"""The pictures that a prior is trained on: originals and their bases, coded at random qualities of a band."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ..arrays import Integers, Pixels, Rectangles, Shift, Vector
from ..encoding import pictures
from ..encoding.distortion import mse
from ..encoding.gradient import squared_error
from ..encoding.loop import LEGACY_LOSS_DB, Loop
from ..encoding.rectangles import WHOLE, tiles
from ..errors import FormatError
from ..formats import BaseCodec, by_name
from ..network import Network

Maker = Callable[[Shift | None], bytes]  # the base file by the shift of its luma


@dataclass(frozen=True)
class Band:
    """The codec and the range of qualities of a corpus's bases.  Each picture gets a random value of the range.

    options: the base codec's.  shrink: a factor of the pictures' sides, below 1 where they have been JPEG files themselves.
    """

    codec: str
    knob: str  # "quality" or "rate_bpp"
    low: float
    high: float
    options: tuple[tuple[str, str], ...] = ()
    shrink: float = 1.0

    def maker(self, luma: Image.Image, rng: np.random.Generator) -> Maker:
        """The base files of an L image by its shift.  Qualities are drawn uniformly, rates uniformly in their logarithm."""
        codec, options = by_name(self.codec).codec, dict[str, Any](self.options)
        if self.knob == "quality":
            quality = int(rng.integers(int(self.low), int(self.high) + 1))
            return lambda shift: codec.encode(luma, quality, options, shift=shift)
        options[self.knob] = self.low * (self.high / self.low) ** rng.random()
        return lambda shift: codec.encode(luma, None, options, shift=shift)


class _Decoded(NamedTuple):
    luma: Pixels
    original: Pixels
    mse: float


@dataclass(frozen=True)
class Looping:
    """The closed loop that makes a corpus's bases for a network: its parameters, and the rounds."""

    network: Network
    parameters: Vector
    rounds: int
    threads: int | None = None

    def base(self, luma: Pixels, make: Maker, codec: BaseCodec) -> Pixels:
        """The luma of the base for the original `luma`, which `make` gives the file of."""
        everything = tiles(luma.shape, *WHOLE)

        def decoded(shift: Shift | None) -> _Decoded:
            found = codec.decode_luma(make(shift))
            return _Decoded(found, luma, mse(found, luma))

        def cost(base: _Decoded) -> float:  # the rate hardly changes
            return squared_error(self.network, self.parameters, everything, base=base.luma, target=luma, threads=self.threads)

        plain = decoded(None)
        loop = Loop(decoded, plain, LEGACY_LOSS_DB, codec.LOOP_LENGTH, self.threads)
        return loop.rounds(plain, self.network, self.parameters, cost, self.rounds)[0].luma


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


def load(files: Sequence[Path], band: Band, smallest: tuple[int, int], seed: int, looping: Looping | None = None) -> Corpus:
    """The luma of `files` and their bases, made by the closed loop where one is given.  Broken files, and pictures
    below `smallest` (rows, columns), are skipped.  FormatError if no picture is left.
    """
    rng, module = np.random.default_rng(seed), by_name(band.codec)
    pairs, places, top = [], [], 0
    skipped: list[str] = []
    rows, columns = smallest
    for file in files:
        try:
            luma = Image.fromarray(pictures.luma(pictures.prepare(pictures.open_picture(file.read_bytes()))[0]))
            if band.shrink != 1:
                luma = luma.resize((round(luma.width * band.shrink), round(luma.height * band.shrink)), Image.Resampling.LANCZOS)
            if luma.height < rows or luma.width < columns:
                raise FormatError(f"{luma.width}x{luma.height} pixels")
        except Exception:  # Pillow raises nearly any exception for a broken file
            skipped.append(file.name)
            continue
        make, original = band.maker(luma, rng), np.array(luma)
        base = module.codec.decode_luma(make(None)) if looping is None else looping.base(original, make, module.codec)
        pairs.append((base, original))
        places.append((top, *pairs[-1][0].shape))
        top += places[-1][1]
    if not pairs:
        raise FormatError(f"{len(files)} files, none an image of at least {columns}x{rows} pixels")
    width = max(p[2] for p in places)
    base, original = (np.zeros((top, width), np.uint8) for _ in range(2))
    for (b, o), (y, h, w) in zip(pairs, places, strict=True):
        base[y : y + h, :w], original[y : y + h, :w] = b, o
    return Corpus(base, original, np.array(places), tuple(skipped))
