"""The problem of the section `fit`, the same for all engines: a picture, a network and its parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from common import HEIGHT, WIDTH, Pixels, jpeg_of, synthetic
from numpy.typing import NDArray

from inlaid.encoding import floatnet
from inlaid.network import Network

Step = Callable[[NDArray[np.float32]], tuple[float, NDArray[np.floating]]]  # parameters to loss and gradient
NETWORK = Network()


class Problem(NamedTuple):
    """The input of all engines: base and original (512, 768); for JAX and PyTorch planes (1, 522, 778) and target (512, 768)."""

    base: Pixels
    original: Pixels
    planes: NDArray[np.float32]
    target: NDArray[np.float32]


@cache
def problem() -> Problem:
    """A synthetic picture and its base."""
    original = synthetic()
    base = jpeg_of(original, 20)[1]
    planes = floatnet.inputs(NETWORK, base, (0, HEIGHT, 0, WIDTH))
    return Problem(base, original, planes, (original.astype(np.float32) - base) / 128)


def random_parameters() -> NDArray[np.float32]:
    """He's initialisation of all layers, the last too, so that every parameter has a gradient."""
    rng = np.random.default_rng(1)
    out = np.zeros(NETWORK.size, np.float32)
    for tensor in NETWORK.tensors:
        out[tensor.slice] = rng.normal(0, 0.1 if tensor.is_bias else np.sqrt(1 / tensor.fan_in), tensor.size)
    return out
