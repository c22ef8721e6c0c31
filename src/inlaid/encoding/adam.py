"""Adam, the optimiser of fits and of pre-training."""

from __future__ import annotations

import numpy as np

from ..arrays import Matrix
from ..threads import uncut


class Adam:
    """Adam (Kingma and Ba 2015) with the gradient clipped to a norm; the state of one parameter vector.

    After `turn` it works in the basis of a matrix's eigenvectors, in which parameters hardly interact (Vyas et al. 2024, "SOAP").
    """

    def __init__(self, size: int, *, beta1: float = 0.9, beta2: float = 0.99, clip: float | None = None, clips_each: bool = False) -> None:
        """Clip: a gradient with a larger norm is scaled to this norm; with `clips_each` each part is cut off there; None for neither."""
        self.beta1, self.beta2, self.clip, self.clips_each, self.count = beta1, beta2, clip, clips_each, 0
        self.mean, self.square = np.zeros(size), np.zeros(size)
        self.axes: Matrix | None = None  # (size, size), one axis a column; None: the parameters' own axes

    def turn(self, matrix: Matrix) -> None:
        """Change to the basis of the eigenvectors of `matrix` (size, size); the running means change with it."""
        with uncut():
            axes = np.linalg.eigh(matrix)[1]
            turned = axes.T if self.axes is None else axes.T @ self.axes
            self.mean, self.square, self.axes = turned @ self.mean, turned**2 @ self.square, axes

    def move(self, gradient: Matrix, rate: float) -> Matrix:
        """The step to subtract from the parameters, (size,)."""
        if self.clip is not None and self.clips_each:
            gradient = np.clip(gradient, -self.clip, self.clip)
        elif self.clip is not None:
            gradient = gradient * min(1.0, self.clip / (float(np.linalg.norm(gradient)) + 1e-12))
        self.count += 1
        # einsum, not @: waking the threads of a BLAS for so small a product takes longer than the rest of the step.
        if self.axes is not None:
            gradient = np.einsum("ij,i->j", self.axes, gradient)
        self.mean += (1 - self.beta1) * (gradient - self.mean)
        self.square += (1 - self.beta2) * (gradient**2 - self.square)
        mean = self.mean / (1 - self.beta1**self.count)
        square = self.square / (1 - self.beta2**self.count)
        moved: Matrix = rate * mean / (np.sqrt(square) + 1e-8)
        return moved if self.axes is None else np.einsum("ij,j->i", self.axes, moved)
