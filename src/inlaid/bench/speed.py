"""The speed of restoring: the lines beside the paper's Table I.

For each network of the shipped priors, a file with an inlay is made and checked.  Then two times are measured, with one thread and with
all: of restoring alone (base pixels to restored pixels), and of decoding (bytes of the file to pixels).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from .. import decoder, formats, native, parameters, payload, priors
from ..arrays import Matrix, Pixels
from ..errors import InlayError
from ..fingerprint import fingerprint
from ..network import Network
from ..parameters import Prior
from ..payload import Payload
from ..threads import default_threads
from .provenance import code, machine, versions
from .runs import SPEED, Line

SIZES_PX = ((256, 256), (768, 512))  # width, height: the size in the paper's text, and the size that its figures fit
QUALITY = 20
REPEATS = 31


def measure() -> Iterator[Line]:
    """A line for each network, size and number of threads.  Times are medians of `REPEATS` runs."""
    module = formats.by_name("jpeg")
    for prior in _networks():
        for width, height in SIZES_PX:
            base_file = module.codec.encode(Image.fromarray(_picture(width, height)), QUALITY, {})
            base = module.codec.decode_luma(base_file)
            inlay = Payload(prior.number, prior.network, 0.0, fingerprint(base), _coded_parameters(prior))
            file = module.container.embed(base_file, payload.write(inlay))
            levels = decoder.integer_parameters(inlay, base.shape).parameters[0]
            expected = native.restore(prior.network, levels, base, threads=1)
            decoded = decoder.decode(file)
            if decoded.state != "restored" or not np.array_equal(decoded.pixels, expected):
                raise InlayError("the file to be timed does not decode to the picture that its parameters give; this is a bug in inlaid")
            for threads in sorted({1, default_threads()}):
                yield {
                    "benchmark": SPEED,
                    "codec": "jpeg",
                    "network": decoder.describe_network(prior.network),
                    "prior": prior.number or None,
                    "width": width,
                    "height": height,
                    "threads": threads,
                    "restore_s": _median_s(native.restore, prior.network, levels, base, threads=threads),
                    "decode_s": _median_s(decoder.decode, file, threads=threads),
                    "repeats": REPEATS,
                    "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,  # of all programs on the machine
                    "versions": versions(),
                    "machine": machine(),
                    "code": code(),
                }


def _networks() -> list[Prior]:
    """One prior for each shipped network.  The paper's network comes first, with the blank prior if no shipped one has it."""
    found = {Network(): parameters.blank_prior(Network())}
    for number in priors.files():
        if found.setdefault(priors.network_of(number), priors.prior(number)).number == 0:
            found[priors.network_of(number)] = priors.prior(number)
    return list(found.values())


def _coded_parameters(prior: Prior) -> bytes:
    """Coded parameters as far from the prior as fitted ones."""
    distance = np.random.default_rng(0).laplace(0, prior.spreads / 2)
    return parameters.encode(prior, np.rint(distance / (1 << prior.steps(0))).astype(np.int64), 0)


def _picture(width: int, height: int) -> Pixels:
    """A picture (height, width) of waves and noise."""
    y, x = np.mgrid[:height, :width]
    waves = 128 + 50 * np.sin(x / 9) * np.cos(y / 13) + 30 * np.sign(np.sin((x + 2 * y) / 23))
    noisy: Matrix = waves + np.random.default_rng(0).normal(0, 4, waves.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _median_s(function: Callable[..., object], *arguments: Any, threads: int) -> float:
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        function(*arguments, threads=threads)
        times.append(time.perf_counter() - begun)
    return round(median(times), 7)
