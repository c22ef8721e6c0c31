"""The family of restoration networks (FORMAT.md, section 3): shapes, the order of the parameters, and what they cost.

A member looks at the decoded base and answers with a correction to it:

    inputs --[k x k conv, act]--> C channels --[k x k depthwise, 1 x 1 conv, act] x layers--> --[k x k conv]--> residual

The activation is a leaky ReLU, slope 1/8 below zero (the paper names none; pre-trained on BSDS500, this one beat the plain ReLU by
0.01 dB and leaves no channel dead).

Every layer is computed on as much of its input as it needs, the base being continued beyond its edges by its edge pixels; so the
answer at a pixel depends on its receptive field alone, and a picture can be cut in tiles or bands without a seam.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FormatError, UnsupportedError

# The planes a network can look at: the luma alone, or the luma and the column and row within the 8x8 block of the base codec.
INPUTS = (1, 3)
# Fixed-point scales of the integer network (FORMAT.md, section 6).  A weight w is the integer w * 2^12, an activation a is a * 2^12; a
# pixel p enters as (p - 128) * 2^5, which is (p - 128) / 128 at that scale; a residual leaves at 2^24 / 128 = 2^17.
WEIGHT_BITS = ACTIVATION_BITS = 12
PIXEL_BITS = ACTIVATION_BITS - 7
RESIDUAL_SHIFT = WEIGHT_BITS + ACTIVATION_BITS - 7
MAX_CHANNELS, MAX_LAYERS, MAX_KERNEL, MAX_DILATION = 32, 8, 5, 8


@dataclass(frozen=True)
class Tensor:
    """A run of the parameter vector.  `fan_in` counts the products that one output sums."""

    name: str
    shape: tuple[int, ...]
    offset: int
    fan_in: int

    @property
    def size(self) -> int:
        """How many numbers."""
        return prod(self.shape)

    @property
    def slice(self) -> slice:
        """Where they stand in the parameter vector."""
        return slice(self.offset, self.offset + self.size)

    @property
    def kind(self) -> str:
        """Of its layer: first, depthwise, pointwise, or last."""
        return self.name.split(".")[0].rstrip("0123456789")

    @property
    def is_bias(self) -> bool:
        """True for a bias, which is added once an output channel."""
        return self.name.endswith(".bias")


@dataclass(frozen=True)
class Network:
    """One member of the family.  The default is the paper's: 378 weights, and 24 biases where its instance norm was."""

    channels: int = 6
    layers: int = 3
    kernel: int = 3
    dilations: tuple[int, ...] = field(default=())
    inputs: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "dilations", tuple(self.dilations) or (1,) * self.layers)
        possible = (
            1 <= self.channels <= MAX_CHANNELS
            and 0 <= self.layers <= MAX_LAYERS
            and self.kernel in range(1, MAX_KERNEL + 1, 2)
            and len(self.dilations) == self.layers
            and all(1 <= d <= MAX_DILATION for d in self.dilations)
            and self.inputs in INPUTS
        )
        if not possible:
            raise UnsupportedError(f"no such network: {self}")

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The parameter vector, in the order in which it is stored and coded."""
        return _tensors(self)

    @property
    def size(self) -> int:
        """Numbers in the parameter vector, biases included."""
        return self.tensors[-1].offset + self.tensors[-1].size

    @property
    def weights(self) -> int:
        """Numbers that are multiplied with something: the count that the paper gives (378)."""
        return sum(t.size for t in self.tensors if not t.is_bias)

    @property
    def macs_per_pixel(self) -> int:
        """Multiply-accumulates for one restored pixel; each weight is used once a pixel."""
        return self.weights

    @property
    def halo_px(self) -> int:
        """How far a restored pixel looks to each side."""
        return (self.kernel // 2) * (2 + sum(self.dilations))

    @property
    def receptive_field_px(self) -> int:
        """The side of the square of base pixels that a restored pixel depends on."""
        return 2 * self.halo_px + 1

    def __str__(self) -> str:
        dilated = "" if set(self.dilations) <= {1} else f", dilations {self.dilations}"
        extra = "" if self.inputs == 1 else f", {self.inputs} inputs"
        return f"{self.channels} channels, {self.layers} separable layers, {self.kernel}x{self.kernel}{dilated}{extra}"


@lru_cache(64)  # not `cached_property`, whose lock (in Python 3.11) a fork may leave held; few, for a hostile file names any network
def _tensors(network: Network) -> tuple[Tensor, ...]:
    c, k = network.channels, network.kernel
    shapes: list[tuple[str, tuple[int, ...], int]] = [
        ("first.weight", (c, network.inputs, k, k), network.inputs * k * k),
        ("first.bias", (c,), 1),
    ]
    for i in range(1, network.layers + 1):
        shapes += [
            (f"depthwise{i}.weight", (c, k, k), k * k),
            (f"pointwise{i}.weight", (c, c), c),
            (f"pointwise{i}.bias", (c,), 1),
        ]
    shapes.append(("last.weight", (c, k, k), c * k * k))
    tensors, offset = [], 0
    for name, shape, fan_in in shapes:
        tensors.append(Tensor(name, shape, offset, fan_in))
        offset += prod(shape)
    return tuple(tensors)


def check_bounds(network: Network, parameters: NDArray[np.integer[Any]]) -> None:
    """FormatError unless `parameters` (network.size,) are 16-bit and no sum in the integer network can leave 32 bits.

    Proof.  A layer's sum is at most |bias| 2^12 + 2^11 + sum |weight| M in size at every step of its evaluation, in any order, where
    M bounds its inputs: 2^12 for the first layer (pixels: 128 * 2^5; block phases: 7 * 2^9), 2^15 for the others, whose inputs
    are saturated to 16 bits.  The last layer adds 2^16 for its rounding.  Asked is that this stays below 2^31.
    """
    if np.abs(parameters.astype(np.int64)).max(initial=0) > 32767:
        raise FormatError("a network parameter exceeds 16 bits")
    value = {t.name: np.abs(parameters[t.slice].astype(np.int64)).reshape(t.shape) for t in network.tensors}
    largest = 0
    for name, weight in value.items():
        if name.endswith(".bias"):
            continue
        rows = weight.reshape(1 if name == "last.weight" else network.channels, -1).sum(1)
        bias = value.get(name.replace(".weight", ".bias"), np.zeros(1, np.int64))
        reach = 1 << (12 if name == "first.weight" else 15)
        largest = max(largest, int((rows * reach + (bias << WEIGHT_BITS)).max()) + (1 << (RESIDUAL_SHIFT - 1)))
    if largest >= 1 << 31:
        raise FormatError(f"the network's sums can reach {largest}, beyond 32 bits (expected less than {1 << 31})")
