"""FORMAT.md and the program agree: format_decoder.py, written from the page alone, decodes everything as the program does."""

import json
import math
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import format_decoder as page
from support.jpeg_files import segment
from support.pictures import jpeg_of

import inlaid

PRIORS = Path(inlaid.__file__).parent / "priors"
UNIT = 0x60  # of handmade payloads: U = 64
pytestmark = pytest.mark.filterwarnings("ignore::inlaid.InlayWarning")


def picture(width, height, colour, seed):
    """An image of half planes and gratings over one another, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] - np.array([height / 2, width / 2])[:, None, None]
    pixels = np.full((height, width, 3), 128.0)
    for _ in range(12):
        edge, slope, frequency = [*rng.uniform(0, 2 * np.pi, 2), rng.uniform(0.05, 0.6)]
        inside = np.cos(edge) * x + np.sin(edge) * y > rng.uniform(-0.2, 0.2) * (width + height)
        grating = rng.uniform(5, 40) * np.sin(frequency * (np.cos(slope) * x + np.sin(slope) * y))
        pixels = np.where(inside[..., None], 0.4 * pixels + 0.6 * rng.uniform(20, 235, 3) + grating[..., None], pixels)
    pixels = np.clip(pixels + rng.normal(0, 3, (height, width, 1)), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels if colour else pixels[..., 1])


def jpeg(image, quality=30, **options):
    return jpeg_of(image, quality=quality, **options)


def agreed(data):
    """The state and the pixels that both decoders find.  They must be equal, and the base's unless the state is "restored"."""
    state, pixels = page.decode(data, PRIORS)
    found = inlaid.info(data)["inlay"]
    program_state = "plain" if found is None else found["state"].replace("matches", "restored")
    assert state == program_state, found
    np.testing.assert_array_equal(pixels, inlaid.decode(data, threads=1), strict=True)
    if state != "restored":
        np.testing.assert_array_equal(pixels, inlaid.decode(data, base=True), strict=True)
    return state, pixels


def luma_of(base):
    kind = page.read_segments(base)[1]
    return page.base_luma(page.base_planes(base, kind), kind)


def sealed(body):
    return body + page.crc16(body).to_bytes(2)


def craft(luma, head, coded=b"", unit=UNIT, offsets=(0,) * 12):
    """A payload for a base: `head` has version, prior and shape; the fingerprint's sums are off by `offsets` units."""
    u = unit_of(unit)
    sums = [((s + u // 2) // u + offset) % 16 for s, offset in zip(page.signed_sums(luma), offsets, strict=True)]
    return sealed(bytes([*head, 50, unit, *(high << 4 | low for high, low in zip(sums[0::2], sums[1::2], strict=True))]) + coded)


def unit_of(unit):
    return ((16 + (unit & 15)) << (unit >> 4)) >> 4


def blank_head(channels, layers, kernel, inputs, dilations=(1,) * 8):
    return bytes([1, 0, channels, layers, kernel, inputs, *(list(dilations) + 8 * [0])[:8]])


def split_file(base):
    """The segments before the first SOS, and the rest of the file."""
    segments, at = [], 2
    while base[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(base[at + 2 : at + 4])
        segments.append(base[at:end])
        at = end
    return segments, base[at:]


def insert(base, *parts):
    """The base with a payload, one segment for each part, behind the leading APP0 and APP1 segments."""
    segments, rest = split_file(base)
    leading = next(i for i, part in enumerate(segments) if part[1] not in (0xE0, 0xE1))
    segments[leading:leading] = [segment(0xE9, b"inlay\0" + part) for part in parts]
    return b"\xff\xd8" + b"".join(segments) + rest


def number(value, bits):
    return [value >> i & 1 for i in reversed(range(bits))]


class Encoder(page.RangeDecoder):
    """A decoder turned into an encoder: `bit(b)` codes the next of the given bits, and each level brings its bits when it is asked for."""

    def __init__(self, coarseness, levels):
        super().__init__(b"")
        self.bits, self.levels = deque([0, *number(coarseness + 4, 4)]), iter(levels)
        self.low, self.count = 0, 4

    def of_level(self, g, n):
        if n == 0:
            self.draw(next(self.levels), max(0, (g - 16) // 2))
        return super().of_level(g, n)

    def draw(self, level, fold):
        size = abs(level)
        n = size >> fold
        self.bits += min(n, 14) * [1] + (n < 14) * [0]
        if n >= 14:
            k = (n - 13).bit_length() - 1
            self.bits += k * [1] + (k < 15) * [0] + number(n - 13 - 2**k, k)
        self.bits += number(size & 2**fold - 1, fold) + ([int(level < 0)] if size else [])

    def bit(self, b):
        bit = self.bits.popleft()
        self.low, self.range = (self.low + b, self.range - b) if bit else (self.low, b)
        while self.range < 2**24:
            self.low, self.range, self.count = self.low << 8, self.range << 8, self.count + 1
        return bit


def encode_levels(prior, coarseness, levels, monkeypatch):
    encoder = Encoder(coarseness, levels)
    with monkeypatch.context() as patch:
        patch.setattr(page, "RangeDecoder", lambda coded: encoder)
        with suppress(page.NotRestored):  # a parameter out of range: a decoder reads no further
            page.read_parameters(b"?", prior, 1, 1)
    return encoder.low.to_bytes(encoder.count)


# --- Files of the program ---

FILES = {
    "gray": (97, 71, False, {"quality": 20, "effort": 3}),
    "gray, as the prior is": (97, 61, False, {"quality": 25, "effort": 1}),
    "gray, progressive": (133, 101, False, {"quality": 12, "base": "turbo", "progressive": True}),
    "420": (137, 97, True, {"quality": 10}),
    "420, progressive": (120, 90, True, {"quality": 25, "progressive": True, "effort": 1}),
    "422, standard tables": (115, 87, True, {"quality": 15, "subsampling": "422", "base": "turbo", "optimize": False}),
    "444, progressive": (120, 95, True, {"quality": 20, "subsampling": "444", "progressive": True}),
    "420, larger": (300, 200, True, {"quality": 22, "effort": 1}),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_the_program(name):
    width, height, colour, options = FILES[name]
    data = inlaid.encode(picture(width, height, colour, len(name)), threads=1, **{"effort": 2, **options})
    state, pixels = agreed(data)
    base = inlaid.strip(data)
    assert state == "restored" and (pixels != inlaid.decode(data, base=True)).mean() > 0.1
    assert agreed(base)[0] == "plain"
    assert data == insert(base, page.read_segments(data)[0])  # at the place of section 1, and nothing else changed


def test_what_the_program_writes_into_the_fields():
    data = inlaid.encode(picture(150, 110, False, 3), quality=20, effort=1, threads=1)
    payload, _ = page.read_segments(data)
    fields = page.read_fields(payload, PRIORS)
    luma = luma_of(data)
    assert payload[2] * 0.02 == pytest.approx(inlaid.info(data)["inlay"]["gain_db"], abs=0.001)
    u, wanted = unit_of(fields.unit), math.sqrt(np.count_nonzero(np.diff(luma))) / 2
    assert u >= wanted and all(unit_of(unit) >= u for unit in range(256) if unit_of(unit) >= wanted)
    assert fields.sums == [((s + u // 2) // u) % 16 for s in page.signed_sums(luma)]


def test_a_base_encoded_again_with_the_old_segment():
    source = picture(150, 110, True, 4)
    payload, _ = page.read_segments(inlaid.encode(source, quality=20, effort=1, base="turbo", legacy_loss_db=0, threads=1))
    assert agreed(insert(jpeg(source, 20), payload))[0] == "restored"  # the same base with other Huffman tables
    assert agreed(insert(jpeg(source, 14), payload))[0] == "stale"
    assert agreed(insert(jpeg(source.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 20), payload))[0] == "stale"


def test_every_damage_is_found():
    data = inlaid.encode(picture(97, 61, False, 5), quality=20, effort=2, threads=1)
    payload, base = page.read_segments(data)[0], inlaid.strip(data)
    for length in range(len(payload)):
        assert agreed(insert(base, payload[:length]))[0] == "damaged"
    for i in range(len(payload)):
        assert agreed(insert(base, payload[:i] + bytes([payload[i] ^ 1 << i % 8]) + payload[i + 1 :]))[0] == "damaged"


# --- Handmade payloads ---


def random_base(rng, seed):
    kind = ["gray", "RGB", "4:4:4", "4:2:2", "4:2:0"][rng.integers(5)]
    options = {"RGB": {"keep_rgb": True}, "gray": {}}.get(kind, {"subsampling": kind})
    image = picture(*rng.integers(1, 60, 2).tolist(), kind != "gray", seed)
    return jpeg(image, int(rng.integers(5, 95)), progressive=bool(rng.integers(2)), **options)


@pytest.mark.parametrize("seed", range(4))
def test_random_networks_and_parameters(seed):
    """Any bytes are coded parameters.  All shapes, priors, sizes of levels and kinds of base occur."""
    rng = np.random.default_rng(seed)
    numbers = sorted(int(path.name.split("-")[0]) for path in PRIORS.glob("*.json"))
    states = Counter()
    for i in range(32):
        base = random_base(rng, 100 * seed + i)
        head = bytes([1, numbers[i // 4 % len(numbers)]])
        if i % 4:
            channels = int(rng.integers(1, 33 if i % 8 == 1 else 9))
            head = blank_head(channels, int(rng.integers(9)), rng.choice([1, 3, 5]), rng.choice([1, 3]), rng.integers(1, 9, 8))
        coded = rng.integers(0, 256, rng.choice([0, 1, 2, 3, 5, 20, 100, 400, 3000]), np.uint8)
        if len(coded) and i % 3:
            coded[0] = coded[0] & 15 | rng.integers(12) << 4  # not too coarse
        if len(coded) > 3 and i % 5 < 3:
            coded[rng.integers(1, len(coded)) :][: rng.integers(1, 60)] = 255  # large levels
        states[agreed(insert(base, craft(luma_of(base), head, coded.tobytes())))[0]] += 1
    assert states["restored"] >= 10 and states["damaged"] >= 3 and states.total() == states["restored"] + states["damaged"]


# Networks C, L, K, I and parameters of one tensor that are just within the bounds of section 6.  With 4 more in the first, they are not.
# first: sum |weight| + |bias| < 2^19 - 16. The others: 2^15 sum |weight| + 2^12 |bias| < 2^31 - 2^16.
LAST_GOOD = {
    "first": ((2, 1, 5, 3), {"first.weight": [44, *16 * [-32764]]}),
    "first, by bias": ((2, 1, 5, 3), {"first.bias": [44], "first.weight": 8 * [32764, -32764]}),
    "depthwise": ((2, 1, 3, 1), {"depthwise.weight": [4, 32764, -32764]}),
    "pointwise": ((3, 1, 1, 1), {"pointwise.weight": [4, -32764, -32764]}),
    "pointwise, by bias": ((3, 2, 3, 1), {"pointwise.bias": [12], "pointwise.weight": [-4, 32764, 32764]}),
    "last": ((2, 0, 3, 3), {"last.weight": [-4, 32764, -32764]}),
    "range of a parameter": ((2, 0, 3, 3), {"first.weight": [32764]}),
}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", LAST_GOOD)
def test_bounds(name, sign, monkeypatch):
    shape, tensors = LAST_GOOD[name]
    base = jpeg(picture(21, 13, False, 6))
    prior = page.blank_prior(page.Network(*shape, [1] * shape[1]))
    for more, wanted in ((0, "restored"), (4, "damaged")):
        levels = []
        for tensor, tensor_shape, _ in prior.network.tensors():
            values = [value // 4 * sign for value in tensors.get(tensor, [])]
            if more and next(iter(tensors)) == tensor:
                values[0] += 1 if values[0] > 0 else -1
            levels += values + (math.prod(tensor_shape) - len(values)) * [0]
        coded = encode_levels(prior, -4, levels, monkeypatch)  # exponent 6 - 4: steps of 4
        assert agreed(insert(base, craft(luma_of(base), blank_head(*shape), coded)))[0] == wanted


@pytest.mark.parametrize("where", ["first", "depthwise"])
def test_saturation(where, monkeypatch):
    """q limits one of two channels to 32767.  The difference to the other, 32764, becomes a change of 6 grey levels."""
    base = jpeg(picture(21, 13, False, 6))
    first, depthwise = ([32764, 0], [4096, 4096]) if where == "first" else ([0, 0], [8192, 4096])
    values = [*first, 32764, 32764, *depthwise, 32764, -32764, 0, 0, 0, 0, 32764, 0]
    prior = page.blank_prior(page.Network(2, 1, 1, 1, [1]))
    coded = encode_levels(prior, -4, [value // 4 for value in values], monkeypatch)
    state, pixels = agreed(insert(base, craft(luma_of(base), blank_head(2, 1, 1, 1), coded)))
    assert state == "restored" and set((pixels - luma_of(base)).ravel().tolist()) >= {6}


def test_the_largest_levels(monkeypatch):
    """Codes up to the longest (k = 15, with no bit that ends the prefix), and parameters of exactly 32767."""
    base = jpeg(picture(21, 13, False, 7))
    for path in sorted(PRIORS.glob("*.json")):
        number = int(path.name.split("-")[0])
        prior = page.shipped_prior(number, PRIORS)
        assert all(len(column) == len(prior.values) == len(json.loads(path.read_text())["values"]) for column in prior[1:])
        negative = [i for i, (v, e) in enumerate(zip(prior.values, prior.exponents, strict=True)) if v <= -14 and e <= 4]
        for more in (0, 1):
            levels = len(prior.values) * [0]
            for i in negative[:1]:  # the step is 1 at coarseness -4
                levels[i] = 32767 - prior.values[i] + more
            state, _ = agreed(insert(base, craft(luma_of(base), [1, number], encode_levels(prior, -4, levels, monkeypatch))))
            assert state == ("damaged" if more and negative else "restored")


def test_the_fingerprint_near_its_limit():
    """Sums off by a few units, just inside and just outside the limit; for U = 2 and 4 also exactly at 18.75 U^2."""
    rng = np.random.default_rng(8)
    states, exact = Counter(), 0
    for i in range(60):
        base = random_base(rng, i)
        luma, unit = luma_of(base), [0x10, 0x20, 0x05, int(rng.integers(160))][i % 4]
        u = unit_of(unit)
        rest = np.array([(s + u // 2) % u - u // 2 for s in page.signed_sums(luma)])
        offsets = rng.integers(-2, 3, (400, 12))
        totals = 4 * ((rest - offsets * u) ** 2).sum(1) - 75 * u * u  # at most 0: it belongs
        inside, outside = np.where(totals <= 0, totals, -np.inf).argmax(), np.where(totals > 0, totals, np.inf).argmin()
        for chosen in (inside, outside):
            states[agreed(insert(base, craft(luma, [1, 1], unit=unit, offsets=offsets[chosen])))[0], bool(totals[chosen] <= 0)] += 1
        exact += totals[inside] == 0
    assert states == {("restored", True): 60, ("stale", False): 60} and exact


def test_states_and_their_order():
    base = jpeg(picture(60, 40, True, 9))
    luma = luma_of(base)
    wild = 40 * b"\xff"  # parameters out of range
    other = (8,) * 12  # the fingerprint of another picture
    good = craft(luma, [1, 1])
    for wanted, payload in [
        ("damaged", b""),
        ("damaged", good[:-1]),
        ("damaged", sealed(b"")),
        ("damaged", sealed(b"\1")),
        ("damaged", sealed(good[:9])),
        ("damaged", sealed(b"\1\xc8")),
        ("damaged", sealed(craft(luma, blank_head(2, 2, 3, 1))[:21])),
        ("restored", craft(luma, blank_head(2, 2, 3, 1))),
        ("restored", craft(luma, blank_head(2, 2, 3, 1, (1, 1, 9, 0, 255)))),  # only the first L dilations count
        ("restored", craft(luma, blank_head(32, 8, 5, 3, 8 * (8,)))),  # the largest network
        ("damaged", b"\2" + good[1:]),
        ("unsupported", sealed(b"\2")),
        ("unsupported", craft(luma, [2, 1])),
        ("unsupported", craft(luma, [0, 1])),
        ("unsupported", craft(luma, [1, 200])),
        ("unsupported", craft(luma, [1, 200], wild, offsets=other)),
        ("damaged", craft(luma, [1, 1], wild)),
        ("damaged", craft(luma, [1, 1], wild, offsets=other)),
        ("stale", craft(luma, [1, 1], offsets=other)),
    ]:
        assert (wanted, payload) == (agreed(insert(base, payload))[0], payload)


@pytest.mark.parametrize("shape", [(0, 1, 3, 1), (33, 1, 3, 1), (4, 9, 3, 1), (4, 1, 2, 1), (4, 1, 7, 1), (4, 1, 3, 2), (4, 1, 3, 1, [9])])
def test_shapes_out_of_range(shape):
    base = jpeg(picture(21, 13, False, 10))
    assert agreed(insert(base, craft(luma_of(base), blank_head(*shape))))[0] == "damaged"


# --- Bases and segments ---


def test_segments():
    base = jpeg(picture(60, 40, True, 11), progressive=True)
    payload = craft(luma_of(base), [1, 1], b"\x05\x12\x99\xa0")
    segments, rest = split_file(base)
    whole = segment(0xE9, b"inlay\0" + payload)
    for i in range(len(segments) + 1):  # anywhere before SOS
        assert agreed(b"\xff\xd8" + b"".join([*segments[:i], whole, *segments[i:]]) + rest)[0] == "restored"
    scan = rest.index(b"\xff\xc4")  # between the scans; behind the image
    for data in (b"\xff\xd8" + b"".join(segments) + rest[:scan] + whole + rest[scan:], base + whole, base + insert(base, payload)):
        assert agreed(data)[0] == "plain"
    for identifier in (b"", b"inlay", b"inlax\0", b"\0inlay\0"):
        assert agreed(insert(base)[:2] + segment(0xE9, identifier) + base[2:])[0] == "plain"
    others = [segment(0xE9, b"other\0"), segments[0], b"\xff" + segment(0xE9, b"inlay\0" + payload[:5]), segment(0xE2, b"inlay\0x")]
    more = [*segments[1:], b"\xff\xff" + segment(0xE9, b"inlay\0" + payload[5:])]
    assert agreed(b"\xff\xd8" + b"".join(others + more) + rest)[0] == "restored"
    for extra in (bytes(3), b"\x12\xe9\0\x0a", b"\xff\0\xff\xff\0\x11", b"\xff\xff"):  # no marker begins here
        for i in range(1, len(segments) + 1):
            assert agreed(b"\xff\xd8" + b"".join([*segments[:i], extra, whole, extra, *segments[i:], extra]) + rest)[0] == "restored"
    long = sealed(payload[:-2] + bytes(70000))  # bytes left over are ignored
    assert agreed(insert(base, long[:65527], long[65527:]))[0] == "restored"


def test_kinds_of_base():
    source = picture(60, 40, True, 12)
    segments, rest = split_file(jpeg(source))
    jfif, tables = segments[0], segments[1:]
    adobe = [segment(0xEE, b"Adobe\0d\0\0\0\0" + bytes([transform])) for transform in range(3)]
    short_jfif, short_adobe = segment(0xE0, jfif[4:-1]), segment(0xEE, adobe[0][4:-1])

    def file(identifiers, *leading):
        parts = list(leading)
        for part in tables:
            if part[1] == 0xC0:
                part = part[:10] + b"".join(identifiers[i : i + 1] + part[11 + 3 * i : 13 + 3 * i] for i in range(3))
            parts.append(part)
        scan = rest[:5] + b"".join(identifiers[i : i + 1] + rest[6 + 2 * i : 7 + 2 * i] for i in range(3)) + rest[11:]
        return b"\xff\xd8" + b"".join(parts) + scan

    kinds = [
        *((file(b"\1\2\3", *leading), "YCbCr") for leading in ([jfif], [], [jfif, adobe[0]], [adobe[0], jfif], [adobe[1]], [adobe[2]])),
        *((file(b"RGB", *leading), "YCbCr") for leading in ([jfif], [adobe[1]], [adobe[2]])),
        *((file(b"\1\2\3", *leading), "RGB") for leading in ([adobe[0]], [short_jfif, adobe[0]], [adobe[1], adobe[0]])),
        (file(b"\1\2\3", short_adobe), "YCbCr"),
        (file(b"RGB", short_jfif, short_adobe), "RGB"),
        (file(b"RGB"), "RGB"),
        (file(b"rgb"), "YCbCr"),
        (file(b"\1\2\3", jfif).replace(b"\xff\xc0", b"\xff\xc1"), "YCbCr"),
        (jpeg(source, keep_rgb=True), "RGB"),
        (jpeg(source, restart_marker_blocks=3), "YCbCr"),
        (jpeg(source.convert("L")), "gray"),
    ]
    for base, kind in kinds:
        assert page.read_segments(base)[1] == kind
        assert agreed(insert(base, craft(luma_of(base), [1, 1])))[0] == "restored"
    cmyk = jpeg(source.convert("CMYK"))
    assert agreed(cmyk)[0] == "plain"
    assert agreed(insert(cmyk, craft(luma_of(jpeg(source)), [1, 1])))[0] == "unsupported"


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr"])
def test_all_colours(mode):
    """Restored pixels stay within 0..255 for extreme luma, and for all values of Cb and Cr."""
    y, x = np.mgrid[:256, :256]
    planes = np.stack([(x ^ y) // 16 % 2 * 160 + 48 if mode == "YCbCr" else (x ^ y) // 16 * 17, x, y], -1).astype(np.uint8)
    image = Image.fromarray(planes[..., 0]) if mode == "L" else Image.merge(mode, [Image.fromarray(planes[..., i]) for i in range(3)])
    base = jpeg(image, 85, **{"L": {}, "RGB": {"keep_rgb": True}, "YCbCr": {"subsampling": "4:4:4"}}[mode])
    assert agreed(base)[0] == "plain"
    assert agreed(insert(base, craft(luma_of(base), [1, 1])))[0] == "restored"
