"""A network's parameters as coded bytes: levels relative to a prior (FORMAT.md, section 5).

    parameter = prior value + level * 2^(prior exponent + coarseness), which must fit 16 bits

A prior gives for each parameter a value, the exponent of its step, and a spread: the expected size of the difference from the value.
`code_levels` scales the spread by the ratio of the differences so far to their spreads.  The result, in steps, is the expected size of
the level, and selects the contexts of its bits.  The same function encodes and decodes, so the two cannot disagree.

A picture can be cut in squares, each restored with one of several sets of parameters.  The sets after the first are relative to the first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isqrt

import numpy as np

from .arrays import Integers, Parameters, Pixels
from .errors import FormatError
from .network import WEIGHT_BITS, Network
from .rangecoder import Bit, Decoder, Encoder


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


UNIT = float(1 << WEIGHT_BITS)  # a float parameter of 1 is this integer
COARSENESS_BITS = 4  # codes coarseness + COARSENESS_BIAS, so the coarseness is -4 .. 11
COARSENESS_BIAS = 4
MAX_EXPONENT = 14
MAX_PARAMETER = 32767
SETS_BITS = 3  # codes the number of sets, less 2
SIDE_BITS = 3  # codes e; a square's side is LEAST_SIDE_PX * 2^e
LEAST_SIDE_PX = 32
MAX_SETS = 1 + (1 << SETS_BITS)
# The spreads of the blank prior: of a bias 600, of a weight sqrt(k * 2^20 / fan_in) with this k.
BLANK_BIAS = 600
BLANK_WEIGHTS = {"first": 16, "depthwise": 12, "pointwise": 25, "last": 2}
# The size of a level is coded in unary up to UNARY; what is beyond, in an Exp-Golomb code with at most MAX_GOLOMB ones before its 0.
UNARY, MAX_GOLOMB = 14, 15
# Contexts.  The expected size of a level, in units of 2^-8, selects its group g: the number of GROUP_LIMITS that it reaches.  Group g holds
# sizes around 2^(g/2 - 7): GROUP_LIMITS[g] = round(2^8 * 2^(g/2 - 6.75)).
#   FOLDS[g]        how many of a size's lowest bits are plain: in large sizes they are nearly uniform; the bits above are the folded size
#   ZERO_COUNTS[g]  zeros, of COUNT_TOTAL bits, that the context of the first unary bit starts with; a 0 there: the folded size is 0
#   STOP_COUNTS[g]  the same for each further unary bit; a 0 there: the folded size is no larger
# Both are those of a two-sided geometric distribution with the group's mean size.
GROUP_LIMITS = _numbers(
    "2 3 5 7 10 13 19 27 38 54 76 108 152 215 304 431 609 861 1218 1722 2435 3444 4871 6889 9742 13777 19484 27554 38968 55109 77936"
)
ZERO_COUNTS = _numbers(
    "508 506 504 501 496 490 481 469 452 429 400 362 316 265 212 163 121 88 161 120 182 136 192 144 197 148 199 150 200 151 201 152"
)
STOP_COUNTS = _numbers(
    "510 509 508 506 504 501 496 489 480 467 449 424 391 349 300 247 196 150 200 152 201 152 201 152 201 152 201 152 201 152 201 152"
)
FOLDS = tuple(max(0, (g - 16) // 2) for g in range(32))
COUNT_TOTAL = 512


@dataclass(frozen=True)
class Prior:
    """Pre-trained parameters: the start of a fit, and the values that levels are relative to.

    number: 0 for the blank prior.  values, exponents, spreads: (network.size,); values and spreads in units of 2^-12, a step is
    2^exponent units.
    """

    number: int
    network: Network
    values: Integers
    exponents: Integers
    spreads: Integers

    def steps(self, coarseness: int) -> Integers:
        """The exponents of the steps (network.size,) at a coarseness."""
        return np.clip(self.exponents + coarseness, 0, MAX_EXPONENT)


def blank_prior(network: Network) -> Prior:
    """The prior for a network without a shipped one (FORMAT.md, section 3): zeros, with spreads measured on fits from He initialisation."""
    spreads = np.zeros(network.size, np.int64)
    for t in network.tensors:
        spreads[t.slice] = BLANK_BIAS if t.is_bias else isqrt((BLANK_WEIGHTS[t.kind] << 20) // t.fan_in)
    zeros = np.zeros(network.size, np.int64)
    return Prior(0, network, zeros, zeros + 6, spreads)


@dataclass(frozen=True)
class Areas:
    """The picture cut in squares, and the set of parameters that restores each.

    side_px: 32 * 2^(0..7).  numbers: (rows, columns) of squares, each the index of its set.
    """

    side_px: int
    numbers: Pixels

    @staticmethod
    def squares(shape: tuple[int, int], side_px: int) -> tuple[int, int]:
        """Rows and columns of squares in a picture of shape (H, W)."""
        return -(-shape[0] // side_px), -(-shape[1] // side_px)


@dataclass(frozen=True)
class Sets:
    """The parameters of a picture: vectors (network.size,), and the areas that each restores; no areas for one set."""

    parameters: tuple[Parameters, ...]
    areas: Areas | None = None


def encode(prior: Prior, levels: Integers, coarseness: int) -> bytes:
    """The coded bytes of one set; empty when every level is 0."""
    return encode_sets(prior, [(levels, coarseness)], None) if levels.any() else b""


def encode_sets(prior: Prior, sets: Sequence[tuple[Integers, int]], areas: Areas | None) -> bytes:
    """The coded bytes of 1 to MAX_SETS sets, each levels (network.size,) and a coarseness; the sets after the first are relative to it."""
    if not 1 <= len(sets) <= MAX_SETS or (areas is None) != (len(sets) == 1):
        raise ValueError(f"{len(sets)} sets of parameters; expected 1, or 2 to {MAX_SETS} and their areas")
    coder = Encoder()
    coder.bits(1, int(areas is not None))
    if areas is not None:
        coder.bits(SETS_BITS, len(sets) - 2)
        coder.bits(SIDE_BITS, (areas.side_px // LEAST_SIDE_PX).bit_length() - 1)
    for number, (levels, coarseness) in enumerate(sets):
        coder.bits(COARSENESS_BITS, coarseness + COARSENESS_BIAS)
        code_levels(coder, prior, coarseness, [int(v) for v in levels])
        if number == 0 and areas is not None:
            prior = relative_to(prior, apply(prior, levels, coarseness))
    if areas is not None:
        code_areas(coder, len(sets), areas.numbers.shape, areas.numbers.tolist())
    return coder.finish()


def decode(prior: Prior, coded: bytes, shape: tuple[int, int], *, check: Callable[[Network, Parameters], None] | None = None) -> Sets:
    """The parameters in the coded bytes, for a picture of shape (H, W); FormatError where one does not fit 16 bits.

    check: called with each set as soon as it is read, so that an unusable one ends the reading, which can take seconds.
    """
    check = check or (lambda network, parameters: None)
    if not coded:
        check(prior.network, values := prior.values.astype(np.int16))
        return Sets((values,))
    coder = Decoder(coded)
    several = coder.bits(1)
    count = coder.bits(SETS_BITS) + 2 if several else 1
    side_px = LEAST_SIDE_PX << coder.bits(SIDE_BITS) if several else 0
    found: list[Parameters] = []
    for number in range(count):
        coarseness = coder.bits(COARSENESS_BITS) - COARSENESS_BIAS
        found.append(apply(prior, np.array(code_levels(coder, prior, coarseness, None), np.int64), coarseness))
        check(prior.network, found[number])
        if number == 0:
            prior = relative_to(prior, found[0])
    if not several:
        return Sets(tuple(found))
    numbers = code_areas(coder, count, Areas.squares(shape, side_px), None)
    return Sets(tuple(found), Areas(side_px, np.array(numbers, np.uint8)))


def relative_to(prior: Prior, parameters: Parameters) -> Prior:
    """The prior with these parameters as values: the sets after the first are relative to it."""
    return replace(prior, values=parameters.astype(np.int64))


def apply(prior: Prior, levels: Integers, coarseness: int) -> Parameters:
    """The parameters (network.size,) of these levels; FormatError where one does not fit 16 bits."""
    values = prior.values + (levels << prior.steps(coarseness))
    _check_range(int(np.abs(values).max(initial=0)))
    return values.astype(np.int16)


def _check_range(value: int) -> None:
    if abs(value) > MAX_PARAMETER:
        raise FormatError(f"a network parameter has the size {abs(value)}, expected at most {MAX_PARAMETER}")


def code_levels(coder: Encoder | Decoder, prior: Prior, coarseness: int, levels: list[int] | None) -> list[int]:
    """Encodes `levels`, or decodes them where they are None; returns them.

    `differences` and `spreads` are FORMAT.md's A and B: sums over the parameters so far, in which each step keeps 31/32 of the past.
    """
    contexts, out = _Contexts(), []
    differences = spreads = 8 * (int(prior.spreads.sum()) // len(prior.spreads) + 1)
    known = zip(prior.values.tolist(), prior.spreads.tolist(), prior.steps(coarseness).tolist(), strict=True)
    for i, (value, spread, exponent) in enumerate(known):
        # The product is below 2^45: a spread is below 2^16, and so is a difference; a sum that keeps 31/32 of itself is below 32 * 2^16.
        group = bisect_right(GROUP_LIMITS, (256 * spread * differences // spreads) >> exponent)
        level = levels[i] if levels is not None else 0
        size = _code_size(coder, contexts, group, abs(level))
        negative = size and coder.bits(1, int(level < 0))
        level = -size if negative else size
        if levels is None:
            _check_range(value + (level << exponent))
        out.append(level)
        differences += (size << exponent) - (differences >> 5)
        spreads += spread - (spreads >> 5)
    return out


class _Contexts(dict[tuple[int, int], Bit]):
    """The contexts of a set: by group, and by the number of unary bits before."""

    def __missing__(self, key: tuple[int, int]) -> Bit:
        group, before = key
        zeros = (STOP_COUNTS if before else ZERO_COUNTS)[group]
        self[key] = Bit(zeros, COUNT_TOTAL - zeros)
        return self[key]


def _code_size(coder: Encoder | Decoder, contexts: _Contexts, group: int, size: int) -> int:
    """Encodes or decodes the size of a level: the folded size, then the FOLDS[group] bits below it."""
    fold, coded = FOLDS[group], 0
    while coded < UNARY and coder.bit(contexts[group, coded], int(size >> fold > coded)):
        coded += 1
    if coded == UNARY:
        coded += _code_golomb(coder, (size >> fold) - UNARY)
    return coded << fold | coder.bits(fold, size & (1 << fold) - 1)


def _code_golomb(coder: Encoder | Decoder, value: int) -> int:
    """Exp-Golomb: the number of bits of value + 1, less one, in unary; then the bits below its highest."""
    length = (value + 1).bit_length() - 1
    count = 0
    while count < MAX_GOLOMB and coder.bits(1, int(count < length)):
        count += 1
    return (1 << count) + coder.bits(count, value + 1 - (1 << length)) - 1


def code_areas(coder: Encoder | Decoder, count: int, shape: tuple[int, ...], numbers: list[list[int]] | None) -> list[list[int]]:
    """Encodes the set of each square, or decodes it where `numbers` is None; a square mostly has the set of its left neighbour."""
    alike, others = [Bit() for _ in range(3)], [Bit() for _ in range(count)]
    rows: list[list[int]] = []
    for y in range(shape[0]):
        rows.append([])
        for x in range(shape[1]):
            above = rows[y - 1][x] if y else 0
            expected = rows[y][x - 1] if x else above
            number = numbers[y][x] if numbers is not None else 0
            if coder.bit(alike[0 if x == 0 else 1 + (expected == above)], int(number != expected)):
                rest = [n for n in range(count) if n != expected]
                place, wanted = 0, rest.index(number) if numbers is not None else 0
                while place < len(rest) - 1 and coder.bit(others[place], int(wanted > place)):
                    place += 1
                expected = rest[place]
            rows[y].append(expected)
    return rows
