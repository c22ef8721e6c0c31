"""The worst that an inlay does: the restored picture less libjpeg's plain base of the same bytes, picture by picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..bench.metrics import height_at
from ..bench.runs import Line
from ..errors import InlayError
from . import rates
from .rates import ANYTHING, View
from .tables import bpp


@dataclass(frozen=True)
class Worst:
    """A kind of file in one view: how many lines could be compared, the least difference, and its line."""

    view: View
    kind: str
    compared: int
    difference: float
    line: Line

    @property
    def is_aim(self) -> bool:
        """Whether the view's metric is what the file was made for: SSIMULACRA2 of a base tuned for looks, PSNR of any other."""
        for_looks: bool = self.line["base"] == "trellis" and self.line["tune"] == "looks"
        return for_looks == (self.view.fields == rates.LOOKS)


def worst(lines: Iterable[Line], view: View) -> list[Worst]:
    """The worst line of each kind of JPEG file, the worst kind first.

    The plain base is interpolated on the picture's curve of libjpeg with optimised Huffman tables, over all points.  A line outside that
    curve is left out.
    """
    chosen = [line for line in lines if line["codec"] == "jpeg" and line["colour"] == view.colour and rates.is_shown(line)]
    plain = rates.curves(chosen, replace(view, bpp=ANYTHING, scores=ANYTHING)).get(rates.anchors(view.colour)["libjpeg"], {})
    found: dict[str, list[tuple[float, Line]]] = {}
    for line in chosen:
        score, curve = line[view.fields[1]], plain.get(rates.picture(line))
        if score is None or curve is None:
            continue
        try:
            base = height_at(curve, bpp(line))
        except InlayError:  # a curve that does not rise, or of one point
            continue
        if base is not None:
            found.setdefault(rates.name(line), []).append((score - base, line))
    least = {kind: min(differences, key=lambda each: each[0]) for kind, differences in found.items()}
    every = [Worst(view, kind, len(found[kind]), difference, line) for kind, (difference, line) in least.items()]
    return sorted(every, key=lambda each: each.difference)
