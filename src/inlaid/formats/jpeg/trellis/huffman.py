"""Huffman tables made for a picture (ITU-T T.81, annex K.2 and C)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from ....arrays import Integers

MAX_BITS = 16
_RESERVED = 256  # a code of ones alone is not allowed: this symbol, which never occurs, takes it


@dataclass(frozen=True)
class Table:
    """A table: the number of codes of each length, 1 to 16, and the symbols by length."""

    lengths: tuple[int, ...]
    symbols: tuple[int, ...]

    @classmethod
    def of(cls, counts: Integers) -> Table:
        """The best table for symbols that occur `counts` (256,) times; it has those that occur, at least one."""
        bits = _code_lengths({int(s): int(counts[s]) for s in np.flatnonzero(counts)} or {0: 1})
        number = [0] * (max(bits.values()) + 1)
        for length in bits.values():
            number[length] += 1
        _shorten(number)
        longest = max(length for length, of_length in enumerate(number) if of_length)
        number[longest] -= 1  # the reserved symbol's
        symbols = sorted((s for s in bits if s != _RESERVED), key=lambda s: (bits[s], s))
        return cls(tuple((number + [0] * MAX_BITS)[1 : MAX_BITS + 1]), tuple(symbols))

    def codes(self) -> tuple[Integers, Integers]:
        """The code and the length of each symbol, (256,) both; length 0 where a symbol has none."""
        codes, sizes = np.zeros(256, np.int64), np.zeros(256, np.int64)
        code, at = 0, 0
        for size, number in enumerate(self.lengths, 1):
            for symbol in self.symbols[at : at + number]:
                codes[symbol], sizes[symbol] = code, size
                code += 1
            at, code = at + number, code << 1
        return codes, sizes

    def segment(self) -> bytes:
        """The table as a DHT segment holds it."""
        return bytes(self.lengths) + bytes(self.symbols)


def _code_lengths(counts: dict[int, int]) -> dict[int, int]:
    """The lengths of Huffman's codes, for these symbols and the reserved one, which gets a longest code."""
    heap: list[tuple[int, int, tuple[int, ...]]] = [(count, symbol, (symbol,)) for symbol, count in counts.items()]
    heap.append((0, _RESERVED, (_RESERVED,)))
    heapq.heapify(heap)
    bits = dict.fromkeys((*counts, _RESERVED), 0)
    while len(heap) > 1:
        (a, _, left), (b, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in left + right:
            bits[symbol] += 1
        heapq.heappush(heap, (a + b, min(*left, *right), left + right))
    return bits


def _shorten(number: list[int]) -> None:
    """Makes codes of more than 16 bits shorter (T.81, figure K.3): of two neighbours one takes their common prefix, the other shares
    that of a shorter code."""
    for length in range(len(number) - 1, MAX_BITS, -1):
        while number[length]:
            shorter = next(n for n in range(length - 2, 0, -1) if number[n])
            number[length] -= 2
            number[length - 1] += 1
            number[shorter + 1] += 2
            number[shorter] -= 1
