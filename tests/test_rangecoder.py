"""The range coder: bits come back, cost as much as their probabilities imply, and no bytes break the decoder."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inlaid.rangecoder import COUNT_LIMIT, LEAST, SCALE_BITS, TOP, Bit, Decoder, Encoder

counts = st.tuples(st.integers(1, 511), st.integers(1, 511))
modelled = st.tuples(st.just("bit"), st.integers(0, 3), st.integers(0, 1))
plain = st.integers(0, 20).flatmap(lambda n: st.tuples(st.just("bits"), st.just(n), st.integers(0, (1 << n) - 1)))


def coded(operations, models):
    """The bytes of ("bit", model number, bit) and ("bits", count, value), and their ideal length in bits."""
    coder, ideal_bits = Encoder(), 0.0
    for kind, what, value in operations:
        if kind == "bit":
            zero = models[what].chance() / (1 << SCALE_BITS)
            ideal_bits -= math.log2(1 - zero if value else zero)
            assert coder.bit(models[what], value) == value
        else:
            ideal_bits += what
            assert coder.bits(what, value) == value
        assert LEAST <= coder.range <= TOP
    return coder.finish(), ideal_bits


def decoded(data, operations, models):
    """The values that the decoder reads by these operations."""
    coder, values = Decoder(data), []
    for kind, what, _ in operations:
        values.append(coder.bit(models[what]) if kind == "bit" else coder.bits(what))
        assert LEAST <= coder.range <= TOP
        assert 0 <= coder.code < coder.range
    return values


def fresh(starts):
    return [Bit(zeros, ones) for zeros, ones in starts]


@settings(max_examples=300, deadline=None)
@given(st.lists(modelled | plain, max_size=120), st.tuples(counts, counts, counts, counts))
def test_round_trip(operations, starts):
    writing, reading = fresh(starts), fresh(starts)
    data, _ = coded(operations, writing)
    assert decoded(data, operations, reading) == [value for _, _, value in operations]
    assert [(m.zeros, m.ones) for m in writing] == [(m.zeros, m.ones) for m in reading]
    # Zeros are read behind the end, so more of them change nothing, and none is written.
    assert decoded(data + bytes(5), operations, fresh(starts)) == [value for _, _, value in operations]
    assert not data.endswith(b"\0")


@settings(max_examples=200, deadline=None)
@given(st.lists(modelled | plain, max_size=12), st.tuples(counts, counts, counts, counts))
def test_the_bytes_are_the_fewest(operations, starts):
    """No shorter bytes decode to the same values.  Short ones are all tried, for long ones only those without the last byte."""
    data, _ = coded(operations, fresh(starts))
    values = [value for _, _, value in operations]
    if not data:
        return
    assert decoded(data[:-1], operations, fresh(starts)) != values
    if len(data) <= 2:
        for shorter in itertools.product(range(256), repeat=len(data) - 1):
            assert decoded(bytes(shorter), operations, fresh(starts)) != values


def golden_sequence():
    """500 bits in three contexts, every 25th followed by a plain number, from a linear congruential generator."""
    state = 1
    for i in range(500):
        state = (state * 1103515245 + 12345) % (1 << 31)
        yield "bit", i % 3, int((state >> 16) % 100 < (3, 30, 80)[i % 3])
        if i % 25 == 0:
            yield "bits", i // 25 % 12, (state >> 8) % (1 << i // 25 % 12)


GOLDEN = "490f81d7bca1be1d358963559c2e486a202340fc9b94db756524bb4d76df835bf53c51ab9e3b6af8b7f220f03ab670d7b0046b1f"


def test_golden_bytes():
    operations = list(golden_sequence())
    models = [Bit(480, 32), Bit(), Bit(100, 412)]
    data, _ = coded(operations, models)
    assert data.hex() == GOLDEN
    reading = [Bit(480, 32), Bit(), Bit(100, 412)]
    assert decoded(data, operations, reading) == [value for _, _, value in operations]


def test_a_handful_of_bytes_by_hand():
    """Plain bits are written as they are.  The other codes are worked out by hand."""
    coder = Encoder()
    coder.bits(16, 0xABCD)
    coder.bits(8, 0x01)
    assert coder.finish().hex() == "abcd01"
    assert Encoder().finish() == b""
    # bound = (2^32 >> 14) * 2^13 = 2^31: a one leaves [2^31, 2^32), whose shortest number is 80.
    coder = Encoder()
    coder.bit(Bit(), 1)
    assert coder.finish().hex() == "80"
    # chance 3/4 of a zero, learnt: bound = 2^18 * 12288 = 0xc0000000
    coder = Encoder()
    coder.bit(Bit(96, 32), 1)
    assert coder.finish().hex() == "c0"


@pytest.mark.parametrize("one", [0.002, 0.05, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("length", [0, 1, 10, 300, 6000])
def test_cost(one, length):
    """Within 1 % and 2 bytes of the sum of -log2 p, with the models' probabilities p."""
    rng = np.random.default_rng(length)
    for _ in range(1 if length > 300 else 20):
        bits = (rng.random(length) < one).astype(int).tolist()
        operations = [("bit", int(rng.integers(2)), bit) for bit in bits]
        operations += [("bits", 7, int(v)) for v in rng.integers(0, 128, length // 10)]
        data, ideal_bits = coded(operations, [Bit(), Bit(1, 511)])
        assert 8 * len(data) <= 1.01 * ideal_bits + 16


def test_learning_beats_the_entropy_of_what_it_did_not_know():
    """Bits of an unknown probability of 0.05 cost about their entropy of 0.286 bits, not one bit each."""
    bits = (np.random.default_rng(5).random(8000) < 0.05).astype(int).tolist()
    data, _ = coded([("bit", 0, bit) for bit in bits], [Bit()])
    share = sum(bits) / len(bits)
    entropy = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    assert 8 * len(data) < 1.04 * entropy * len(bits)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.lists(modelled | plain, min_size=1, max_size=200), st.tuples(*[counts] * 4))
def test_any_bytes_decode_to_something(data, operations, starts):
    """From any bytes, each read gives a value in its range; `decoded` checks the coder's invariants."""
    models = fresh(starts)
    for (kind, what, _), value in zip(operations, decoded(data, operations, models), strict=True):
        assert value in (0, 1) if kind == "bit" else 0 <= value < 1 << what
    for model in models:
        assert 2 <= model.chance() < 1 << SCALE_BITS


def test_truncated_at_every_byte():
    operations = list(golden_sequence())
    starts = [(480, 32), (32, 32), (100, 412)]
    data, _ = coded(operations, fresh(starts))
    whole = [value for _, _, value in operations]
    for length in range(len(data)):
        got = decoded(data[:length], operations, fresh(starts))
        assert got != whole
        # The values that the kept bytes decide are right; the decoder reads 4 bytes ahead.
        right = next(i for i, (a, b) in enumerate(zip(got, whole, strict=True)) if a != b)
        assert right > 0 or length <= 4
        for (kind, what, _), value in zip(operations, got, strict=True):
            assert 0 <= value < 1 << (1 if kind == "bit" else what)


@settings(max_examples=100, deadline=None)
@given(counts, st.lists(st.integers(0, 1), max_size=400))
def test_counts_keep_their_invariant(start, bits):
    model = Bit(*start)
    for bit in bits:
        before = model.chance()
        model.learn(bit)
        assert model.zeros >= 1
        assert model.ones >= 1
        assert model.zeros + model.ones <= COUNT_LIMIT
        assert 2 <= model.chance() < 1 << SCALE_BITS
        assert model.chance() <= before + 1 if bit else model.chance() >= before - 1


@pytest.mark.parametrize("bit", [0, 1])
def test_counts_after_ten_thousand_equal_bits(bit):
    """The rare bit's count is halved many times and stays above 0."""
    model = Bit(1, 511) if bit else Bit(511, 1)
    halved = False
    for _ in range(10_000):
        before = model.zeros + model.ones
        model.learn(bit)
        halved |= model.zeros + model.ones < before
        assert min(model.zeros, model.ones) >= 1
        assert model.zeros + model.ones <= COUNT_LIMIT
        assert 2 <= model.chance() < 1 << SCALE_BITS
    assert halved
    # The usual bit costs next to nothing then, and the other is still possible.
    assert min(model.chance(), (1 << SCALE_BITS) - model.chance()) <= 8
    model.learn(1 - bit)
    assert 2 <= model.chance() < 1 << SCALE_BITS
