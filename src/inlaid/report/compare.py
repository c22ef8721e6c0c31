"""Comparisons of configurations: the main one of each base, ablations, standings among codecs, and crops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ..bench.metrics import Curve, bd_psnr, bd_rate
from ..bench.runs import KNOBS, Line
from ..encoding.presets import PRESETS
from ..errors import InlayError
from . import paper
from .tables import Gain, SetResult, Table, bpp, curves, set_result


def by_base(tables: Iterable[Table]) -> dict[str, list[Table]]:
    """The tables of each base, without peers."""
    groups: dict[str, list[Table]] = {}
    for table in tables:
        if not table.is_peer:
            groups.setdefault(table.base, []).append(table)
    return groups


def main(tables: Sequence[Table]) -> Table:
    """The main one of several tables of one base: among those on the most pictures, the one that saves most.

    Ablations are considered only where there is nothing else.
    """
    tables = [t for t in tables if t.configuration["preset"] in PRESETS] or tables

    def rank(table: Table) -> tuple[int, float]:
        gain = table.average("per_image")
        return -table.images, gain.bd_rate_percent if gain else 0.0

    return min(tables, key=rank)


@dataclass(frozen=True)
class Ablation:
    """Configurations of one base on one set, computed on the pictures and points that all of them have."""

    base: str
    images: int
    points: int
    rows: Sequence[tuple[Table, SetResult]]


def ablations(tables: Sequence[Table]) -> list[Ablation]:
    """For each base and set with several configurations: those with the most pictures, then all of them on what they share."""
    found = []
    for base, group in by_base(tables).items():
        for name in dict.fromkeys(s.name for table in group for s in table.sets):
            every = [(t, {_measured(line): line for line in t.lines if line["set"] == name}) for t in group]
            every = [(t, lines) for t, lines in every if lines]
            most = max(len(lines) for _, lines in every)
            whole = [(t, lines) for t, lines in every if len(lines) == most]
            for compared in (whole, every) if len(whole) < len(every) else (every,):
                common = set.intersection(*(set(lines) for _, lines in compared))
                rows = [(t, r) for t, lines in compared if common and (r := set_result(name, [lines[key] for key in common], []))]
                if len(rows) > 1:
                    found.append(Ablation(base, rows[0][1].images, len(rows[0][1].points), rows))
    return found


def _measured(line: Line) -> tuple[object, ...]:
    """The picture and the point of a line."""
    return line["image"], line["sha256"], *(line[name] for name in KNOBS)


@dataclass(frozen=True)
class Standing:
    """The gain of one kind of file over an anchor: the mean over the pictures on which both have curves with a common range."""

    name: str
    images: int
    gain: Gain


def standings(tables: Sequence[Table], name: str) -> tuple[str, list[Standing]]:
    """On the set `name`: the anchor's name, and all other kinds of files against it.  The anchor is plain JPEG where it was measured."""
    kinds: dict[str, dict[str, Curve]] = {}
    for table in [*map(main, by_base(tables).values()), *(t for t in tables if t.is_peer)]:
        plain, inlay = f"{table.base}{'' if table.is_peer else ', plain'}", f"{table.base}, with an inlay ({table.inlay})"
        for image, (before, after) in _by_image(table, name).items():
            kinds.setdefault(plain, {})[image] = before
            if not table.is_peer:
                kinds.setdefault(inlay, {})[image] = after
    anchor = next((kind for kind in kinds if kind.startswith("jpeg, baseline, default")), next(iter(kinds), ""))
    others = [_standing(kind, kinds[anchor], test) for kind, test in kinds.items() if kind != anchor]
    return anchor, sorted((s for s in others if s), key=lambda s: s.gain.bd_rate_percent)


def _by_image(table: Table, name: str) -> dict[str, tuple[Curve, Curve]]:
    """The curves of each picture of the set `name`, by the digest of its file: two cuts of a picture may have one name."""
    lines: dict[str, list[Line]] = {}
    for line in sorted(table.lines, key=lambda line: line["plain_bytes"]):
        if line["set"] == name and line["psnr_db"] is not None and line["psnr_plain_db"] is not None:
            lines.setdefault(line["sha256"], []).append(line)
    return {image: curves(of_image) for image, of_image in lines.items()}


def _standing(kind: str, anchor: dict[str, Curve], test: dict[str, Curve]) -> Standing | None:
    gains = []
    for image in sorted(anchor.keys() & test.keys()):
        try:
            gains.append(Gain(bd_rate(anchor[image], test[image]), bd_psnr(anchor[image], test[image])))
        except InlayError:  # no common range on this picture; the number of pictures shows that it is missing
            continue
    if not gains:
        return None
    return Standing(kind, len(gains), Gain(fmean(g.bd_rate_percent for g in gains), fmean(g.bd_psnr_db for g in gains)))


def crops(tables: Sequence[Table]) -> dict[str, list[tuple[Table, Line]]]:
    """By set and picture, the lines with a crop whose rates are nearest to the paper's: one for each base and each peer."""
    found: dict[str, dict[str, tuple[Table, Line]]] = {}
    first = [main(group) for group in by_base(tables).values()]
    for table in [*first, *(t for t in tables if t not in first)]:
        nearest: dict[str, Line] = {}
        for line in sorted(table.lines, key=lambda line: -abs(bpp(line) - paper.FIGURE_4_BPP)):
            if line["crop"]:
                nearest[f"{line['set']}/{line['image']}"] = line
        for image, line in nearest.items():
            found.setdefault(image, {}).setdefault(table.base, (table, line))
    return {image: list(nearest.values()) for image, nearest in found.items()}
