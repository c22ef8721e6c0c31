"""Tables from the stored lines of `inlaid bench`.  Nothing is measured here.

Lines of equal settings make a table.  Each picture gives two curves over the qualities or rates: its plain base files (the anchor), and
its files with an inlay (the test).  Every byte of a file counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from ..bench.metrics import PERCEPTUAL, Curve, bd_psnr, bd_rate
from ..bench.peers import NAMES as PEERS
from ..bench.peers import QUALITIES as PEERS_QUALITIES
from ..bench.runs import KNOBS, SETTINGS, TARGETS, Line, knob, read_lines, read_parts, read_readings, read_speeds
from ..bench.settings import QUALITIES, RATES_BPP
from ..errors import InlayError
from . import words

# A table holds lines that agree in these, and that all have the same knob.
CONFIGURATION = tuple(name for name in SETTINGS if name not in KNOBS)


@dataclass(frozen=True)
class Gain:
    """The gain of the test over the anchor, after Bjontegaard."""

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
    with_inlay: int  # pictures with an inlay
    encode_s: float  # the median
    perceptual: dict[str, tuple[float, float]]  # by metric, of those that all lines have: of the plain base, and with an inlay


@dataclass(frozen=True)
class SetResult:
    """The results of one set at one configuration."""

    name: str
    images: int
    per_image: Gain | None  # the mean over the pictures; None if no picture gives a gain
    average_curve: Gain | None  # as in the paper: of the mean rate and mean PSNR at each point
    points: Sequence[Point]

    def curves(self) -> tuple[Curve, Curve]:
        """The set's average curves: the plain base, and with an inlay."""
        plain = Curve([p.plain_bpp for p in self.points], [p.plain_psnr_db for p in self.points])
        return plain, Curve([p.bpp for p in self.points], [p.psnr_db for p in self.points])


@dataclass(frozen=True)
class Table:
    """All sets at one configuration, with notes on what was left out."""

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
        """True for a codec that carries no inlay."""
        return self.codec in PEERS

    @property
    def base(self) -> str:
        """The base codec and its options in words.  Tables of the same base can be compared."""
        return words.base(self.configuration, self.knob) + (", in colour" if self.configuration["colour"] else "")

    @property
    def inlay(self) -> str:
        """How the inlay was fitted, in words."""
        return words.inlay(self.configuration)

    @property
    def is_of_the_paper(self) -> bool:
        """True where the paper's tables and figures have a counterpart."""
        return words.is_of_the_paper(self.configuration)

    @property
    def title(self) -> str:
        """The configuration in words."""
        return self.base if self.is_peer else f"{self.base}; {self.inlay}"

    @property
    def images(self) -> int:
        """The number of pictures in all sets."""
        return sum(s.images for s in self.sets)

    def average(self, way: str) -> Gain | None:
        """The average over all sets, weighted by pictures; `way` is "per_image" or "average_curve"."""
        weighted = [(s.images, gain) for s in self.sets if (gain := getattr(s, way))]
        if not weighted:
            return None
        images = sum(n for n, _ in weighted)
        return Gain(sum(n * g.bd_rate_percent for n, g in weighted) / images, sum(n * g.bd_psnr_db for n, g in weighted) / images)


@dataclass(frozen=True)
class Results:
    """The contents of run files: tables of measurements, and the latest times of networks, readings of the paper, and parts of the base.

    lines: the latest line of every measurement, also of points that the tables leave out.  targets: those with a target in place of a
    quality or a rate.
    """

    tables: Sequence[Table]
    speeds: Sequence[Line] = ()
    readings: Sequence[Line] = ()
    lines: Sequence[Line] = ()
    targets: Sequence[Line] = ()
    parts: Sequence[Line] = ()


def results(runs: Iterable[Path]) -> Results:
    """The tables and times of all lines in the run files.  InlayError if there are none, or `bjontegaard` is not installed."""
    runs = list(runs)
    groups: dict[tuple[Any, ...], list[Line]] = {}
    for line in (_printable(line) for run in runs for line in read_lines(run)):
        groups.setdefault((knob(line), *(line[name] for name in CONFIGURATION)), []).append(line)
    measured = [line for (at, *_), lines in groups.items() for line in _latest(lines, at)]
    groups = {key: lines for key, lines in groups.items() if key[0] not in TARGETS}
    latest = {(str(line["network"]), line["width"], line["height"], line["threads"]): line for run in runs for line in read_speeds(run)}
    readings = {(line["codec"], line["name"]): line for run in runs for line in read_readings(run)}
    parts = {(line["tune"], line["name"]): line for run in runs for line in read_parts(run)}
    if not (measured or latest or readings or parts):
        raise InlayError("no measurement in these files; expected lines that `inlaid bench` wrote")
    bd_rate(
        Curve((1, 2), (1, 2)), Curve((1, 2), (1, 2))
    )  # a missing package is an error here; later it would be taken for a picture without a curve
    tables = [_table(dict(zip(CONFIGURATION, key, strict=True)), knob, lines) for (knob, *key), lines in groups.items()]
    with_target = [line for line in measured if knob(line) in TARGETS]
    others = [line for line in measured if knob(line) not in TARGETS]
    return Results(tables, list(latest.values()), list(readings.values()), others, with_target, list(parts.values()))


def _printable(line: Line) -> Line:
    """The line with escaped names, where a file name is not UTF-8."""
    return line | {name: line[name].encode(errors="backslashreplace").decode() for name in ("set", "image")}


def _latest(lines: Iterable[Line], knob: str) -> list[Line]:
    """The last line of each picture and point: a picture or the code may have changed between lines."""
    return list({(line["set"], line["image"], line[knob]): line for line in lines}.values())


def _table(configuration: dict[str, Any], knob: str, lines: Sequence[Line]) -> Table:
    notes: list[str] = []
    latest = _latest(lines, knob)
    if replaced := len(lines) - len(latest):
        notes.append(f"Not used: {replaced} older lines of pictures and settings that were measured again later.")
    if words.is_of_the_paper(configuration):
        latest = _usual(latest, knob, notes)
    if (versions := len({line["code"] for line in latest})) > 1:
        notes.append(f"The lines were measured by {versions} versions of the code: run `inlaid bench` again to have all by one.")
    names = dict.fromkeys(line["set"] for line in latest)
    found = [set_result(name, [line for line in latest if line["set"] == name], notes) for name in names]
    return Table(configuration, knob, [result for result in found if result], notes, latest)


def _usual(lines: list[Line], knob: str, notes: list[str]) -> list[Line]:
    """The lines at the usual points of a codec, if all of these were measured: with a wider range the gains would change.

    Points that few pictures have stay; `set_result` leaves them out and says so.
    """
    usual = PEERS_QUALITIES.get(lines[0]["codec"], QUALITIES) if knob == "quality" else RATES_BPP
    having = Counter(line[knob] for line in lines)
    wider = {at for at, n in having.items() if at not in usual and 2 * n >= having[usual[0]]}
    if not wider or not having.keys() >= set(usual):
        return lines
    notes.append(f"The lines at {', '.join(map(str, sorted(wider)))} are used for the section on the base made for its inlay alone.")
    return [line for line in lines if line[knob] not in wider]


def set_result(name: str, lines: Sequence[Line], notes: list[str]) -> SetResult | None:
    """The result of one set's lines, or None if no picture has all points.  What is left out is added to `notes`."""
    at = knob(lines[0])
    # A point that fewer than half of the pictures have was measured for something else, such as a crop at one rate.
    having = Counter(line[at] for line in lines)
    points_at = sorted(value for value, n in having.items() if 2 * n >= len({line["image"] for line in lines}))
    if rare := sorted(having.keys() - set(points_at)):
        notes.append(f"{name}: the lines at {', '.join(map(str, rare))} are not used: most pictures do not have them.")
    images: dict[str, list[Line]] = {}
    for line in sorted((line for line in lines if line[at] in points_at), key=lambda line: (line["image"], line[at])):
        images.setdefault(line["image"], []).append(line)
    whole = {}
    for image, of_image in images.items():
        if len(of_image) < len(points_at):
            notes.append(f"{name}/{image} is left out: it was not measured at every {at.partition('_')[0]}.")
        elif len({line["sha256"] for line in of_image}) > 1:
            notes.append(f"{name}/{image} is left out: the name stands for different pictures.")
        elif any(line["psnr_plain_db"] is None or line["psnr_db"] is None for line in of_image):
            notes.append(f"{name}/{image} is left out: the base loses nothing, so the PSNR is infinite.")
        else:
            whole[image] = of_image
    if not whole:
        return None
    gains = [gain for image, of_image in whole.items() if (gain := _gain(*curves(of_image), f"{name}/{image}", notes))]
    per_image = Gain(fmean(g.bd_rate_percent for g in gains), fmean(g.bd_psnr_db for g in gains)) if gains else None
    points = [_point(value, [of_image[i] for of_image in whole.values()]) for i, value in enumerate(points_at)]
    result = SetResult(name, len(whole), per_image, None, points)
    curve = _gain(*result.curves(), f"{name}, average curve", notes)
    return SetResult(name, len(whole), per_image, curve, points)


def curves(lines: Sequence[Line]) -> tuple[Curve, Curve]:
    """The curves of one picture's lines, given in rising order: the plain base, and with an inlay."""
    plain = Curve([bpp(line, "plain_bytes") for line in lines], [line["psnr_plain_db"] for line in lines])
    return plain, Curve([bpp(line, "file_bytes") for line in lines], [line["psnr_db"] for line in lines])


def bpp(line: Line, size: str = "file_bytes") -> float:
    """Bits a pixel of a line's file; `size` names the field with the bytes."""
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
        perceptual={
            name: (fmean(line[name + "_plain"] for line in lines), fmean(line[name] for line in lines))
            for name in PERCEPTUAL
            if all(line[name] is not None for line in lines)
        },
    )
