"""The closed loop: a base is made for its inlay.

A base codec brings its base near to what it is given.  Here the restored picture has to be near to the original.  With

    o   the original                 B     the base so far
    N   the network                  J     its derivative by the base, at B

the codec is given x = B - s J^T (N(B) - o) in place of o, and makes the next B of it.  With s = 1 its error x - B is the gradient of the
restored error, half its square, by B.  Without a network J is the identity, and x is the original.  A network damps most errors, so the
least restored error is farther away, and a longer step s gains more.

The codec is a black box that takes a shift of the luma, x - o.  So the loop works for every base.  A round goes only a part of the way
from the last shift to the next: neighbours share their errors, and all change at once.  After a round that did not pay, the part is halved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from ..arrays import Pixels, Shift, Vector
from ..formats.base import bands
from ..network import Network
from .distortion import psnr_db
from .gradient import input_gradient

LEGACY_LOSS_DB, MOST_LOSS_DB = 0.3, 20.0  # the default of what the plain picture may lose, and its bound
FIRST_PART, NEXT_PART = 0.6, 0.3  # of the way to the wanted shift, in the first round and in the others
MOST_FAILURES = 3  # rounds that did not pay, before the last one ends the loop
PARTS = (1.0, 0.7, 0.5, 0.3, 0.15)  # of a shift, tried in turn until one costs the plain picture no more than it may


class Decoded(Protocol):
    """A base: its luma, the original's, and the mean squared error of the two."""

    @property
    def luma(self) -> Pixels:
        """(H, W)."""

    @property
    def original(self) -> Pixels:
        """(H, W)."""

    @property
    def mse(self) -> float:
        """Of the plain picture."""


Base = TypeVar("Base", bound=Decoded)


@dataclass(frozen=True)
class Loop(Generic[Base]):
    """A loop around a base codec.

    make: the base of the original with its luma shifted.  plain: that of a shift of 0.  most_loss_db: how much worse the plain picture
    may get, in PSNR.
    """

    make: Callable[[Shift], Base]
    plain: Base
    most_loss_db: float
    length: float  # s
    threads: int | None = None

    def rounds(
        self, base: Base, network: Network, parameters: Vector, cost: Callable[[Base], float], rounds: int, shift: Shift | None = None
    ) -> tuple[Base, Shift | None]:
        """The best of `base` and the bases of some rounds, by `cost`, and its shift.

        parameters: the network's, as floats.  shift: that of `base`, None for 0.
        """
        least, failures = cost(base), 0
        for _ in range(rounds):
            part = np.float16((FIRST_PART if shift is None else NEXT_PART) / 2**failures)
            wanted = self._wanted(base, network, parameters)
            wanted *= part
            if shift is not None:
                wanted += (1 - part) * shift
            found, wanted = self._within_loss(wanted)
            if found is not None and (reached := cost(found)) < least:
                base, shift, least = found, wanted, reached
                continue
            failures += 1
            if failures > MOST_FAILURES:
                break
        return base, shift

    def _wanted(self, base: Base, network: Network, parameters: Vector) -> Shift:
        """x - o, in bands: a row depends on the errors `halo_px` above and below, and these on the base as far again."""
        height, width = base.luma.shape
        wanted = np.empty((height, width), np.float16)
        for top, bottom in bands(height, width):
            begin = max(top - 2 * network.halo_px, 0) // 8 * 8  # whole blocks, whose phases a network may read
            end = min(bottom + 2 * network.halo_px, height)
            luma, original = base.luma[begin:end], base.original[begin:end]
            slope = input_gradient(network, parameters, base=luma, target=original, threads=self.threads)
            wanted[top:bottom] = (luma - self.length * slope - original)[top - begin : bottom - begin]
        return wanted

    def _within_loss(self, shift: Shift) -> tuple[Base | None, Shift]:
        """The base of the shift, or of the largest part of it that costs the plain picture no more than it may; None if none does."""
        for part in PARTS:
            wanted = shift if part == 1 else shift * np.float16(part)
            found = self.make(wanted)
            if psnr_db(self.plain.mse) - psnr_db(found.mse) <= self.most_loss_db:
                return found, wanted
        return None, shift
