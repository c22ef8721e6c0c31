"""Payloads with a correct checksum and damaged content: fields, networks, range-coded bytes, maps of areas, fingerprints."""

from __future__ import annotations

import binascii
from random import Random

import numpy as np

from inlaid import formats, parameters
from inlaid.arrays import Pixels
from inlaid.errors import InlayError
from inlaid.fingerprint import SUMS, fingerprint
from inlaid.network import Network
from inlaid.parameters import MAX_SETS, Areas
from inlaid.rangecoder import Encoder

from .noise import any_field, damaged, number, some_bytes

BLANK_HEAD, HEAD, FINGERPRINT_BYTES = 22, 10, 1 + SUMS // 2  # bytes before the coded ones, with and without a network of their own


def mutated(rng: Random, data: bytes, payloads: tuple[bytes, ...]) -> bytes:
    """`data` with another payload, mostly its own one changed, with a correct checksum; in its place, or before any segment or box."""
    try:
        module = formats.by_content(data)
        raw = module.container.extract(data)
        if raw is None or rng.random() < 0.15:
            raw = _moved(rng.choice(payloads), module.codec.decode_luma(data))
        new = _changed(rng, raw[:-2], payloads)
        return module.container.embed(data, _sealed(new) if rng.random() < 0.95 else new)
    except InlayError:
        return damaged(rng, data)


def _sealed(body: bytes) -> bytes:
    return body + binascii.crc_hqx(body, 0).to_bytes(2, "big")


def _head(body: bytes) -> int:
    return BLANK_HEAD if body[1:2] == b"\0" else HEAD


def _moved(raw: bytes, luma: Pixels) -> bytes:
    """Another picture's payload with this one's fingerprint."""
    found, end = fingerprint(luma), _head(raw)
    sums = bytes.fromhex("".join(f"{v:x}" for v in found.sums))
    return raw[: end - FINGERPRINT_BYTES] + bytes([found.unit]) + sums + raw[end:]


def _changed(rng: Random, body: bytes, payloads: tuple[bytes, ...]) -> bytes:
    kind, end = rng.randrange(8), _head(body)
    head, coded = body[:end], body[end:]
    if kind == 0:
        return any_field(rng, head) + coded
    if kind == 1:
        return bytes((1, number(rng, 1))) + body[2:]  # another prior, or the blank one, whose network is then read from the coded bytes
    if kind == 2:
        return head + damaged(rng, coded)
    if kind == 3:
        return head + some_bytes(rng, rng.choice((4, 40, 400)))
    if kind == 4:
        other = rng.choice(payloads)
        return head + other[_head(other) : -2]
    if kind == 5:
        return damaged(rng, body)
    network = _network(rng)
    shape = bytes((network.channels, network.layers, network.kernel, network.inputs, *network.dilations, *[0] * 8))[:12]
    fresh = bytes((1, 0)) + shape + head[2 if end == HEAD else 14 :]
    if kind == 6:
        return fresh + (coded if rng.random() < 0.5 else some_bytes(rng, 300))
    return fresh + _coded(rng, network)


def _network(rng: Random) -> Network:
    """A network, mostly a small one, rarely the largest."""
    layers = rng.choice((0, 1, 1, 2, 3, 8))
    channels = rng.choice((1, 2, 3, 5, 6, 8)) if rng.random() < 0.97 else rng.choice((16, 31, 32))
    return Network(channels, layers, rng.choice((1, 3, 3, 5)), tuple(rng.randrange(1, 9) for _ in range(layers)), rng.choice((1, 3)))


def _coded(rng: Random, network: Network) -> bytes:
    """Coded sets of random levels, small or up to 16 bits, and a map of areas for a picture of any size."""
    prior, draw = parameters.blank_prior(network), np.random.default_rng(rng.getrandbits(64))
    if network.size > 600:  # coding takes microseconds a parameter
        return some_bytes(rng, 300)
    sets = rng.choice((1, 1, 1, 2, 3)) if rng.random() < 0.95 else MAX_SETS
    coarseness = rng.randrange(-4, 12)
    spread = rng.choice((0.02, 0.3, 0.3, 2.0, 300.0 if sets * network.size < 200 else 2.0))  # the encoder takes kilobytes slowly
    coder = Encoder()
    coder.bits(1, int(sets > 1))
    if sets > 1:
        coder.bits(parameters.SETS_BITS, sets - 2)
        coder.bits(parameters.SIDE_BITS, rng.choice((0, 0, 1, 7)))
    for _ in range(sets):
        coder.bits(parameters.COARSENESS_BITS, coarseness + parameters.COARSENESS_BIAS)
        levels = np.rint(draw.laplace(0, spread, network.size) * prior.spreads / 2.0 ** prior.steps(coarseness))
        parameters.code_levels(coder, prior, coarseness, np.clip(levels, -65535, 65535).astype(int).tolist())
    if sets > 1:
        rows, columns = Areas.squares((rng.choice((1, 24, 64)), rng.choice((1, 33, 64))), parameters.LEAST_SIDE_PX)
        parameters.code_areas(coder, sets, (rows, columns), draw.integers(0, sets, (rows, columns)).tolist())
    return coder.finish()
