"""The report's section on what each part of the base made for its inlay brings."""

from __future__ import annotations

from collections.abc import Sequence

from ..bench.runs import Line
from .cells import conditions
from .page import Block, Grid, Heading, Notes, Text

_EVERYTHING = "everything"
_TUNES = {"psnr": "for PSNR, by PSNR", "looks": "for looks, by SSIMULACRA2"}


def section(lines: Sequence[Line]) -> list[Block]:
    """A row for each part, a column for each tuning; empty where none was measured."""
    tunes = [tune for tune in _TUNES if any(line["tune"] == tune for line in lines)]
    if not tunes:
        return []
    differs = {line["name"]: line["differs"] for line in lines if line["name"] != _EVERYTHING}
    found = {(line["name"], line["tune"]): line for line in lines}
    rows = [[words, *(_cell(found.get((name, tune))) for tune in tunes)] for name, words in differs.items()]
    text = Text(
        f"BD-rate against files with everything, over {max(line['pictures'] for line in lines)} pictures of BSDS500: more than 0 is lost.  "
        "Everything: the base for its inlay, 1888 weights, effort 1."
    )
    return [
        Heading("What each part brings", 3),
        text,
        Grid(["files", *(_TUNES[tune] for tune in tunes)], rows),
        Notes(conditions(lines, "`python benchmarks/parts.py`")),
    ]


def _cell(line: Line | None) -> str:
    return "" if line is None else f"{line['bd_rate_percent']:+.2f} %"
