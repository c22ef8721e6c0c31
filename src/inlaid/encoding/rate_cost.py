"""The rate in the objective of a fit: what the payload costs when parameters leave their prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Matrix, Vector
from ..parameters import UNIT, Prior


@dataclass(frozen=True)
class RateCost:
    """lmbda * n log2(mean of |d_i| / spread_i), where d_i is the distance of parameter i from the prior, in grey levels^2.

    Up to a constant this is the length of an ideal code for Laplace-distributed parameters.  |d| is smoothed to
    sqrt(d^2 + (0.2 spread)^2), so that steps stay shorter than distances.
    """

    prior: Prior
    mse_per_bit: float  # lmbda

    def value(self, parameters: Vector) -> float:
        """The cost, up to a constant."""
        sizes = self._distances(parameters)[1]
        return self.mse_per_bit * len(sizes) * float(np.log2(np.mean(sizes / self._spreads)))

    def gradient(self, parameters: Vector) -> Matrix:
        """The cost's gradient, (size,)."""
        distances, sizes = self._distances(parameters)
        slopes: Matrix = self.mse_per_bit / np.log(2) * distances / sizes / (self._spreads * np.mean(sizes / self._spreads))
        return slopes

    def curvature(self) -> Matrix:
        """(size,): c such that the sum of c_i d_i^2 has the cost's slope where every |d_i| is its spread."""
        curvature: Matrix = self.mse_per_bit / np.log(2) / 2 / self._spreads**2
        return curvature

    @property
    def _spreads(self) -> Matrix:
        spreads: Matrix = self.prior.spreads / UNIT
        return spreads

    def _distances(self, parameters: Vector) -> tuple[Matrix, Matrix]:
        """d, and |d| smoothed."""
        distances = parameters - self.prior.values / UNIT
        return distances, np.sqrt(distances**2 + (0.2 * self._spreads) ** 2)
