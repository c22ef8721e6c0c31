"""Tables from the stored lines of `inlaid bench`; no pixel is looked at again (docs/design.md, How results are measured).

Lines of equal settings make a table.  Each picture gives two curves over the qualities or rates, its plain base files (the anchor)
and its files with an inlay (the test), every byte of the file counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from ..bench.metrics import LOOKS, Curve, bd_psnr, bd_rate
from ..bench.peers import NAMES as PEERS
from ..bench.runs import SETTINGS, Line, read_lines, read_speeds
from ..errors import InlayError

# Lines that agree in these, and all say how good by a quality or all by a rate, were measured alike and are reported together.
KNOBS = ("quality", "rate_bpp")
CONFIGURATION = tuple(name for name in SETTINGS if name not in KNOBS)


@dataclass(frozen=True)
class Gain:
    """What the inlay brings over the plain base, by Bjontegaard."""

    bd_rate_percent: float
    bd_psnr_db: float


@dataclass(frozen=True)
class Point:
    """Means over a set's pictures at one quality or rate."""

    at: float
    plain_bpp: float
    bpp: float
    plain_psnr_db: float
    psnr_db: float
    payload_bytes: float
    with_inlay: int  # pictures
    encode_s: float  # median
    looks: dict[str, tuple[float, float]]  # of each metric that all lines have: the plain base, and with an inlay


@dataclass(frozen=True)
class SetResult:
    """One set at one configuration."""

    name: str
    images: int
    per_image: Gain | None  # mean over the pictures; None if none of them has a curve
    average_curve: Gain | None  # the paper's way: of the mean rate and mean PSNR at each point
    points: Sequence[Point]

    def curves(self) -> tuple[Curve, Curve]:
        """The set's average curves: the plain base, and with an inlay."""
        plain = Curve([p.plain_bpp for p in self.points], [p.plain_psnr_db for p in self.points])
        return plain, Curve([p.bpp for p in self.points], [p.psnr_db for p in self.points])


@dataclass(frozen=True)
class Table:
    """All sets at one configuration, and what the reader must know about them."""

    configuration: dict[str, Any]
    knob: str
    sets: Sequence[SetResult]
    notes: Sequence[str]
    lines: Sequence[Line] = field(repr=False)

    @property
    def codec(self) -> str:
        """The base codec, or the peer."""
        return str(self.configuration["codec"])

    @property
    def is_peer(self) -> bool:
        """True if no inlay was asked for."""
        return self.codec in PEERS

    @property
    def base(self) -> str:
        """The base codec and its options in words: tables of one base can be compared."""
        c = self.configuration
        if self.codec != "jpeg":
            return self.codec + (" by quality" if self.knob == "quality" and not self.is_peer else "")
        tables = "optimised Huffman tables" if c["optimize"] or c["progressive"] else "default Huffman tables"
        return f"jpeg, {'progressive' if c['progressive'] else 'baseline'}, {tables}"

    @property
    def inlay(self) -> str:
        """How it was fitted, in words."""
        c = self.configuration
        if not c["effort"]:
            return f"preset {c['preset']}"
        return f"preset {c['preset']}, effort {c['effort']}" + (f", seed {c['seed']}" if c["seed"] else "")

    @property
    def title(self) -> str:
        """The configuration in words."""
        return self.base if self.is_peer else f"{self.base}; {self.inlay}"

    @property
    def images(self) -> int:
        """Pictures in all sets."""
        return sum(s.images for s in self.sets)

    def average(self, way: str) -> Gain | None:
        """Over all sets, weighted by pictures; `way` is "per_image" or "average_curve"."""
        weighted = [(s.images, gain) for s in self.sets if (gain := getattr(s, way))]
        if not weighted:
            return None
        images = sum(n for n, _ in weighted)
        return Gain(sum(n * g.bd_rate_percent for n, g in weighted) / images, sum(n * g.bd_psnr_db for n, g in weighted) / images)


@dataclass(frozen=True)
class Results:
    """All that run files say: tables of measurements, and the latest times of each network."""

    tables: Sequence[Table]
    speeds: Sequence[Line]


def results(runs: Iterable[Path]) -> Results:
    """The tables and times of all lines in the run files.  InlayError if there are none, or `bjontegaard` is not installed."""
    runs = list(runs)
    groups: dict[tuple[Any, ...], list[Line]] = {}
    for line in (_printable(line) for run in runs for line in read_lines(run)):
        groups.setdefault((knob(line), *(line[name] for name in CONFIGURATION)), []).append(line)
    latest = {(str(line["network"]), line["width"], line["height"], line["threads"]): line for run in runs for line in read_speeds(run)}
    if not groups and not latest:
        raise InlayError("no measurement in these files; expected lines that `inlaid bench` wrote")
    bd_rate(Curve((1, 2), (1, 2)), Curve((1, 2), (1, 2)))  # a missing package is told now, not taken for a strange picture
    tables = [_table(dict(zip(CONFIGURATION, key, strict=True)), knob, lines) for (knob, *key), lines in groups.items()]
    return Results(tables, list(latest.values()))


def _printable(line: Line) -> Line:
    """The line with the bytes of names that are not UTF-8 escaped."""
    return line | {name: line[name].encode(errors="backslashreplace").decode() for name in ("set", "image")}


def knob(line: Line) -> str:
    """What says how good the base is: "quality" or "rate_bpp"."""
    return "quality" if line["quality"] is not None else "rate_bpp"


def _table(configuration: dict[str, Any], knob: str, lines: Sequence[Line]) -> Table:
    notes: list[str] = []
    # A picture or the code may have changed since: the last line at a setting is the one that counts.
    latest = {(line["set"], line["image"], line[knob]): line for line in lines}
    if replaced := len(lines) - len(latest):
        notes.append(f"Not used: {replaced} older lines, since later ones measure the same pictures at the same settings.")
    if (versions := len({line["code"] for line in latest.values()})) > 1:
        notes.append(f"The lines are of {versions} versions of the code: run `inlaid bench` again to have them of one.")
    names = dict.fromkeys(line["set"] for line in latest.values())
    found = [set_result(name, [line for line in latest.values() if line["set"] == name], notes) for name in names]
    return Table(configuration, knob, [result for result in found if result], notes, list(latest.values()))


def set_result(name: str, lines: Sequence[Line], notes: list[str]) -> SetResult | None:
    """What the lines of one set and configuration say, or None if no picture is whole; `notes` gets what was left out."""
    at = knob(lines[0])
    # A point that fewer than half of the pictures have was measured for another purpose, such as a crop at one rate.
    having = Counter(line[at] for line in lines)
    points_at = sorted(value for value, n in having.items() if 2 * n >= len({line["image"] for line in lines}))
    if rare := sorted(having.keys() - set(points_at)):
        notes.append(f"{name}: not used are the lines at {', '.join(map(str, rare))}, which most pictures do not have.")
    images: dict[str, list[Line]] = {}
    for line in sorted((line for line in lines if line[at] in points_at), key=lambda line: (line["image"], line[at])):
        images.setdefault(line["image"], []).append(line)
    whole = {}
    for image, its in images.items():
        if len(its) < len(points_at):
            notes.append(f"{name}/{image} is left out: it was not measured at every {at.partition('_')[0]}.")
        elif len({line["sha256"] for line in its}) > 1:
            notes.append(f"{name}/{image} is left out: its lines are of different pictures.")
        elif any(line["psnr_plain_db"] is None or line["psnr_db"] is None for line in its):
            notes.append(f"{name}/{image} is left out: its base loses nothing, so its PSNR is infinite.")
        else:
            whole[image] = its
    if not whole:
        return None
    gains = [gain for image, its in whole.items() if (gain := _gain(*curves(its), f"{name}/{image}", notes))]
    per_image = Gain(fmean(g.bd_rate_percent for g in gains), fmean(g.bd_psnr_db for g in gains)) if gains else None
    points = [_point(value, [its[i] for its in whole.values()]) for i, value in enumerate(points_at)]
    result = SetResult(name, len(whole), per_image, None, points)
    curve = _gain(*result.curves(), f"{name}, average curve", notes)
    return SetResult(name, len(whole), per_image, curve, points)


def curves(lines: Sequence[Line]) -> tuple[Curve, Curve]:
    """Of one picture's lines in rising order: the plain base, and with an inlay."""
    plain = Curve([bpp(line, "plain_bytes") for line in lines], [line["psnr_plain_db"] for line in lines])
    return plain, Curve([bpp(line, "file_bytes") for line in lines], [line["psnr_db"] for line in lines])


def bpp(line: Line, size: str = "file_bytes") -> float:
    """Bits a pixel."""
    return float(8 * line[size] / (line["width"] * line["height"]))


def _gain(anchor: Curve, test: Curve, name: str, notes: list[str]) -> Gain | None:
    try:
        return Gain(bd_rate(anchor, test), bd_psnr(anchor, test))
    except InlayError as error:
        notes.append(f"{name}: {error}.")
        return None


def _point(at: float, lines: Sequence[Line]) -> Point:
    return Point(
        at,
        plain_bpp=fmean(bpp(line, "plain_bytes") for line in lines),
        bpp=fmean(bpp(line, "file_bytes") for line in lines),
        plain_psnr_db=fmean(line["psnr_plain_db"] for line in lines),
        psnr_db=fmean(line["psnr_db"] for line in lines),
        payload_bytes=fmean(line["payload_bytes"] for line in lines),
        with_inlay=sum(line["payload_bytes"] > 0 for line in lines),
        encode_s=median(line["encode_s"] for line in lines),
        looks={
            name: (fmean(line[name + "_plain"] for line in lines), fmean(line[name] for line in lines))
            for name in LOOKS
            if all(line[name] is not None for line in lines)
        },
    )
