"""The float network in the compiled kernel: its squared error over parts of a picture, and the error's gradient by the parameters or by
the base.

The kernel's unit of error is (128 grey levels)^2.  A call releases the GIL, so parts run in parallel on plain Python threads.
"""

from __future__ import annotations

import ctypes

import numpy as np

from ..arrays import Matrix, Pixels, Rectangles, Vector
from ..native import Description, address, check_size, function
from ..network import Network
from ..threads import bands, parallel, threads_of
from .rectangles import area

_UNIT = 128.0  # grey levels in the kernel's unit
PEAK_MSE = _UNIT**2  # (grey levels)^2 in the kernel's unit of squared error
_PARTS = 4  # of a gradient, for each thread


def gradient(
    network: Network,
    parameters: Vector,
    rectangles: Rectangles,
    *,
    base: Pixels,
    target: Pixels,
    threads: int | None = None,
    path: str | None = None,
) -> tuple[float, Matrix]:
    """The sum of squared errors over `rectangles`, in the kernel's unit, and its gradient (network.size,)."""
    call = _Call(network, parameters, base, target, path)
    losses, gradients = zip(*parallel(call.gradient, _spread(rectangles, threads_of(threads)), threads), strict=True)
    return sum(losses), np.sum(gradients, axis=0)


def input_gradient(
    network: Network, parameters: Vector, *, base: Pixels, target: Pixels, threads: int | None = None, path: str | None = None
) -> Vector:
    """J^T (N(base) - target), (H, W) in grey levels: N is the network on the whole picture, J its derivative by the base.

    It is the gradient by the base of half the sum of squared errors in grey levels.
    """
    call = _Call(network, parameters, base, target, path)
    height, width = base.shape
    out = np.zeros((height, width), np.float32)
    for top, part in parallel(call.input_gradient, bands(0, height, threads_of(threads)), threads):
        out[top : top + len(part)] += part  # neighbours overlap by two halos
    out *= _UNIT
    return out


def normed_gradient(
    network: Network,
    parameters: Vector,
    rectangles: Rectangles,
    *,
    base: Pixels,
    target: Pixels,
    threads: int | None = None,
    path: str | None = None,
) -> tuple[float, Matrix]:
    """As `gradient`, for the network with instance norm over each of the rectangles (`floatnet`).

    A rectangle is one thread's.  It takes memory for each of its pixels: see `instance_norm.INSTANCE_BYTES`.
    """
    call = _Call(network, parameters, base, target, path)
    losses, gradients = zip(*parallel(call.normed_gradient, [each[None] for each in rectangles], threads), strict=True)
    return sum(losses), np.sum(gradients, axis=0)


def normed_statistics(
    network: Network, parameters: Vector, rectangles: Rectangles, *, base: Pixels, threads: int | None = None, path: str | None = None
) -> Matrix:
    """Mean and deviation of each channel before the norm, (rectangles, layers + 1, channels, 2), in each of the rectangles."""
    call = _Call(network, parameters, base, base, path)
    return np.stack(parallel(call.normed_statistics, [each[None] for each in rectangles], threads))


def squared_error(
    network: Network,
    parameters: Vector,
    rectangles: Rectangles,
    *,
    base: Pixels,
    target: Pixels,
    threads: int | None = None,
    path: str | None = None,
) -> float:
    """The sum of squared errors over `rectangles`, in the kernel's unit."""
    call = _Call(network, parameters, base, target, path)
    return sum(parallel(call.loss, _spread(rectangles, threads_of(threads)), threads))


def answers(network: Network, parameters: Vector, rectangles: Rectangles, *, base: Pixels, path: str | None = None) -> Vector:
    """The float network's correction of the base, in units of 128 grey levels: rectangle after rectangle, (pixels,).

    A rectangle is at most 512 columns wide.
    """
    return _Call(network, parameters, base, base, path).answers(rectangles)


class _Call:
    """The kernel's functions with what is the same for every part of a picture."""

    def __init__(self, network: Network, parameters: Vector, base: Pixels, target: Pixels, path: str | None) -> None:
        if target.shape != base.shape or not (base.flags.c_contiguous and target.flags.c_contiguous):
            raise ValueError(f"base {base.shape} and target {target.shape} must be contiguous planes of one shape")
        check_size(network, parameters)
        self._path = path
        self._network, self._described = network, Description.of(network)
        self._base, self._target, self._parameters = base, target, np.ascontiguousarray(parameters, np.float32)

    def gradient(self, rectangles: Rectangles) -> tuple[float, Matrix]:
        out = np.zeros(self._network.size)
        return self._summed(rectangles, address(out), None), out

    def input_gradient(self, rows: tuple[int, int]) -> tuple[int, Vector]:
        """The first row that errors in these rows depend on; from there on, what they add to the gradient, in the kernel's unit."""
        height, width = self._base.shape
        halo = self._network.halo_px
        top, bottom = max(rows[0] - halo, 0), min(rows[1] + halo, height)
        out = np.zeros((bottom - top, width), np.float32)
        self._summed(np.array([(*rows, 0, width)], np.int32), None, None, address(out))
        return top, out

    def normed_gradient(self, rectangle: Rectangles) -> tuple[float, Matrix]:
        out, loss = np.zeros(self._network.size), np.zeros(1)
        self._called("inlaid_normed_gradient", rectangle, address(out), address(loss), address(self._statistics()))
        return float(loss[0]), out

    def normed_statistics(self, rectangle: Rectangles) -> Matrix:
        out = self._statistics()
        self._called("inlaid_normed_gradient", rectangle, None, address(np.zeros(1)), address(out))
        return out

    def _statistics(self) -> Matrix:
        return np.empty((self._network.layers + 1, self._network.channels, 2))

    def loss(self, rectangles: Rectangles) -> float:
        return self._summed(rectangles, None, None)

    def answers(self, rectangles: Rectangles) -> Vector:
        out = np.empty(area(rectangles), np.float32)
        self._summed(rectangles, None, address(out))
        return out

    def _summed(
        self,
        rectangles: Rectangles,
        gradient: ctypes.c_void_p | None,
        answers: ctypes.c_void_p | None,
        by_base: ctypes.c_void_p | None = None,
    ) -> float:
        """The loss of the plain network; the gradients and the answers go where the pointers say."""
        loss = np.zeros(1)
        self._called("inlaid_gradient", rectangles, len(rectangles), gradient, address(loss), answers, by_base)
        return float(loss[0])

    def _called(self, stem: str, rectangles: Rectangles, *more: int | ctypes.c_void_p | None) -> None:
        """Call a function of the kernel with what all of them take, and `more`."""
        rectangles = np.ascontiguousarray(rectangles, np.int32)
        height, width = self._base.shape
        network = ctypes.byref(self._described), self._network.size, address(self._parameters)
        planes = address(self._base), address(self._target), ctypes.c_ssize_t(width), height, width
        if function(stem, self._path)(*network, *planes, address(rectangles), *more):
            raise MemoryError("no memory for the fitting kernel's rows")


def _spread(rectangles: Rectangles, threads: int) -> list[Rectangles]:
    """The rectangles in parts of about equal numbers, in an order that depends on nothing else; a single one is cut in bands."""
    if threads == 1:
        return [rectangles]
    if len(rectangles) == 1:
        y0, y1, x0, x1 = (int(v) for v in rectangles[0])
        rectangles = np.array([(*rows, x0, x1) for rows in bands(y0, y1, threads)], np.int32)
    return np.array_split(rectangles, min(_PARTS * threads, len(rectangles)))
