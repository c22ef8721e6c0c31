"""Presets: which network an encoder fits, and how, at each effort from 1 to 9."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .errors import InlayError
from .fit import Schedule
from .network import Network

# Steps at each effort.  1 takes the prior as it is.
STEPS = {1: 0, 2: 25, 3: 50, 4: 100, 5: 200, 6: 400, 7: 800, 8: 1600, 9: 3200}
# Sets of parameters, each for an area, at each effort: more are tried while they pay.
SETS = {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 2, 7: 3, 8: 4, 9: 6}
DEFAULT = "default"
SMALL, LARGE = Network(), Network(16, layers=4, dilations=(1, 2, 4, 1))


@dataclass(frozen=True)
class Preset:
    """How to fit: the networks to try, the walk (its `steps` are set by the effort), and whether to begin at a shipped prior."""

    networks: tuple[Network, ...]
    schedule: Schedule
    from_prior: bool = True

    def at(self, effort: int, network: Network = SMALL) -> Schedule:
        """The schedule of an effort; a larger network, which costs more a pixel, looks at fewer of them a step."""
        if effort not in STEPS:
            raise InlayError(f"effort {effort}, expected 1 to 9")
        batch_px = self.schedule.batch_px if network.size <= SMALL.size else min(self.schedule.batch_px, 65536)
        return replace(self.schedule, steps=STEPS[effort], batch_px=batch_px)


# Plain biases, a Gauss-Newton step, then Adam along the eigenvectors of its matrix.
FOLLOWED = Schedule(0, rate=0.015, batch_px=400_000, second_order=True)
PRESETS = {
    # The paper's network, fitted as measures best.
    "default": Preset((SMALL,), FOLLOWED),
    # Five times the weights: slower to fit and to decode.
    "large": Preset((LARGE,), FOLLOWED),
    # All sizes that are shipped; the best one by D + lambda * R stays.
    "best": Preset((SMALL, LARGE), FOLLOWED),
    # What the paper says: instance norm, Adam at 0.1, the gradient clipped, patches of block pairs; the blank prior's steps.
    "paper": Preset(
        (SMALL,),
        Schedule(0, rate=0.1, batch_px=64 * 64, patch=(64, 64), clip=1.0, beta2=0.999, norm=True),
        from_prior=False,
    ),
}


def by_name(name: str | None) -> Preset:
    """The preset called `name`, the default one for None; InlayError if there is none."""
    chosen = name or DEFAULT
    if chosen not in PRESETS:
        raise InlayError(f"no preset {chosen!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[chosen]
