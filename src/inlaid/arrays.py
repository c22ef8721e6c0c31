"""The array types, each named once.  A type fixes the elements; the shape is in the docstring of the function that uses it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # samples of a picture, and other numbers 0..255
DeepPixels = NDArray[np.uint16]  # samples of 16 bits, 0..65535
Rectangles = NDArray[np.int32]  # (n, 4), each y0, y1, x0, x1: rows [y0, y1) and columns [x0, x1)
Parameters = NDArray[np.int16]  # of an integer network, in units of 2^-12
Integers = NDArray[np.int64]  # levels, and sums of products
Indices = NDArray[np.intp]  # positions along an axis of another array
Vector = NDArray[np.float32]  # parameters of a float network, and planes of floats
Shift = NDArray[np.float16]  # (H, W): grey levels to add to a luma, of large pictures too
Matrix = NDArray[np.float64]  # gradients, Hessians, statistics
