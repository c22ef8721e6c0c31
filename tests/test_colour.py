"""Luma to RGB: the kernel's two layouts of pixels agree, on every path."""

import numpy as np
import pytest

from inlaid import colour, native


@pytest.mark.parametrize("path", native.paths())
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (64, 129)])
def test_four_bytes_a_pixel_are_coloured_as_three(path, shape):
    rng = np.random.default_rng(1)
    luma, planes = (rng.integers(0, 256, size, dtype=np.uint8) for size in (shape, (*shape, 4)))
    found = colour.rgbx(luma, planes.tobytes(), path=path)
    assert np.array_equal(found[..., :3], colour.rgb(luma, planes[..., :3], path=path)) and (found[..., 3] == 255).all()


def test_another_number_of_bytes_is_refused():
    with pytest.raises(ValueError, match="12 bytes for 4 pixels of four"):
        colour.rgbx(np.zeros((2, 2), np.uint8), bytes(12))
