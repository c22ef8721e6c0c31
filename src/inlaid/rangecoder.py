"""An adaptive binary range coder, integers only (FORMAT.md, section 5).

A bit is coded with the probability that its model has learnt from the bits before.  Martin (1979) for the coder; the encoder keeps its
interval's lower end as one long integer, so a carry needs no code at all (payloads are hundreds of bytes).
"""

from __future__ import annotations

TOP = 1 << 32  # the range's size at the start
LEAST = 1 << 24  # below it a byte moves out
SCALE_BITS = 14  # of a probability
COUNT_STEP = 30  # what a coded bit adds to its count
COUNT_LIMIT = 1 << 13  # where both counts are halved, so that old bits fade


class Bit:
    """What one context knows: counts of zeros and ones.

    Invariant: zeros >= 1, ones >= 1, zeros + ones <= COUNT_LIMIT + COUNT_STEP; so `chance` lies strictly between 0 and 2^14.
    """

    __slots__ = ("ones", "zeros")

    def __init__(self, zeros: int = COUNT_STEP, ones: int = COUNT_STEP) -> None:
        """Counts to start from; both at least 1."""
        self.zeros, self.ones = zeros, ones

    def chance(self) -> int:
        """That the next bit is 0, of 2^14."""
        return (self.zeros << SCALE_BITS) // (self.zeros + self.ones)

    def learn(self, bit: int) -> None:
        """Counts a coded bit."""
        if bit:
            self.ones += COUNT_STEP
        else:
            self.zeros += COUNT_STEP
        if self.zeros + self.ones > COUNT_LIMIT:
            self.zeros, self.ones = (self.zeros + 1) >> 1, (self.ones + 1) >> 1


class Encoder:
    """Turns bits into bytes.  Same methods as `Decoder`, each with the bit or value to be coded as its last argument."""

    def __init__(self) -> None:
        """Begin with the whole interval."""
        # The interval is [low, low + range) * 256^-shifted; LEAST <= range <= TOP between calls.
        self._low, self.range, self._shifted = 0, TOP, 0

    def bit(self, model: Bit, bit: int) -> int:
        """Codes `bit` and lets the model learn it."""
        self._narrow(bit, (self.range >> SCALE_BITS) * model.chance())
        model.learn(bit)
        return bit

    def bits(self, count: int, value: int) -> int:
        """Codes `count` bits of a number, equally likely, the highest first."""
        for i in range(count - 1, -1, -1):
            self._narrow(value >> i & 1, self.range >> 1)
        return value

    def _narrow(self, bit: int, bound: int) -> None:
        # 0 < bound < range, because range >> 14 >= 2^10 and 0 < chance < 2^14
        if bit:
            self._low, self.range = self._low + bound, self.range - bound
        else:
            self.range = bound
        while self.range < LEAST:
            self._low, self.range, self._shifted = self._low << 8, self.range << 8, self._shifted + 1

    def finish(self) -> bytes:
        """The shortest bytes that lie in the interval when zeros are read behind them."""
        length = self._shifted + 4  # TOP is 4 bytes
        for keep in range(length + 1):
            unit = 1 << 8 * (length - keep)
            candidate = -(-self._low // unit) * unit
            if candidate < self._low + self.range:
                break
        return candidate.to_bytes(length, "big")[:keep].rstrip(b"\0")


class Decoder:
    """Turns the bytes back into bits; zeros follow behind their end."""

    def __init__(self, data: bytes) -> None:
        """Begin at the first byte."""
        self._data, self._position = data, 4
        # 0 <= code < range: where the coded number lies in the interval.  Damaged bytes keep that, they only give other bits.
        self.code, self.range = int.from_bytes(data[:4].ljust(4, b"\0"), "big"), TOP

    def bit(self, model: Bit, _: int = 0) -> int:
        """The next bit of this model."""
        bit = self._split((self.range >> SCALE_BITS) * model.chance())
        model.learn(bit)
        return bit

    def bits(self, count: int, _: int = 0) -> int:
        """The next number of `count` bits."""
        value = 0
        for _i in range(count):
            value = value << 1 | self._split(self.range >> 1)
        return value

    def _split(self, bound: int) -> int:
        bit = int(self.code >= bound)
        if bit:
            self.code, self.range = self.code - bound, self.range - bound
        else:
            self.range = bound
        while self.range < LEAST:
            byte = self._data[self._position] if self._position < len(self._data) else 0
            self.code, self.range, self._position = self.code << 8 | byte, self.range << 8, self._position + 1
        return bit
