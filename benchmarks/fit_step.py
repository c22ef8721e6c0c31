"""One full fitting step of the default network on 768x512 luma, forward and backward: inlaid's kernel, JAX, PyTorch, side by side.

All compute the same: the squared error of the network (378 weights, 24 biases, leaky ReLU of slope 1/8, base continued by
its edge pixels for the halo of 5, valid convolutions) summed over the picture, and its gradient by all 402 parameters.  That is
verified first: no times without equal gradients.  Each engine may choose among several ways to write the network (or to cut the
picture); the fastest of each goes into the final, where the engines take turns: A B C, A B C, ...  A call that is not timed comes
before each timed one, so that nobody pays for another's caches or spinning threads.  The ratios are what counts.

Useful operations a pixel: forward 2 for each of the M multiply-accumulates (`Network.macs_per_pixel`), backward 2 M for the gradients of
the weights and 2 M for those of the layers' inputs, less the first layer's, whose input needs none: 6 M - 2 * 54 = 2160 for M = 378.
The share of the peak is those a second by what `peak`, in its turns with the others, shows with as many threads.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import cache
from statistics import median
from typing import NamedTuple

import numpy as np
from common import HEIGHT, WIDTH, Column, Line, Pixels, Seconds, at_least, jpeg_of, made_up, timed, turns, verify
from numpy.typing import NDArray
from peak import Spin, compiler

from inlaid.bench.provenance import versions
from inlaid.encoding import floatnet, rectangles
from inlaid.encoding import gradient as float_kernel
from inlaid.network import Network

Step = Callable[[NDArray[np.float32]], tuple[float, NDArray[np.floating]]]
NETWORK = Network()
TOLERANCE = 1e-3  # of a tensor's gradient, relative, in the 2-norm
REQUIRED = at_least(times_inlay=10)  # of each of the others
FLOPS_A_PIXEL = 6 * NETWORK.macs_per_pixel - 2 * NETWORK.tensors[0].size
COLUMNS = (
    Column("median_ms", "median, ms", ".2f"),
    Column("least_ms", "least, ms", ".2f"),
    Column("most_ms", "most, ms", ".2f"),
    Column("processor_ms", "processor, ms", ".2f"),
    Column("times_inlay", "times inlay", ".2f"),
    Column("times_inlay_processor", "the same, of processor time", ".2f"),
    Column("gflops", "useful GFLOP/s", ".1f"),
    Column("share_of_peak", "share of peak", ".1%"),
)


class Problem(NamedTuple):
    """What all engines are given: base and original (512, 768), and, for the others, planes (1, 522, 778) and target (512, 768)."""

    base: Pixels
    original: Pixels
    planes: NDArray[np.float32]
    target: NDArray[np.float32]


@cache
def problem() -> Problem:
    original = made_up()
    base = jpeg_of(original, 20)[1]
    planes = floatnet.inputs(NETWORK, base, (0, HEIGHT, 0, WIDTH))
    return Problem(base, original, planes, (original.astype(np.float32) - base) / 128)


def random_parameters() -> NDArray[np.float32]:
    """He initialisation, all layers: every parameter has a gradient."""
    rng = np.random.default_rng(1)
    out = np.zeros(NETWORK.size, np.float32)
    for tensor in NETWORK.tensors:
        out[tensor.slice] = rng.normal(0, 0.1 if tensor.is_bias else np.sqrt(1 / tensor.fan_in), tensor.size)
    return out


# ------------------------------------------------------------------------------------------------ inlay


def inlay_steps(threads: int) -> dict[str, Step]:
    """The kernel, with the picture cut in several ways."""
    base, original, _, _ = problem()

    def step(rows: int, columns: int) -> Step:
        cut = rectangles.tiles(base.shape, rows, columns)
        return lambda parameters: float_kernel.gradient(NETWORK, parameters, cut, base=base, target=original, threads=threads)

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


# ------------------------------------------------------------------------------------------------ PyTorch


def torch_steps(threads: int, compiling: bool) -> dict[str, Step]:
    """conv2d (oneDNN) with groups, in both memory formats; depthwise as shifted multiples; and the same through torch.compile."""
    import torch
    from torch.nn import functional

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


# ------------------------------------------------------------------------------------------------ verify, then time


def difference(parameters: NDArray[np.float32], step: Step, expected: tuple[float, NDArray[np.floating]]) -> float:
    """The largest relative difference of the loss and of any tensor's gradient."""
    loss, gradient = step(parameters)
    found = [abs(loss - expected[0]) / expected[0]]
    for tensor in NETWORK.tensors:
        reference = expected[1][tensor.slice]
        found.append(float(np.linalg.norm(gradient[tensor.slice] - reference) / np.linalg.norm(reference)))
    return max(found)


def fastest(
    engine: str, ways: dict[str, Step], parameters: NDArray[np.float32], expected: tuple[float, NDArray[np.floating]]
) -> str | None:
    """The way that takes least time, of those that run; all must give the gradient that is expected."""
    least: dict[str, float] = {}
    for way, step in ways.items():
        try:
            error = difference(parameters, step, expected)
        except Exception as failure:  # torch.compile needs a C++ compiler, and may have other wishes
            print(f"  {engine:16} {way:48} does not run: {type(failure).__name__}")
            continue
        verify(error <= TOLERANCE, f"{engine}, {way}: the gradients differ by {error:.1e}, more than {TOLERANCE}")
        # the least, since other programs can only add to it
        least[way] = min(timed(lambda step=step: step(parameters)).clock for _ in range(4))
        print(f"  {engine:16} {way:48} {error:10.1e} {1000 * least[way]:8.2f} ms", flush=True)
    return min(least, key=least.__getitem__, default=None)


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """A line for each engine with all threads, and for inlay's with one."""
    parameters, threads = random_parameters(), arguments.threads
    makers: dict[str, Callable[[], dict[str, Step]]] = {
        "inlay": lambda: inlay_steps(threads), "jax": jax_steps, "torch": lambda: torch_steps(threads, not arguments.no_compile),
    }  # fmt: skip
    if threads > 1:
        makers["inlay, 1 thread"] = lambda: inlay_steps(1)
    expected = next(iter(inlay_steps(threads).values()))(parameters)
    best: dict[str, tuple[str, Step]] = {}
    for engine, make in makers.items():
        try:
            ways = make()
        except ImportError as error:
            print(f"  {engine} is left out: {error}")
            continue
        if way := fastest(engine, ways, parameters, expected):
            best[engine] = (way, ways[way])
    for engine in [name for name in makers if name not in best]:  # one of the others is enough
        yield {"what": f"{engine}: does not run here", "engine": engine, "required": {} if best.keys() & {"jax", "torch"} else REQUIRED}

    calls = {engine: (lambda step=step: step(parameters)) for engine, (_, step) in best.items()}
    spins = {n: Spin("float_flops", n) for n in {1, threads}}
    taken = turns(arguments.repeats, calls | ({f"peak of {n}": spin for n, spin in spins.items()} if compiler() else {}))
    taken = {engine: taken[engine] for engine in calls}
    medians = {engine: Seconds(*(median(column) for column in zip(*each, strict=True))) for engine, each in taken.items()}
    ours = medians["inlay"]
    for engine, each in taken.items():
        clock, processor = medians[engine]
        alone = engine.endswith("1 thread")
        gflops, used = FLOPS_A_PIXEL * HEIGHT * WIDTH / clock / 1e9, 1 if alone else threads
        module = sys.modules[engine.partition(",")[0]]
        required = {}
        if not engine.startswith("inlay"):
            required = REQUIRED
        elif threads == 2 and not alone:
            required = at_least(share_of_peak=0.3)
        yield {
            "what": f"{engine}: {best[engine][0]}", "engine": engine, "threads": used, "repeats": arguments.repeats,
            "versions": versions() | {module.__name__: module.__version__},
            "width": WIDTH, "height": HEIGHT, "weights": NETWORK.weights, "parameters": NETWORK.size,
            "median_ms": 1000 * clock, "least_ms": 1000 * min(each).clock, "most_ms": 1000 * max(each).clock,
            # Less than the clock's where other programs held the processors; more, by the number of threads, where nobody did.
            "processor_ms": 1000 * processor, "times_inlay": clock / ours.clock, "times_inlay_processor": processor / ours.processor,
            "gflops": gflops, "share_of_peak": spins[used].share(gflops, median), "required": required,
        }  # fmt: skip
