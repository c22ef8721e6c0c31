"""The report's counterparts of the paper's tables: savings (Table II) and the speed of restoring (Table I)."""

from __future__ import annotations

from collections.abc import Sequence

from ..bench.runs import Line
from . import compare, paper
from .cells import conditions, gain_cells
from .page import Block, Grid, Heading, Notes, Text
from .tables import Gain, Table


def savings(tables: Sequence[Table]) -> list[Block]:
    """Table II: a grid for each base."""
    blocks: list[Block] = []
    for group in compare.by_base(tables).values():
        table = compare.main(group)
        blocks += [Heading(table.title, 3), gains(table)]
    text = Text(
        "What an inlay saves, beside the paper's Table II.  Where a base has several configurations, the one that saves most is shown."
    )
    return [Heading("Savings (Table II)"), text, *blocks] if blocks else []


def gains(table: Table) -> Grid:
    """The gains on each set beside the paper's, and their average weighted by pictures."""
    theirs = paper.TABLE_2.get(table.codec, {}) if table.is_of_the_paper else {}
    rows = [(s.name, s.images, s.per_image, s.average_curve, theirs.get(s.name.lower())) for s in table.sets]
    if several := len(rows) > 1:
        same_sets = {s.name.lower() for s in table.sets} == set(theirs)
        average = paper.AVERAGE[table.codec] if same_sets else None
        rows.append(("weighted", table.images, table.average("per_image"), table.average("average_curve"), average))
    ways = ("per image", "average curve", "paper")
    return Grid(
        ["set", "images", *(f"{name}, {way}" for way in ways for name in ("BD-rate", "BD-PSNR"))],
        [
            [name, images, *gain_cells(per_image), *gain_cells(curve), *gain_cells(Gain(*of_paper) if of_paper else None)]
            for name, images, per_image, curve, of_paper in rows
        ],
        frozenset([len(rows) - 1] if several else []),
    )


def speeds(lines: Sequence[Line]) -> list[Block]:
    """Table I: times of each network and size."""
    if not lines:
        return []
    most = max(line["threads"] for line in lines)
    rows: dict[tuple[str, int, int], list[object]] = {}
    for line in sorted(lines, key=lambda line: (line["network"]["weights"], line["width"], line["threads"])):
        n, width, height = line["network"], line["width"], line["height"]
        name = f"{n['channels']} channels, {n['layers']} layers"
        gmac = n["macs_per_pixel"] * width * height / 1e9
        start = [name, f"{width}x{height}", f"{n['weights']} + {n['biases']}", n["macs_per_pixel"], f"{gmac:.3f}"]
        rows.setdefault((str(n), width, height), start).extend(f"{1000 * line[key]:.2f}" for key in ("restore_s", "decode_s"))
    theirs = ["paper", "256x256", paper.TABLE_1["parameters"], "", paper.TABLE_1["gflops"], f"{1000 * paper.TABLE_1['cpu_s']:.0f}"]
    threads = ["1 thread", *([f"{most} threads"] if most > 1 else [])]
    head = ["network", "picture", "weights + biases", "MAC a pixel", "GMAC"]
    head += [f"{what}, {each}, ms" for each in threads for what in ("restoring", "decoding")]
    filled = [[*row, *[""] * (len(head) - len(row))] for row in [*rows.values(), theirs]]
    notes = [
        "Restoring: base luma to restored luma.  Decoding: bytes of a gray JPEG file to restored luma.",
        "The paper names 256x256 pixels, but its 0.14 GFLOPs are 378 multiply-accumulates on each of 768x512 pixels.  "
        "It measured on an i7-7700K.  Its time on a GPU (15 ms) has no counterpart here: inlaid decodes on the processor.",
        *conditions(lines, f"medians of {lines[-1]['repeats']} runs"),
    ]
    return [Heading("Speed of restoring (Table I)"), Grid(head, filled), Notes(notes)]
