"""The report's section on bases that are made for their inlay: against other files, for a plain viewer, and at their worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from ..bench.runs import Line, knob
from . import rates, words
from .page import Block, Folded, Grid, Heading, Text
from .rates import VIEWS, Curves, Picture, Saving, View
from .worst import Worst, worst

Rates = dict[str, dict[str, dict[Picture, float]]]  # by kind, and by anchor


def section(lines: Sequence[Line]) -> list[Block]:
    """The section; empty where only what the paper has was measured."""
    if all(map(words.is_of_the_paper, lines)):
        return []
    blocks: list[Block] = []
    for view in VIEWS:
        blocks += _compared(lines, view)
    text = Text(
        "Each kind of file against four anchors: libjpeg's plain base with Huffman tables of its own, WebP (method 6), JPEG 2000 "
        "(OpenJPEG) and AVIF (speed 6).  BD-rate per image, all bytes of a file counted, by PSNR from "
        f"{rates.RATES[0]:g} to {rates.RATES[1]:g} bits a pixel and by SSIMULACRA2 from {rates.SCORES[0]:g} to {rates.SCORES[1]:g}; a "
        "curve that crosses a bound ends there.  Over sets every picture counts the same.  *points*: the median of a picture.  A number in "
        "brackets: the pictures with a BD-rate, where some have none.  *loop*: the base was made for its inlay, and may lose so much for a "
        "plain viewer."
    )
    return [Heading("The base made for its inlay"), text, *blocks, *_plain_pictures(lines), *_worst(lines)]


def _compared(lines: Sequence[Line], view: View) -> list[Block]:
    """A grid over all sets, and one for each set, folded."""
    kinds = rates.curves(lines, view)
    labels = {label: kind for label, kind in rates.anchors(view.colour).items() if kinds.get(kind)}
    found: Rates = {
        kind: {label: rates.bd_rates(kinds[anchor], curves) for label, anchor in labels.items() if anchor != kind}
        for kind, curves in kinds.items()
    }
    found = {kind: by_anchor for kind, by_anchor in found.items() if any(by_anchor.values())}
    if not found:
        return []
    sets = sorted({name for kind in found for name, _ in kinds[kind]})
    everywhere = _grid(found, kinds, list(labels), None)
    blocks: list[Block] = [Heading(view.name + (", over all sets" if len(sets) > 1 else f", {sets[0]}"), 3), everywhere]
    if len(sets) > 1:
        each = [block for name in sets for block in (Heading(name, 4), _grid(found, kinds, list(labels), name))]
        blocks.append(Folded(f"{view.name}, each set", each))
    return blocks


def _grid(found: Rates, kinds: Mapping[str, Curves], labels: Sequence[str], set_name: str | None) -> Grid:
    """A row for each kind of file, the one that saves most over the first anchor first."""
    rows: list[tuple[float, list[object]]] = []
    for kind, by_anchor in found.items():
        points = [len(curve.bpp) for (name, _), curve in kinds[kind].items() if set_name in (None, name)]
        savings = [rates.saving(by_anchor.get(label, {}), set_name) for label in labels]
        if any(savings):
            first = next((s.percent for s in savings[:1] if s), 0.0)
            cells = [_cell(each, len(points)) for each in savings]
            rows.append((first, [kind, len(points), f"{median(points):g}", *cells]))
    return Grid(
        ["file", "images", "points", *(f"against {label}" for label in labels)], [row for _, row in sorted(rows, key=lambda r: r[0])]
    )


def _cell(saving: Saving | None, images: int) -> str:
    """The BD-rate, with the number of pictures where some have none."""
    if saving is None:
        return ""
    return f"{saving.percent:.2f} %" + (f" ({saving.images})" if saving.images < images else "")


def _plain_pictures(lines: Sequence[Line]) -> list[Block]:
    """What a viewer that knows no inlays shows of each kind of file, against libjpeg's plain base."""
    cells: dict[str, dict[str, str]] = {}
    for view in VIEWS:
        anchor = rates.curves(lines, view).get(rates.anchors(view.colour)["libjpeg"], {})
        for kind, curves in rates.legacy_curves([line for line in lines if line["codec"] == "jpeg"], view).items():
            if saving := rates.saving(rates.bd_rates(anchor, curves)):
                cells.setdefault(kind, {})[view.name] = _cell(saving, len(curves))
    if not cells:
        return []
    shown = [view.name for view in VIEWS if any(view.name in of_kind for of_kind in cells.values())]
    text = Text(
        "What a viewer that knows no inlays shows of each file, against libjpeg's plain base with Huffman tables of its own: BD-rate per "
        "image, over all sets.  The inlay's bytes count, though such a viewer makes nothing of them."
    )
    rows = [[kind, *(of_kind.get(name, "") for name in shown)] for kind, of_kind in sorted(cells.items())]
    return [Heading("The plain picture", 3), text, Grid(["file", *shown], rows)]


def _worst(lines: Sequence[Line]) -> list[Block]:
    """The worst difference of all, and of each kind of file in each view."""
    every = [each for view in VIEWS for each in worst(lines, view)]
    if not every:
        return []
    # Decibels and scores have no common scale: the sentence has one worst for each.
    first: dict[str, Worst] = {}
    aimed = [each for each in every if each.is_aim]
    for each in sorted(aimed, key=lambda each: each.difference):
        first.setdefault(_unit(each.view), each)
    of_all = "; ".join(f"{_difference(each)} ({_where(each)}, {each.view.name}; {each.kind})" for each in first.values())
    text = Text(
        "The restored picture less libjpeg's plain base of the same bytes.  That base is interpolated on the picture's own curve; lines "
        "outside it are left out.  A base for looks aims at SSIMULACRA2, any other at PSNR.  "
        f"The worst of {sum(each.compared for each in aimed)} comparisons by what a file aims at: {of_all}."
    )
    rows = [[each.kind, each.view.name, "yes" if each.is_aim else "no", each.compared, _difference(each), _where(each)] for each in every]
    return [Heading("The worst picture", 3), text, Grid(["file", "by", "its aim", "lines", "worst", "picture"], rows)]


def _unit(view: View) -> str:
    return " dB" if view.fields[1].endswith("_db") else ""


def _difference(each: Worst) -> str:
    return f"{each.difference:+.3f}{_unit(each.view)}"


def _where(each: Worst) -> str:
    line = each.line
    return f"{line['set']}/{line['image']} at {knob(line).partition('_')[0]} {line[knob(line)]:g}"
