"""The float network in numpy: its initialisation, its answer and its gradients, with or without instance norm.

Without the norm this defines what `gradient.gradient` and `gradient.input_gradient` compute.  With the norm the paper trains: behind every
layer but the last, each channel is normalised to mean 0 and variance 1 over the rectangle that is answered for (Ulyanov et al. 2016,
without affine parameters); the pixels around it are normalised with the same numbers.  `gradient.normed_gradient` computes the same.

Units: a pixel is (value - 128) / 128; the answer is in units of 128 grey levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Pixels, Vector
from ..network import Network

Array = NDArray[np.floating[Any]]
SLOPE = 0.125  # of the leaky ReLU below zero
EPSILON = 1e-5  # keeps a dead channel's variance from zero


def he_init(network: Network, rng: np.random.Generator) -> Vector:
    """MSRA initialisation (He et al. 2015): weights from N(0, 2 / fan_in), biases 0, the last layer 0, so that the answer begins at 0."""
    out = np.zeros(network.size, np.float32)
    for t in network.tensors:
        if not t.is_bias and t.name != "last.weight":
            gain = 1 if t.name.startswith("depthwise") else 2  # no activation follows a depthwise convolution
            out[t.slice] = rng.normal(0, np.sqrt(gain / t.fan_in), t.size)
    return out


def inputs(network: Network, base: Pixels | Array, rectangle: tuple[int, int, int, int], dtype: type = np.float32) -> Array:
    """The input planes (I, h + 2 halo, w + 2 halo) for rectangle y0, y1, x0, x1 of the base, continued by its edge pixels."""
    (y0, y1, x0, x1), halo = rectangle, network.halo_px
    rows, columns = np.arange(y0 - halo, y1 + halo), np.arange(x0 - halo, x1 + halo)
    luma = base[np.clip(rows, 0, base.shape[0] - 1)][:, np.clip(columns, 0, base.shape[1] - 1)]
    planes = [(luma.astype(dtype) - 128) / 128]
    if network.inputs == 3:
        planes += [np.broadcast_to((2 * (p % 8) - 7) / 8, luma.shape) for p in (columns[None, :], rows[:, None])]
    return np.stack(planes).astype(dtype)


@dataclass
class _Layer:
    """One layer's forward pass, kept for the backward pass."""

    seen: Array  # its input
    middle: Array  # what its 1x1 convolution saw (separable layers)
    normed: Array  # its output before the activation
    mean: Array  # of each channel before the norm, over the rectangle
    deviation: Array


def forward_backward(network: Network, parameters: Array, planes: Array, target: Array, *, norm: bool = False) -> tuple[float, Array]:
    """Sum of (answer - target)^2 and its gradient (network.size,).

    planes: as from `inputs`; target: (h, w), original minus base.  With `norm` the biases are unused, their gradient is 0.
    """
    answer, tape = _forward(network, parameters, planes, norm)
    error = answer - target
    return float((error.astype(np.float64) ** 2).sum()), _backward(network, parameters, tape, 2 * error, norm=norm)[0]


def input_gradient(network: Network, parameters: Array, base: Pixels | Array, target: Pixels | Array) -> Array:
    """Half the gradient of the whole picture's sum of squared errors by the base, in grey levels; it, base and target are (H, W)."""
    height, width = base.shape
    planes = inputs(network, base, (0, height, 0, width), parameters.dtype.type)
    answer, tape = _forward(network, parameters, planes, False)
    error = answer + (base.astype(parameters.dtype) - target) / 128
    halo, out = network.halo_px, 128 * error  # the answer is added to the base
    rows, columns = (np.clip(np.arange(-halo, size + halo), 0, size - 1) for size in base.shape)
    np.add.at(out, np.ix_(rows, columns), 128 * _backward(network, parameters, tape, error)[1][0])
    return out


def _backward(network: Network, parameters: Array, tape: list[_Layer], error: Array, *, norm: bool = False) -> tuple[Array, Array]:
    """The gradients by the parameters (network.size,) and by the input planes, for the gradient `error` by the answer."""
    value = _split(network, parameters)
    gradient = np.zeros(network.size, parameters.dtype)
    part = _split(network, gradient)

    seen = tape[-1].seen
    part["last.weight"][...] = _weight_gradient(seen, error[None], network.kernel, 1)[0]
    grad = _transposed(error[None], value["last.weight"][None], 1)
    for i in range(network.layers, -1, -1):
        layer = tape[i]
        grad = np.where(layer.normed > 0, grad, SLOPE * grad)
        if norm:  # through mean and variance: the usual three terms
            total, along = (each.sum((1, 2), keepdims=True) / error.size for each in (grad, grad * layer.normed))
            inside = _inside(grad, error.shape)
            inside -= total + along * _inside(layer.normed, error.shape)
            grad = grad / layer.deviation[:, None, None]
        else:
            part[_bias(i)][...] = grad.sum((1, 2))
        if i == 0:
            break
        part[f"pointwise{i}.weight"][...] = np.tensordot(grad, layer.middle, ((1, 2), (1, 2)))
        grad = np.tensordot(value[f"pointwise{i}.weight"].T, grad, 1)
        weight, dilation = value[f"depthwise{i}.weight"], network.dilations[i - 1]
        each = [slice(c, c + 1) for c in range(network.channels)]
        part[f"depthwise{i}.weight"][...] = np.stack(
            [_weight_gradient(layer.seen[c], grad[c], network.kernel, dilation)[0, 0] for c in each]
        )
        grad = np.concatenate([_transposed(grad[c], weight[None, c], dilation) for c in each])
    part["first.weight"][...] = _weight_gradient(tape[0].seen, grad, network.kernel, 1)
    return gradient, _transposed(grad, value["first.weight"], 1)


def answer(network: Network, parameters: Array, planes: Array, *, norm: bool = False) -> Array:
    """The network's correction of the base, (h, w)."""
    return _forward(network, parameters, planes, norm)[0]


def statistics(network: Network, parameters: Array, planes: Array) -> Array:
    """(layers + 1, channels, 2): mean and deviation of each channel before the norm."""
    _, tape = _forward(network, parameters, planes, True)
    return np.stack([np.stack([layer.mean, layer.deviation], axis=1) for layer in tape[:-1]])


def _bias(layer: int) -> str:
    return f"pointwise{layer}.bias" if layer else "first.bias"


def _split(network: Network, vector: Array) -> dict[str, Array]:
    return {t.name: vector[t.slice].reshape(t.shape) for t in network.tensors}


def _forward(network: Network, parameters: Array, planes: Array, norm: bool) -> tuple[Array, list[_Layer]]:
    """The answer, and a record of every layer.  The last record holds the input of the last convolution in `seen`."""
    value = _split(network, parameters)
    tape: list[_Layer] = []
    seen = planes
    rectangle = tuple(n - 2 * network.halo_px for n in planes.shape[1:])
    for i in range(network.layers + 1):
        if i == 0:
            middle, out = seen, _conv(seen, value["first.weight"], 1)
        else:
            middle = _depthwise(seen, value[f"depthwise{i}.weight"], network.dilations[i - 1])
            out = np.tensordot(value[f"pointwise{i}.weight"], middle, 1)
        out = out + value[_bias(i)][:, None, None]
        mean, deviation = np.zeros(network.channels, out.dtype), np.ones(network.channels, out.dtype)
        if norm:
            inside = _inside(out, rectangle)
            mean, deviation = inside.mean((1, 2)), np.sqrt(inside.var((1, 2)) + EPSILON)
            out = (out - mean[:, None, None]) / deviation[:, None, None]
        tape.append(_Layer(seen, middle, out, mean, deviation))
        seen = np.where(out > 0, out, SLOPE * out)
    tape.append(_Layer(seen, seen, seen, seen, seen))
    return _conv(seen, value["last.weight"][None], 1)[0], tape


def _inside(planes: Array, shape: tuple[int, ...]) -> Array:
    """The middle of each plane, a view of that shape."""
    y, x = ((whole - part) // 2 for whole, part in zip(planes.shape[1:], shape, strict=True))
    return planes[:, y : y + shape[0], x : x + shape[1]]


def _windows(planes: Array, kernel: int, dilation: int) -> list[tuple[int, int, Array]]:
    """(ty, tx, the planes shifted by that tap), for every tap."""
    height, width = (n - (kernel - 1) * dilation for n in planes.shape[1:])
    taps = [(ty, tx) for ty in range(kernel) for tx in range(kernel)]
    return [(ty, tx, planes[:, ty * dilation :, tx * dilation :][:, :height, :width]) for ty, tx in taps]


def _conv(planes: Array, weight: Array, dilation: int) -> Array:
    return sum(np.tensordot(weight[:, :, ty, tx], seen, 1) for ty, tx, seen in _windows(planes, weight.shape[-1], dilation))  # type: ignore[return-value]  # sum() may be the int 0


def _depthwise(planes: Array, weight: Array, dilation: int) -> Array:
    return sum(weight[:, ty, tx, None, None] * seen for ty, tx, seen in _windows(planes, weight.shape[-1], dilation))  # type: ignore[return-value]  # sum() may be the int 0


def _weight_gradient(planes: Array, grad: Array, kernel: int, dilation: int) -> Array:
    """(O, I, k, k) for the (O, h, w) gradient of `_conv`'s output."""
    out = np.empty((len(grad), len(planes), kernel, kernel), grad.dtype)
    for ty, tx, seen in _windows(planes, kernel, dilation):
        out[:, :, ty, tx] = np.tensordot(grad, seen, ((1, 2), (1, 2)))
    return out


def _transposed(grad: Array, weight: Array, dilation: int) -> Array:
    """The gradient of `_conv`'s input: (O, h, w) to (I, h + 2 reach, w + 2 reach)."""
    reach = (weight.shape[-1] - 1) * dilation
    padded = np.pad(grad, ((0, 0), (reach, reach), (reach, reach)))
    return _conv(padded, weight.transpose(1, 0, 2, 3)[..., ::-1, ::-1], dilation)
