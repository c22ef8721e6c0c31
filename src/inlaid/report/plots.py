"""Curves as SVG; matplotlib (extra `plots`) is loaded only when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from ..errors import InlayError

_INK = "#123456"  # a colour that nothing else has, to be found in the SVG
# Told apart on white and on near black.
COLOURS = ("#d9480f", "#1c7ed6", "#2f9e44", "#9c36b5", "#e8a300", "#0c8599", "#c2255c", "#868e96")


@dataclass(frozen=True)
class Series:
    """One curve of a figure; `colour` is its number among COLOURS."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int
    dashed: bool = False


def obstacle() -> str | None:
    """Why no figure can be drawn, or None."""
    return None if find_spec("matplotlib") else "they need matplotlib: pip install 'inlaid[plots]'"


def curves(title: str, series: Sequence[Series], *, x: str = "bits a pixel (whole file)", y: str) -> str:
    """An SVG element with axes named `x` and `y`, text and lines in `currentColor`, on nothing.  InlayError without matplotlib."""
    if reason := obstacle():
        raise InlayError(reason)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    ink = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), _INK)
    # hashsalt: the same lines give the same file.
    style: dict[Any, Any] = {"svg.hashsalt": "inlaid", "svg.fonttype": "none", "legend.frameon": False, "text.parse_math": False}
    style |= dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none")
    with rc_context(style | ink):
        figure = Figure(figsize=(6, 4.4 + 0.2 * len(series)), layout="constrained")
        axes = figure.add_subplot(xlabel=x, ylabel=y, title=title)
        for each in series:
            axes.plot(
                each.x, each.y, label=each.label, color=COLOURS[each.colour % len(COLOURS)], linewidth=1.6,
                linestyle="--" if each.dashed else "-", marker="o" if each.dashed else "s", markersize=4 if len(each.x) <= 10 else 2,
            )  # fmt: skip
        axes.grid(alpha=0.25)
        figure.legend(loc="outside lower center", ncols=1, fontsize="small")
        figure.savefig(out := io.StringIO(), format="svg", metadata={"Date": None})
    svg = out.getvalue()
    return svg[svg.index("<svg") :].replace(_INK, "currentColor")


def standalone(svg: str) -> bytes:
    """The same as a file of its own: dark on white."""
    return f'<?xml version="1.0" encoding="utf-8"?>\n{svg.replace("<svg ", _ON_WHITE, 1)}'.encode()


_ON_WHITE = '<svg style="color:#222;background:#fff" '
