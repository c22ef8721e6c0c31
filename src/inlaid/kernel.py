"""The compiled kernels, called through ctypes: the exact decoder network and the float gradient for fitting.

Each exists for several instruction sets ("paths"); the best one that this processor runs is used, or the one that the environment
variable INLAID_PATH names.  A call releases the GIL, so bands and rectangles run in parallel on plain Python threads.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import InlayError
from .network import MAX_LAYERS, Network
from .threads import bands, edges, parallel, threads_of

ALL_PATHS = ("vnni", "avx512", "avx2", "sse", "neon", "portable")  # best first

Pixels = NDArray[np.uint8]
PEAK_MSE = 128.0**2  # (grey levels)^2 in the gradient kernel's unit of squared error
_PARTS = 4  # of a gradient, for each thread


class _Network(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("channels", "layers", "kernel", "inputs")] + [("dilation", ctypes.c_int32 * MAX_LAYERS)]


def _c(network: Network) -> _Network:
    dilation = (ctypes.c_int32 * MAX_LAYERS)(*network.dilations)
    return _Network(network.channels, network.layers, network.kernel, network.inputs, dilation)


@cache
def _library() -> ctypes.CDLL:
    # In an editable install the library lies in site-packages, not beside the source.
    for folder in (Path(__file__).parent, *(Path(p) / "inlaid" for p in sys.path if p)):
        if (folder / "_kernel.so").exists():
            return ctypes.CDLL(str(folder / "_kernel.so"))
    raise InlayError(f"inlaid's kernel is not installed beside {Path(__file__).parent}; expected _kernel.so: pip install .")


@cache
def paths() -> tuple[str, ...]:
    """The paths that this build has and this processor runs, best first; `portable` is always among them."""
    library = _library()
    return tuple(p for p in ALL_PATHS if hasattr(library, f"inlaid_restore_{p}") and library.inlaid_can_run(p.encode()))


def _function(stem: str, path: str | None) -> ctypes._NamedFuncPointer:
    chosen = path or os.environ.get("INLAID_PATH") or paths()[0]
    if chosen not in paths():
        raise InlayError(f"kernel path {chosen!r} is not available here; expected one of {', '.join(paths())}")
    # A path that has no function of its own for this has that of the next one.
    names = (f"{stem}_{path}" for path in paths()[paths().index(chosen) :])
    return getattr(_library(), next(name for name in names if hasattr(_library(), name)))  # type: ignore[no-any-return]  # a looked-up symbol


def _address(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)  # which keeps the array, whatever becomes of the caller


def restore(
    network: Network,
    parameters: NDArray[np.int16],
    base: Pixels,
    *,
    threads: int | None = None,
    path: str | None = None,
) -> Pixels:
    """The restored (H, W) luma: the same bytes as `reference.restore`, whatever the path and the threads.

    `parameters` must have passed `network.check_bounds`.
    """
    run = _function("inlaid_restore", path)
    height, width = base.shape
    base = np.ascontiguousarray(base, np.uint8)
    parameters = np.ascontiguousarray(parameters, np.int16)
    if parameters.size != network.size:
        raise ValueError(f"{parameters.size} parameters for a network of {network.size}")
    out = np.empty_like(base)
    described = _c(network)
    fixed = (
        ctypes.byref(described), _address(parameters), _address(base), ctypes.c_ssize_t(width), height, width,
        _address(out), ctypes.c_ssize_t(width),
    )  # fmt: skip

    def band(rows: tuple[int, int]) -> int:
        status: int = run(*fixed, *rows)
        return status

    if any(parallel(band, bands(0, height, threads_of(threads)), threads)):
        raise MemoryError("no memory for the restoration network's rows")
    return out


def tiles(shape: tuple[int, ...], rows: int, columns: int) -> NDArray[np.int32]:
    """Rectangles (n, 4) of at most rows x columns, about equal ones, that cover a plane once."""
    ys, xs = (edges(size, -(-size // most)) for size, most in zip(shape, (rows, columns), strict=True))
    return np.array([(*y, *x) for y in pairwise(ys) for x in pairwise(xs)], np.int32)


def gradient(
    network: Network,
    parameters: NDArray[np.float32],
    rectangles: NDArray[np.int32],
    *,
    base: Pixels,
    target: Pixels,
    threads: int | None = None,
    path: str | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """Sum of squared errors (in units of 128 grey levels) over `rectangles` (n, 4: y0, y1, x0, x1), and its gradient."""

    def part(rectangles: NDArray[np.int32]) -> tuple[float, NDArray[np.float64]]:
        return _gradient(network, parameters, rectangles, base, target, path, True, None)

    losses, gradients = zip(*parallel(part, _spread(rectangles, threads_of(threads)), threads), strict=True)
    return sum(losses), np.sum(gradients, axis=0)


def squared_error(
    network: Network,
    parameters: NDArray[np.float32],
    rectangles: NDArray[np.int32],
    *,
    base: Pixels,
    target: Pixels,
    threads: int | None = None,
    path: str | None = None,
) -> float:
    """The loss of `gradient` alone."""

    def part(rectangles: NDArray[np.int32]) -> float:
        return _gradient(network, parameters, rectangles, base, target, path, False, None)[0]

    return sum(parallel(part, _spread(rectangles, threads_of(threads)), threads))


def answers(
    network: Network,
    parameters: NDArray[np.float32],
    rectangles: NDArray[np.int32],
    *,
    base: Pixels,
    path: str | None = None,
) -> NDArray[np.float32]:
    """What the float network adds to the base, in units of 128 grey levels: rectangle after rectangle, (pixels,).

    A rectangle is at most 512 columns wide.
    """
    pixels = int(((rectangles[:, 1] - rectangles[:, 0]) * (rectangles[:, 3] - rectangles[:, 2])).sum())
    out = np.empty(pixels, np.float32)
    _gradient(network, parameters, rectangles, base, base, path, False, out)
    return out


def _gradient(
    network: Network,
    parameters: NDArray[np.float32],
    rectangles: NDArray[np.int32],
    base: Pixels,
    target: Pixels,
    path: str | None,
    wanted: bool,
    answer: NDArray[np.float32] | None,
) -> tuple[float, NDArray[np.float64]]:
    run = _function("inlaid_gradient", path)
    height, width = base.shape
    if target.shape != base.shape or not (base.flags.c_contiguous and target.flags.c_contiguous):
        raise ValueError(f"base {base.shape} and target {target.shape} must be contiguous planes of one shape")
    rectangles = np.ascontiguousarray(rectangles, np.int32)
    parameters = np.ascontiguousarray(parameters, np.float32)
    if parameters.size != network.size:
        raise ValueError(f"{parameters.size} parameters for a network of {network.size}")
    out, loss = np.zeros(network.size), ctypes.c_double()
    described = _c(network)
    status = run(
        ctypes.byref(described), network.size, _address(parameters), _address(base), _address(target),
        ctypes.c_ssize_t(width), height, width, _address(rectangles), len(rectangles),
        _address(out) if wanted else None, ctypes.byref(loss), None if answer is None else _address(answer),
    )  # fmt: skip
    if status:
        raise MemoryError("no memory for the fitting kernel's rows")
    return loss.value, out


def luma(pixels: Pixels, *, path: str | None = None) -> Pixels:
    """The luma (H, W) of (H, W, 3) RGB, with the very numbers of libjpeg; gray pixels (H, W) are their own."""
    if pixels.ndim == 2:
        return pixels
    pixels, out = np.ascontiguousarray(pixels), np.empty(pixels.shape[:2], np.uint8)
    _function("inlaid_luma", path)(_address(pixels), _address(out), ctypes.c_ssize_t(out.size))
    return out


def rgb(luma: Pixels, planes: Pixels, *, path: str | None = None) -> Pixels:
    """(H, W, 3) Y, Cb, Cr to RGB, with (H, W) luma for Y, with the very numbers of libjpeg."""
    luma, out = np.ascontiguousarray(luma), np.array(planes, order="C")
    _function("inlaid_rgb", path)(_address(luma), _address(out), ctypes.c_ssize_t(luma.size))
    return out


def _spread(rectangles: NDArray[np.int32], threads: int) -> list[NDArray[np.int32]]:
    """The rectangles in parts of about equal numbers, in an order that hangs on nothing else; a lone one is cut in bands."""
    if threads == 1:
        return [rectangles]
    if len(rectangles) == 1:
        y0, y1, x0, x1 = (int(v) for v in rectangles[0])
        rectangles = np.array([(*rows, x0, x1) for rows in bands(y0, y1, threads)], np.int32)
    return np.array_split(rectangles, min(_PARTS * threads, len(rectangles)))
