"""Random choices: numbers that break parsers, and damage to bytes of unknown meaning.

All of it depends on a `random.Random` alone, so a seed and an index always give the same input.
"""

from __future__ import annotations

from random import Random
from typing import Literal, TypeVar

T = TypeVar("T")

DAMAGES = ("bit", "byte", "bytes", "run", "cut", "doubled", "inserted", "truncated", "swapped", "extended")


def number(rng: Random, size_bytes: int) -> int:
    """A number of this many bytes: small, at an end of a range, at or beside a power of two, or any."""
    most = (1 << 8 * size_bytes) - 1
    kind = rng.randrange(6)
    if kind == 0:
        return min(rng.randrange(20), most)
    if kind == 1:
        return max(0, most - rng.randrange(4))
    if kind == 2:
        return min(most, max(0, (1 << rng.randrange(8 * size_bytes)) + rng.randrange(-1, 2)))
    if kind == 3:
        return rng.randrange(1 << rng.randrange(1, 8 * size_bytes + 1))
    return rng.randrange(most + 1) if kind == 4 else most // 2 + rng.randrange(2)


def field(rng: Random, data: bytes, at: int, size_bytes: int, order: Literal["big", "little"] = "big") -> bytes:
    """`data` with another number in a field, sometimes near the old one."""
    if at + size_bytes > len(data):
        return damaged(rng, data)
    old = int.from_bytes(data[at : at + size_bytes], order)
    new = (old + rng.choice((-2, -1, 1, 2, 8))) % (1 << 8 * size_bytes) if rng.random() < 0.3 else number(rng, size_bytes)
    return data[:at] + new.to_bytes(size_bytes, order) + data[at + size_bytes :]


def any_field(rng: Random, data: bytes) -> bytes:
    """`data` with another number of 1, 2, 4 or 8 bytes at a random place."""
    size = rng.choice((1, 1, 2, 2, 4, 8))
    return field(rng, data, rng.randrange(max(1, len(data) - size + 1)), size, rng.choice(("big", "little")))


def some_bytes(rng: Random, most: int = 40) -> bytes:
    """Random bytes, sometimes all equal."""
    count = rng.randrange(most + 1)
    return bytes([rng.choice((0, 255, 0x40, 0x80))]) * count if rng.random() < 0.3 else rng.randbytes(count)


def damaged(rng: Random, data: bytes) -> bytes:
    """`data` with damage at a random place."""
    out, kind = bytearray(data), rng.choice(DAMAGES)
    at = rng.randrange(len(out) + 1)
    end = min(len(out), at + rng.randrange(1, 33))
    if kind == "bit" and at < len(out):
        out[at] ^= 1 << rng.randrange(8)
    elif kind == "byte" and at < len(out):
        out[at] = number(rng, 1)
    elif kind == "bytes" and out:
        for _ in range(rng.randrange(2, 9)):
            out[rng.randrange(len(out))] = number(rng, 1)
    elif kind == "run":
        out[at:end] = rng.randbytes(end - at)
    elif kind == "cut":
        del out[at:end]
    elif kind == "doubled":
        out[at:at] = out[at:end] * rng.choice((1, 1, 1, 2, 30))
    elif kind == "inserted":
        out[at:at] = some_bytes(rng)
    elif kind == "truncated":
        del out[at:]
    elif kind == "swapped":
        other = rng.randrange(len(out) + 1)
        length = min(rng.randrange(1, 17), len(out) - max(at, other))
        out[at : at + length], out[other : other + length] = out[other : other + length], out[at : at + length]
    else:
        out += some_bytes(rng, 200)
    return bytes(out)


def spliced(rng: Random, data: bytes, other: bytes) -> bytes:
    """The beginning of one and the end of the other, both cut at random places."""
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def rearranged(rng: Random, parts: list[T], others: list[T]) -> list[T]:
    """The list with one part left out, doubled, moved, swapped, or inserted from elsewhere, or cut off there."""
    out = list(parts)
    if not out:
        return list(others)
    at, kind = rng.randrange(len(out)), rng.randrange(7)
    if kind == 0:
        del out[at]
    elif kind == 1:
        out[at:at] = [out[at]] * rng.choice((1, 1, 2, 20))
    elif kind == 2:
        out.insert(rng.randrange(len(out)), out.pop(at))
    elif kind == 3:
        other = rng.randrange(len(out))
        out[at], out[other] = out[other], out[at]
    elif kind == 4 and others:
        out.insert(at, rng.choice(others))
    elif kind == 5 and others:
        out[at] = rng.choice(others)
    else:
        out[at:] = others[rng.randrange(len(others)) :] if others else []
    return out
