"""Levels and their coded bytes: exact both ways, as in FORMAT.md, and about as short as a good coder makes them."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import format_decoder as page
from support.pictures import jpeg_of, texture

from inlaid import parameters, priors
from inlaid.encoding import presets
from inlaid.encoding.curvature import gauss_newton, random_tiles
from inlaid.encoding.fit import Problem, fit, mean_squared_error
from inlaid.encoding.floatnet import he_init
from inlaid.encoding.quantize import quantise
from inlaid.encoding.rate_cost import RateCost
from inlaid.encoding.schedule import Schedule
from inlaid.errors import FormatError
from inlaid.formats import jpeg
from inlaid.network import Network
from inlaid.parameters import COARSENESS_BIAS, UNIT, Areas, Prior, apply, blank_prior, encode, encode_sets

FORMAT = Path(__file__).parent.parent / "FORMAT.md"
NETWORKS = [
    Network(),
    Network(channels=12),
    Network(channels=16, layers=4, dilations=(1, 2, 4, 1)),
    Network(channels=5, layers=1, kernel=5, inputs=3),
    Network(channels=1, layers=0, kernel=1),
]
COARSENESSES = range(-COARSENESS_BIAS, 16 - COARSENESS_BIAS)
networks = pytest.mark.parametrize("network", NETWORKS, ids=str)


def decode(prior, coded):
    """The parameters of the only set."""
    sets = parameters.decode(prior, coded, (40, 70))
    assert sets.areas is None
    return sets.parameters[0]


def made_prior(network, seed=0):
    """A prior whose values, exponents and spreads differ from parameter to parameter, as those of training do."""
    rng = np.random.default_rng(seed)
    blank = blank_prior(network)
    values = np.rint(rng.normal(0, 1, network.size) * blank.spreads).astype(np.int64)
    spreads = np.maximum(1, np.rint(0.12 * blank.spreads * rng.lognormal(0, 0.6, network.size))).astype(np.int64)
    exponents = np.clip(np.rint(np.log2(spreads * rng.lognormal(0, 0.5, network.size)) - 1), 0, 12).astype(np.int64)
    return Prior(200, network, values, exponents, spreads)


def laplace_levels(prior, coarseness, size, rng):
    """Laplace levels; the parameters differ from the prior by `size` times its spreads."""
    distances = rng.laplace(0, 1, prior.network.size) * prior.spreads * size
    return np.rint(distances / 2.0 ** prior.steps(coarseness)).astype(np.int64)


def fits(prior, levels, coarseness):
    return bool((np.abs(prior.values + (levels << prior.steps(coarseness))) <= 32767).all())


def assert_round_trip(prior, levels, coarseness):
    coded = encode(prior, levels, coarseness)
    if fits(prior, levels, coarseness):
        expected = prior.values + (levels << prior.steps(coarseness))
        assert np.array_equal(apply(prior, levels, coarseness), expected)
        found = decode(prior, coded)
        assert found.dtype == np.int16
        assert np.array_equal(found, expected)
    else:
        for refused in (lambda: apply(prior, levels, coarseness), lambda: decode(prior, coded)):
            with pytest.raises(FormatError, match="expected at most 32767"):
                refused()
    return coded


# ------------------------------------------------------------------------------------------------ both ways


@networks
@pytest.mark.parametrize("make", [blank_prior, made_prior])
def test_round_trip(network, make):
    prior, rng = make(network), np.random.default_rng(1)
    coarsenesses = COARSENESSES if network.size < 600 else (-1, 2, 5)
    for coarseness in coarsenesses:
        for size in (0.001, 0.03, 0.3, 2.0):
            levels = laplace_levels(prior, coarseness, size, rng)
            assert_round_trip(prior, levels, coarseness)
            if size < 2:
                assert fits(prior, levels, coarseness)
    assert_round_trip(prior, laplace_levels(prior, -4, 1e5 if network.size < 10 else 30, rng), -4)  # larger differences do not fit 16 bits


@networks
def test_all_levels_zero_is_no_byte_at_all(network):
    for prior in (blank_prior(network), made_prior(network)):
        for coarseness in COARSENESSES:
            assert encode(prior, np.zeros(network.size, np.int64), coarseness) == b""
        assert np.array_equal(decode(prior, b""), prior.values)


@networks
def test_one_level_alone(network):
    """A single level other than zero, small or large, of either sign, at the first, last or another place, comes back."""
    prior = blank_prior(network)
    for coarseness in (-4, 0, 5):
        most = 32767 >> int(prior.steps(coarseness)[0])
        for index in (0, network.size - 1):
            for level in (1, -2, 13, 14, -14, 15, 16, -29, 30, most, -most)[:: 1 if network.size < 600 else 3]:
                levels = np.zeros(network.size, np.int64)
                levels[index] = level
                assert assert_round_trip(prior, levels, coarseness) != b""


def test_the_farthest_that_16_bits_allow():
    """Levels from -32767 to 32767 and back in steps of 1 need the longest Exp-Golomb codes."""
    network = Network(channels=2, layers=1)
    ends = np.where(np.arange(network.size) % 2, 32767, -32767).astype(np.int64)
    prior = Prior(200, network, ends, np.zeros(network.size, np.int64), np.full(network.size, 100))
    levels = -2 * ends
    assert np.abs(levels).max() == 65534
    assert_round_trip(prior, levels, -4)
    levels[3] += np.sign(levels[3])  # one too many
    assert not fits(prior, levels, 0)
    assert_round_trip(prior, levels, 0)


@settings(max_examples=150)
@given(st.data(), st.sampled_from(NETWORKS[:1] + NETWORKS[3:]), st.sampled_from(COARSENESSES), st.booleans())
def test_any_levels(data, network, coarseness, blank):
    prior = blank_prior(network) if blank else made_prior(network)
    seed = data.draw(st.integers(0, 1 << 32))
    levels = np.random.default_rng(seed).integers(-3, 4, network.size)
    some = st.dictionaries(st.integers(0, network.size - 1), st.integers(-65534, 65534), max_size=8)
    for index, level in data.draw(some).items():
        levels[index] = level
    assert_round_trip(prior, levels, coarseness)


@networks
@pytest.mark.parametrize("count", [2, 3, 9])
@pytest.mark.parametrize("side_px", [32, 64, 4096])
def test_sets_and_areas(network, count, side_px):
    """Several sets and their map come back, also from FORMAT.md's decoder.  Sets like the first cost next to nothing."""
    prior, rng, shape = made_prior(network), np.random.default_rng(count), (40, 70)
    rows, columns = Areas.squares(shape, side_px)
    areas = Areas(side_px, rng.integers(0, count, (rows, columns)).astype(np.uint8))
    sets = [(laplace_levels(prior, c, 0.3, rng), c) for c in rng.integers(0, 4, count).tolist()]
    coded = encode_sets(prior, sets, areas)
    found = parameters.decode(prior, coded, shape)
    first = apply(prior, *sets[0])
    relative = parameters.relative_to(prior, first)
    assert np.array_equal(found.parameters, [first, *(apply(relative, *each) for each in sets[1:])])
    assert found.areas.side_px == side_px and np.array_equal(found.areas.numbers, areas.numbers)
    assert_as_format_says(prior, coded)
    zeros = np.zeros(network.size, np.int64)
    alike = encode_sets(prior, [sets[0], *[(zeros, 0)] * (count - 1)], Areas(side_px, areas.numbers * 0))
    assert len(alike) <= len(encode(prior, *sets[0])) + 4 + count * (1 + network.size / 100)


def test_the_blank_prior():
    network = Network(channels=7, inputs=3)
    prior = blank_prior(network)
    assert prior.number == 0
    assert prior.network == network
    assert not prior.values.any()
    assert (prior.exponents == 6).all()
    spreads = {t.name: set(prior.spreads[t.slice].tolist()) for t in network.tensors}
    assert spreads["first.weight"] == {788}  # floor(2^10 sqrt(16 / 27))
    assert spreads["first.bias"] == spreads["pointwise2.bias"] == {600}
    assert spreads["depthwise1.weight"] == {1182}
    assert spreads["pointwise3.weight"] == {1935}
    assert spreads["last.weight"] == {182}


def test_steps_stay_within_their_limits():
    network = Network()
    exponents = np.arange(network.size) % 13
    prior = Prior(200, network, exponents * 0, exponents, exponents * 0 + 1)
    assert np.array_equal(prior.steps(-4), np.maximum(exponents - 4, 0))
    assert np.array_equal(prior.steps(11), np.minimum(exponents + 11, 14))


# ------------------------------------------------------------------------------------------------ as in FORMAT.md


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("LIMITS", parameters.GROUP_LIMITS), ("ZERO", parameters.ZERO_COUNTS), ("STOP", parameters.STOP_COUNTS)],
)
def test_the_tables_of_format_md(name, numbers):
    line = re.search(rf"^ +{name} += ([\d ]+)$", FORMAT.read_text("utf-8"), re.MULTILINE)
    assert tuple(map(int, line[1].split())) == numbers == tuple(getattr(page, name))


def as_format_says(prior, coded):
    """The sets and squares that FORMAT.md's decoder reads; None where they are out of bounds."""
    fields = page.Prior(None, prior.values.tolist(), prior.exponents.tolist(), prior.spreads.tolist())
    try:
        return page.read_parameters(coded, fields, 40, 70)
    except page.NotRestored:
        return None


def assert_as_format_says(prior, coded):
    expected = as_format_says(prior, coded)
    if expected is None:
        with pytest.raises(FormatError):
            parameters.decode(prior, coded, (40, 70))
    else:
        sets = parameters.decode(prior, coded, (40, 70))
        areas = (sets.areas.side_px, sets.areas.numbers.tolist()) if sets.areas else (0, [])
        assert ([each.tolist() for each in sets.parameters], *areas) == expected
    return expected is not None


@networks
@pytest.mark.parametrize("make", [blank_prior, made_prior])
def test_what_encode_writes_reads_as_format_says(network, make):
    prior, rng = make(network), np.random.default_rng(2)
    for coarseness, size in ((-4, 0.1), (-1, 1.0), (0, 0.2), (2, 1.0), (5, 0.3)):
        levels = laplace_levels(prior, coarseness, size, rng)
        assert_as_format_says(prior, encode(prior, levels, coarseness))


@networks
def test_any_bytes_read_as_format_says(network):
    """Both decoders read the same parameters from random, empty and truncated bytes, or both refuse."""
    rng, read = np.random.default_rng(3), 0
    for prior in (blank_prior(network), made_prior(network)):
        for length in [0, 1, 2, 3, 4, 5, 30, 300] * 2:
            read += assert_as_format_says(prior, rng.bytes(length))
        coded = encode(prior, laplace_levels(prior, 0, 0.5, rng), 0)
        for cut in range(0, len(coded), max(1, len(coded) // 8)):
            read += assert_as_format_says(prior, coded[:cut])
        assert_as_format_says(prior, b"\xff" * 3000)  # each level has the longest code
    assert read >= 4


@settings(max_examples=60)
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_parameters_or_refused(coded, blank):
    prior = blank_prior(Network()) if blank else made_prior(Network())
    try:
        found = parameters.decode(prior, coded, (40, 70))
    except FormatError as error:
        assert "expected at most 32767" in str(error)
    else:
        for each in found.parameters:
            assert each.shape == (402,)
            assert each.dtype == np.int16
            assert np.abs(each.astype(int)).max() <= 32767
        assert found.areas is None or found.areas.numbers.max() < len(found.parameters)


def test_bytes_left_over_are_ignored():
    prior, rng = made_prior(Network()), np.random.default_rng(4)
    levels = laplace_levels(prior, 0, 0.5, rng)
    coded = encode(prior, levels, 0)
    assert np.array_equal(decode(prior, coded + bytes(9)), apply(prior, levels, 0))


def test_first_counts_are_counts():
    limits = parameters.GROUP_LIMITS
    assert list(limits) == sorted(set(limits))
    for counts in (parameters.ZERO_COUNTS, parameters.STOP_COUNTS, parameters.FOLDS):
        assert len(counts) == len(limits) + 1
    for counts in (parameters.ZERO_COUNTS, parameters.STOP_COUNTS):
        assert all(0 < c < parameters.COUNT_TOTAL for c in counts)
        for fold in set(parameters.FOLDS):  # within one fold, the larger the expected level, the rarer its end
            alike = [c for c, f in zip(counts, parameters.FOLDS, strict=True) if f == fold]
            assert alike == sorted(alike, reverse=True)


# ------------------------------------------------------------------------------------------------ length


def constriction_bytes(prior, levels):
    """The bytes of `constriction`'s range coder for these levels, with the best Laplace scale for each tensor, which costs nothing here.

    All models reach up to the largest level.  The coder writes whole 32-bit words.
    """
    constriction = pytest.importorskip("constriction", reason="constriction is not installed")
    most = max(1, int(np.abs(levels).max()))
    coder = constriction.stream.queue.RangeEncoder()
    for t in prior.network.tensors:
        some = levels[t.slice]
        scales = np.geomspace(0.03, 3.0 * most, 120)
        model = constriction.stream.model.QuantizedLaplace(-most, most, 0.0, float(min(scales, key=lambda b: laplace_bits(some, b))))
        coder.encode(some.astype(np.int32), model)
    return 4 * len(coder.get_compressed())


def laplace_bits(levels, scale):
    """The ideal bits of rounded values of a Laplace distribution."""
    size = np.abs(levels)
    zero = -np.log2(-np.expm1(-0.5 / scale))
    others = (size - 0.5) / scale * np.log2(np.e) - np.log2(-np.expm1(-1 / scale)) + 1
    return float(np.where(size == 0, zero, others).sum())


def assert_short(prior, coarseness, sets):
    """Checks that the mean size is at most 2 % or 3 bytes above `constriction`'s, whose unit is a word of 4 bytes."""
    ours = np.mean([len(encode(prior, levels, coarseness)) for levels in sets])
    theirs = np.mean([constriction_bytes(prior, levels) for levels in sets])
    size = np.mean([np.abs(levels).mean() for levels in sets])
    allowed = max(1.02 * theirs, theirs + 3)
    assert ours <= allowed, f"{ours:.1f} bytes, constriction {theirs:.1f} ({ours / theirs - 1:+.1%}); mean size of a level {size:.2f}"


@pytest.mark.parametrize("size", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("coarseness", range(-1, 6))
@pytest.mark.parametrize("make", [blank_prior, made_prior])
@pytest.mark.parametrize("network", NETWORKS[:2], ids=str)
def test_within_2_percent_of_constriction(network, make, coarseness, size):
    """Laplace levels whose scales are in proportion to spread / step, as in fits."""
    prior, rng = make(network), np.random.default_rng(5)
    assert_short(prior, coarseness, [laplace_levels(prior, coarseness, size, rng) for _ in range(3)])


@pytest.fixture(scope="module")
def fitted():
    """[(prior, parameters, mse, matrix)] of one picture: fitted from random numbers, and from each shipped prior."""
    original = texture(160, 120, seed=3)
    base = jpeg.codec.decode(jpeg_of(original, quality=20)).luma
    found = []
    for prior in [blank_prior(Network()), *priors.candidates("jpeg", Network())[:3]]:  # at least three are shipped
        # As the encoder does: from a prior, with the cost of the distance from it; without a prior, from random numbers.
        plain_mse = float(((base.astype(float) - original) ** 2).mean())
        start, schedule, cost = (prior.values / UNIT).astype(np.float32), presets.by_name(None).at(4), RateCost(prior, plain_mse / 8000)
        if prior.number == 0:
            start, schedule, cost = he_init(Network(), np.random.default_rng(0)), Schedule(80, rate=0.02, batch_px=400_000), None
        result = fit(Problem(Network(), base, original, rate_cost=cost), start, schedule)
        mse = mean_squared_error(Problem(Network(), base, original), result.parameters)
        found.append((prior, result.parameters, mse, gauss_newton(Network(), result.parameters, base, random_tiles(base.shape, 32768))))
    return found


@pytest.mark.parametrize("index", [1, 2, 3])
def test_levels_of_fits_that_ignore_the_rate(fitted, index):
    """The encoder makes no such fits from a shipped prior.  All sets together are within 5 %; one beyond 2 % is reported."""
    prior, original = fitted[index][0], texture(160, 120, seed=3)
    base, start = jpeg.codec.decode(jpeg_of(original, quality=20)).luma, (prior.values / UNIT).astype(np.float32)
    found = fit(Problem(Network(), base, original), start, Schedule(80, rate=0.01, batch_px=400000)).parameters
    mse = mean_squared_error(Problem(Network(), base, original), found)
    hessian = gauss_newton(Network(), found, base, random_tiles(base.shape, 32768))
    levels = [quantise(prior, found, hessian, mse, mse / 4000, coarseness).levels for coarseness in range(6)]
    pairs = [(len(encode(prior, each, c)), constriction_bytes(prior, each)) for c, each in enumerate(levels)]
    assert sum(a for a, _ in pairs) <= 1.05 * sum(b for _, b in pairs), pairs
    if beyond := [(a, b) for a, b in pairs if a > max(1.02 * b, b + 3)]:
        pytest.xfail(f"beyond 2 % and 3 bytes; ours and constriction's bytes: {beyond}")


@pytest.mark.parametrize("index", range(4))
def test_within_2_percent_of_constriction_on_fitted_levels(fitted, index):
    """Levels as the encoder codes them, fitted to a picture and chosen by D + lambda * R; the mean over the coarsenesses for each prior."""
    prior, parameters_, mse, hessian = fitted[index]
    ours, theirs = [], []
    for coarseness in range(6):
        quantised = quantise(prior, parameters_, hessian, mse, mse / 4000, coarseness)
        assert quantised.levels.any()
        ours.append(len(quantised.coded))
        theirs.append(constriction_bytes(prior, quantised.levels))
    assert all(a <= max(1.02 * b, b + 3) for a, b in zip(ours, theirs, strict=True)), (ours, theirs)
    assert np.mean(ours) <= 1.02 * np.mean(theirs), (ours, theirs)


def test_sets_behind_one_that_is_refused_are_not_read():
    prior = blank_prior(Network(3, 1))
    levels = np.ones(prior.network.size, np.int64)
    coded = encode_sets(prior, [(levels, 0)] * 3, Areas(32, np.zeros((1, 1), np.uint8)))
    seen = []

    def check(network, values):
        seen.append(values)
        if len(seen) == 2:
            raise FormatError("enough")

    with pytest.raises(FormatError, match="enough"):
        parameters.decode(prior, coded, (8, 8), check=check)
    assert len(seen) == 2
