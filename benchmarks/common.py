"""What the sections share: pictures, priors, times of alternating calls, and the columns of their tables."""

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

from inlaid import formats, priors
from inlaid.encoding import pictures
from inlaid.encoding.candidates import Settings, nearest
from inlaid.encoding.run import Run
from inlaid.network import Network
from inlaid.parameters import Prior
from inlaid.pretraining import corpus

Line = dict[str, Any]
Pixels = NDArray[np.uint8]
HEIGHT, WIDTH = 512, 768
MEGAPIXELS_12, MEGAPIXELS_100 = (3000, 4000), (10000, 10000)  # rows, columns
FEW = 5  # repeats of calls that take seconds
JPEG = formats.by_name("jpeg")

Image.MAX_IMAGE_PIXELS = None  # the large pictures are trusted: they are made here


class Column(NamedTuple):
    """A column of a section's table: the field `key` of the lines, the heading, and the format of the number."""

    key: str
    head: str
    form: str


def at_most(**limits: float) -> dict[str, Any]:
    """The field `required` of a line: the largest acceptable value of each of these numbers."""
    return {key: ["at most", limit] for key, limit in limits.items()}


def at_least(**limits: float) -> dict[str, Any]:
    """The field `required` of a line: the smallest acceptable value of each of these numbers."""
    return {key: ["at least", limit] for key, limit in limits.items()}


def verify(good: bool, wrong: str) -> None:
    """End the run with the message `wrong` unless `good`."""
    if not good:
        raise SystemExit(f"{wrong}: no times are taken")


# ------------------------------------------------------------------------------------------------ pictures


def synthetic(height: int = HEIGHT, width: int = WIDTH, *, colour: bool = False) -> Pixels:
    """A picture (height, width) or (height, width, 3) of stripes, grain and soft light.  It repeats every 768x512 pixels."""
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
    """Name and luma (H, W) of every picture in a folder; of one synthetic picture without a folder."""
    if images is None:
        yield "synthetic", synthetic()
        return
    for file in corpus.images_in([images]):
        with Image.open(file) as opened:
            yield file.stem, pictures.luma(pictures.prepare(opened)[0])


def jpeg_of(original: Pixels, quality: int) -> tuple[bytes, Pixels]:
    """The JPEG file of a luma, and its decoded luma."""
    data = JPEG.codec.encode(Image.fromarray(original), quality, {})
    return data, JPEG.codec.decode_luma(data)


def decode_by_pillow(data: bytes) -> Image.Image:
    """The pixels of a file, decoded by libjpeg-turbo."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def prior_for(network: Network, base: Pixels, original: Pixels) -> Prior:
    """The shipped prior that the encoder would begin with."""
    known = priors.candidates(JPEG.name, network, "best")
    found = nearest(known, Settings.of(None, 5, Run()), base=base, original=original)
    assert found is not None  # there is one for every network of a preset
    return found


# ------------------------------------------------------------------------------------------------ times


class Seconds(NamedTuple):
    """The time of one call: by the clock, and the sum over all processors."""

    clock: float
    processor: float


def timed(call: Callable[[], object], *, warm: bool = True) -> Seconds:
    """The time of one call.  `warm`: after an untimed call, so that caches and waiting threads of the call before do not count."""
    if warm:
        call()
    begun = time.perf_counter(), time.process_time()
    call()
    return Seconds(time.perf_counter() - begun[0], time.process_time() - begun[1])


def alternating(repeats: int, calls: Mapping[str, Callable[[], object]], *, warm: bool = True) -> dict[str, list[Seconds]]:
    """The times of calls that alternate, A B, A B, ...: other programs then disturb all of them alike."""
    taken: dict[str, list[Seconds]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            taken[name].append(timed(call, warm=warm))
    return taken


def shortest_ms(repeats: int, calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The shortest time of each call by the clock, in milliseconds: other programs can only lengthen a time."""
    return {name: 1000 * min(s.clock for s in each) for name, each in alternating(repeats, calls).items()}


def median_ms(repeats: int, calls: Mapping[str, Callable[[], object]], *, warm: bool = True) -> dict[str, float]:
    """The median time of each call by the clock, in milliseconds."""
    return {name: 1000 * median(s.clock for s in each) for name, each in alternating(repeats, calls, warm=warm).items()}
