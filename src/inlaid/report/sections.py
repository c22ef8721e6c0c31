"""The report: its sections in order, as Markdown, and as files with figures."""

from __future__ import annotations

from dataclasses import replace

from . import comparisons, own_base, paper_figures, paper_tables, parts, plots, reproduction, targets
from .page import Block, Drawing, Heading, Pictures, Text, html
from .page import markdown as as_markdown
from .tables import Results

TITLE = "Results"
FIGURES = "results"  # the folder of the figures, beside results.md
INTRODUCTION = (
    "Made by `inlaid report` from the lines that `inlaid bench` stored.  The luma is measured, as the decoder gives it.  The bytes are "
    "those of the whole file, payload included.  BD-rate and BD-PSNR (Akima) compare the files with an inlay to the plain base files "
    "of the same settings.  *per image*: the mean over the pictures.  *average curve*: of the mean rate and mean PSNR at each point, "
    "as in the paper."
)


def markdown(results: Results) -> str:
    """The report without figures."""
    return as_markdown(_blocks(results))


def files(results: Results, *, figures: bool = True) -> dict[str, bytes]:
    """The files of the report by name: results.md, results.html, and the figures in results/.

    Curves are drawn only with `figures`, which needs matplotlib.
    """
    blocks = _blocks(results)
    svgs = {b.name: plots.curves(b.title, b.series, y=b.y) for b in blocks if isinstance(b, Drawing)} if figures else {}
    beside = {name: plots.standalone(svg) for name, svg in svgs.items()}
    beside |= {p.name: p.png for b in blocks if isinstance(b, Pictures) for p in b.items}
    pages = {
        "results.md": as_markdown(blocks, {name: f"{FIGURES}/{name}" for name in beside}),
        "results.html": html(f"inlaid: {TITLE.lower()}", blocks, svgs),
    }
    return {name: page.encode() for name, page in pages.items()} | {f"{FIGURES}/{name}": data for name, data in beside.items()}


def _blocks(results: Results) -> list[Block]:
    tables = [table for table in results.tables if table.is_of_the_paper]
    return [
        Heading(TITLE, 1),
        Text(INTRODUCTION),
        *paper_tables.savings(tables),
        *reproduction.reproduction(replace(results, tables=tables)),
        *paper_figures.curves(tables),
        *paper_figures.crops(tables),
        *own_base.section(results.lines),
        *parts.section(results.parts),
        *targets.section(results.targets),
        *comparisons.standings(tables),
        *comparisons.ablations(tables),
        *paper_tables.speeds(results.speeds),
        *comparisons.configurations(results.tables),
    ]
