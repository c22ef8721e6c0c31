"""The array types, each named once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # a plane (H, W), or a picture (H, W, 3)
Vector = NDArray[np.float32]  # a network's parameters, (network.size,)
Matrix = NDArray[np.float64]
Integers = NDArray[np.int64]
Indices = NDArray[np.intp]
Rectangles = NDArray[np.int32]  # (n, 4): rows [y0, y1), columns [x0, x1), as y0, y1, x0, x1
