"""Presets: which network an encoder fits, and how, at each effort from 1 to 9."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import InlayError
from ..network import Network
from .schedule import Schedule

# Steps at each effort.  1 takes the prior as it is.
STEPS = {1: 0, 2: 25, 3: 50, 4: 100, 5: 200, 6: 400, 7: 800, 8: 1600, 9: 3200}
# Sets of parameters, each for an area, at each effort: more are tried while they pay.
SETS = {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 2, 7: 3, 8: 4, 9: 6}
# From this effort on a fit begins anew now and then, and ends where that hardly gains any more.  Shorter fits are as good in one go: what
# they gain by it in error they lose in bytes.
LONG, CYCLE, LEAST_GAIN = 7, 100, 0.0002
DEFAULT = "default"
SMALL, LARGE = Network(), Network(16, layers=4, dilations=(1, 2, 4, 1))


@dataclass(frozen=True)
class Preset:
    """How to fit: `about` says it in words, `schedule` is the walk (its `steps` are set by the effort)."""

    about: str
    schedule: Schedule
    networks: tuple[Network, ...] = (SMALL,)  # all are tried, the best one stays
    recipe: str | None = "best"  # of the priors to begin at; None: random numbers
    weighs_rate: bool = True  # the fit minimises squared error and bytes together
    rounded: bool = False  # levels of 8 bits, each the nearest, in place of those chosen by D + lambda * R
    divides: bool = True  # tries areas with parameters of their own, at the efforts that have them

    def at(self, effort: int, network: Network = SMALL) -> Schedule:
        """The schedule of an effort; a larger network, which costs more a pixel, looks at fewer of them a step."""
        if effort not in STEPS:
            raise InlayError(f"effort {effort}, expected 1 to 9")
        large = network.size > SMALL.size
        schedule = replace(self.schedule, steps=STEPS[effort])
        if large:
            schedule = replace(schedule, batch_px=min(schedule.batch_px, 32768), patch=(64, 118))
        if effort >= LONG and schedule.second_order:  # the matrix of a large network takes as long as hundreds of its steps
            schedule = replace(schedule, cycle=4 * CYCLE if large else CYCLE, least_gain=LEAST_GAIN)
        return schedule


# A Gauss-Newton step, then Adam along the eigenvectors of its matrix.
FOLLOWED = Schedule(0, rate=0.015, batch_px=400_000, second_order=True)
# Adam alone, on patches as large as those that the paper pre-trains with.
FIRST_ORDER = Schedule(0, rate=0.01, batch_px=65536, patch=(256, 256))
# As the paper fits; block pairs of 128x128 pixels, one a step, are our choice: smaller ones' statistics are too far from the picture's.
AS_THE_PAPER = Schedule(0, rate=0.1, batch_px=128 * 128, patch=(128, 128), clip=1.0, beta2=0.999, norm=True)
PRESETS = {
    "default": Preset("the paper's network, fitted as measures best", FOLLOWED),
    "large": Preset("five times the weights: slower to decode", FOLLOWED, (LARGE,)),
    "best": Preset("both networks, the better one by D + lambda * R stays", FOLLOWED, (SMALL, LARGE)),
    "paper": Preset(
        "as the paper has it: its recipe's prior, instance norm, Adam at 0.1, the gradient clipped", AS_THE_PAPER,
        recipe="paper", weighs_rate=False,
    ),
}  # fmt: skip
# For the bench: what each part of the method brings.
ABLATIONS = {
    "random": Preset("default, begun at random numbers", FOLLOWED, recipe=None, weighs_rate=False),
    "rounded": Preset("default, with parameters rounded to 8 bits", FOLLOWED, rounded=True, divides=False),
    "undivided": Preset("default, with one set of parameters at every effort", FOLLOWED, divides=False),
    "plain": Preset("default's network and prior, Adam alone", FIRST_ORDER, weighs_rate=False),
    "norm": Preset("plain, with instance norm, folded away at the end", replace(FIRST_ORDER, norm=True), weighs_rate=False),
}


def by_name(name: str | None) -> Preset:
    """The preset or ablation called `name`, the default preset for None; InlayError if there is none."""
    chosen, known = name or DEFAULT, PRESETS | ABLATIONS
    if chosen not in known:
        raise InlayError(f"no preset {chosen!r}; expected one of {', '.join(known)}")
    return known[chosen]
