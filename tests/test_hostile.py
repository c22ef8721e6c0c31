"""Any bytes give a picture, the base with a warning, or an InlayError, in bounded time and in memory that the picture's size justifies."""

import json
import pickle
import subprocess
import sys
import time
import warnings
from collections import Counter

import numpy as np
import pytest
from support.inlays import sealed
from support.jpeg_files import marker_at, segment, segments
from support.pictures import coloured, jpeg_of, texture
from support.selection import first

import inlaid
from inlaid import parameters, payload
from inlaid.encoding import encoder
from inlaid.errors import InlayError, InlayWarning
from inlaid.fingerprint import fingerprint
from inlaid.formats import jpeg
from inlaid.network import Network
from inlaid.parameters import blank_prior
from inlaid.payload import Payload

SECONDS = 10.0  # for one file; it takes milliseconds, but a test machine may be busy
APP9 = 0xE9


def handmade(original, network, rng):
    """A file with a network of its own in the payload, which the encoder would not find worth its bytes on so small a picture."""
    base = jpeg_of(original, quality=20)
    prior = blank_prior(network)
    levels = np.rint(rng.laplace(0, 0.3, network.size) * prior.spreads / 2.0 ** prior.steps(2)).astype(np.int64)
    found = Payload(0, network, 1.0, fingerprint(jpeg.codec.decode(base).luma), parameters.encode(prior, levels, 2))
    return jpeg.container.embed(base, payload.write(found))


def made():
    rng = np.random.default_rng(0)
    fitted = encoder.encode(texture(96, 64), quality=20, effort=2, base="turbo")
    assert fitted.payload.coded
    return {
        "gray, fitted": fitted.data,
        "gray, prior only": inlaid.encode(texture(48, 40), quality=10, effort=1, base="turbo"),
        "420, progressive, prior only": inlaid.encode(coloured(64, 48), quality=20, effort=1, base="turbo", progressive=True),
        "444, no prior": handmade(coloured(40, 24), Network(channels=4, layers=2, dilations=(2, 1), inputs=3), rng),
        "gray, no prior": handmade(texture(33, 17), Network(channels=3, layers=1, kernel=5), rng),
    }


@pytest.fixture(scope="module")
def files():
    found = made()
    for name, data in found.items():
        assert inlaid.info(data)["inlay"]["state"] == "matches", name
    return found


def outcome(data):
    """The outcome: "restored", "plain", "base" (shown with a warning) or "error".  Anything else fails."""
    begun = time.process_time()  # processor time, because the machine may be busy
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            pixels = inlaid.decode(data)
        except InlayError as error:
            assert str(error)
            pixels = None
        try:
            report = inlaid.info(data)
        except InlayError as error:
            assert str(error)
            report = None
        try:
            base = inlaid.strip(data)
        except InlayError:
            base = None
    assert time.process_time() - begun < SECONDS
    assert {w.category for w in warned} <= {InlayWarning}
    assert len(warned) <= 1
    if report is not None:
        json.dumps(report)
        assert base is not None
        assert report["base_bytes"] == len(base)
    if base is not None:
        assert jpeg.container.extract(base) is None
    if pixels is None:
        return "error"
    assert isinstance(pixels, np.ndarray)
    assert pixels.dtype == np.uint8
    # What can be decoded can be described, and both agree.
    size = (report["base"]["height"], report["base"]["width"])
    assert pixels.shape == (size if report["base"]["model"] == "gray" else (*size, 3))
    state = report["inlay"] and report["inlay"]["state"]
    if warned:
        assert state in ("stale", "damaged", "unsupported")
        assert np.array_equal(pixels, inlaid.decode(data, base=True))
        return "base"
    assert state in (None, "matches")
    return "restored" if state else "plain"


# ------------------------------------------------------------------------------------------------ the whole file


def test_truncated_at_every_byte(files):
    for name, data in files.items():
        found = Counter(outcome(data[:length]) for length in range(len(data)))
        assert found["error"] > 0.9 * len(data), name
        assert found["plain"] == 0, name  # a cut file never looks like one without an inlay


def damage(data, rng):
    """A copy with one bit, one byte, some bytes or a run of them changed, or bytes left out, doubled or put in."""
    out, kind = bytearray(data), rng.integers(7)
    at = int(rng.integers(len(out)))
    if kind <= 1:
        out[at] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        out[at] = int(rng.integers(256))
    elif kind == 3:
        for place in rng.integers(0, len(out), int(rng.integers(2, 9))):
            out[place] = int(rng.choice([0, 1, 127, 128, 255, rng.integers(256)]))
    elif kind == 4:
        length = int(rng.integers(2, 33))
        out[at : at + length] = rng.bytes(len(out[at : at + length]))
    elif kind == 5:
        del out[at : at + int(rng.integers(1, 33))]
    else:
        out[at:at] = out[at : at + int(rng.integers(1, 33))] if rng.integers(2) else rng.bytes(int(rng.integers(1, 9)))
    return bytes(out)


@pytest.mark.parametrize("count", first([1000, 10_000]))
def test_damages_of_the_whole_file(count, files):
    found = Counter()
    each = count // len(files)
    for number, (name, data) in enumerate(files.items()):
        # Half of the damage is in the header, where the inlay is.
        scan = data.index(b"\xff\xda")
        for i in range(each):
            rng = np.random.default_rng((number, i))
            try:
                found[outcome(damage(data, rng) if i % 2 else damage(data[:scan], rng) + data[scan:])] += 1
            except BaseException as error:
                raise AssertionError(f"{name}, damage {i}: {error!r}") from error
    assert sum(found.values()) == count
    assert min(found[kind] for kind in ("error", "base", "plain", "restored")) >= count / 100, found


def test_headers_that_lie(files):
    """Critical values at every byte of the frame header, and false sizes."""
    for data in files.values():
        frame = next(s for s in segments(data) if s.marker in (0xC0, 0xC1, 0xC2))
        for at in range(frame.offset + 2, frame.end):
            for value in (0, 1, 2, 3, 4, 5, 8, 12, 16, 17, 0x22, 0x44, 127, 128, 254, 255):
                outcome(data[:at] + bytes([value]) + data[at + 1 :])
        for height, width in ((65500, 65500), (65535, 65535), (1, 65535), (65535, 1), (0, 64), (64, 0), (4096, 4096)):
            size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
            lied = data[: frame.offset + 5] + size + data[frame.offset + 9 :]
            assert outcome(lied) in ("error", "base"), (height, width)


def test_no_file_at_all():
    rng = np.random.default_rng(1)
    for data in (b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", b"\0" * 1000, b"\xff" * 1000):
        assert outcome(data) == "error"
    for _ in range(300):
        assert outcome(b"\xff\xd8\xff" + rng.bytes(int(rng.integers(0, 500)))) == "error"


def test_a_payload_of_many_segments(files):
    """The payload in thousands of pieces, empty ones among them."""
    data = files["gray, prior only"]
    base, raw = inlaid.strip(data), jpeg.container.extract(data)
    pieces = [segment(APP9, b"inlay\0" + raw[i : i + 1]) + segment(APP9, b"inlay\0") * 100 for i in range(len(raw))]
    spread = base[:2] + b"".join(pieces) + base[2:]
    assert outcome(spread) == "restored"
    assert np.array_equal(inlaid.decode(spread), inlaid.decode(data))
    assert inlaid.strip(spread) == base


@pytest.mark.slow
def test_nothing_but_segments(files):
    base = inlaid.strip(files["gray, prior only"])
    assert outcome(base[:2] + segment(APP9, b"inlay\0") * 50_000 + base[2:]) == "base"
    assert outcome(base[:2] + segment(APP9) * 120_000 + base[2:]) == "error"


# ------------------------------------------------------------------------------------------------ the payload, its CRC made true again


@pytest.mark.parametrize("name", first(["gray, no prior", "gray, prior only", "444, no prior"]))
def test_every_value_of_every_field(name, files):
    """Each byte before the coded ones takes all values, or those at the ends of ranges."""
    data, found = files[name], Counter()
    base, body = inlaid.strip(data), jpeg.container.extract(data)[:-2]
    for at in range(22 if "no prior" in name else 10):
        for value in range(256) if at < 6 else (0, 1, 7, 8, 9, 15, 16, 17, 127, 128, 240, 255):
            found[outcome(jpeg.container.embed(base, sealed(body[:at] + bytes([value]) + body[at + 1 :])))] += 1
    assert set(found) == {"restored", "base"}
    assert found["restored"] >= 12  # any value of the gain: it is only reported
    assert found["base"] >= 500


@pytest.mark.parametrize("count", first([100, 400]))
def test_damaged_parameters(count, files):
    """Changed coded bytes are other parameters.  They are used where they are within the bounds."""
    found = Counter()
    for number, name in enumerate(("gray, fitted", "gray, no prior", "444, no prior")):
        data = files[name]
        base, body = inlaid.strip(data), jpeg.container.extract(data)[:-2]
        start = 22 if "no prior" in name else 10
        for i in range(count):
            rng, coded = np.random.default_rng((2, number, i)), bytearray(body[start:])
            for at in rng.integers(0, len(coded), int(rng.integers(1, 6))):
                coded[at] = int(rng.integers(256))
            found[outcome(jpeg.container.embed(base, sealed(body[:start] + bytes(coded))))] += 1
    assert set(found) == {"restored", "base"}
    assert min(found.values()) >= count // 40


@pytest.mark.parametrize("count", first([60, 250]))
def test_random_parameters_of_random_networks(count, files):
    """Networks of all shapes; coded bytes that are random, constant, none or very many."""
    data, found = files["gray, no prior"], Counter()
    base, body = inlaid.strip(data), jpeg.container.extract(data)[:-2]
    for i in range(count):
        rng = np.random.default_rng((3, i))
        layers = int(rng.integers(0, 9))
        shape = bytes([int(rng.choice([1, 2, 6, 31, 32])), layers, int(rng.choice([1, 3, 5])), int(rng.choice([1, 3]))])
        dilations = rng.integers(1, 9, layers).astype(np.uint8).tobytes() + rng.bytes(8 - layers)
        length = int(rng.choice([0, 1, 2, 5, 40, 3000]))
        coded = rng.bytes(length) if i % 3 else bytes([int(rng.choice([0, 0x40, 0x80, 0xFF]))]) * length
        found[outcome(jpeg.container.embed(base, sealed(body[:2] + shape + dilations + body[14:22] + coded)))] += 1
    assert set(found) == {"restored", "base"}
    assert min(found.values()) >= 20 * count // 250


def with_levels(base, body, network, levels, coarseness):
    shape = bytes([network.channels, network.layers, network.kernel, network.inputs])
    dilations = bytes((*network.dilations, *[0] * 8)[:8])
    coded = parameters.encode(blank_prior(network), levels, coarseness)
    return jpeg.container.embed(base, sealed(body[:2] + shape + dilations + body[14:22] + coded))


def test_extreme_parameters(files):
    """Parameters up to 16 bits and up to the bounds of the sums are used; larger ones are refused."""
    data = files["gray, no prior"]
    base, body = inlaid.strip(data), jpeg.container.extract(data)[:-2]
    for network in (Network(), Network(1, 0, 1), Network(2, 1, 5, (8,), 3)):
        full = np.ones(network.size, np.int64)
        for sign in (1, -1):
            # At coarseness -4 a step is 4: 8191 of them are 32764.
            assert outcome(with_levels(base, body, network, sign * 16 * full, -4)) == "restored"
            assert outcome(with_levels(base, body, network, sign * 8191 * full, -4)) == ("restored" if network.size < 5 else "base")
            assert outcome(with_levels(base, body, network, sign * 8192 * full, -4)) == "base"
            assert outcome(with_levels(base, body, network, sign * 65534 * full, 11)) == "base"


def test_a_payload_of_a_megabyte(files):
    """A megabyte behind the coded bytes, in sixteen segments, is read and ignored quickly."""
    data = files["gray, fitted"]
    base, body = inlaid.strip(data), jpeg.container.extract(data)[:-2]
    large = jpeg.container.embed(base, sealed(body + bytes(1 << 20)))
    assert outcome(large) == "restored"
    assert np.array_equal(inlaid.decode(large), inlaid.decode(data))
    assert outcome(jpeg.container.embed(base, sealed(body[:10] + b"\xff" * (1 << 20)))) == "base"


# ------------------------------------------------------------------------------------------------ memory

MEMORY = """
import pickle, sys, warnings
import numpy as np
import inlaid
warnings.simplefilter("ignore")
first, rest = pickle.load(sys.stdin.buffer)

def peak_kib():
    # Not ru_maxrss, which a process inherits from its parent.
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

def use(data):
    for call in (inlaid.decode, inlaid.info, inlaid.strip):
        try:
            call(data)
        except inlaid.InlayError:
            pass

for data in first:
    use(data)
before = peak_kib()
for data in rest:
    use(data)
print(peak_kib() - before)
"""


def growth_bytes(first, rest):
    """How many bytes the peak memory of a new process grows with `rest`, after it has used `first`."""
    done = subprocess.run([sys.executable, "-c", MEMORY], input=pickle.dumps((first, rest)), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return 1024 * int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it needs /proc")
def test_memory(files):
    """A block of 64 pixels takes a bit at least, so a damaged file can claim 8 * 64 pixels for each of its bytes.

    Allowed are 30 bytes for each such pixel (planes, float copies of bands, libjpeg's coefficients) and 8 MiB.
    """
    data = files["444, no prior"]
    damaged = [damage(data, np.random.default_rng((4, i))) for i in range(1500)]
    frame = marker_at(data, 0xC0)
    for height, width in ((65500, 65500), (4000, 4000), (600, 600), (1, 65500), (65500, 1), (256, 700)):
        size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        damaged.append(data[: frame.offset + 5] + size + data[frame.offset + 9 :])
    longest = max(map(len, damaged))
    assert longest < 2000
    assert growth_bytes(list(files.values()), damaged) < 30 * 8 * 64 * longest + (8 << 20)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it needs /proc")
def test_memory_of_the_largest_network(files):
    """The most that a payload can ask for is 9 rings of 33 rows of 32 channels for each thread, some 15 MB."""
    data = files["gray, no prior"]
    base, body = inlaid.strip(data), jpeg.container.extract(data)[:-2]
    network = Network(32, 8, 5, (8,) * 8, 3)
    largest = with_levels(base, body, network, np.ones(network.size, np.int64), 0)
    assert outcome(largest) == "restored"
    assert growth_bytes(list(files.values()), [largest]) < 24 << 20
