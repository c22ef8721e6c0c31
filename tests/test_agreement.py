"""The kernel agrees with the reference on every path: the same bytes from the integer network, the same gradient from the float one."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inlaid import native, reference
from inlaid.encoding import floatnet
from inlaid.encoding import gradient as float_kernel
from inlaid.errors import FormatError
from inlaid.network import Network, check_bounds

NETWORKS = [
    Network(),
    Network(channels=12),
    Network(channels=16, layers=4, dilations=(1, 2, 4, 1)),
    Network(channels=8, inputs=3),
    Network(channels=5, layers=1, kernel=5, dilations=(3,)),
    Network(channels=3, layers=0, kernel=1),
    Network(channels=32, layers=2, dilations=(8, 1), kernel=5),
    Network(channels=1, layers=8),
]
FLOAT_FUNCTIONS = ("gradient", "input_gradient", "normed_gradient", "normed_statistics", "squared_error", "answers")
SIZES = [(1, 1), (1, 9), (7, 1), (8, 8), (33, 47), (130, 21), (3, 1100)]


def random_parameters(network: Network, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
    """Integers about as large as fitted parameters, times `spread`."""
    values = np.zeros(network.size)
    for t in network.tensors:
        values[t.slice] = rng.normal(0, 0.1 if t.is_bias else np.sqrt(2 / t.fan_in), t.size)
    return np.clip(np.rint(values * 4096 * spread), -32767, 32767).astype(np.int16)


def pictures(shape: tuple[int, int], rng: np.random.Generator) -> list[np.ndarray]:
    smooth = np.clip(128 + 80 * np.sin(np.add.outer(np.arange(shape[0]) / 5, np.arange(shape[1]) / 7)), 0, 255)
    return [
        rng.integers(0, 256, shape, dtype=np.uint8),
        smooth.astype(np.uint8),
        np.zeros(shape, np.uint8),
        np.full(shape, 255, np.uint8),
    ]


@pytest.fixture(params=native.ALL_PATHS)
def kernels(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The functions of inlaid.kernel on one path.  test_neon.py overrides this fixture."""
    if request.param not in native.paths():
        pytest.skip(f"this machine or build has no {request.param} path")
    functions = (native.restore, *(getattr(float_kernel, name) for name in FLOAT_FUNCTIONS))
    return SimpleNamespace(threads=(1, 2), **{f.__name__: partial(f, path=request.param) for f in functions})


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_restore_agrees(network: Network, kernels: SimpleNamespace) -> None:
    rng = np.random.default_rng(1)
    for shape in SIZES:
        parameters = random_parameters(network, rng)
        for base in pictures(shape, rng):
            expected = reference.restore(network, parameters, base)
            for threads in kernels.threads:
                assert np.array_equal(kernels.restore(network, parameters, base, threads=threads), expected)


def test_restore_agrees_at_the_bounds(kernels: SimpleNamespace) -> None:
    """Weights as large as the bounds allow, all of one sign, reach every saturation."""
    network, rng = Network(), np.random.default_rng(2)
    for sign in (1, -1):
        parameters = np.zeros(network.size, np.int16)
        for t in network.tensors:
            limit = 32767 if t.is_bias or t.name == "first.weight" else (65535 - 4097) // t.fan_in
            parameters[t.slice] = sign * min(32767, limit)
            if t.name != "first.weight":
                parameters[t.slice] *= rng.choice([1, 1, -1], t.size)
        check_bounds(network, parameters)
        for base in pictures((40, 61), rng):
            got = kernels.restore(network, parameters, base)
            assert np.array_equal(got, reference.restore(network, parameters, base))


@settings(max_examples=40)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32), st.floats(0.1, 4))
def test_restore_agrees_on_anything(height: int, width: int, seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    network = Network(channels=int(rng.integers(1, 14)), layers=int(rng.integers(0, 5)), inputs=int(rng.choice([1, 3])))
    parameters = random_parameters(network, rng, spread)
    base = rng.integers(0, 256, (height, width), dtype=np.uint8)
    try:
        check_bounds(network, parameters)
    except FormatError:
        return
    assert np.array_equal(native.restore(network, parameters, base), reference.restore(network, parameters, base))


def test_bounds_refuse_what_could_overflow() -> None:
    network = Network()
    for name, value in (("last.weight", 1300), ("depthwise2.weight", 7400), ("pointwise1.weight", 11000)):
        parameters = np.zeros(network.size, np.int16)
        tensor = next(t for t in network.tensors if t.name == name)
        parameters[tensor.slice] = value
        with pytest.raises(FormatError, match="beyond 32 bits"):
            check_bounds(network, parameters)
    with pytest.raises(FormatError, match="16 bits"):
        check_bounds(network, np.full(network.size, -32768))


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_gradient_agrees_with_numpy(network: Network, kernels: SimpleNamespace) -> None:
    rng = np.random.default_rng(3)
    base = rng.integers(0, 256, (75, 90), dtype=np.uint8)
    target = np.clip(base + rng.normal(0, 9, base.shape), 0, 255).astype(np.uint8)
    parameters = random_parameters(network, rng) / np.float32(4096)
    rectangles = np.array([(0, 75, 0, 90), (10, 30, 20, 77), (74, 75, 89, 90), (0, 64, 3, 4)], np.int32)
    expected_loss, expected = 0.0, np.zeros(network.size)
    for y0, y1, x0, x1 in rectangles:
        planes = floatnet.inputs(network, base, (y0, y1, x0, x1), np.float64)
        difference = (target.astype(np.float64) - base)[y0:y1, x0:x1] / 128
        loss, gradient = floatnet.forward_backward(network, parameters.astype(np.float64), planes, difference)
        expected_loss += loss
        expected += gradient
    for threads in kernels.threads:
        loss, gradient = kernels.gradient(network, parameters, rectangles, base=base, target=target, threads=threads)
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        np.testing.assert_allclose(gradient, expected, rtol=2e-4, atol=2e-5 * np.abs(expected).max())
    alone = kernels.squared_error(network, parameters, rectangles, base=base, target=target)
    assert alone == pytest.approx(expected_loss, rel=1e-5)
    answers = kernels.answers(network, parameters, rectangles[1:2], base=base)
    planes = floatnet.inputs(network, base, (10, 30, 20, 77))
    np.testing.assert_allclose(answers.reshape(20, 57), floatnet.answer(network, parameters, planes), atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_input_gradient_agrees_with_numpy(network: Network, kernels: SimpleNamespace) -> None:
    """Over the whole picture, padding included.  Numbers near a kink may fall to its other side, so a few pixels may differ."""
    rng = np.random.default_rng(8)
    for shape in SIZES:
        base = rng.integers(0, 256, shape, dtype=np.uint8)
        target = np.clip(base + rng.normal(0, 9, shape), 0, 255).astype(np.uint8)
        parameters = random_parameters(network, rng) / np.float32(4096)
        expected = floatnet.input_gradient(network, parameters.astype(np.float64), base, target)
        for threads in kernels.threads:
            found = kernels.input_gradient(network, parameters, base=base, target=target, threads=threads)
            assert found.shape == shape
            assert found.dtype == np.float32
            assert np.linalg.norm(found - expected) < 2e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_normed_gradient_agrees_with_numpy(network: Network, kernels: SimpleNamespace) -> None:
    """Over each rectangle by itself.  A number within rounding of a kink may fall to its other side, so a few pixels may differ."""
    rng = np.random.default_rng(6)
    base = rng.integers(0, 256, (75, 90), dtype=np.uint8)
    target = np.clip(base + rng.normal(0, 9, base.shape), 0, 255).astype(np.uint8)
    parameters = random_parameters(network, rng) / np.float32(4096)
    rectangles = np.array([(0, 75, 0, 90), (10, 50, 20, 77), (0, 64, 3, 40), (10, 50, 13, 70)], np.int32)
    expected_loss, expected, statistics = 0.0, np.zeros(network.size), []
    for y0, y1, x0, x1 in rectangles:
        planes = floatnet.inputs(network, base, (y0, y1, x0, x1), np.float64)
        difference = (target.astype(np.float64) - base)[y0:y1, x0:x1] / 128
        loss, gradient = floatnet.forward_backward(network, parameters.astype(np.float64), planes, difference, norm=True)
        statistics.append(floatnet.statistics(network, parameters.astype(np.float64), planes))
        expected_loss += loss
        expected += gradient
    for threads in kernels.threads:
        loss, gradient = kernels.normed_gradient(network, parameters, rectangles, base=base, target=target, threads=threads)
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        assert np.linalg.norm(gradient - expected) < 2e-3 * np.linalg.norm(expected)
    found = kernels.normed_statistics(network, parameters, rectangles, base=base)
    np.testing.assert_allclose(found, statistics, rtol=1e-4, atol=1e-5)


def test_the_portable_path_is_always_there() -> None:
    assert "portable" in native.paths()
