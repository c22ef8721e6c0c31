"""The family of restoration networks (FORMAT.md, section 3): their shapes, the order of their parameters, their cost, their bounds.

A network computes from the decoded base the residual that is added to it:

    inputs --[k x k conv, act]--> C channels --[k x k depthwise, 1 x 1 conv, act] x layers--> C channels --[k x k conv]--> residual

The activation is a leaky ReLU with slope 1/8 below zero.  (The paper names none.  Pre-trained on BSDS500, this one beat the plain ReLU
by 0.01 dB, and no channel dies.)

The base is continued beyond its edges by its edge pixels, and no layer pads its input.  So the residual at a pixel depends on its
receptive field alone, and a picture can be cut in tiles or bands without a seam.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import prod

import numpy as np

from .arrays import Integers, Parameters
from .errors import FormatError, UnsupportedError

# Planes of input: the luma alone; or the luma, and the column and the row within the 8x8 block of the base codec.
INPUTS = (1, 3)
# Fixed-point scales of the integer network (FORMAT.md, section 6):
#   weight w         the integer w * 2^12
#   activation a     the integer a * 2^12
#   pixel p          the activation (p - 128) / 128, which is the integer (p - 128) * 2^5
#   residual         a product has the scale 2^24, and 1/128 is a grey level, so a grey level is 2^24 / 128 = 2^17
WEIGHT_BITS = ACTIVATION_BITS = 12
PIXEL_BITS = ACTIVATION_BITS - 7
RESIDUAL_SHIFT = WEIGHT_BITS + ACTIVATION_BITS - 7
MAX_CHANNELS, MAX_LAYERS, MAX_KERNEL, MAX_DILATION = 32, 8, 5, 8
LIMITS = f"1 to {MAX_CHANNELS} channels, 0 to {MAX_LAYERS} layers, kernel 1x1, 3x3 or 5x5, dilations 1 to {MAX_DILATION}, 1 or 3 inputs"


@dataclass(frozen=True)
class Tensor:
    """A part of the parameter vector.  fan_in: the products in the sum of one output."""

    name: str
    shape: tuple[int, ...]
    offset: int
    fan_in: int

    @property
    def size(self) -> int:
        """The number of its elements."""
        return prod(self.shape)

    @property
    def slice(self) -> slice:
        """The place of its elements in the parameter vector."""
        return slice(self.offset, self.offset + self.size)

    @property
    def kind(self) -> str:
        """The kind of its layer: first, depthwise, pointwise or last."""
        return self.name.split(".")[0].rstrip("0123456789")

    @property
    def is_bias(self) -> bool:
        """True for a bias, which has one element an output channel."""
        return self.name.endswith(".bias")


@dataclass(frozen=True)
class Network:
    """One network of the family.

    The default is the paper's: 378 weights, and 24 biases in place of its instance normalisation.  No dilations given: all are 1.
    UnsupportedError for numbers that the format does not allow.
    """

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
            raise UnsupportedError(f"no such network: {self}; expected {LIMITS}")

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The parts of the parameter vector, in its order."""
        return _tensors(self)

    @property
    def size(self) -> int:
        """The length of the parameter vector: weights and biases."""
        return self.tensors[-1].offset + self.tensors[-1].size

    @property
    def weights(self) -> int:
        """The number of weights, without biases: the count that the paper gives (378)."""
        return sum(t.size for t in self.tensors if not t.is_bias)

    @property
    def macs_per_pixel(self) -> int:
        """Multiply-accumulates for one restored pixel: one a weight."""
        return self.weights

    @property
    def halo_px(self) -> int:
        """The base pixels beyond a restored pixel, on each side, that it depends on."""
        return (self.kernel // 2) * (2 + sum(self.dilations))

    @property
    def receptive_field_px(self) -> int:
        """The side of the square of base pixels that a restored pixel depends on."""
        return 2 * self.halo_px + 1

    def __str__(self) -> str:
        dilated = "" if set(self.dilations) <= {1} else f", dilations {self.dilations}"
        extra = "" if self.inputs == 1 else f", {self.inputs} inputs"
        return f"{self.channels} channels, {self.layers} separable layers, {self.kernel}x{self.kernel}{dilated}{extra}"


# Not `cached_property`: its lock in Python 3.11 can stay held in the child of a fork.  Bounded: hostile files name any network.
@lru_cache(64)
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


def check_bounds(network: Network, parameters: Parameters | Integers) -> None:
    """FormatError unless `parameters` (network.size,) fit 16 bits and no sum of the integer network can leave 32 (FORMAT.md, section 6).

    Proof.  At every step of its evaluation, in any order, a layer's sum is in size at most

        sum |weight| * M + |bias| * 2^12 + rounding

    M bounds the size of the inputs: 2^12 for the first layer (pixels: 128 * 2^5; block phases: 7 * 2^9), 2^15 for the others, whose
    inputs are limited to 16 bits.  The rounding is 2^16 in the last layer, 2^11 in the others.  This function demands that the bound,
    with 2^16 for every layer, is less than 2^31.
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
