"""The network with instance norm, as the paper trains it: its unit, its statistics, and its form without the norm.

Behind every layer but the last, each channel is normalised over the rectangle that is answered for (`floatnet`).  So neither the pixels'
range nor a layer's scale changes the answer, but for `floatnet.EPSILON` in flat pictures.  Both change how far an optimiser's step goes.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Matrix, Pixels, Rectangles, Vector
from ..network import Network
from .gradient import normed_statistics
from .rectangles import area, areas, tiles

OWN_RANGE = 255 / 128  # of the pixels that the kernel computes with: (value - 128) / 128
# A picture of up to MOST_PX pixels, no longer than MOST_SIDE_PX, is normalised whole, another in tiles of up to BLOCK rows and columns.
MOST_PX, MOST_SIDE_PX, BLOCK = 1 << 19, 2048, (512, 768)
INSTANCE_BYTES = 350 * MOST_PX  # the kernel keeps all rows of all layers of an instance, and their gradients


def units(network: Network, pixel_range: float) -> Vector:
    """Factors (network.size,): times these, the kernel's parameters are those of the network for pixels of `pixel_range`.

    Behind a norm only the last layer's weights depend on the range: they answer in its unit.
    """
    factors = np.ones(network.size, np.float32)
    factors[network.tensors[-1].slice] = pixel_range / OWN_RANGE
    return factors


def instances(shape: tuple[int, ...]) -> Rectangles:
    """The parts of a plane that are normalised by themselves."""
    whole = shape[0] * shape[1] <= MOST_PX and max(shape) <= MOST_SIDE_PX
    return tiles(shape, *(shape if whole else BLOCK))


def statistics(network: Network, parameters: Vector, base: Pixels) -> Matrix:
    """Mean and deviation of each channel before the norm, (layers + 1, channels, 2), over a whole picture.

    Those of the `instances` of a large one are pooled.
    """
    return pooled(network, parameters, instances(base.shape), base=base, threads=1)  # each thread takes the memory of an instance


def pooled(network: Network, parameters: Vector, rectangles: Rectangles, *, base: Pixels, threads: int | None = None) -> Matrix:
    """As `statistics`, over rectangles that are normalised each by itself: the mean of their means, and the deviation from that."""
    means, deviations = np.moveaxis(normed_statistics(network, parameters, rectangles, base=base, threads=threads), 3, 0)
    weights = areas(rectangles) / area(rectangles)
    mean, square = (np.einsum("r,rlc->lc", weights, each) for each in (means, means**2 + deviations**2))
    return np.stack([mean, np.sqrt(square - mean**2)], axis=2)


def fold(network: Network, parameters: Vector, statistics: Matrix) -> Vector:
    """Parameters of the plain network that computes what the normed one does with these statistics.

    The statistics (layers + 1, channels, 2) are constants for one picture, so they become factors of weights, and biases.
    """
    folded = parameters.astype(np.float64)
    for (weight, bias), each in zip(_normed(network, folded), statistics, strict=True):
        weight /= each[:, 1:]
        bias[...] = (bias - each[:, 0]) / each[:, 1]
    return folded.astype(np.float32)


def _normed(network: Network, parameters: Matrix) -> list[tuple[Matrix, Matrix]]:
    """Views of the weights (channels, n) and biases (channels,) before each norm."""
    part = {t.name: parameters[t.slice].reshape(network.channels, -1) for t in network.tensors[:-1]}
    layers = ["first", *(f"pointwise{i}" for i in range(1, network.layers + 1))]
    return [(part[f"{name}.weight"], part[f"{name}.bias"][:, 0]) for name in layers]
