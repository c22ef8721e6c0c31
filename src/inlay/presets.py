"""Presets: which network an encoder fits, and how, at each effort from 1 to 9."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .errors import InlayError
from .fit import Schedule
from .network import Network

# Steps at each effort, each over up to 400,000 pixels.  1 takes the prior as it is.
STEPS = {1: 0, 2: 25, 3: 50, 4: 100, 5: 200, 6: 400, 7: 800, 8: 1600, 9: 3200}
DEFAULT = "default"


@dataclass(frozen=True)
class Preset:
    """How to fit: the network, the walk (its `steps` are set by the effort), and whether to begin at a shipped prior."""

    network: Network
    schedule: Schedule
    from_prior: bool = True

    def at(self, effort: int) -> Schedule:
        """The schedule of an effort."""
        if effort not in STEPS:
            raise InlayError(f"effort {effort}, expected 1 to 9")
        return replace(self.schedule, steps=STEPS[effort])


PRESETS = {
    # What measures best: plain biases, a Gauss-Newton step, then Adam along the eigenvectors of its matrix.
    "default": Preset(Network(), Schedule(0, rate=0.015, batch_px=400_000, second_order=True)),
    # What the paper says: instance norm, Adam at 0.1, the gradient clipped, patches of block pairs; the blank prior's steps.
    "paper": Preset(
        Network(),
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
