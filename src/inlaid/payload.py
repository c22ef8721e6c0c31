"""The bytes of an inlay (FORMAT.md, section 2).

          +---------+-------+---------+------------+------+------+---------+----------+-----+
          | version | prior | shape   | dilations  | gain | unit | sums    | coded    | crc |
          |   = 1   | 0-255 | C L K I | d_1 .. d_8 |  u8  |  u8  | 12 x u4 |          |     |
          +---------+-------+---------+------------+------+------+---------+----------+-----+
    bytes      1        1        4          8         1      1        6      the rest    2
                            only if prior = 0

`_FIELDS` has a line for each attribute of `Payload`, in the order of the bytes; `write` and `read` follow it.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import FormatError, UnsupportedError
from .fingerprint import SUMS, Fingerprint
from .network import MAX_LAYERS, Network

VERSION = 1
GAIN_STEP_DB = 0.02
CRC_BYTES = 2


@dataclass(frozen=True)
class Payload:
    """An inlay, parsed."""

    prior: int  # the prior's number; 0 is the blank prior
    network: Network
    gain_db: float  # PSNR of the restored luma less that of the base, measured by the encoder; 0 to 5.1 in steps of 0.02
    fingerprint: Fingerprint  # of the base
    coded: bytes  # the parameters, for `parameters.decode`; empty where they are the prior's


@dataclass(frozen=True)
class _Field:
    """The bytes of one attribute of `Payload`."""

    attribute: str
    parts: Mapping[str, int | None]  # names as in the drawing, and bytes; None: all bytes up to the crc
    write: Callable[[Any], bytes]
    read: Callable[[bytes], Any]
    only_blank: bool = False  # the field is there only if prior = 0


def _read_network(data: bytes) -> Network:
    channels, layers, kernel, inputs = data[:4]
    try:
        return Network(channels, layers, kernel, tuple(data[4 : 4 + layers]), inputs)
    except UnsupportedError as error:
        raise FormatError(f"the inlay is damaged: {error}") from error


def _write_network(network: Network) -> bytes:
    shape = bytes([network.channels, network.layers, network.kernel, network.inputs])
    return shape + bytes(network.dilations).ljust(MAX_LAYERS, b"\0")


def _read_gain(data: bytes) -> float:
    return data[0] * GAIN_STEP_DB


def _write_gain(gain_db: float) -> bytes:
    return bytes([min(255, max(0, round(gain_db / GAIN_STEP_DB)))])


def _read_fingerprint(data: bytes) -> Fingerprint:
    return Fingerprint(data[0], tuple(int(digit, 16) for digit in data[1:].hex()))


def _write_fingerprint(fingerprint: Fingerprint) -> bytes:
    return bytes([fingerprint.unit]) + bytes.fromhex("".join(f"{v:x}" for v in fingerprint.sums))


_FIELDS = (
    _Field("prior", {"prior": 1}, lambda number: bytes([number]), lambda data: data[0]),
    _Field("network", {"shape": 4, "dilations": MAX_LAYERS}, _write_network, _read_network, only_blank=True),
    _Field("gain_db", {"gain": 1}, _write_gain, _read_gain),
    _Field("fingerprint", {"unit": 1, "sums": SUMS // 2}, _write_fingerprint, _read_fingerprint),
    _Field("coded", {"coded": None}, bytes, bytes),
)


def write(payload: Payload) -> bytes:
    """The payload's bytes, with their CRC-16/XMODEM at the end."""
    fields = [f.write(getattr(payload, f.attribute)) for f in _FIELDS if payload.prior == 0 or not f.only_blank]
    body = bytes([VERSION]) + b"".join(fields)
    return body + binascii.crc_hqx(body, 0).to_bytes(CRC_BYTES, "big")


def read(data: bytes, network_of_prior: Callable[[int], Network]) -> Payload:
    """The payload in `data`.

    network_of_prior: raises UnsupportedError for an unknown prior.  FormatError for damage, UnsupportedError for another version.
    """
    body, crc = data[:-CRC_BYTES], int.from_bytes(data[-CRC_BYTES:], "big")
    if not body or binascii.crc_hqx(body, 0) != crc:
        raise FormatError(f"the inlay is damaged: its {len(data)} bytes do not match the checksum at their end")
    if body[0] != VERSION:
        raise UnsupportedError(f"the inlay has version {body[0]}; expected version {VERSION}")
    values = {field.attribute: field.read(part) for field, part in _divided(body)}
    if "network" not in values:  # the prior fixes it
        values["network"] = network_of_prior(values["prior"])
    return Payload(**values)


def _divided(body: bytes) -> list[tuple[_Field, bytes]]:
    """The fields in `body`, which has a version before them, each with its bytes; FormatError if it is too short."""
    found, position = [], 1
    for field in _FIELDS:
        if field.only_blank and body[1] != 0:
            continue
        start = position
        for name, size in field.parts.items():
            end = len(body) if size is None else position + size
            if end > len(body):
                raise FormatError(f"the inlay ends in its {name}: it has {len(body) - position} bytes, expected {size}")
            position = end
        found.append((field, body[start:position]))
    return found
