"""`Image.open(...).load()` after `inlaid.register(threads=1)`, beside Pillow alone: files without an inlay, and colour files of 12
megapixels with one (a synthetic picture, `encode -e 1`). The calls alternate, each after an untimed one. The times are medians of processor
time, which other programs disturb less than the clock; all is done by one thread. First it is verified that the plugin gives the pixels of
`inlaid.decode`, and Pillow's own for files without an inlay.

The network takes as long for every file of this size. Pillow's time grows with the file's bytes, so the ratio is largest for small files.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from statistics import median

import numpy as np
from common import FEW, MEGAPIXELS_12, Column, Line, at_most, decode_by_pillow, synthetic, timed, verify
from PIL import Image

import inlaid

COLUMNS = (
    Column("ms", "plugin, ms", ".3f"),
    Column("beside_ms", "Pillow alone, ms", ".3f"),
    Column("times", "times", ".3f"),
    Column("bytes", "file, bytes", ",.0f"),
)
QUALITIES = (75, 90, 95)
SHAPE = MEGAPIXELS_12
MANY, FEW_CALLS = 3, 10  # times as many repeats as asked for, of so many calls of a small picture


def registered(data: bytes) -> Image.Image:
    """The picture, opened with the plugin."""
    inlaid.register(threads=1)
    try:
        return decode_by_pillow(data)
    finally:
        inlaid.unregister()


def often(data: bytes, count: int) -> None:
    """Open and decode a file `count` times."""
    for _ in range(count):
        decode_by_pillow(data)


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """Yield a line for each file."""
    for height, width in ((128, 192), (512, 768), (2048, 3072)):
        data = inlaid.strip(inlaid.encode(synthetic(height, width, colour=True), quality=75, effort=1, base="turbo", legacy_loss_db=0))
        verify(np.array_equal(np.asarray(registered(data)), np.asarray(decode_by_pillow(data))), "the plugin changes a plain file")
        count = 1 if height > 1000 else FEW_CALLS
        yield _line(f"no inlay, {width}x{height}", data, MANY * arguments.repeats, count) | {"required": at_most(times=1.03)}
    scale = min(1.0, (arguments.largest * 1e6 / (SHAPE[0] * SHAPE[1])) ** 0.5)  # below 1 in a test alone
    picture = synthetic(int(SHAPE[0] * scale), int(SHAPE[1] * scale), colour=True)
    for quality in QUALITIES:
        data = inlaid.encode(picture, quality=quality, effort=1)
        verify(inlaid.info(data)["inlay"] is not None, f"no inlay pays at quality {quality}")
        verify(np.array_equal(np.asarray(registered(data)), inlaid.decode(data)), "the plugin gives another picture")
        progressive = ", progressive" if inlaid.info(data)["base"]["progressive"] else ""
        what = f"an inlay, {picture.shape[1]}x{picture.shape[0]} in colour, q {quality}{progressive}"
        yield _line(what, data, min(arguments.repeats, FEW)) | {"required": at_most(times=2.2)}


def _line(what: str, data: bytes, repeats: int, count: int = 1) -> Line:
    """The times of both ways to open a file, each the median of `repeats` times of `count` calls."""
    call, taken = partial(often, data, count), {"alone": list[float](), "plugin": list[float]()}
    for _ in range(repeats):
        taken["alone"].append(timed(call).processor)
        inlaid.register(threads=1)
        taken["plugin"].append(timed(call).processor)
        inlaid.unregister()
    ms = {name: 1000 * median(times) / count for name, times in taken.items()}
    ratio = {"ms": ms["plugin"], "beside_ms": ms["alone"], "times": ms["plugin"] / ms["alone"]}
    return {"what": what, "repeats": repeats, "threads": 1, "bytes": len(data), **ratio}
