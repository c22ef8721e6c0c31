"""From float parameters to coded levels: the quadratic predicts the error of small changes, and D + lambda * R is small."""

import numpy as np
import pytest
from support.fitted import NETWORKS, fitted, pictures
from support.pictures import texture

from inlaid import parameters, reference
from inlaid.encoding import curvature, floatnet
from inlaid.encoding.curvature import gauss_newton, random_tiles
from inlaid.encoding.fit import Problem, mean_squared_error
from inlaid.encoding.floatnet import he_init
from inlaid.encoding.gradient import PEAK_MSE
from inlaid.encoding.quantize import quantise, rounded
from inlaid.network import Network
from inlaid.parameters import UNIT, Prior, blank_prior

networks = pytest.mark.parametrize("index", range(len(NETWORKS)), ids=[str(n) for n in NETWORKS])
COARSENESSES = (-1, 0, 1, 2, 3, 4, 5)


def answer(network, parameters, base):
    """What the network adds to the whole picture, computed by numpy in double precision, whatever the kernel path."""
    height, width = base.shape
    return floatnet.answer(network, parameters.astype(np.float64), floatnet.inputs(network, base, (0, height, 0, width), np.float64))


@pytest.fixture(scope="module")
def fits():
    """For each network: base, original, fitted parameters, their error and its matrix over the whole picture."""
    base, original = pictures()
    whole, found = np.array([[0, base.shape[0], 0, base.shape[1]]], np.int32), []
    for network in NETWORKS:
        vector = fitted(network)
        restored = base + 128 * answer(network, vector, base)
        mse = float(((restored - original) ** 2).mean())
        assert mse < 0.97 * ((base.astype(float) - original) ** 2).mean()
        with pytest.MonkeyPatch.context() as exact:
            exact.setattr(curvature, "answers", lambda network, parameters, _, *, base: answer(network, parameters, base).ravel())
            hessian = gauss_newton(network, vector, base, whole)
        found.append((network, base, original, vector, mse, hessian))
    return found


# ------------------------------------------------------------------------------------------------ the quadratic


@networks
def test_the_kernel_gives_the_exact_matrix_and_error(fits, index):
    network, base, original, fitted, mse, hessian = fits[index]
    found = gauss_newton(network, fitted, base, random_tiles(base.shape, 1 << 20))
    np.testing.assert_allclose(found, hessian, rtol=1e-4, atol=1e-4 * np.abs(hessian).max())
    assert mean_squared_error(Problem(network, base, original), fitted) == pytest.approx(mse, rel=1e-5)


@networks
def test_the_matrix_says_how_the_answer_moves(fits, index):
    """For a small d, mean (net(p + d) - net(p))^2 is d^T H d without the damping, which only adds."""
    network, base, _, fitted, _, hessian = fits[index]
    height, width = base.shape
    planes = floatnet.inputs(network, base, (0, height, 0, width), np.float64)
    here = floatnet.answer(network, fitted.astype(np.float64), planes)
    rng, ratios = np.random.default_rng(1), []
    for _ in range(12):
        d = rng.normal(0, 3e-4, network.size)
        moved = floatnet.answer(network, fitted + d, planes)
        ratios.append(d @ hessian @ d / (PEAK_MSE * float(((moved - here) ** 2).mean())))
    assert min(ratios) > 0.85
    assert max(ratios) < 1.3
    assert 0.98 < np.mean(ratios) < 1.12


@networks
def test_the_quadratic_predicts_the_error(fits, index):
    """The error of net(p + d) is about that of net(p) plus d^T H d, if the slope is left out."""
    network, base, original, fitted, mse, hessian = fits[index]
    rng, ratios = np.random.default_rng(2), []
    for _ in range(12):
        d = rng.normal(0, 3e-3, network.size).astype(np.float32)
        # The mean over +d and -d leaves out the slope: the fit is not quite at its minimum.
        ahead, behind = (mean_squared_error(Problem(network, base, original), p) for p in (fitted + d, fitted - d))
        ratios.append(((ahead + behind) / 2 - mse) / (d @ hessian @ d))
    assert 0.8 < np.mean(ratios) < 1.35
    assert min(ratios) > 0.6
    assert max(ratios) < 1.8


@networks
def test_the_matrix_is_symmetric_and_positive(fits, index):
    hessian = fits[index][-1]
    assert hessian.shape == (NETWORKS[index].size,) * 2
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-6, atol=1e-9 * np.abs(hessian).max())
    assert np.linalg.eigvalsh(hessian).min() > 0


def test_a_sample_is_about_the_whole():
    """Fewer pixels, chosen by the seed, give about the same matrix."""
    network, base = Network(), texture(354, 240, seed=1)
    prior = he_init(network, np.random.default_rng(3))
    prior[network.tensors[-1].slice] = np.random.default_rng(4).normal(0, 0.1, network.tensors[-1].size)
    whole, some, again, other = (
        gauss_newton(network, prior, base, random_tiles(base.shape, px, seed))
        for px, seed in ((100_000, 0), (20_000, 0), (20_000, 0), (20_000, 1))
    )
    assert np.array_equal(some, again)
    assert not np.array_equal(some, other)
    assert np.trace(some) == pytest.approx(np.trace(whole), rel=0.3)
    assert np.trace(other) == pytest.approx(np.trace(whole), rel=0.3)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (2, 300)])
def test_the_matrix_of_tiny_pictures(shape):
    base = np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)
    hessian = gauss_newton(Network(), np.random.default_rng(6).normal(0, 0.2, 402).astype(np.float32), base, random_tiles(shape, 32768))
    assert np.isfinite(hessian).all()
    assert np.linalg.eigvalsh(hessian).min() > 0


# ------------------------------------------------------------------------------------------------ levels


def relative_to(fitted, network, rng, exponent):
    """A prior close to the fitted parameters, as a shipped prior is."""
    distances = rng.normal(0, 0.05, network.size)
    values = np.rint((fitted + distances) * UNIT).astype(np.int64)
    full = np.ones(network.size, np.int64)
    return Prior(200, network, values, exponent * full, np.maximum(np.rint(np.abs(distances) * UNIT), 1).astype(np.int64))


def decoded(prior, quantised):
    return parameters.decode(prior, quantised.coded, (8, 8)).parameters[0]


@networks
@pytest.mark.parametrize("blank", [True, False])
def test_the_coded_bytes_are_the_levels(fits, index, blank):
    network, _, _, fitted, mse, hessian = fits[index]
    prior = blank_prior(network) if blank else relative_to(fitted, network, np.random.default_rng(7), 6)
    for coarseness in COARSENESSES:
        quantised = quantise(prior, fitted, hessian, mse, 1e-3, coarseness)
        assert quantised.coarseness == coarseness
        assert quantised.levels.dtype == np.int64
        assert np.array_equal(decoded(prior, quantised), parameters.apply(prior, quantised.levels, coarseness))
        assert quantised.coded == parameters.encode(prior, quantised.levels, coarseness)


@networks
def test_fine_steps_and_free_bits_give_the_parameters_back(fits, index):
    network, base, original, fitted, mse, hessian = fits[index]
    prior = relative_to(fitted, network, np.random.default_rng(8), 2)
    quantised = quantise(prior, fitted, hessian, mse, 0.0, -2)  # steps of 1
    found = decoded(prior, quantised)
    # Each is within a few steps, because levels compensate for one another's rounding.
    assert np.abs(found - fitted * UNIT).max() < 4.5
    assert np.abs(found - fitted * UNIT).mean() < 0.6
    assert quantised.expected_mse == pytest.approx(mse, rel=1e-3)
    # The exact decoder has the error of the float network, apart from rounding to whole grey levels.
    restored = reference.restore(network, found, base)
    assert float(((restored.astype(float) - original) ** 2).mean()) == pytest.approx(mse, rel=0.01, abs=0.3)


@networks
def test_the_expected_error_is_that_of_the_quadratic(fits, index):
    network, _, _, fitted, mse, hessian = fits[index]
    prior = relative_to(fitted, network, np.random.default_rng(9), 6)
    for coarseness in (0, 2, 4):
        quantised = quantise(prior, fitted, hessian, mse, 1e-3, coarseness)
        d = decoded(prior, quantised) / UNIT - fitted
        assert quantised.expected_mse == pytest.approx(mse + d @ hessian @ d, rel=1e-5)


@networks
def test_the_decoder_has_the_expected_error(fits, index):
    """With the steps that an encoder picks, the exact decoder's error is about the expected one."""
    network, base, original, fitted, mse, hessian = fits[index]
    prior = relative_to(fitted, network, np.random.default_rng(10), 6)
    for coarseness in (-1, 0, 1):
        quantised = quantise(prior, fitted, hessian, mse, mse * 1e-5, coarseness)
        restored = reference.restore(network, decoded(prior, quantised), base)
        real = float(((restored.astype(float) - original) ** 2).mean())
        assert real == pytest.approx(quantised.expected_mse, rel=0.05)


@networks
@pytest.mark.parametrize("coarseness", [-1, 1, 3])
def test_the_dearer_a_bit_the_fewer_bytes(fits, index, coarseness):
    network, _, _, fitted, mse, hessian = fits[index]
    prior = relative_to(fitted, network, np.random.default_rng(11), 6)
    found = [quantise(prior, fitted, hessian, mse, price * mse, coarseness) for price in (0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e9)]
    # Choosing level by level is not quite optimal, so a little slack is allowed where bits cost little.
    sizes, errors = [len(q.coded) for q in found], [q.expected_mse for q in found]
    for i in range(1, len(found)):
        assert sizes[i] <= min(sizes[:i]) + 3
        assert errors[i] >= 0.85 * max(errors[:i])  # choosing level by level ends in one of several minima
    assert sizes[2] > sizes[4] > sizes[6]
    # Where bits cost very much, the prior is taken as it is.
    assert found[-1].coded == b""
    assert not found[-1].levels.any()


@networks
@pytest.mark.parametrize("coarseness", [0, 2, 4])
def test_better_than_rounding(fits, index, coarseness):
    """D + lambda * R, with the real bytes, is less than with each parameter rounded on its own, much less with coarse steps."""
    network, _, _, fitted, mse, hessian = fits[index]
    prior = relative_to(fitted, network, np.random.default_rng(12), 6)
    rounded = np.rint((fitted * UNIT - prior.values) / 2.0 ** prior.steps(coarseness)).astype(np.int64)
    d = parameters.apply(prior, rounded, coarseness) / UNIT - fitted
    for price in (mse * 1e-5, mse * 1e-4):
        quantised = quantise(prior, fitted, hessian, mse, price, coarseness)
        cost = quantised.expected_mse + price * 8 * len(quantised.coded)
        plain_cost = mse + d @ hessian @ d + price * 8 * len(parameters.encode(prior, rounded, coarseness))
        assert cost < (1.005 if coarseness == 0 else 0.99) * plain_cost


def test_deterministic(fits):
    network, _, _, fitted, mse, hessian = fits[0]
    first, second = (quantise(blank_prior(network), fitted, hessian, mse, 1e-3, 1) for _ in range(2))
    assert first.coded == second.coded
    assert np.array_equal(first.levels, second.levels)


def test_it_leaves_its_arguments_alone(fits):
    network, _, _, fitted, mse, hessian = fits[1]
    kept = fitted.copy(), hessian.copy()
    quantise(blank_prior(network), fitted, hessian, mse, 1e-3, 1)
    assert np.array_equal(fitted, kept[0])
    assert np.array_equal(hessian, kept[1])


@networks
def test_rounded_levels_are_the_nearest_that_fit_8_bits(fits, index):
    fitted, prior = fits[index][3], blank_prior(NETWORKS[index])
    found = parameters.decode(prior, rounded(prior, fitted), (8, 8)).parameters[0].astype(np.int64)
    largest = np.abs(fitted * UNIT).max()
    step = 2 ** max(2, int(np.ceil(np.log2(largest / 127.5))))  # blank steps are 2^6, at most 2^4 finer
    assert not (found % step).any() and np.abs(found // step).max() <= 127
    assert np.abs(found - fitted * UNIT).max() <= step / 2 + 0.01
