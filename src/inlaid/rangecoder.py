"""An adaptive binary range coder in integers (FORMAT.md, section 5; G. N. N. Martin, 1979).

A message is one number in an interval.  Each bit cuts the interval at `bound` and keeps one part:

    low            low + bound                low + range
     |<-- bit 0 ---->|<-------- bit 1 ---------->|          bound / range = the probability of a 0

Where the range falls below 2^24, the scale grows by one byte, which is then settled but for a carry.  The encoder keeps `low` as one
long integer, so it needs no code for carries (a payload has some hundred bytes).
"""

from __future__ import annotations

TOP = 1 << 32  # the range at the start
LEAST = 1 << 24  # a smaller range is scaled by 2^8
SCALE_BITS = 14  # probabilities are multiples of 2^-14
COUNT_STEP = 30  # a coded bit adds this to its count
COUNT_LIMIT = 1 << 13  # a larger sum of counts is halved, so that old bits lose weight


class Bit:
    """The model of one context: counts of zeros and ones.

    Invariant: zeros >= 1, ones >= 1, zeros + ones <= COUNT_LIMIT.  `learn` keeps it, because halving rounds up.
    """

    __slots__ = ("ones", "zeros")

    def __init__(self, zeros: int = COUNT_STEP, ones: int = COUNT_STEP) -> None:
        """Starts from these counts, which must meet the invariant."""
        self.zeros, self.ones = zeros, ones

    def chance(self) -> int:
        """The probability of a 0, in units of 2^-14: at least 2, less than 2^14.

        Proof: zeros << 14 >= 2^14 >= 2 (zeros + ones), and zeros < zeros + ones.
        """
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
    """Turns bits into bytes.  `bit` and `bits` have a `Decoder`'s signature, so one function can encode and decode."""

    def __init__(self) -> None:
        """Starts with the whole interval."""
        # The interval is [low, low + range) / 256^(4 + shifted).  Invariant between calls: LEAST <= range <= TOP.
        self.low, self.range, self.shifted = 0, TOP, 0

    def bit(self, model: Bit, bit: int) -> int:
        """Codes `bit` by its model, which then learns it; returns `bit`."""
        self._narrow(bit, (self.range >> SCALE_BITS) * model.chance())
        model.learn(bit)
        return bit

    def bits(self, count: int, value: int) -> int:
        """Codes `value` as `count` plain bits (probability 1/2 each), the highest first; returns `value`."""
        for i in range(count - 1, -1, -1):
            self._narrow(value >> i & 1, self.range >> 1)
        return value

    def _narrow(self, bit: int, bound: int) -> None:
        # 0 < bound < range: range >> 14 is at least 2^10, and 0 < chance < 2^14.
        if bit:
            self.low, self.range = self.low + bound, self.range - bound
        else:
            self.range = bound
        while self.range < LEAST:
            self.low, self.range, self.shifted = self.low << 8, self.range << 8, self.shifted + 1

    def finish(self) -> bytes:
        """The shortest bytes that name a number in the interval; a decoder reads zeros behind them."""
        length = self.shifted + 4  # the bytes of low: TOP has 4
        for keep in range(length + 1):
            unit = 1 << 8 * (length - keep)
            candidate = -(-self.low // unit) * unit
            if candidate < self.low + self.range:
                break
        return candidate.to_bytes(length, "big")[:keep].rstrip(b"\0")


class Decoder:
    """Turns bytes into bits.  Behind their end it reads zeros."""

    def __init__(self, data: bytes) -> None:
        """Reads the first four bytes."""
        self.data, self.position = data, 4
        # Code is the message less the interval's lower end.  Invariant: 0 <= code < range, LEAST <= range <= TOP.  It holds for any
        # bytes: `_split` keeps 0 <= code < range, and a byte that is shifted in is at most 255, so 256 code + byte < 256 range.
        self.code, self.range = int.from_bytes(data[:4].ljust(4, b"\0"), "big"), TOP

    def bit(self, model: Bit, _: int = 0) -> int:
        """The next bit, by its model, which then learns it."""
        bit = self._split((self.range >> SCALE_BITS) * model.chance())
        model.learn(bit)
        return bit

    def bits(self, count: int, _: int = 0) -> int:
        """The next number of `count` plain bits."""
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
            byte = self.data[self.position] if self.position < len(self.data) else 0
            self.code, self.range, self.position = self.code << 8 | byte, self.range << 8, self.position + 1
        return bit
