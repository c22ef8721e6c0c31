"""Tables from the stored lines of `inlay bench`, next to the paper's Table II; no pixel is looked at again (DESIGN.md, section 5).

Lines of equal settings make a table.  Each picture gives two curves over the qualities, its plain base files (the anchor) and its
files with an inlay (the test), every byte of the file counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from .errors import InlayError
from .metrics import Curve, bd_psnr, bd_rate
from .runs import SETTINGS, Line, read_lines

# Table II of the paper: BD-rate in per cent and BD-PSNR in dB, by codec and set; the averages are weighted by pictures.
PAPER = {
    "jpeg": {"live1": (-15.27, 0.906), "kodak": (-17.05, 0.998), "classic5": (-17.31, 1.000)},
    "jpeg2000": {"live1": (-4.12, 0.224), "kodak": (-4.76, 0.256), "classic5": (-8.61, 0.419)},
}
PAPER_AVERAGE = {"jpeg": (-16.18, 0.952), "jpeg2000": (-4.77, 0.254)}

# Lines that agree in these were measured alike, and are reported together.
CONFIGURATION = tuple(name for name in SETTINGS if name != "quality")


@dataclass(frozen=True)
class Gain:
    """What the inlay brings over the plain base, by Bjontegaard."""

    bd_rate_percent: float
    bd_psnr_db: float


@dataclass(frozen=True)
class Point:
    """Means over a set's pictures at one quality."""

    quality: int
    plain_bpp: float
    bpp: float
    plain_psnr_db: float
    psnr_db: float
    payload_bytes: float
    with_inlay: int  # pictures
    encode_s: float  # median


@dataclass(frozen=True)
class SetResult:
    """One set at one configuration."""

    name: str
    images: int
    per_image: Gain | None  # mean over the pictures; None if none of them has a curve
    average_curve: Gain | None  # the paper's way: of the mean rate and mean PSNR at each quality
    points: Sequence[Point]

    def curves(self) -> tuple[Curve, Curve]:
        """The set's average curves: the plain base, and with an inlay."""
        plain = Curve([p.plain_bpp for p in self.points], [p.plain_psnr_db for p in self.points])
        return plain, Curve([p.bpp for p in self.points], [p.psnr_db for p in self.points])


@dataclass(frozen=True)
class Table:
    """All sets at one configuration, and what the reader must know about them."""

    configuration: dict[str, Any]
    sets: Sequence[SetResult]
    notes: Sequence[str]
    lines: Sequence[Line] = field(repr=False)

    @property
    def title(self) -> str:
        """The configuration in words."""
        c = self.configuration
        base = "progressive" if c["progressive"] else "baseline"
        if c["codec"] == "jpeg":
            base += ", optimised Huffman tables" if c["optimize"] or c["progressive"] else ", default Huffman tables"
        seed = f", seed {c['seed']}" if c["seed"] else ""
        return f"{c['codec']}, {base}; preset {c['preset']}, effort {c['effort']}{seed}"

    def average(self, way: str) -> Gain | None:
        """Over all sets, weighted by pictures; `way` is "per_image" or "average_curve"."""
        weighted = [(s.images, gain) for s in self.sets if (gain := getattr(s, way))]
        if not weighted:
            return None
        images = sum(n for n, _ in weighted)
        return Gain(sum(n * g.bd_rate_percent for n, g in weighted) / images, sum(n * g.bd_psnr_db for n, g in weighted) / images)


def tables(runs: Iterable[Path]) -> list[Table]:
    """The tables of all lines in the run files.  InlayError if there are none, or `bjontegaard` is not installed."""
    groups: dict[tuple[Any, ...], list[Line]] = {}
    for run in runs:
        for line in read_lines(run):
            groups.setdefault(tuple(line[name] for name in CONFIGURATION), []).append(line)
    if not groups:
        raise InlayError("no measurement in these files; expected lines that `inlay bench` wrote")
    bd_rate(Curve((1, 2), (1, 2)), Curve((1, 2), (1, 2)))  # a missing package is told now, not taken for a strange picture
    return [_table(dict(zip(CONFIGURATION, key, strict=True)), lines) for key, lines in groups.items()]


def _table(configuration: dict[str, Any], lines: Sequence[Line]) -> Table:
    notes: list[str] = []
    # A picture or the code may have changed since: the last line at a setting is the one that counts.
    latest = {(line["set"], line["image"], line["quality"]): line for line in lines}
    if replaced := len(lines) - len(latest):
        notes.append(f"Not used: {replaced} older lines, since later ones measure the same pictures at the same settings.")
    if (versions := len({line["code"] for line in latest.values()})) > 1:
        notes.append(f"The lines are of {versions} versions of the code: run `inlay bench` again to have them of one.")
    names = dict.fromkeys(line["set"] for line in latest.values())
    results = [_set(name, [line for line in latest.values() if line["set"] == name], notes) for name in names]
    sets = [result for result in results if result]
    return Table(configuration, sets, notes, list(latest.values()))


def _set(name: str, lines: Sequence[Line], notes: list[str]) -> SetResult | None:
    qualities = sorted({line["quality"] for line in lines})
    images: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: (line["image"], line["quality"])):
        images.setdefault(line["image"], []).append(line)
    whole = {}
    for image, its in images.items():
        if len(its) < len(qualities):
            notes.append(f"{name}/{image} is left out: it was not measured at every quality.")
        elif len({line["sha256"] for line in its}) > 1:
            notes.append(f"{name}/{image} is left out: its lines are of different pictures.")
        elif any(line["psnr_plain_db"] is None or line["psnr_db"] is None for line in its):
            notes.append(f"{name}/{image} is left out: its base loses nothing, so its PSNR is infinite.")
        else:
            whole[image] = its
    if not whole:
        return None
    gains = [gain for image, its in whole.items() if (gain := _gain(*_curves(its), f"{name}/{image}", notes))]
    per_image = Gain(fmean(g.bd_rate_percent for g in gains), fmean(g.bd_psnr_db for g in gains)) if gains else None
    points = [_point(quality, [its[i] for its in whole.values()]) for i, quality in enumerate(qualities)]
    result = SetResult(name, len(whole), per_image, None, points)
    curve = _gain(*result.curves(), f"{name}, average curve", notes)
    return SetResult(name, len(whole), per_image, curve, points)


def _curves(lines: Sequence[Line]) -> tuple[Curve, Curve]:
    """Of one picture's lines in the order of quality: the plain base, and with an inlay."""
    plain = Curve([_bpp(line, "plain_bytes") for line in lines], [line["psnr_plain_db"] for line in lines])
    return plain, Curve([_bpp(line, "file_bytes") for line in lines], [line["psnr_db"] for line in lines])


def _bpp(line: Line, size: str) -> float:
    return float(8 * line[size] / (line["width"] * line["height"]))


def _gain(anchor: Curve, test: Curve, name: str, notes: list[str]) -> Gain | None:
    try:
        return Gain(bd_rate(anchor, test), bd_psnr(anchor, test))
    except InlayError as error:
        notes.append(f"{name}: {error}.")
        return None


def _point(quality: int, lines: Sequence[Line]) -> Point:
    return Point(
        quality,
        plain_bpp=fmean(_bpp(line, "plain_bytes") for line in lines),
        bpp=fmean(_bpp(line, "file_bytes") for line in lines),
        plain_psnr_db=fmean(line["psnr_plain_db"] for line in lines),
        psnr_db=fmean(line["psnr_db"] for line in lines),
        payload_bytes=fmean(line["payload_bytes"] for line in lines),
        with_inlay=sum(line["payload_bytes"] > 0 for line in lines),
        encode_s=median(line["encode_s"] for line in lines),
    )


# ------------------------------------------------------------------------------------------------ Markdown


def markdown(tables: Iterable[Table]) -> str:
    """The tables as a Markdown page."""
    page = [
        "# Results",
        "",
        "Made by `inlay report` from the lines that `inlay bench` stored.  Luma; whole files are counted, payload included;",
        "PSNR of what the decoder gives for the file.  BD-rate and BD-PSNR (Akima) compare the files with an inlay to the",
        "plain base files of the same settings: *per image*, the mean over the pictures; *average curve*, of the mean rate and",
        "mean PSNR at each quality, as in the paper.",
    ]  # fmt: skip
    for table in tables:
        page += ["", f"## {table.title}", "", *_gains(table)]
        for result in table.sets:
            page += ["", f"### {result.name}", "", *_points(result)]
        page += ["", *(f"- {note}" for note in (*table.notes, *_provenance(table.lines)))]
    return "\n".join(page) + "\n"


def _gains(table: Table) -> list[str]:
    paper = PAPER.get(table.configuration["codec"], {})
    rows = [(s.name, s.images, s.per_image, s.average_curve, paper.get(s.name.lower())) for s in table.sets]
    if len(rows) > 1:
        everything = {s.name.lower() for s in table.sets} == set(paper)
        average = PAPER_AVERAGE[table.configuration["codec"]] if everything else None
        images = sum(s.images for s in table.sets)
        rows.append(("**weighted**", images, table.average("per_image"), table.average("average_curve"), average))
    ways = ("per image", "average curve", "paper")
    head = ["set", "images", *(f"{name}, {way}" for way in ways for name in ("BD-rate", "BD-PSNR"))]
    return _grid(
        head,
        [
            [name, images, *_gain_cells(per_image), *_gain_cells(curve), *_gain_cells(Gain(*of_paper) if of_paper else None)]
            for name, images, per_image, curve, of_paper in rows
        ],
    )  # fmt: skip


def _gain_cells(gain: Gain | None) -> tuple[str, str]:
    return (f"{gain.bd_rate_percent:.2f} %", f"{gain.bd_psnr_db:+.3f} dB") if gain else ("", "")


def _points(result: SetResult) -> list[str]:
    head = "quality|plain, bpp|with inlay, bpp|plain, dB|with inlay, dB|gain, dB|payload, bytes|with an inlay|encoding, s"
    rows = [
        (
            p.quality, f"{p.plain_bpp:.4f}", f"{p.bpp:.4f}", f"{p.plain_psnr_db:.3f}", f"{p.psnr_db:.3f}",
            f"{p.psnr_db - p.plain_psnr_db:+.3f}", f"{p.payload_bytes:.0f}", f"{p.with_inlay} of {result.images}",
            f"{p.encode_s:.2f}",
        )
        for p in result.points
    ]  # fmt: skip
    return _grid(head.split("|"), rows)


def _grid(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [_row(head), "|---" + "|---:" * (len(head) - 1) + "|", *map(_row, rows)]


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _provenance(lines: Sequence[Line]) -> list[str]:
    """What the lines were measured with: each value that occurs."""
    networks = sorted({f"{n['weights']} weights and {n['biases']} biases" for line in lines if (n := line["network"])})
    priors = sorted({line["prior"] for line in lines if line["prior"] is not None})
    versions = sorted({", ".join(f"{k} {v}" for k, v in line["versions"].items()) for line in lines})
    machines = sorted({f"{line['machine']} ({line['threads']} thread a process)" for line in lines})
    return [
        f"Networks: {'; '.join(networks) or 'none'}.  Priors: {', '.join(map(str, priors)) or 'none'}.",
        f"Measured with {'; '.join(versions)}.",
        f"Encoding times are medians, on {'; '.join(machines)}, processes side by side.",
    ]
