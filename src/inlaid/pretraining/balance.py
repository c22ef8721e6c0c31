"""Scaling a network's parameters so that its sums stay within their bounds and its function stays the same."""

from __future__ import annotations

import numpy as np

from ..arrays import Vector
from ..network import Network

ROW = 9.0  # largest sum of a row's absolute weights; the bound of `check_bounds` is 16, and a fit needs the room between


def balanced(network: Network, parameters: Vector) -> Vector:
    """Parameters (network.size,) of the same function, whose rows are brought towards sums of at most `ROW`.

    A row holds the weights and the bias of one output channel.  Leaky ReLU is homogeneous: where a row grows by a factor, the channel's
    activations grow by it, and the weights that the next layer multiplies them with may shrink by it.  So a row that is too long is
    divided, and the next layer's weights are multiplied.  The last layer is one row; where it is too long, the rows before it are
    scaled to `ROW`.  No factor is below 1/4 or above 4.
    """
    out = parameters.astype(np.float64)
    tensors = {t.name: out[t.slice].reshape(t.shape) for t in network.tensors}  # views
    makers = ["first", *(f"pointwise{i}" for i in range(1, network.layers + 1))]
    takers = [*(f"depthwise{i}" for i in range(1, network.layers + 1)), "last"]
    for maker, taker in zip(makers, takers, strict=True):
        rows = np.abs(tensors[f"{maker}.weight"]).reshape(network.channels, -1).sum(1) + np.abs(tensors[f"{maker}.bias"])
        long = taker == "last" and np.abs(tensors["last.weight"]).sum() > ROW
        factors = ROW / np.maximum(rows, 1e-6) if long else np.minimum(1, ROW / np.maximum(rows, 1e-6))
        factors = np.clip(factors, 0.25, 4)
        tensors[f"{maker}.weight"] *= factors.reshape(-1, *[1] * (tensors[f"{maker}.weight"].ndim - 1))
        tensors[f"{maker}.bias"] *= factors
        tensors[f"{taker}.weight"] /= factors[:, None, None]
    return out.astype(np.float32)
