"""The bytes of an inlay (FORMAT.md, section 2).

          +---------+-------+---------+------------+------+------+---------+----------+-----+
          | version | prior | shape   | dilations  | gain | unit | sums    | coded    | crc |
          |   = 1   | 0-255 | C L K I | d_1 .. d_8 |  u8  |  u8  | 12 x u4 |          |     |
          +---------+-------+---------+------------+------+------+---------+----------+-----+
    bytes      1        1        4          8         1      1        6      the rest    2
                            only if prior = 0

`_FIELDS` declares all but the crc; `write` and `read` follow it.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import FormatError, UnsupportedError
from .fingerprint import SUMS, Fingerprint
from .network import Network

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
    """One field.  size: bytes, None for the rest.  present: whether the field is there, given the values before it."""

    name: str
    size: int | None
    write: Callable[[Payload], bytes]
    read: Callable[[bytes], Any]
    present: Callable[[dict[str, Any]], bool] = lambda values: True


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


_FIELDS = (
    _Field("version", 1, lambda p: bytes([VERSION]), _number),
    _Field("prior", 1, lambda p: bytes([p.prior]), _number),
    # A prior other than 0 fixes the network.
    _Field("shape", 4, lambda p: _write_shape(p.network), bytes, lambda v: v["prior"] == 0),
    _Field("dilations", 8, lambda p: bytes((*p.network.dilations, *[0] * 8)[:8]), bytes, lambda v: v["prior"] == 0),
    _Field("gain", 1, lambda p: bytes([min(255, max(0, round(p.gain_db / GAIN_STEP_DB)))]), _number),
    _Field("unit", 1, lambda p: bytes([p.fingerprint.unit]), _number),
    _Field("sums", SUMS // 2, lambda p: bytes.fromhex("".join(f"{v:x}" for v in p.fingerprint.sums)), lambda b: b.hex()),
    _Field("coded", None, lambda p: p.coded, bytes),
)


def _write_shape(network: Network) -> bytes:
    return bytes([network.channels, network.layers, network.kernel, network.inputs])


def write(payload: Payload) -> bytes:
    """The payload's bytes, with their CRC-16/XMODEM at the end."""
    present = {"prior": payload.prior}
    body = b"".join(f.write(payload) for f in _FIELDS if f.present(present))
    return body + binascii.crc_hqx(body, 0).to_bytes(CRC_BYTES, "big")


def read(data: bytes, network_of_prior: Callable[[int], Network]) -> Payload:
    """The payload in `data`.

    network_of_prior: raises UnsupportedError for an unknown prior.  FormatError for damage, UnsupportedError for another version.
    """
    if len(data) <= CRC_BYTES or binascii.crc_hqx(data[:-CRC_BYTES], 0) != _number(data[-CRC_BYTES:]):
        raise FormatError(f"the inlay is damaged: its {len(data)} bytes do not match the checksum at their end")
    body, position = data[:-CRC_BYTES], 0
    values: dict[str, Any] = {}
    for field in _FIELDS:
        if not field.present(values):
            continue
        end = len(body) if field.size is None else position + field.size
        if end > len(body):
            raise FormatError(f"the inlay ends in its {field.name}: it has {len(body) - position} bytes, expected {field.size}")
        values[field.name] = field.read(body[position:end])
        position = end
        if field.name == "version" and values["version"] != VERSION:
            raise UnsupportedError(f"the inlay has version {values['version']}; expected version {VERSION}")
    if values["prior"] == 0:
        channels, layers, kernel, inputs = values["shape"]
        try:
            network = Network(channels, layers, kernel, tuple(values["dilations"][:layers]), inputs)
        except UnsupportedError as error:
            raise FormatError(f"the inlay is damaged: {error}") from error
    else:
        network = network_of_prior(values["prior"])
    found = Fingerprint(values["unit"], tuple(int(digit, 16) for digit in values["sums"]))
    return Payload(values["prior"], network, values["gain"] * GAIN_STEP_DB, found, values["coded"])
