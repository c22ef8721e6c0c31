"""The search for the file that meets a target.

A plain base is made in a fraction of the time of a file with an inlay.  Its amount follows the knob as the file's amount does, and the gain
from one to the other changes little.  So each round has two parts:

    1. find the setting where the amount of the plain base and the expected gain reach the aim     (some plain bases)
    2. encode there, and learn the gain                                                           (one file)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from ..formats import Made
from .knob import Knob
from .target import File, Target

ROUNDS = 6  # the most of a knob
TIGHTER = 2  # rounds that follow the first file that meets the target
# Where no file of all rounds is allowed, the search aims further away, by these multiples of the target's width.
RETREATS = (1, 3, 10, 30)
NEAR = 0.15  # of the target's width: an expected amount is not looked for more exactly

AnyFile = TypeVar("AnyFile", bound=File)


class Tried(NamedTuple, Generic[AnyFile]):
    """A finished file and its amount."""

    file: AnyFile
    amount: float


def meet(target: Target, knobs: Iterable[Knob], plain: Callable[[Made], AnyFile], *encodes: Callable[[Made], AnyFile]) -> AnyFile:
    """The file that meets the target.  Where none of the knobs gives one, the nearest that is allowed.

    plain: the plain base.  encodes: the finished file, in ways that are tried in turn.  Where no finished file is small enough, a plain
    base is.  TargetError where the target is out of reach.
    """
    found: list[Tried[AnyFile]] = []
    gains: Mapping[float, float] = {}
    for encode, knob in product(encodes, knobs):
        search = Search(target, knob, plain, encode, gains)
        best, nearest = _along(search)
        if best is not None:
            found.append(best)
            if target.meets(best.amount):
                break
        elif not found:  # what one knob has reached, no other needs to
            raise target.beyond(nearest)
        gains = search.gains()
    return max(found, key=lambda each: target.rank(each.file, each.amount)).file


def _along(search: Search[AnyFile]) -> tuple[Tried[AnyFile] | None, float]:
    """The best file along the search's knob, None where the target is out of reach; and the nearest amount that was found."""
    best = search.run()
    if best is None and not search.target.is_floor:
        search = Search(search.target, search.knob, search.plain, search.plain, {search.knob.low: 0.0})
        best = search.run()
    return None if search.is_out_of_reach() else best, search.nearest()


class Search(Generic[AnyFile]):
    """The search along one knob."""

    def __init__(
        self,
        target: Target,
        knob: Knob,
        plain: Callable[[Made], AnyFile],
        encode: Callable[[Made], AnyFile],
        gains: Mapping[float, float],
    ) -> None:
        """gains: those of another knob, by setting, may be empty.  The other arguments are those of `meet`."""
        self.target, self.knob, self.plain, self.encode, self._first_gains = target, knob, plain, encode, gains
        self.tried: dict[float, Tried[AnyFile]] = {}
        self._plain_amounts: dict[float, float] = {}

    def run(self) -> Tried[AnyFile] | None:
        """The best file that is allowed; None if none is."""
        target, met = self.target, 0
        for retreat in (0,) * ROUNDS + RETREATS:
            if met > TIGHTER or (retreat and self._best() is not None):
                break
            setting = self._next(retreat * (target.high - target.low))
            if setting is None:
                continue  # nothing new here; further away there may be
            file = self.encode(self.knob.made(setting))
            self.tried[setting] = Tried(file, target.amount(file))
            if target.is_done(self.tried[setting].amount):
                break
            met += any(target.meets(each.amount) for each in self.tried.values())
        return self._best()

    def gains(self) -> Mapping[float, float]:
        """What finished files have more than plain bases, by setting; until one was tried, the gains given."""
        return {x: tried.amount - self._plain_amount(x) for x, tried in self.tried.items()} or self._first_gains

    def nearest(self) -> float:
        """The amount of the files so far that is nearest to the target."""
        return min((each.amount for each in self.tried.values()), key=lambda amount: abs(amount - self.target.aim))

    def is_out_of_reach(self) -> bool:
        """True if the knob's end was tried, and all amounts lie on one side of the target."""
        amounts = [each.amount for each in self.tried.values()]
        too_low = self.knob.high in self.tried and max(amounts) < self.target.low
        return too_low or (self.knob.low in self.tried and min(amounts) > self.target.high)

    def _best(self) -> Tried[AnyFile] | None:
        allowed = [each for each in self.tried.values() if self.target.allows(each.amount)]
        return max(allowed, key=lambda each: self.target.rank(each.file, each.amount), default=None)

    def _next(self, retreat: float) -> float | None:
        """The setting to encode at; None where nothing new is to be expected."""
        target, low, high = self.target, self.knob.low, self.knob.high
        aim = target.aim + (retreat if target.is_floor else -retreat)
        if self._expected(low) > aim or self._expected(high) < aim:
            end = low if self._expected(low) > aim else high
            return None if end in self.tried else end
        under, over = self._around(aim, NEAR * (target.high - target.low))

        def distance(setting: float) -> float:
            amount = self._expected(setting)
            return abs(amount - aim) if target.meets(amount) else np.inf

        # Where the amounts leap over the target, the end that is allowed comes first.
        ends = sorted((over, under) if target.is_floor else (under, over), key=distance)
        return next((setting for setting in ends if setting not in self.tried), None)

    def _around(self, aim: float, near: float) -> tuple[float, float]:
        """Two settings with the aim between their expected amounts, one of them near it unless the amounts leap there."""
        known = sorted(self._plain_amounts)
        under = max(x for x in known if self._expected(x) < aim or x == self.knob.low)
        over = min(x for x in known if x > under)
        step = 0
        while over - under > self.knob.least and min(abs(self._expected(x) - aim) for x in (under, over)) > near:
            step += 1
            low, high = self._expected(under), self._expected(over)
            share = 0.5  # now and then: the amounts may bend
            if step % 3 and high > low:
                share = min(max((aim - low) / (high - low), 0.05), 0.95)
            middle = under + share * (over - under)
            if self._expected(middle) < aim:
                under = middle
            else:
                over = middle
        return under, over

    def _expected(self, setting: float) -> float:
        """The amount of the finished file: that of the plain base, and the gain of the files tried near this setting."""
        amount = self._plain_amount(setting)
        gains = self.gains()
        if not gains:
            return amount + self.target.usual_gain(amount)
        known = sorted(gains)
        return amount + float(np.interp(setting, known, [gains[x] for x in known]))

    def _plain_amount(self, setting: float) -> float:
        if setting not in self._plain_amounts:
            self._plain_amounts[setting] = self.target.amount(self.plain(self.knob.made(setting)))
        return self._plain_amounts[setting]
