"""What the sections share: pictures, priors, times taken in turns, and the columns of their tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inlaid import formats
from inlaid.encoding import pictures
from inlaid.encoding.candidates import Settings, Task, best_prior
from inlaid.encoding.run import Run
from inlaid.fingerprint import fingerprint
from inlaid.network import Network
from inlaid.parameters import Prior
from inlaid.pretraining import corpus

Line = dict[str, Any]
Pixels = NDArray[np.uint8]
HEIGHT, WIDTH = 512, 768
MEGAPIXELS_12, MEGAPIXELS_100 = (3000, 4000), (10000, 10000)  # rows, columns
FEW = 5  # repeats are enough for what takes seconds
JPEG = formats.by_name("jpeg")

Image.MAX_IMAGE_PIXELS = None  # the pictures are our own


class Column(NamedTuple):
    """Of a section's table: the number `key` of its lines, under `head`, as `form` writes it."""

    key: str
    head: str
    form: str


def at_most(**limits: float) -> dict[str, Any]:
    """A line's `required`: for each of these numbers the largest that is good enough."""
    return {key: ["at most", limit] for key, limit in limits.items()}


def at_least(**limits: float) -> dict[str, Any]:
    """A line's `required`: for each of these numbers the smallest that is good enough."""
    return {key: ["at least", limit] for key, limit in limits.items()}


def verify(good: bool, wrong: str) -> None:
    """Ends the run where an output is not what it must be."""
    if not good:
        raise SystemExit(f"{wrong}: no times are taken")


# ------------------------------------------------------------------------------------------------ pictures


def made_up(height: int = HEIGHT, width: int = WIDTH, *, colour: bool = False) -> Pixels:
    """(height, width) or (height, width, 3): stripes and grain under a soft light, repeated every 512x768 pixels."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH] / 16
    stripes = sum(np.sign(np.sin(x * np.cos(a) + y * np.sin(a) + p)) for a, p in rng.uniform(0, 6, (6, 2)))
    plane = 128 + 12 * stripes + 30 * np.sin(x / 9) * np.cos(y / 7) + rng.normal(0, 5, x.shape)
    if colour:
        plane = plane[..., None] + 20 * np.sin(x[..., None] / 5 + np.arange(3))
    tile = np.clip(plane, 0, 255).astype(np.uint8)
    repeats = (-(-height // HEIGHT), -(-width // WIDTH), 1)[: tile.ndim]
    return np.ascontiguousarray(np.tile(tile, repeats)[:height, :width])


def originals(images: Path | None) -> Iterator[tuple[str, Pixels]]:
    """Name and luma (H, W) of every picture in a folder, or of a made-up one."""
    if images is None:
        yield "made up", made_up()
        return
    for file in corpus.images_in([images]):
        with Image.open(file) as opened:
            yield file.stem, pictures.luma(pictures.prepare(opened)[0])


def jpeg_of(original: Pixels, quality: int) -> tuple[bytes, Pixels]:
    """The base file of a luma, and its pixels."""
    data = JPEG.codec.encode(Image.fromarray(original), quality, {})
    return data, JPEG.codec.decode_luma(data)


def decode_by_pillow(data: bytes) -> Image.Image:
    """The pixels of a file, by libjpeg-turbo."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def prior_for(network: Network, base: Pixels, original: Pixels) -> Prior:
    """The shipped prior that the encoder would begin at."""
    task = Task(JPEG, base, original, fingerprint(base), 0.0, 0.0)
    found = best_prior(task, Settings.of(None, 5, Run()), network)
    assert found is not None  # there is one for every network of a preset
    return found


# ------------------------------------------------------------------------------------------------ times


class Seconds(NamedTuple):
    """Of one call: by the clock, and of all processors together."""

    clock: float
    processor: float


def timed(call: Callable[[], object], *, warm: bool = True) -> Seconds:
    """Seconds of one call; `warm`: after one that is not timed, so that nobody pays for another's caches or spinning threads."""
    if warm:
        call()
    begun = time.perf_counter(), time.process_time()
    call()
    return Seconds(time.perf_counter() - begun[0], time.process_time() - begun[1])


def turns(repeats: int, calls: Mapping[str, Callable[[], object]], *, warm: bool = True) -> dict[str, list[Seconds]]:
    """Seconds of every call, which take turns: A B, A B, ...; what disturbs one disturbs the others as well."""
    taken: dict[str, list[Seconds]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            taken[name].append(timed(call, warm=warm))
    return taken


def least_ms(repeats: int, calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The least of each call by the clock, in milliseconds, from `turns`: other programs can only add to it."""
    return {name: 1000 * min(s.clock for s in each) for name, each in turns(repeats, calls).items()}


def median_ms(repeats: int, calls: Mapping[str, Callable[[], object]], *, warm: bool = True) -> dict[str, float]:
    """The median of each call by the clock, in milliseconds, from `turns`."""
    return {name: 1000 * median(s.clock for s in each) for name, each in turns(repeats, calls, warm=warm).items()}
