"""One full fitting step of the default network on 768x512 luma, forward and backward, by inlaid's kernel, JAX and PyTorch.

All compute the same: the squared error of the network summed over the picture, and its gradient by all 402 parameters. (The network has
378 weights, 24 biases and leaky ReLU of slope 1/8; the base is extended by its edge pixels for the halo of 5; convolutions are valid.)
First it is verified that all gradients are equal; otherwise no times are measured. Each engine has several ways to write the network, or
to cut the picture. The fastest way of each engine is timed in the final, where the engines alternate: A B C, A B C, ... Each timed call
follows an untimed one, so that caches and waiting threads of the engine before do not count. The ratios are what counts.

Useful operations a pixel, with M multiply-accumulates (`Network.macs_per_pixel`): forward 2 M; backward 2 M for the gradients of the
weights and 2 M for those of the layers' inputs, without the first layer's, whose input needs none. That is 6 M - 2 * 54 = 2160 for
M = 378. The share of the peak is the useful operations a second, divided by the peak that alternates with the engines, with as many
threads.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
from common import HEIGHT, WIDTH, Column, Line, Seconds, alternating, at_least, timed, verify
from fit_problem import NETWORK, Step, problem, random_parameters
from numpy.typing import NDArray
from peak import Spin, compiler

from inlaid.bench.provenance import versions
from inlaid.encoding import gradient as float_kernel
from inlaid.encoding import rectangles

TOLERANCE = 1e-3  # relative, in the 2-norm of a tensor's gradient
REQUIRED = at_least(times_inlay=10)  # of JAX and of PyTorch
FLOPS_A_PIXEL = 6 * NETWORK.macs_per_pixel - 2 * NETWORK.tensors[0].size
ENGINES, ALONE = ("inlaid", "jax", "torch"), "inlaid, 1 thread"
COLUMNS = (
    Column("median_ms", "median, ms", ".2f"),
    Column("least_ms", "least, ms", ".2f"),
    Column("most_ms", "most, ms", ".2f"),
    Column("processor_ms", "processor, ms", ".2f"),
    Column("times_inlay", "times inlaid", ".2f"),
    Column("times_inlay_processor", "the same, of processor time", ".2f"),
    Column("gflops", "useful GFLOP/s", ".1f"),
    Column("share_of_peak", "share of peak", ".1%"),
)


def kernel_steps(threads: int) -> dict[str, Step]:
    """inlaid's kernel, with the picture cut into tiles of several sizes."""
    base, original, _, _ = problem()

    def step(rows: int, columns: int) -> Step:
        cut = rectangles.tiles(base.shape, rows, columns)
        return lambda parameters: float_kernel.gradient(NETWORK, parameters, cut, base=base, target=original, threads=threads)

    return {f"tiles {rows}x{columns}": step(rows, columns) for rows, columns in ((512, 384), (256, 384), (256, 256), (128, 502))}


def jax_steps() -> dict[str, Step]:
    """JAX; ImportError if it is not installed."""
    return importlib.import_module("fit_jax").steps()


def torch_steps(threads: int, compiling: bool) -> dict[str, Step]:
    """PyTorch; ImportError if it is not installed."""
    return importlib.import_module("fit_torch").steps(threads, compiling)


def difference(parameters: NDArray[np.float32], step: Step, expected: tuple[float, NDArray[np.floating]]) -> float:
    """The largest relative difference from the expected loss and gradients, tensor by tensor."""
    loss, gradient = step(parameters)
    found = [abs(loss - expected[0]) / expected[0]]
    for tensor in NETWORK.tensors:
        reference = expected[1][tensor.slice]
        found.append(float(np.linalg.norm(gradient[tensor.slice] - reference) / np.linalg.norm(reference)))
    return max(found)


def fastest(
    engine: str, ways: dict[str, Step], parameters: NDArray[np.float32], expected: tuple[float, NDArray[np.floating]]
) -> str | None:
    """The fastest way, or None if none runs.  Every way must give the expected gradient."""
    least: dict[str, float] = {}
    for way, step in ways.items():
        try:
            error = difference(parameters, step, expected)
        except Exception as failure:  # torch.compile needs a C++ compiler and more
            print(f"  {engine:16} {way:48} does not run: {type(failure).__name__}")
            continue
        verify(error <= TOLERANCE, f"{engine}, {way}: the gradients differ by {error:.1e}, more than {TOLERANCE}")
        # The shortest time, since other programs can only lengthen it.
        least[way] = min(timed(lambda step=step: step(parameters)).clock for _ in range(4))
        print(f"  {engine:16} {way:48} {error:10.1e} {1000 * least[way]:8.2f} ms", flush=True)
    return min(least, key=least.__getitem__, default=None)


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """Yield a line for each engine with all threads, and one for inlaid's kernel with one thread."""
    parameters, threads = random_parameters(), arguments.threads
    best = _fastest_ways(arguments, parameters)
    calls = {engine: (lambda step=step: step(parameters)) for engine, (_, step) in best.items()}
    spins = {n: Spin("float_flops", n) for n in {1, threads}}
    taken = alternating(arguments.repeats, calls | ({f"peak of {n}": spin for n, spin in spins.items()} if compiler() else {}))
    for engine in [name for name in ENGINES if name not in best]:  # one of JAX and PyTorch is enough
        required = {} if best.keys() & {"jax", "torch"} else REQUIRED
        yield {"what": f"{engine}: does not run here", "engine": engine, "required": required}
    ours = _median(taken["inlaid"])
    for engine, (way, _) in best.items():
        clock, processor = _median(taken[engine])
        alone = engine == ALONE
        gflops, used = FLOPS_A_PIXEL * HEIGHT * WIDTH / clock / 1e9, 1 if alone else threads
        module = sys.modules[engine.partition(",")[0]]
        required = {}
        if not engine.startswith("inlaid"):
            required = REQUIRED
        elif threads == 2 and not alone:
            required = at_least(share_of_peak=0.3)
        yield {
            "what": f"{engine}: {way}",
            "engine": engine,
            "threads": used,
            "repeats": arguments.repeats,
            "versions": versions() | {module.__name__: module.__version__},
            "width": WIDTH,
            "height": HEIGHT,
            "weights": NETWORK.weights,
            "parameters": NETWORK.size,
            "median_ms": 1000 * clock,
            "least_ms": 1000 * min(taken[engine]).clock,
            "most_ms": 1000 * max(taken[engine]).clock,
            # Below the time by the clock where other programs held the processors; else up to that time multiplied by the threads.
            "processor_ms": 1000 * processor,
            "times_inlay": clock / ours.clock,
            "times_inlay_processor": processor / ours.processor,
            "gflops": gflops,
            "share_of_peak": spins[used].share(gflops, median),
            "required": required,
        }


def _fastest_ways(arguments: argparse.Namespace, parameters: NDArray[np.float32]) -> dict[str, tuple[str, Step]]:
    """The fastest way of each engine that runs here, and its name."""
    threads = arguments.threads
    makers: dict[str, Callable[[], dict[str, Step]]] = {
        "inlaid": lambda: kernel_steps(threads),
        "jax": jax_steps,
        "torch": lambda: torch_steps(threads, not arguments.no_compile),
    }
    if threads > 1:
        makers[ALONE] = lambda: kernel_steps(1)
    expected = next(iter(kernel_steps(threads).values()))(parameters)
    best: dict[str, tuple[str, Step]] = {}
    for engine, make in makers.items():
        try:
            ways = make()
        except ImportError as error:
            print(f"  {engine} is left out: {error}")
            continue
        if way := fastest(engine, ways, parameters, expected):
            best[engine] = (way, ways[way])
    return best


def _median(times: list[Seconds]) -> Seconds:
    return Seconds(*(median(column) for column in zip(*times, strict=True)))
