"""One full fitting step of the default network on 768x512 luma, forward and backward: inlay's kernel, JAX, PyTorch, side by side.

    python benchmarks/fit_step.py [--cores 2] [--repeats 15] [-o out/fit_step.jsonl]

All compute the same: the squared error of the network (378 weights, 24 biases, leaky ReLU of slope 1/8, base continued by
its edge pixels for the halo of 5, valid convolutions) summed over the picture, and its gradient by all 402 parameters.  That is
verified first: no times without equal gradients.  Each engine may choose among several ways to write the network (or to cut the
picture); the fastest of each goes into the final, where the engines take turns: A B C, A B C, ...  A call that is not timed comes
before each timed one, so that nobody pays for another's caches or spinning threads.  The ratios are what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--cores", type=int, default=2, help="of this machine, for every engine (default: 2)")
parser.add_argument("--repeats", type=int, default=15, help="timed steps of each engine (default: 15)")
parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes a minute to build")
parser.add_argument("-o", "--output", type=Path, default=Path("out/fit_step.jsonl"), help="JSON lines are appended here")
arguments = parser.parse_args()

# Before any engine counts the processors.
if hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))[: arguments.cores]
    os.sched_setaffinity(0, cores)
os.environ["OMP_NUM_THREADS"] = str(arguments.cores)
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np  # noqa: E402  # the processors are set first
from numpy.typing import NDArray  # noqa: E402  # the processors are set first
from PIL import Image  # noqa: E402  # the processors are set first

from inlay import __version__, floatnet, kernel  # noqa: E402  # the processors are set first
from inlay.network import Network  # noqa: E402  # the processors are set first
from inlay.provenance import machine  # noqa: E402  # the processors are set first

Step = Callable[[NDArray[np.float32]], tuple[float, NDArray[np.floating]]]
HEIGHT, WIDTH = 512, 768
NETWORK = Network()
TOLERANCE = 1e-3  # of a tensor's gradient, relative, in the 2-norm
REQUIRED = 1 / 6  # of the time of the faster of the others


def picture() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A made-up original, stripes and grain under a soft light, and its JPEG base at quality 20."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH] / 16
    stripes = sum(np.sign(np.sin(x * np.cos(a) + y * np.sin(a) + p)) for a, p in rng.uniform(0, 6, (6, 2)))
    plane = 128 + 12 * stripes + 30 * np.sin(x / 9) * np.cos(y / 7) + rng.normal(0, 5, x.shape)
    original = np.clip(plane, 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(original).save(file, "JPEG", quality=20)
    return np.asarray(Image.open(file)).copy(), original


def random_parameters() -> NDArray[np.float32]:
    """He initialisation, all layers: every parameter has a gradient."""
    rng = np.random.default_rng(1)
    out = np.zeros(NETWORK.size, np.float32)
    for tensor in NETWORK.tensors:
        out[tensor.slice] = rng.normal(0, 0.1 if tensor.is_bias else np.sqrt(1 / tensor.fan_in), tensor.size)
    return out


BASE, ORIGINAL = picture()
PLANES = floatnet.inputs(NETWORK, BASE, (0, HEIGHT, 0, WIDTH))  # (1, 522, 778)
TARGET = (ORIGINAL.astype(np.float32) - BASE) / 128  # (512, 768)


# ------------------------------------------------------------------------------------------------ inlay


def inlay_steps() -> dict[str, Step]:
    """The kernel, with the picture cut in several ways."""

    def step(rows: int, columns: int) -> Step:
        rectangles = kernel.tiles(BASE.shape, rows, columns)
        return lambda parameters: kernel.gradient(NETWORK, parameters, rectangles, base=BASE, target=ORIGINAL, threads=arguments.cores)

    return {f"tiles {rows}x{columns}": step(rows, columns) for rows, columns in ((512, 384), (256, 384), (256, 256), (128, 502))}


# ------------------------------------------------------------------------------------------------ JAX


def jax_steps() -> dict[str, Step]:
    """Convolutions as XLA has them, in both layouts, and as sums of shifted multiples."""
    import jax
    import jax.numpy as jnp
    from jax import lax

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
                if depthwise == "merged":  # with the 1x1 convolution, to one dense 3x3 convolution: more sums, better known
                    seen = wide(seen, value[f"pointwise{i}.weight"][:, :, None, None] * weight)
                    seen = seen + lift(value[f"pointwise{i}.bias"])
                    continue
                weight = value[f"pointwise{i}.weight"]
                if pointwise == "conv":
                    seen = convolve(seen, weight[:, :, None, None])
                elif pointwise == "sum":  # spelt out, so that XLA may fuse it with its surroundings
                    seen = sum(weight[:, c, None, None] * seen[c] for c in range(channels))
                else:
                    seen = jnp.einsum("oi,ihw->ohw" if layout == "nchw" else "oi,hwi->hwo", weight, seen)
                seen = seen + lift(value[f"pointwise{i}.bias"])
            seen = jnp.where(seen > 0, seen, floatnet.SLOPE * seen)
            answer = wide(seen, value["last.weight"][None])
            return ((answer.reshape(HEIGHT, WIDTH) - target) ** 2).sum()

        both = jax.jit(jax.value_and_grad(loss))
        planes = jnp.asarray(PLANES if layout == "nchw" else PLANES.transpose(1, 2, 0))
        target = jnp.asarray(TARGET)

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


# ------------------------------------------------------------------------------------------------ PyTorch


def torch_steps() -> dict[str, Step]:
    """conv2d (oneDNN) with groups, in both memory formats; depthwise as shifted multiples; and the same through torch.compile."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(arguments.cores)
    tensors = [(t.name, t.slice, t.shape) for t in NETWORK.tensors]
    channels, layers = NETWORK.channels, NETWORK.layers

    def depthwise_shifted(planes: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        height, width = planes.shape[2] - 2, planes.shape[3] - 2
        taps = [(i, j, planes[:, :, i : i + height, j : j + width]) for i in range(3) for j in range(3)]
        return sum(weight[:, i, j, None, None] * seen for i, j, seen in taps)

    def step(layout: str, depthwise: str, pointwise: str, compiled: bool) -> Step:
        memory_format = torch.channels_last if layout == "nhwc" else torch.contiguous_format
        planes = torch.from_numpy(PLANES)[None].to(memory_format=memory_format)
        target = torch.from_numpy(TARGET)[None, None].to(memory_format=memory_format)

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
    ways = [w for w in ways if not (w[3] and arguments.no_compile)]
    return {f"{w[0]}, depthwise {w[1]}, 1x1 {w[2]}{', compiled' if w[3] else ''}": step(*w) for w in ways}


# ------------------------------------------------------------------------------------------------ verify, then time


def difference(parameters: NDArray[np.float32], step: Step, expected: tuple[float, NDArray[np.floating]]) -> float:
    """The largest relative difference of the loss and of any tensor's gradient."""
    loss, gradient = step(parameters)
    found = [abs(loss - expected[0]) / expected[0]]
    for tensor in NETWORK.tensors:
        reference = expected[1][tensor.slice]
        found.append(float(np.linalg.norm(gradient[tensor.slice] - reference) / np.linalg.norm(reference)))
    return max(found)


def timed(step: Step, parameters: NDArray[np.float32]) -> tuple[float, float]:
    """Seconds for one step, after one that is not timed: by the clock, and of all processors together."""
    step(parameters)
    begun = time.perf_counter(), time.process_time()
    step(parameters)
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def version(module: str) -> str:
    return str(getattr(sys.modules[module], "__version__", "?"))


def main() -> int:
    parameters = random_parameters()
    engines: dict[str, dict[str, Step]] = {}
    for name, make in (("inlay", inlay_steps), ("jax", jax_steps), ("torch", torch_steps)):
        try:
            engines[name] = make()
        except ImportError as error:
            print(f"{name} is left out: {error}")
    reference = next(iter(engines["inlay"].values()))(parameters)

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # of other programs, before ours begins
    if load and load > 0.3:
        print(f"other programs are running (load {load:.1f}): the times are too long, and the ratios uncertain")
    print(f"{machine()}, {arguments.cores} threads; {WIDTH}x{HEIGHT}, {NETWORK.weights} weights, {NETWORK.size} parameters\n")
    print(f"{'':6} {'way':48} {'difference':>10} {'least ms':>8}")
    best: dict[str, tuple[str, Step]] = {}
    for engine, ways in engines.items():
        fastest = float("inf")
        for way, step in ways.items():
            try:
                error = difference(parameters, step, reference)
            except Exception as failure:  # torch.compile needs a C++ compiler, and may have other wishes
                print(f"{engine:6} {way:48} does not run: {type(failure).__name__}")
                continue
            if error > TOLERANCE:
                print(f"{engine:6} {way:48} {error:10.1e}  the gradients differ by more than {TOLERANCE}: no times are taken")
                return 1
            least = min(timed(step, parameters)[0] for _ in range(4))  # the least, since other programs can only add to it
            print(f"{engine:6} {way:48} {error:10.1e} {1000 * least:8.2f}", flush=True)
            if least < fastest:
                fastest, best[engine] = least, (way, step)

    taken: dict[str, list[tuple[float, float]]] = {engine: [] for engine in best}
    for _ in range(arguments.repeats):
        for engine, (_, step) in best.items():
            taken[engine].append(timed(step, parameters))
    medians = {engine: statistics.median(s for s, _ in each) for engine, each in taken.items()}
    # Less than the clock's where other programs held the processors; more, by the number of threads, where nobody did.
    processor = {engine: statistics.median(s for _, s in each) for engine, each in taken.items()}

    print(f"\nthe fastest of each, {arguments.repeats} repeats in turns\n")
    print(f"{'':6} {'median ms':>10} {'min':>8} {'max':>8} {'times inlay':>12} {'processor ms':>13} {'times inlay':>12}")
    for engine, each in taken.items():
        row = [1000 * s for s in (medians[engine], min(each)[0], max(each)[0])]
        ratio = medians[engine] / medians["inlay"]
        busy = processor[engine] / processor["inlay"]
        print(f"{engine:6} {row[0]:10.2f} {row[1]:8.2f} {row[2]:8.2f} {ratio:12.2f} {1000 * processor[engine]:13.2f} {busy:12.2f}")
    others = [median for engine, median in medians.items() if engine != "inlay"]
    if others:
        ratio = medians["inlay"] / min(others)
        verdict = "met" if ratio <= REQUIRED else "NOT met"
        print(f"\ninlay takes {ratio:.3f} of the faster one's time, 1/{1 / ratio:.1f} (at most 1/6 is required: {verdict})")

    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    common = {
        "benchmark": "fit_step", "time": datetime.now(UTC).isoformat(timespec="seconds"), "width": WIDTH, "height": HEIGHT,
        "weights": NETWORK.weights, "parameters": NETWORK.size, "machine": machine(), "threads": arguments.cores,
        "load": load, "repeats": arguments.repeats, "python": platform.python_version(), "kernel": kernel.paths()[0],
    }  # fmt: skip
    with arguments.output.open("a", encoding="utf-8") as file:
        for engine, each in taken.items():
            line = {
                **common, "engine": engine, "version": __version__ if engine == "inlay" else version(engine),
                "way": best[engine][0], "median_s": medians[engine],
                "processor_s": processor[engine], "seconds": [s for s, _ in each],
            }  # fmt: skip
            file.write(json.dumps(line) + "\n")
    print(f"\nlines appended to {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
