"""Configurations side by side: which stands for its base, what each part of the method brings, and where other codecs are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ..bench.metrics import Curve, bd_psnr, bd_rate
from ..bench.runs import Line
from ..encoding.presets import PRESETS
from ..errors import InlayError
from .tables import Gain, SetResult, Table, bpp, curves, set_result

CROP_BPP = 0.4  # the rate of the paper's Fig. 4


def by_base(tables: Iterable[Table]) -> dict[str, list[Table]]:
    """The tables of each base, peers left out."""
    groups: dict[str, list[Table]] = {}
    for table in tables:
        if not table.is_peer:
            groups.setdefault(table.base, []).append(table)
    return groups


def main(tables: Sequence[Table]) -> Table:
    """Of tables of one base the one that stands for it: of those on the most pictures, the one that saves most.

    What is there to tell what brings what stands for nothing, where there is something else.
    """
    tables = [t for t in tables if t.configuration["preset"] in PRESETS] or tables

    def rank(table: Table) -> tuple[int, float]:
        gain = table.average("per_image")
        return -table.images, gain.bd_rate_percent if gain else 0.0

    return min(tables, key=rank)


@dataclass(frozen=True)
class Ablation:
    """Configurations of one base on one set, on the pictures and points that all of them have."""

    base: str
    images: int
    points: int
    rows: Sequence[tuple[Table, SetResult]]


def ablations(tables: Sequence[Table]) -> list[Ablation]:
    """For each base and set that more than one configuration has: those that have most pictures, then all on what they share."""
    found = []
    for base, group in by_base(tables).items():
        for name in dict.fromkeys(s.name for table in group for s in table.sets):
            having = [(t, {_measured(line): line for line in t.lines if line["set"] == name}) for t in group]
            having = [(t, lines) for t, lines in having if lines]
            most = max(len(lines) for _, lines in having)
            whole = [(t, lines) for t, lines in having if len(lines) == most]
            for compared in (whole, having) if len(whole) < len(having) else (having,):
                common = set.intersection(*(set(lines) for _, lines in compared))
                rows = [(t, r) for t, lines in compared if common and (r := set_result(name, [lines[key] for key in common], []))]
                if len(rows) > 1:
                    found.append(Ablation(base, rows[0][1].images, len(rows[0][1].points), rows))
    return found


def _measured(line: Line) -> tuple[object, ...]:
    return line["image"], line["sha256"], line["quality"], line["rate_bpp"]


@dataclass(frozen=True)
class Standing:
    """Where a kind of file stands against an anchor, the mean over the pictures that both have and on which they can be compared."""

    name: str
    images: int
    gain: Gain


def standings(tables: Sequence[Table], name: str) -> tuple[str, list[Standing]]:
    """The anchor's name, plain JPEG where it was measured, and all others against it, on the set `name`."""
    kinds: dict[str, dict[str, Curve]] = {}
    for table in [*map(main, by_base(tables).values()), *(t for t in tables if t.is_peer)]:
        plain, inlay = f"{table.base}{'' if table.is_peer else ', plain'}", f"{table.base}, with an inlay ({table.inlay})"
        for image, (before, after) in _by_image(table, name).items():
            kinds.setdefault(plain, {})[image] = before
            if not table.is_peer:
                kinds.setdefault(inlay, {})[image] = after
    anchor = next((kind for kind in kinds if kind.startswith("jpeg, baseline, default")), next(iter(kinds), ""))
    others = [_standing(kind, kinds[anchor], its) for kind, its in kinds.items() if kind != anchor]
    return anchor, sorted((s for s in others if s), key=lambda s: s.gain.bd_rate_percent)


def _by_image(table: Table, name: str) -> dict[str, tuple[Curve, Curve]]:
    lines: dict[str, list[Line]] = {}
    for line in sorted(table.lines, key=lambda line: line["plain_bytes"]):
        if line["set"] == name and line["psnr_db"] is not None and line["psnr_plain_db"] is not None:
            lines.setdefault(line["sha256"], []).append(line)  # by content: a cut picture of the same name is another
    return {image: curves(its) for image, its in lines.items()}


def _standing(kind: str, anchor: dict[str, Curve], test: dict[str, Curve]) -> Standing | None:
    gains = []
    for image in sorted(anchor.keys() & test.keys()):
        try:
            gains.append(Gain(bd_rate(anchor[image], test[image]), bd_psnr(anchor[image], test[image])))
        except InlayError:  # the curves have nothing in common on this picture; the number of pictures says so
            continue
    if not gains:
        return None
    return Standing(kind, len(gains), Gain(fmean(g.bd_rate_percent for g in gains), fmean(g.bd_psnr_db for g in gains)))


def crops(tables: Sequence[Table]) -> dict[str, list[tuple[Table, Line]]]:
    """By set and picture, the lines with a crop whose files are nearest to `CROP_BPP`: one a base, and one a peer."""
    found: dict[str, dict[str, tuple[Table, Line]]] = {}
    stand = [main(group) for group in by_base(tables).values()]
    for table in [*stand, *(t for t in tables if t not in stand)]:
        nearest: dict[str, Line] = {}
        for line in sorted(table.lines, key=lambda line: -abs(bpp(line) - CROP_BPP)):
            if line["crop"]:
                nearest[f"{line['set']}/{line['image']}"] = line
        for image, line in nearest.items():
            found.setdefault(image, {}).setdefault(table.base, (table, line))
    return {image: list(its.values()) for image, its in found.items()}
