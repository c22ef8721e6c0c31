"""Curves as SVG.  Matplotlib (extra `plots`) is imported when the first one is drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from ..errors import InlayError

_INK = "#123456"  # a placeholder that nothing else has; the page's text colour replaces it
# Distinct on white and on near black.
COLOURS = ("#d9480f", "#1c7ed6", "#2f9e44", "#9c36b5", "#e8a300", "#0c8599", "#c2255c", "#868e96")


@dataclass(frozen=True)
class Series:
    """One curve of a figure; `colour` is an index into COLOURS, taken modulo their number."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int
    dashed: bool = False


def obstacle() -> str | None:
    """The reason why no figure can be drawn, or None."""
    return None if find_spec("matplotlib") else "matplotlib is not installed: pip install 'inlaid[plots]'"


def curves(title: str, series: Sequence[Series], *, x: str = "bits a pixel (whole file)", y: str) -> str:
    """An SVG element with a transparent background, and text and axes in `currentColor`.  InlayError without matplotlib.

    x, y: the labels of the axes.
    """
    if reason := obstacle():
        raise InlayError(reason)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    ink = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), _INK)
    # hashsalt makes the identifiers in the SVG, and so the file, the same in every run.
    style: dict[Any, Any] = {"svg.hashsalt": "inlaid", "svg.fonttype": "none", "legend.frameon": False, "text.parse_math": False}
    style |= dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none")
    with rc_context(style | ink):
        figure = Figure(figsize=(6, 4.4 + 0.2 * len(series)), layout="constrained")
        axes = figure.add_subplot(xlabel=x, ylabel=y, title=title)
        for each in series:
            line: dict[str, Any] = {"color": COLOURS[each.colour % len(COLOURS)], "linewidth": 1.6}
            line |= {"linestyle": "--", "marker": "o"} if each.dashed else {"linestyle": "-", "marker": "s"}
            axes.plot(each.x, each.y, label=each.label, markersize=4 if len(each.x) <= 10 else 2, **line)
        axes.grid(alpha=0.25)
        figure.legend(loc="outside lower center", ncols=1, fontsize="small")
        figure.savefig(out := io.StringIO(), format="svg", metadata={"Date": None})
    svg = out.getvalue()
    return svg[svg.index("<svg") :].replace(_INK, "currentColor")


def standalone(svg: str) -> bytes:
    """An SVG element as a file of its own, dark on white."""
    return f'<?xml version="1.0" encoding="utf-8"?>\n{svg.replace("<svg ", _ON_WHITE, 1)}'.encode()


_ON_WHITE = '<svg style="color:#222;background:#fff" '
