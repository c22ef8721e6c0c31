"""A second decoder, written from FORMAT.md alone.  It shares no code with the program, and follows the page's sections and names.

Only the base's own planes are left to Pillow (libjpeg). It is slow; test_format.py compares it with the program.
"""

import json
from functools import cache
from io import BytesIO
from math import isqrt, prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image


class NotRestored(Exception):
    """The decoder shows the base.  The argument is the state that it reports."""


# --- 1. In a JPEG file ---


def read_segments(data: bytes) -> tuple[bytes | None, str | None]:
    """Return the payload (None: there is none) and the kind of base: gray, YCbCr, RGB, or None for one that takes no inlay."""
    parts, frame, jfif, adobe, position = [], None, False, None, 2
    while position + 4 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF or marker in (0x00, 0xFF):  # a byte that begins no marker
            position += 1
            continue
        if marker in (0xD9, 0xDA):  # EOI, SOS
            break
        if marker in (0x01, *range(0xD0, 0xD9)):  # markers without a body
            position += 2
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        body, position = data[position + 4 : end], end
        if marker == 0xE9 and body.startswith(b"inlay\0"):
            parts.append(body[6:])
        elif marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14:
            jfif = True
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = marker, body
    return (b"".join(parts) if parts else None), frame and base_kind(*frame, jfif, adobe)


def base_kind(marker: int, body: bytes, jfif: bool, adobe: int | None) -> str | None:
    precision, components = body[0], body[5]
    if marker not in (0xC0, 0xC1, 0xC2) or precision != 8 or components not in (1, 3):
        return None
    if components == 1:
        return "gray"
    if jfif:
        return "YCbCr"
    if adobe is not None:
        return "RGB" if adobe == 0 else "YCbCr"
    return "RGB" if body[6:15:3] == b"RGB" else "YCbCr"


JP2_UUID = bytes.fromhex("B8BFA4B04E4C5D0B9B1F696E6C617900")


def read_boxes(data: bytes) -> tuple[bytes | None, str | None]:
    """Return the payload (None if there is none) and the kind of base: gray, RGB or None if a decoder does not apply it."""
    payload, header, stream, excluded = None, b"", b"", False
    for kind, body in boxes(data):
        if kind == b"uuid" and body.startswith(JP2_UUID) and not stream:
            payload = (payload or b"") + body[16:]
        header = body if kind == b"jp2h" else header
        stream = stream or (body if kind == b"jp2c" else b"")
        excluded |= kind in (b"ftbl", b"flst", b"cidx", b"fidx")
    # In the codestream: SOC, SIZ, its length, capabilities, eight numbers of 4 bytes, then the components, three bytes each.
    components = [stream[42 + 3 * i : 45 + 3 * i] for i in range(int.from_bytes(stream[40:42]))]
    for kind, body in boxes(header):
        channels = {body[i : i + 6] for i in range(2, len(body), 6)}
        excluded |= kind == b"pclr" or (kind == b"cdef" and channels != {bytes([0, n, 0, 0, 0, n + 1]) for n in range(len(components))})
        number, name = (16, b"RGB ") if len(components) == 3 else (17, b"GRAY")
        excluded |= kind == b"colr" and body[0] == 1 and int.from_bytes(body[3:7]) != number
        excluded |= kind == b"colr" and body[0] in (2, 3) and body[39:43] == b"acsp" and body[19:23] != name
    excluded |= len(components) not in (1, 3) or set(components) != {b"\7\1\1"}
    return payload, None if excluded else "gray" if len(components) == 1 else "RGB"


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(data):
        length, begin = int.from_bytes(data[at : at + 4]), at + 8
        if length == 1:
            length, begin = int.from_bytes(data[at + 8 : at + 16]), at + 16
        end = at + length if length else len(data)
        found.append((data[at + 4 : at + 8], data[begin:end]))
        at = end
    return found


# --- 2. The fields ---


class Fields(NamedTuple):
    prior: "Prior"
    unit: int
    sums: list[int]
    coded: bytes


def read_fields(payload: bytes, priors_folder: Path) -> Fields:
    if len(payload) < 3 or crc16(payload[:-2]) != int.from_bytes(payload[-2:]):
        raise NotRestored("damaged")
    if payload[0] != 1:
        raise NotRestored("unsupported")
    number, at = payload[1], 14 if payload[1] == 0 else 2
    if len(payload) < at + 10:
        raise NotRestored("damaged")
    if number == 0:
        channels, layers, kernel, inputs = payload[2:6]
        dilations = list(payload[6:14][:layers])
        if not (1 <= channels <= 32 and layers <= 8 and kernel in (1, 3, 5) and inputs in (1, 3) and all(1 <= d <= 8 for d in dilations)):
            raise NotRestored("damaged")
        prior = blank_prior(Network(channels, layers, kernel, inputs, dilations))
    else:
        prior = shipped_prior(number, priors_folder)
    unit = payload[at + 1]  # payload[at] is the gain
    sums = [half for byte in payload[at + 2 : at + 8] for half in (byte >> 4, byte & 15)]
    return Fields(prior, unit, sums, payload[at + 8 : -2])


def crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


# --- 3. The network and its parameters ---


class Network(NamedTuple):
    channels: int
    layers: int
    kernel: int
    inputs: int
    dilations: list[int]

    def tensors(self) -> list[tuple[str, tuple[int, ...], int]]:
        """Name, shape and the blank prior's spread of every tensor, in the order of the parameter vector."""
        c, k, i = self.channels, self.kernel, self.inputs
        layer = [
            ("depthwise.weight", (c, k, k), isqrt(12 * 2**20 // (k * k))),
            ("pointwise.weight", (c, c), isqrt(25 * 2**20 // c)),
            ("pointwise.bias", (c,), 600),
        ]
        first = [("first.weight", (c, i, k, k), isqrt(16 * 2**20 // (i * k * k))), ("first.bias", (c,), 600)]
        return first + self.layers * layer + [("last.weight", (c, k, k), isqrt(2 * 2**20 // (c * k * k)))]


class Prior(NamedTuple):
    network: Network
    values: list[int]
    exponents: list[int]
    spreads: list[int]


def blank_prior(network: Network) -> Prior:
    spreads = []
    for _, shape, spread in network.tensors():
        spreads += prod(shape) * [spread]
    return Prior(network, len(spreads) * [0], len(spreads) * [6], spreads)


def shipped_prior(number: int, priors_folder: Path) -> Prior:
    for path in priors_folder.glob("*.json"):
        if int(path.name.split("-")[0]) == number:
            fields = json.loads(path.read_text())
            return Prior(Network(**fields["network"]), fields["values"], fields["exponents"], fields["spreads"])
    raise NotRestored("unsupported")


# --- 4. The fingerprint ---


def signs(v: np.ndarray) -> np.ndarray:
    """sign_k(v) for k = 0 .. 11, one row each."""
    h = v.astype(np.uint64)
    h = (h ^ h >> 16) * 0x85EBCA6B % 2**32
    h = (h ^ h >> 13) * 0xC2B2AE35 % 2**32
    h = h ^ h >> 16
    return np.array([1 - 2 * (h >> k & 1).astype(np.int64) for k in range(12)])


def signed_sums(luma: np.ndarray) -> list[int]:
    """S_k for k = 0 .. 11."""
    rows, columns = signs(np.arange(luma.shape[0]) ^ 0x7F4A7C15), signs(np.arange(luma.shape[1]) ^ 0x9E3779B9)
    return [int(row @ luma @ column) for row, column in zip(rows, columns, strict=True)]


def belongs(luma: np.ndarray, unit: int, sums: list[int]) -> bool:
    u = ((16 + (unit & 15)) << (unit >> 4)) >> 4
    errors = [(s - sum_k * u + 8 * u) % (16 * u) - 8 * u for s, sum_k in zip(signed_sums(luma), sums, strict=True)]
    return 4 * sum(e * e for e in errors) <= 75 * u * u


# --- 5. The coded parameters ---

# As FORMAT.md prints the table:
# fmt: off
LIMITS = [
    2, 3, 5, 7, 10, 13, 19, 27, 38, 54, 76, 108, 152, 215, 304, 431, 609, 861, 1218, 1722,
    2435, 3444, 4871, 6889, 9742, 13777, 19484, 27554, 38968, 55109, 77936,
]
ZERO = [
    508, 506, 504, 501, 496, 490, 481, 469, 452, 429, 400, 362, 316, 265, 212, 163, 121, 88, 161, 120,
    182, 136, 192, 144, 197, 148, 199, 150, 200, 151, 201, 152,
]
STOP = [
    510, 509, 508, 506, 504, 501, 496, 489, 480, 467, 449, 424, 391, 349, 300, 247, 196, 150, 200, 152,
    201, 152, 201, 152, 201, 152, 201, 152, 201, 152, 201, 152,
]
# fmt: on


class RangeDecoder:
    def __init__(self, coded: bytes) -> None:
        self.coded, self.position, self.code, self.range = coded, 0, 0, 2**32
        for _ in range(4):
            self.code = 256 * self.code + self.next_byte()
        self.contexts: dict[tuple[object, int], list[int]] = {}  # (g, n) or (name, number) -> [z, o]

    def next_byte(self) -> int:
        self.position += 1
        return self.coded[self.position - 1] if self.position <= len(self.coded) else 0

    def bit(self, b: int) -> int:
        bit = int(self.code >= b)
        if bit:
            self.code, self.range = self.code - b, self.range - b
        else:
            self.range = b
        while self.range < 2**24:
            self.code, self.range = 256 * self.code + self.next_byte(), 256 * self.range
        return bit

    def in_context(self, context: tuple[object, int], zeros: int, ones: int) -> int:
        counts = self.contexts.setdefault(context, [zeros, ones])
        bit = self.bit((self.range >> 14) * ((counts[0] << 14) // sum(counts)))
        counts[bit] += 30
        if sum(counts) > 8192:
            counts[:] = [(count + 1) >> 1 for count in counts]
        return bit

    def of_level(self, g: int, n: int) -> int:
        start = (STOP if n else ZERO)[g]
        return self.in_context((g, n), start, 512 - start)

    def plain(self) -> int:
        return self.bit(self.range >> 1)

    def number(self, bits: int) -> int:
        value = 0
        for _ in range(bits):
            value = 2 * value + self.plain()
        return value


def read_parameters(coded: bytes, prior: Prior, height: int, width: int) -> tuple[list[list[int]], int, list[list[int]]]:
    """The sets of parameters, the side of the squares, and the set of each square; side 0 where there is one set."""
    if not coded:
        return [prior.values], 0, []
    decoder = RangeDecoder(coded)
    if not decoder.plain():
        return [read_set(decoder, prior, prior.values)], 0, []
    count, side = decoder.number(3) + 2, 32 << decoder.number(3)
    sets: list[list[int]] = []
    for _ in range(count):
        sets.append(read_set(decoder, prior, sets[0] if sets else prior.values))
    squares: list[list[int]] = []
    for y in range(0, height, side):
        row: list[int] = []
        for x in range(0, width, side):
            above = squares[-1][x // side] if y else 0
            expected = row[-1] if x else above
            another = decoder.in_context(("alike", 0 if not x else 2 if row[-1] == above else 1), 30, 30)
            if another:
                others, t = [number for number in range(count) if number != expected], 0
                while t < count - 2 and decoder.in_context(("other", t), 30, 30):
                    t += 1
                expected = others[t]
            row.append(expected)
        squares.append(row)
    return sets, side, squares


def read_set(decoder: RangeDecoder, prior: Prior, values: list[int]) -> list[int]:
    decoder.contexts = {}
    coarseness = decoder.number(4) - 4
    a = b = 8 * (sum(prior.spreads) // len(prior.spreads) + 1)
    parameters = []
    for value, exponent, spread in zip(values, prior.exponents, prior.spreads, strict=True):
        s = min(max(exponent + coarseness, 0), 14)
        m = (256 * spread * a // b) >> s
        g = sum(limit <= m for limit in LIMITS)
        n = 0
        while n < 14 and decoder.of_level(g, n):
            n += 1
        if n == 14:
            k = 0
            while k < 15 and decoder.plain():
                k += 1
            n = 14 + 2**k - 1 + decoder.number(k)
        f = max(0, (g - 16) // 2)
        n = n * 2**f + decoder.number(f)
        level = -n if n and decoder.plain() else n
        a, b = a + (n << s) - (a >> 5), b + spread - (b >> 5)
        parameters.append(value + level * 2**s)
        if abs(parameters[-1]) > 32767:
            raise NotRestored("damaged")
    return parameters


# --- 6. The network in integers ---


def split(network: Network, parameters: list[int]) -> list[np.ndarray]:
    """The tensors of the parameter vector; raise if they break the bounds."""
    tensors, rest = [], np.array(parameters, np.int64)
    for _, shape, _ in network.tensors():
        tensors.append(rest[: prod(shape)].reshape(shape))
        rest = rest[prod(shape) :]
    first, first_bias, *layers, last = tensors
    pairs = [(first, first_bias, 2**12), (last[None], np.zeros(1, np.int64), 2**15)]
    for depthwise, pointwise, bias in zip(layers[0::3], layers[1::3], layers[2::3], strict=True):
        pairs += [(depthwise, np.zeros_like(bias), 2**15), (pointwise, bias, 2**15)]
    for weight, bias, m in pairs:
        sums = abs(weight).reshape(len(weight), -1).sum(1) * m + abs(bias) * 2**12 + 2**16
        if sums.max() >= 2**31:
            raise NotRestored("damaged")
    return tensors


def convolution(planes: np.ndarray, weight: np.ndarray, d: int = 1, depthwise: bool = False) -> np.ndarray:
    """K x K; weight is (outputs, inputs, K, K), or (channels, K, K) if depthwise."""
    k = weight.shape[-1]
    height, width = planes.shape[1] - d * (k - 1), planes.shape[2] - d * (k - 1)
    out = np.zeros((len(weight), height, width), np.int64)
    for ty in range(k):
        for tx in range(k):
            window, tap = planes[:, d * ty : d * ty + height, d * tx : d * tx + width], weight[..., ty, tx]
            out += tap[:, None, None] * window if depthwise else np.tensordot(tap, window, 1)
    return out


def act(v: np.ndarray) -> np.ndarray:
    return np.where(v >= 0, v, v >> 3)


def q(a: np.ndarray) -> np.ndarray:
    return np.clip((a + 2**11) >> 12, -32768, 32767)


def restore(luma: np.ndarray, network: Network, tensors: list[np.ndarray]) -> np.ndarray:
    first, first_bias, *layers, last = tensors
    height, width = luma.shape
    h = (network.kernel - 1) // 2 * (2 + sum(network.dilations))
    y, x = np.arange(-h, height + h)[:, None], np.arange(-h, width + h)[None, :]
    planes = [(luma[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] - 128) * 32]
    if network.inputs == 3:
        planes += [(2 * (x % 8) - 7) * 512 + 0 * y, (2 * (y % 8) - 7) * 512 + 0 * x]
    values = act(q(convolution(np.array(planes), first) + first_bias[:, None, None] * 2**12))
    for d, depthwise, pointwise, bias in zip(network.dilations, layers[0::3], layers[1::3], layers[2::3], strict=True):
        mid = q(convolution(values, depthwise, d, depthwise=True))
        values = act(q(np.tensordot(pointwise, mid, 1) + bias[:, None, None] * 2**12))
    residual = (convolution(values, last[None])[0] + 2**16) >> 17
    return np.clip(luma + residual, 0, 255)


# --- 7. From luma to pixels ---


def base_planes(data: bytes, kind: str | None) -> np.ndarray:
    with Image.open(BytesIO(data)) as image:
        if kind == "YCbCr":
            image.draft("YCbCr", None)
        return np.asarray(image if kind else image.convert("RGB")).astype(np.int64)


def base_luma(planes: np.ndarray, kind: str) -> np.ndarray:
    if kind == "RGB":
        return (planes @ np.array([19595, 38470, 7471]) + 32768) >> 16
    return planes if kind == "gray" else planes[..., 0]


def to_pixels(planes: np.ndarray, restored: np.ndarray, kind: str) -> np.ndarray:
    if kind == "gray":
        return restored
    if kind == "RGB":
        return np.clip(planes + (restored - base_luma(planes, kind))[..., None], 0, 255)
    b, r = planes[..., 1] - 128, planes[..., 2] - 128
    differences = (91881 * r + 32768) >> 16, (-22554 * b - 46802 * r + 32768) >> 16, (116130 * b + 32768) >> 16
    return np.clip(restored[..., None] + np.stack(differences, -1), 0, 255)


def decode(data: bytes, priors_folder: Path) -> tuple[str, np.ndarray]:
    """Return the state (restored, plain, stale, damaged or unsupported) and the pixels; unless restored, those of the base."""
    payload, kind = read_segments(data) if data[:2] == b"\xff\xd8" else read_boxes(data)
    planes = base_planes(data, kind)
    if kind is None:
        return "unsupported" if payload is not None else "plain", planes.astype(np.uint8)
    luma = base_luma(planes, kind)
    state, restored = "plain", luma
    if payload is not None:

        @cache
        def whole(number: int) -> np.ndarray:
            return restore(luma, network, tensors[number])

        try:
            fields = read_fields(payload, priors_folder)
            network = fields.prior.network
            sets, side, squares = read_parameters(fields.coded, fields.prior, *luma.shape)
            tensors = [split(network, each) for each in sets]
            if not belongs(luma, fields.unit, fields.sums):
                raise NotRestored("stale")
            state, restored = "restored", restore(luma, network, tensors[0])
            for y, row in enumerate(squares):
                for x, number in enumerate(row):
                    here = (slice(y * side, (y + 1) * side), slice(x * side, (x + 1) * side))
                    if number:
                        restored[here] = whole(number)[here]
        except NotRestored as reason:
            state = str(reason)
    return state, to_pixels(planes, restored, kind).astype(np.uint8)
