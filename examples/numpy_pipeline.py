"""Find the sharpest of several pictures, on restored pixels: blocks and ringing of the base would count as sharpness.

python numpy_pipeline.py FILE...
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import inlaid


def sharpness(pixels: np.ndarray) -> float:
    """The variance of the Laplacian of the gray values of (H, W) or (H, W, 3) pixels."""
    gray = pixels.astype(np.float32)
    if gray.ndim == 3:
        gray = gray @ np.array([0.299, 0.587, 0.114], np.float32)
    laplacian = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * gray[1:-1, 1:-1]
    return float(laplacian.var())


def main(*files: str) -> None:
    """Print the files, the sharpest first."""
    found = {file: sharpness(inlaid.decode(Path(file).read_bytes())) for file in files}
    for file in sorted(found, key=found.__getitem__, reverse=True):
        print(f"{file}: {found[file]:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
