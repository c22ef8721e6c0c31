"""Scaling a network's parameters while its function stays the same.

Leaky ReLU is homogeneous: where a row of weights, with its bias, grows by a factor, the channel's activations grow by it, and the weights
that the next layer multiplies them with may shrink by it.  Likewise nothing lies between a depthwise convolution and the column of the
1x1 convolution that reads it.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Matrix, Vector
from ..network import Network

ROW = 9.0  # largest sum of a row's absolute weights; the bound of `check_bounds` is 16, and a fit needs the room between
DEVIATION, KERNEL = 0.25, 4.0  # of activations; of depthwise kernels' absolute sums


def balanced(network: Network, parameters: Vector) -> Vector:
    """Parameters (network.size,) of the same function, whose rows are brought towards sums of at most `ROW`.

    A row holds the weights and the bias of one output channel.  A row that is too long is divided, and the next layer's weights are
    multiplied.  The last layer is one row; where it is too long, the rows before it are scaled to `ROW`.  No factor is below 1/4 or
    above 4.
    """
    scaled = _Scaled(network, parameters)
    for i in range(network.layers + 1):
        rows = scaled.rows(i)
        long = i == network.layers and np.abs(scaled.value["last.weight"]).sum() > ROW
        factors = ROW / np.maximum(rows, 1e-6) if long else np.minimum(1, ROW / np.maximum(rows, 1e-6))
        scaled.scale_row(i, np.clip(factors, 0.25, 4))
    return scaled.parameters.astype(np.float32)


def aligned(network: Network, parameters: Vector, like: Vector) -> Vector:
    """Parameters of the same function, whose rows and depthwise kernels are as long as those of `like`; both are (network.size,).

    Instance norm leaves these lengths open, so a fit with the norm changes them at random.
    """
    scaled, wanted = _Scaled(network, parameters), _Scaled(network, like)
    for i in range(network.layers + 1):
        if i:
            scaled.scale_kernel(i, _ratio(wanted.kernels(i), scaled.kernels(i)))
        scaled.scale_row(i, _ratio(wanted.rows(i), scaled.rows(i)))
    return scaled.parameters.astype(np.float32)


def settled(network: Network, parameters: Vector) -> Vector:
    """Parameters of the same function, for the integer network, from those of a network whose activations have the deviation 1.

    Activations get the deviation `DEVIATION`, and each depthwise kernel the absolute sum `KERNEL`.  Then activations keep clear of their
    bounds, and neither they nor the weights become so small that rounding hurts.
    """
    scaled = _Scaled(network, parameters)
    for i in range(network.layers + 1):
        if i:
            scaled.scale_kernel(i, _ratio(np.full(network.channels, KERNEL), scaled.kernels(i)))
        scaled.scale_row(i, np.full(network.channels, DEVIATION))
    return scaled.parameters.astype(np.float32)


class _Scaled:
    """Parameters, and views of their tensors.  Layer 0 is the first, 1 to `layers` are the separable ones."""

    def __init__(self, network: Network, parameters: Vector) -> None:
        self.layers, self.parameters = network.layers, parameters.astype(np.float64)
        self.value = {t.name: self.parameters[t.slice].reshape(network.channels, -1) for t in network.tensors}

    def row(self, i: int) -> tuple[Matrix, Matrix]:
        """Weights (channels, n) and biases (channels, 1) of a layer's rows."""
        name = f"pointwise{i}" if i else "first"
        return self.value[f"{name}.weight"], self.value[f"{name}.bias"]

    def rows(self, i: int) -> Matrix:
        """The sum of absolute weights of each row, the bias included."""
        weight, bias = self.row(i)
        sums: Matrix = np.abs(weight).sum(1) + np.abs(bias[:, 0])
        return sums

    def kernels(self, i: int) -> Matrix:
        """The sum of absolute weights of each depthwise kernel."""
        sums: Matrix = np.abs(self.value[f"depthwise{i}.weight"]).sum(1)
        return sums

    def scale_row(self, i: int, factors: Matrix) -> None:
        """Multiply rows, and divide what reads their channels."""
        taker = self.value[f"depthwise{i + 1}.weight" if i < self.layers else "last.weight"]
        for part in self.row(i):
            part *= factors[:, None]
        taker /= factors[:, None]

    def scale_kernel(self, i: int, factors: Matrix) -> None:
        """Multiply depthwise kernels, and divide the weights that read their channels."""
        self.value[f"depthwise{i}.weight"] *= factors[:, None]
        self.value[f"pointwise{i}.weight"] /= factors[None, :]


def _ratio(wanted: Matrix, found: Matrix) -> Matrix:
    """wanted / found, but 1 where either is next to nothing."""
    both = np.minimum(wanted, found) > 1e-6
    return np.divide(wanted, found, out=np.ones_like(wanted), where=both)
