"""The report's sections that compare: against other codecs, the ablations, and all configurations in full."""

from __future__ import annotations

from collections.abc import Sequence

from ..bench import wiener
from ..bench.metrics import PERCEPTUAL
from ..bench.runs import Line
from ..encoding import presets
from . import compare
from .cells import METRIC_NAMES, conditions, gain_cells, metric_cell
from .page import Block, Folded, Grid, Heading, Notes, Text
from .paper_tables import gains
from .tables import SetResult, Table


def standings(tables: Sequence[Table]) -> list[Block]:
    """Every kind of file against one anchor, a grid for each set."""
    blocks: list[Block] = []
    for name in dict.fromkeys(s.name for t in tables for s in t.sets):
        anchor, others = compare.standings(tables, name)
        if len(others) > 1:
            grid = Grid(["file", "images", "BD-rate", "BD-PSNR"], [[s.name, s.images, *gain_cells(s.gain)] for s in others])
            blocks += [Heading(f"{name}, against {anchor}", 3), grid]
    text = Text(
        "All kinds of files against one anchor, per image, by PSNR, over the range that both curves reach.  "
        "The other codecs are tuned for visual quality, not for PSNR."
    )
    return [Heading("Against other codecs"), text, *blocks] if blocks else []


def ablations(tables: Sequence[Table]) -> list[Block]:
    """The configurations of each base on the pictures that all of them have, a grid for each set."""
    blocks: list[Block] = []
    for found in compare.ablations(tables):
        best_first = sorted(found.rows, key=lambda row: row[1].per_image.bd_rate_percent if row[1].per_image else 0)
        rows = [_ablation(table, result) for table, result in best_first]
        head = ["fitted with", "weights", "BD-rate, per image", "BD-PSNR, per image", "BD-rate, average curve", "BD-PSNR, average curve"]
        name = found.rows[0][1].name
        title = f"{name}: {found.base}; {found.images} picture{'s' * (found.images > 1)} at {found.points} points"
        blocks += [Heading(title, 3), Grid([*head, "payload, bytes", "encoding, s"], rows)]
    text = Text(
        "Each configuration against its plain base.  A table uses only the pictures and points that all its configurations have.  Where "
        "some configurations were measured on fewer pictures, a second table compares all of them on those pictures.  "
        "A linear filter is always applied; an inlay only where it pays.  "
        "Encoding: seconds of one thread by the clock, while other programs may have been running."
    )
    return [Heading("What each part of the method brings"), text, *blocks] if blocks else []


def _ablation(table: Table, result: SetResult) -> list[object]:
    """A row of `ablations`."""
    count = len(result.points)
    payload_bytes, encode_s = sum(p.payload_bytes for p in result.points) / count, sum(p.encode_s for p in result.points) / count
    gains = (*gain_cells(result.per_image), *gain_cells(result.average_curve))
    return [f"{table.inlay}{_description(table)}", _weights(table.lines), *gains, f"{payload_bytes:.0f}", f"{encode_s:.2f}"]


def _description(table: Table) -> str:
    """The configuration's preset in words, after a colon; empty for a preset that no longer exists."""
    name = table.configuration["preset"]
    if name == wiener.NAME:
        return f": {wiener.DESCRIPTION}"
    if table.configuration["effort"] == 1:
        return ": the prior as it is"
    known = presets.PRESETS | presets.ABLATIONS
    return f": {known[name].description}" if name in known else ""


def _weights(lines: Sequence[Line]) -> str:
    """The numbers of weights of the lines' networks."""
    return ", ".join(map(str, sorted({line["network"]["weights"] for line in lines if line["network"]}))) or "none"


def configurations(tables: Sequence[Table]) -> list[Block]:
    """All points of every configuration, folded."""
    blocks: list[Block] = [Heading("All configurations")] if tables else []
    # The gains of these are shown among the savings.
    above = [compare.main(group) for group in compare.by_base(t for t in tables if t.is_of_the_paper).values()]
    for table in tables:
        # A base made for its inlay is no anchor: it was not made to be looked at alone.
        without = table.is_peer or table in above or table.configuration["legacy_loss_db"]
        inner: list[Block] = [] if without else [gains(table)]
        for result in table.sets:
            inner += [Heading(result.name, 4), _points(table, result)]
        priors = sorted({line["prior"] for line in table.lines if line["prior"] is not None})
        networks = sorted({f"{n['weights']} weights and {n['biases']} biases" for line in table.lines if (n := line["network"])})
        used = [f"Networks: {'; '.join(networks) or 'none'}.  Priors: {', '.join(map(str, priors)) or 'none'}."]
        inner.append(Notes([*table.notes, *([] if table.is_peer else used), *conditions(table.lines, "encoding times are medians")]))
        blocks.append(Folded(table.title, inner))
    return blocks


def _points(table: Table, result: SetResult) -> Grid:
    """A row for each quality or rate."""
    metrics = [name for name in PERCEPTUAL if all(name in p.perceptual for p in result.points)]
    at = "quality" if table.knob == "quality" else "rate, bpp"
    rows: list[list[object]] = []
    for p in result.points:
        rate, psnr = [f"{p.bpp:.4f}"], [f"{p.psnr_db:.3f}"]
        values = [(name, value) for name in metrics for value in p.perceptual[name]]
        perceptual = [metric_cell(name, value) for name, value in (values[1::2] if table.is_peer else values)]
        payload = []
        if not table.is_peer:
            rate = [f"{p.plain_bpp:.4f}", *rate]
            psnr = [f"{p.plain_psnr_db:.3f}", *psnr, f"{p.psnr_db - p.plain_psnr_db:+.3f}"]
            payload = [f"{p.payload_bytes:.0f}", f"{p.with_inlay} of {result.images}"]
        rows.append([p.at, *rate, *psnr, *perceptual, *payload, f"{p.encode_s:.2f}"])
    if table.is_peer:
        return Grid([at, "bpp", "dB", *(METRIC_NAMES[name] for name in metrics), "encoding, s"], rows)
    head = [at, "plain, bpp", "with inlay, bpp", "plain, dB", "with inlay, dB", "gain, dB"]
    head += [f"{which}, {METRIC_NAMES[name]}" for name in metrics for which in ("plain", "with inlay")]
    return Grid([*head, "payload, bytes", "with an inlay", "encoding, s"], rows)
