"""The payload's bytes: each field as in FORMAT.md, and only a whole payload is taken for one."""

import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inlaid import priors
from inlaid.errors import FormatError, InlayError, UnsupportedError
from inlaid.fingerprint import Fingerprint
from inlaid.network import Network
from inlaid.payload import Payload, read, write

SUMS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15)
BLANK = Payload(0, Network(7, 2, 5, (1, 3), 3), 1.24, Fingerprint(0x4B, SUMS), b"coded")
SHIPPED = Payload(9, Network(12), 0.5, Fingerprint(0x02, SUMS[::-1]), b"\0\xff")


def network_9(number):
    """The only prior of these tests has number 9."""
    if number != 9:
        raise UnsupportedError(f"prior {number}")
    return Network(12)


def sealed(body):
    """`body` and its CRC, computed bit by bit."""
    crc = 0
    for byte in body:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return body + crc.to_bytes(2, "big")


networks = st.integers(0, 8).flatmap(
    lambda layers: st.builds(
        Network,
        channels=st.integers(1, 32),
        layers=st.just(layers),
        kernel=st.sampled_from([1, 3, 5]),
        dilations=st.tuples(*[st.integers(1, 8)] * layers),
        inputs=st.sampled_from([1, 3]),
    )
)
fingerprints = st.builds(Fingerprint, unit=st.integers(0, 255), sums=st.tuples(*[st.integers(0, 15)] * 12))


@settings(max_examples=200, deadline=None)
@given(networks, st.integers(0, 255), st.integers(0, 255), fingerprints, st.binary(max_size=300))
def test_round_trip(network, prior, gain, fingerprint, coded):
    payload = Payload(prior, network, gain * 0.02, fingerprint, coded)
    assert read(write(payload), lambda number: network) == payload


def test_every_byte_as_drawn():
    """FORMAT.md, section 2: version, prior, shape, dilations, gain, unit, sums, coded, CRC."""
    body = bytes([1, 0, 7, 2, 5, 3, 1, 3, 0, 0, 0, 0, 0, 0, 62, 0x4B]) + bytes.fromhex("0123456789af") + b"coded"
    assert write(BLANK) == sealed(body)
    assert read(sealed(body), network_9) == BLANK

    body = bytes([1, 9, 25, 0x02]) + bytes.fromhex("fa9876543210") + b"\0\xff"
    assert write(SHIPPED) == sealed(body)
    assert read(sealed(body), network_9) == SHIPPED


def test_sizes():
    """12 bytes besides the coded ones where a prior fixes the network, else 24."""
    for size in (0, 1, 1000):
        assert len(write(Payload(9, Network(12), 0.0, Fingerprint(0, SUMS), bytes(size)))) == 12 + size
        for network in (Network(), Network(1, 0, 1), Network(32, 8, 5, (8,) * 8, 3)):
            assert len(write(Payload(0, network, 0.0, Fingerprint(0, SUMS), bytes(size)))) == 24 + size


def test_the_crc_is_xmodem():
    assert sealed(b"123456789")[-2:].hex() == "31c3"  # the check value of CRC-16/XMODEM
    assert binascii.crc_hqx(b"123456789", 0) == 0x31C3


def test_dilations_behind_the_last_layer_are_ignored():
    body = bytearray(write(BLANK)[:-2])
    body[8:14] = bytes([255, 0, 9, 8, 7, 1])
    assert read(sealed(bytes(body)), network_9) == BLANK


@pytest.mark.parametrize(
    ("gain_db", "byte"),
    [(0.0, 0), (-3.0, 0), (0.009, 0), (0.011, 1), (0.02, 1), (1.2345, 62), (5.1, 255), (5.2, 255), (99.0, 255)],
)
def test_gain(gain_db, byte):
    data = write(Payload(9, Network(12), gain_db, Fingerprint(0, SUMS), b""))
    assert data[2] == byte
    assert read(data, network_9).gain_db == pytest.approx(byte * 0.02)


@pytest.mark.parametrize("payload", [BLANK, SHIPPED], ids=["blank", "shipped"])
def test_truncated_at_every_byte(payload):
    data = write(payload)
    for length in range(len(data)):
        with pytest.raises(FormatError):
            read(data[:length], network_9)


@pytest.mark.parametrize("payload", [BLANK, SHIPPED], ids=["blank", "shipped"])
def test_truncated_at_every_byte_with_a_true_crc(payload):
    """The error names the field that is cut.  Only the coded bytes may have any length."""
    body = write(payload)[:-2]
    fixed = len(body) - len(payload.coded)
    for length in range(1, fixed):
        with pytest.raises(FormatError, match="the inlay ends in its"):
            read(sealed(body[:length]), network_9)
    for length in range(fixed, len(body)):
        assert read(sealed(body[:length]), network_9).coded == payload.coded[: length - fixed]


@pytest.mark.parametrize("payload", [BLANK, SHIPPED], ids=["blank", "shipped"])
def test_every_single_bit_counts(payload):
    """The CRC detects one wrong bit, and bursts of up to 16."""
    data = write(payload)
    for bit in range(8 * len(data)):
        for burst in (1, 0b11, 0x8001):
            number = int.from_bytes(data, "big") ^ burst << bit
            if number >> 8 * len(data):
                continue
            with pytest.raises(FormatError, match="damaged"):
                read(number.to_bytes(len(data), "big"), network_9)


@pytest.mark.parametrize("version", [0, 2, 3, 255])
def test_another_version(version):
    for payload in (BLANK, SHIPPED):
        body = bytes([version]) + write(payload)[1:-2]
        with pytest.raises(UnsupportedError, match=f"version {version}; expected version 1"):
            read(sealed(body), network_9)
        # Nothing else is read of a later version.
        with pytest.raises(UnsupportedError, match=f"version {version}"):
            read(sealed(bytes([version])), network_9)


def test_an_unknown_prior():
    with pytest.raises(UnsupportedError, match="prior 10"):
        read(sealed(bytes([1, 10]) + bytes(10)), network_9)
    unknown = next(n for n in range(255, 0, -1) if n not in priors.files())
    with pytest.raises(UnsupportedError, match=f"prior {unknown}, which this version does not have"):
        read(sealed(bytes([1, unknown]) + bytes(10)), priors.network_of)


def with_shape(*shape):
    body = bytearray(write(BLANK)[:-2])
    body[2 : 2 + len(shape)] = bytes(shape)
    return sealed(bytes(body))


@pytest.mark.parametrize(
    "shape",
    [
        (0, 2, 5, 3, 1, 3),
        (33, 2, 5, 3, 1, 3),
        (255, 2, 5, 3, 1, 3),
        (7, 9, 5, 3, 1, 1, 1, 1, 1, 1, 1, 1),
        (7, 255, 5, 3, 1, 1, 1, 1, 1, 1, 1, 1),
        (7, 2, 0, 3, 1, 3),
        (7, 2, 2, 3, 1, 3),
        (7, 2, 7, 3, 1, 3),
        (7, 2, 5, 0, 1, 3),
        (7, 2, 5, 2, 1, 3),
        (7, 2, 5, 4, 1, 3),
        (7, 2, 5, 3, 0, 3),
        (7, 2, 5, 3, 1, 9),
    ],
)
def test_a_shape_out_of_range_is_damage(shape):
    """FORMAT.md, section 2: with prior 0, a shape or a dilation out of range is damage."""
    with pytest.raises(FormatError):
        read(with_shape(*shape), network_9)


def test_the_shapes_at_the_ends_of_their_ranges():
    for shape in ((1, 0, 1, 1), (32, 8, 5, 3, *[8] * 8), (32, 1, 3, 1, 1)):
        network = read(with_shape(*shape), network_9).network
        assert (network.channels, network.layers, network.kernel, network.inputs, *network.dilations) == shape


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.booleans(), st.sampled_from([b"", b"\1", b"\1\0", b"\1\x09"]))
def test_any_bytes_are_a_payload_or_an_error(data, seal, start):
    data = sealed(start + data) if seal else start + data
    try:
        payload = read(data, network_9)
    except InlayError:
        return
    assert seal
    # What is read as a payload is written the same, except for dilations without a meaning.
    again = write(payload)
    ignored = range(6 + payload.network.layers, 14) if payload.prior == 0 else range(0)
    assert len(again) == len(data)
    assert all(a == b for i, (a, b) in enumerate(zip(data[:-2], again[:-2], strict=True)) if i not in ignored)
