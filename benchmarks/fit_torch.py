"""PyTorch in the section `fit`."""

from __future__ import annotations

import numpy as np
import torch
from fit_problem import NETWORK, Step, problem
from numpy.typing import NDArray
from torch.nn import functional

from inlaid.encoding import floatnet


def steps(threads: int, compiling: bool) -> dict[str, Step]:
    """PyTorch, with conv2d (oneDNN) in both memory formats, with sums of shifted planes, and with torch.compile."""
    torch.set_num_threads(threads)
    tensors = [(t.name, t.slice, t.shape) for t in NETWORK.tensors]
    channels, layers = NETWORK.channels, NETWORK.layers

    def depthwise_shifted(planes: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        height, width = planes.shape[2] - 2, planes.shape[3] - 2
        taps = [(i, j, planes[:, :, i : i + height, j : j + width]) for i in range(3) for j in range(3)]
        return sum(weight[:, i, j, None, None] * seen for i, j, seen in taps)

    def step(layout: str, depthwise: str, pointwise: str, compiled: bool) -> Step:
        memory_format = torch.channels_last if layout == "nhwc" else torch.contiguous_format
        planes = torch.from_numpy(problem().planes)[None].to(memory_format=memory_format)
        target = torch.from_numpy(problem().target)[None, None].to(memory_format=memory_format)

        def loss(parameters: torch.Tensor) -> torch.Tensor:
            value = {name: parameters[place].reshape(shape) for name, place, shape in tensors}
            seen = functional.conv2d(planes, value["first.weight"], value["first.bias"])
            for i in range(1, layers + 1):
                seen = functional.leaky_relu(seen, floatnet.SLOPE)
                weight, bias = value[f"depthwise{i}.weight"], value[f"pointwise{i}.bias"]
                if depthwise == "merged":
                    seen = functional.conv2d(seen, value[f"pointwise{i}.weight"][:, :, None, None] * weight, bias)
                    continue
                if depthwise == "conv":
                    seen = functional.conv2d(seen, weight[:, None], groups=channels)
                else:
                    seen = depthwise_shifted(seen, weight)
                weight = value[f"pointwise{i}.weight"]
                if pointwise == "conv":
                    seen = functional.conv2d(seen, weight[:, :, None, None], bias)
                else:
                    seen = sum(weight[:, c, None, None] * seen[:, c : c + 1] for c in range(channels)) + bias[:, None, None]
            seen = functional.leaky_relu(seen, floatnet.SLOPE)
            answer = functional.conv2d(seen, value["last.weight"][None])
            return ((answer - target) ** 2).sum()

        wanted = torch.compile(loss) if compiled else loss

        def run(parameters: NDArray[np.float32]) -> tuple[float, NDArray[np.floating]]:
            variable = torch.from_numpy(parameters).requires_grad_()
            value = wanted(variable)
            (gradient,) = torch.autograd.grad(value, variable)
            return float(value.detach()), gradient.numpy()

        return run

    ways = [
        ("nchw", "conv", "conv", False),
        ("nhwc", "conv", "conv", False),
        ("nchw", "merged", "merged", False),
        ("nhwc", "merged", "merged", False),
        ("nchw", "shifted", "conv", False),
        ("nhwc", "conv", "conv", True),
        ("nchw", "shifted", "conv", True),
        ("nhwc", "merged", "merged", True),
    ]
    ways = [w for w in ways if compiling or not w[3]]
    return {f"{w[0]}, depthwise {w[1]}, 1x1 {w[2]}{', compiled' if w[3] else ''}": step(*w) for w in ways}
