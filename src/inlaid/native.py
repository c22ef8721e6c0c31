"""The compiled kernel, called through ctypes: finding it, choosing a path, restoring.

The kernel has every function once for each instruction set ("path").  The best path that this processor runs is used, or the one
that the environment variable INLAID_PATH names.  A call releases the GIL, so bands run in parallel on plain Python threads.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .arrays import Parameters, Pixels
from .errors import InlayError
from .network import MAX_LAYERS, Network
from .threads import bands, parallel, threads_of

ALL_PATHS = ("vnni", "avx512", "avx2", "sse", "neon", "portable")  # best first
KERNEL_FILE = "_kernel.so"


class Description(ctypes.Structure):
    """A network as the kernel reads it: `network` in src/kernel/kernel.h."""

    _fields_ = [(name, ctypes.c_int32) for name in ("channels", "layers", "kernel", "inputs")] + [("dilation", ctypes.c_int32 * MAX_LAYERS)]

    @classmethod
    def of(cls, network: Network) -> Description:
        """The description of a network."""
        dilation = (ctypes.c_int32 * MAX_LAYERS)(*network.dilations)
        return cls(network.channels, network.layers, network.kernel, network.inputs, dilation)


@cache
def library_path() -> Path:
    """The kernel's file.  InlayError if it is not installed."""
    # An editable install has it in site-packages, not beside the source.
    for folder in (Path(__file__).parent, *(Path(p) / "inlaid" for p in sys.path if p)):
        if (folder / KERNEL_FILE).exists():
            return folder / KERNEL_FILE
    raise InlayError(f"inlaid's kernel is not installed beside {Path(__file__).parent}; expected {KERNEL_FILE}: pip install .")


@cache
def library() -> ctypes.CDLL:
    """The loaded kernel."""
    return ctypes.CDLL(str(library_path()))


@cache
def paths() -> tuple[str, ...]:
    """The paths that this build has and this processor runs, best first; `portable` is always among them."""
    return tuple(p for p in ALL_PATHS if hasattr(library(), f"inlaid_restore_{p}") and library().inlaid_can_run(p.encode()))


def function(stem: str, path: str | None) -> ctypes._NamedFuncPointer:
    """The kernel's function `stem` of a path, by default the best path; a path that lacks the function falls back to the next path.

    InlayError if the path is not available here.
    """
    chosen = path or os.environ.get("INLAID_PATH") or paths()[0]
    if chosen not in paths():
        raise InlayError(f"kernel path {chosen!r} is not available here; expected one of {', '.join(paths())}")
    names = (f"{stem}_{path}" for path in paths()[paths().index(chosen) :])
    return getattr(library(), next(name for name in names if hasattr(library(), name)))  # type: ignore[no-any-return]  # a looked-up symbol


def address(array: NDArray[np.generic]) -> ctypes.c_void_p:
    """A pointer to the array's first element, which keeps the array alive."""
    return array.ctypes.data_as(ctypes.c_void_p)


def check_size(network: Network, parameters: NDArray[np.generic]) -> None:
    """ValueError unless there are as many parameters as the network has."""
    if parameters.size != network.size:
        raise ValueError(f"{parameters.size} parameters for a network of {network.size}")


def restore(
    network: Network,
    parameters: Parameters,
    base: Pixels,
    *,
    rows: tuple[int, int] | None = None,
    threads: int | None = None,
    path: str | None = None,
) -> Pixels:
    """The restored (H, W) luma: the same bytes as `reference.restore`, whatever the path and the threads.

    rows: [first, last) that are wanted; the others then mean nothing.
    `parameters` must have passed `network.check_bounds`.
    """
    run = function("inlaid_restore", path)
    height, width = base.shape
    base = np.ascontiguousarray(base, np.uint8)
    parameters = np.ascontiguousarray(parameters, np.int16)
    check_size(network, parameters)
    out = np.empty_like(base)
    stride = ctypes.c_ssize_t(width)
    described = Description.of(network)
    first, last = rows or (0, height)

    def band(part: tuple[int, int]) -> int:
        planes = address(base), stride, height, width, address(out), stride
        status: int = run(ctypes.byref(described), address(parameters), *planes, *part)
        return status

    if any(parallel(band, bands(first, last, threads_of(threads)), threads)):
        raise MemoryError("no memory for the restoration network's rows")
    return out
