"""JAX in the section `fit`."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from common import HEIGHT, WIDTH
from fit_problem import NETWORK, Step, problem
from jax import lax
from numpy.typing import NDArray

from inlaid.encoding import floatnet


def steps() -> dict[str, Step]:
    """JAX, with XLA's convolutions in both layouts, and with convolutions as sums of shifted planes."""
    tensors = [(t.name, t.slice, t.shape) for t in NETWORK.tensors]
    channels, layers = NETWORK.channels, NETWORK.layers

    def windows(planes: jax.Array) -> list[tuple[int, int, jax.Array]]:
        height, width = planes.shape[1] - 2, planes.shape[2] - 2
        return [(i, j, planes[:, i : i + height, j : j + width]) for i in range(3) for j in range(3)]

    def full_shifted(planes: jax.Array, weight: jax.Array) -> jax.Array:
        return sum(jnp.einsum("oi,ihw->ohw", weight[:, :, i, j], seen) for i, j, seen in windows(planes))

    def depthwise_shifted(planes: jax.Array, weight: jax.Array) -> jax.Array:
        return sum(weight[:, i, j, None, None] * seen for i, j, seen in windows(planes))

    def conv(layout: str) -> Callable[..., jax.Array]:
        numbers = {"nchw": ("NCHW", "OIHW", "NCHW"), "nhwc": ("NHWC", "HWIO", "NHWC")}[layout]

        def apply(planes: jax.Array, weight: jax.Array, groups: int = 1) -> jax.Array:
            weight = weight if layout == "nchw" else weight.transpose(2, 3, 1, 0)
            out = lax.conv_general_dilated(planes[None], weight, (1, 1), "VALID", feature_group_count=groups, dimension_numbers=numbers)
            return out[0]

        return apply

    def step(layout: str, full: str, depthwise: str, pointwise: str) -> Step:
        lift = (lambda b: b[:, None, None]) if layout == "nchw" else (lambda b: b)
        convolve = conv(layout)

        def loss(parameters: jax.Array, planes: jax.Array, target: jax.Array) -> jax.Array:
            value = {name: parameters[place].reshape(shape) for name, place, shape in tensors}
            wide = convolve if full == "conv" else full_shifted
            seen = wide(planes, value["first.weight"]) + lift(value["first.bias"])
            for i in range(1, layers + 1):
                seen = jnp.where(seen > 0, seen, floatnet.SLOPE * seen)
                weight = value[f"depthwise{i}.weight"]
                if depthwise == "conv":
                    seen = convolve(seen, weight[:, None], channels)
                elif depthwise == "shifted":
                    seen = depthwise_shifted(seen, weight)
                if depthwise == "merged":  # into one dense 3x3 convolution: more operations, but faster code
                    seen = wide(seen, value[f"pointwise{i}.weight"][:, :, None, None] * weight)
                    seen = seen + lift(value[f"pointwise{i}.bias"])
                    continue
                weight = value[f"pointwise{i}.weight"]
                if pointwise == "conv":
                    seen = convolve(seen, weight[:, :, None, None])
                elif pointwise == "sum":  # written out, so that XLA may fuse it
                    seen = sum(weight[:, c, None, None] * seen[c] for c in range(channels))
                else:
                    seen = jnp.einsum("oi,ihw->ohw" if layout == "nchw" else "oi,hwi->hwo", weight, seen)
                seen = seen + lift(value[f"pointwise{i}.bias"])
            seen = jnp.where(seen > 0, seen, floatnet.SLOPE * seen)
            answer = wide(seen, value["last.weight"][None])
            return ((answer.reshape(HEIGHT, WIDTH) - target) ** 2).sum()

        both = jax.jit(jax.value_and_grad(loss))
        planes = jnp.asarray(problem().planes if layout == "nchw" else problem().planes.transpose(1, 2, 0))
        target = jnp.asarray(problem().target)

        def run(parameters: NDArray[np.float32]) -> tuple[float, NDArray[np.floating]]:
            value, gradient = both(parameters, planes, target)
            return float(value), np.asarray(gradient)

        return run

    ways = [
        ("nchw", "conv", "conv", "conv"),
        ("nhwc", "conv", "conv", "einsum"),
        ("nchw", "conv", "merged", "merged"),
        ("nhwc", "conv", "merged", "merged"),
        ("nchw", "conv", "shifted", "conv"),
        ("nchw", "conv", "shifted", "einsum"),
        ("nchw", "shifted", "shifted", "einsum"),
    ]
    return {f"{w[0]}, 3x3 {w[1]}, depthwise {w[2]}, 1x1 {w[3]}": step(*w) for w in ways}
