"""Presets: which network an encoder fits, and how, at each effort from 1 to 9."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import InlayError
from ..network import Network
from .instance_norm import BLOCK, MOST_PX
from .rectangles import PIECE
from .schedule import Schedule

# Steps at each effort.  Effort 1 takes the prior as it is.
STEPS = {1: 0, 2: 25, 3: 50, 4: 100, 5: 200, 6: 400, 7: 800, 8: 1600, 9: 3200}
# The most sets of parameters, each for an area, at each effort.
SETS = {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 2, 7: 3, 8: 4, 9: 6}
# The most rounds of the closed loop at each effort: with the prior before the fit, and how often some with the fit follow, and a new fit.
ROUNDS = {1: (8, 0), 2: (8, 0), 3: (8, 0), 4: (12, 0), 5: (12, 0), 6: (12, 1), 7: (12, 1), 8: (16, 2), 9: (20, 3)}
ROUNDS_WITH_FIT = 4
LEAST_ROUNDS, MOST_ROUNDS_PX = 3, 1 << 26  # a large picture gets fewer: as many as have so many pixels together
# From effort TILTED on the tables of a trellis base are tilted as suits the picture; 0 comes first.
TILTED, TILTS = 7, (0.0, -0.3, -0.15, 0.15)
# From effort LONG on a fit restarts in cycles, and ends after a cycle of little gain.  A shorter fit gains in error by restarts, and loses
# as much in bytes.
LONG, CYCLE, LEAST_GAIN = 7, 100, 0.0002
DEFAULT = "default"
SMALL, LARGE = Network(), Network(16, layers=4, dilations=(1, 2, 4, 1))


@dataclass(frozen=True)
class Preset:
    """How an encoder fits.  `description` is for help texts; the effort sets the schedule's steps."""

    description: str
    schedule: Schedule
    networks: tuple[Network, ...] = (SMALL,)  # all are tried, the best by D + lambda * R is kept
    recipe: str | None = "best"  # of the priors to start from; None: random numbers
    weighs_rate: bool = True  # the fit minimises squared error and bytes together
    rounded: bool = False  # levels of 8 bits, each the nearest, in place of levels chosen by D + lambda * R
    divides: bool = True  # tries areas with sets of their own, at the efforts that have them; needs weighs_rate

    def at(self, effort: int, network: Network = SMALL) -> Schedule:
        """The schedule of an effort, with fewer pixels a step for a larger network.  InlayError for an unknown effort."""
        if effort not in STEPS:
            raise InlayError(f"effort {effort}, expected 1 to 9")
        large = network.size > SMALL.size
        schedule = replace(self.schedule, steps=STEPS[effort])
        if large:
            schedule = replace(schedule, batch_px=min(schedule.batch_px, 32768), patch=PIECE)
        if effort >= LONG and schedule.second_order:  # the matrix of a large network takes as long as hundreds of its steps
            schedule = replace(schedule, cycle=4 * CYCLE if large else CYCLE, least_gain=LEAST_GAIN)
        return schedule


# A Gauss-Newton step, then Adam in the basis of its matrix's eigenvectors.
FOLLOWED = Schedule(0, rate=0.015, batch_px=400_000, second_order=True)
# Adam alone, on patches of the size that the paper pre-trains with.
FIRST_ORDER = Schedule(0, rate=0.01, batch_px=65536, patch=(256, 256))
# The paper's fit, read so that it gives the paper's result (docs/results.md).  A picture of up to MOST_PX is one block pair, and the work
# of one thread.
AS_THE_PAPER = Schedule(0, rate=0.1, batch_px=MOST_PX, patch=BLOCK, clip=1.0, beta2=0.999, norm=True, pixel_range=255)
_OF_THE_PAPER = "the paper's method: its recipe's prior, instance norm, Adam at 0.1, the gradient clipped"
PRESETS = {
    "default": Preset("the paper's network, fitted as measures best", FOLLOWED),
    "large": Preset("five times the weights: slower to decode", FOLLOWED, (LARGE,)),
    "best": Preset("both networks, the better one by D + lambda * R is kept", FOLLOWED, (SMALL, LARGE)),
    "paper": Preset(_OF_THE_PAPER, AS_THE_PAPER, recipe="paper", weighs_rate=False, divides=False),
}
# For the bench: each leaves out a part of the method.
ABLATIONS = {
    "random": Preset("default, from random numbers", FOLLOWED, recipe=None, weighs_rate=False, divides=False),
    "rounded": Preset("default, with parameters rounded to 8 bits", FOLLOWED, rounded=True, divides=False),
    "undivided": Preset("default, with one set of parameters at every effort", FOLLOWED, divides=False),
    "unweighed": Preset("default, fitted without regard to bytes", FOLLOWED, weighs_rate=False, divides=False),
    "plain": Preset("default's network and prior, Adam alone", FIRST_ORDER, weighs_rate=False, divides=False),
    "norm": Preset("plain, with instance norm, folded away", replace(FIRST_ORDER, norm=True), weighs_rate=False, divides=False),
    "papers-prior": Preset("unweighed, from the prior of the paper's recipe", FOLLOWED, recipe="paper", weighs_rate=False, divides=False),
}


def rounds(effort: int, pixels: int) -> tuple[int, int]:
    """The entry of ROUNDS for a picture of so many pixels."""
    with_prior, with_fit = ROUNDS[effort]
    return max(LEAST_ROUNDS, min(with_prior, MOST_ROUNDS_PX // pixels)), with_fit


def by_name(name: str | None) -> Preset:
    """The preset or ablation called `name`, the default preset for None; InlayError if there is none."""
    chosen, known = name or DEFAULT, PRESETS | ABLATIONS
    if chosen not in known:
        raise InlayError(f"no preset {chosen!r}; expected one of {', '.join(known)}")
    return known[chosen]
