"""The curves of each picture by kind of file, and what one kind of file saves over another.

A kind is named by its settings in words.  A view is a metric, of gray or of colour lines, over a range of rates or scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from ..bench.metrics import Curve, bd_rate, cut
from ..bench.peers import NAMES as PEERS
from ..bench.runs import JPEG_BEFORE, Line, knob
from ..bench.settings import SUBSAMPLING
from ..encoding.presets import PRESETS
from ..errors import InlayError
from . import words
from .tables import bpp

Picture = tuple[str, str]  # set, and digest of the file
Curves = dict[Picture, Curve]
Range = tuple[float, float]
ANYTHING: Range = (-math.inf, math.inf)


@dataclass(frozen=True)
class View:
    """A metric of gray or of colour lines, and the rates and scores that count.  fields: of the plain base, and with an inlay."""

    name: str
    colour: bool
    fields: tuple[str, str]
    bpp: Range = ANYTHING
    scores: Range = ANYTHING

    def curve(self, points: Iterable[tuple[float, float | None]]) -> Curve:
        """The part that counts of the curve through points (bits a pixel, score); an empty curve where there is none."""
        known = sorted({rate: score for rate, score in points if score is not None}.items())
        inside = [i for i, (rate, score) in enumerate(known) if _within(rate, self.bpp) and _within(score, self.scores)]
        near = known[max(min(inside) - 1, 0) : max(inside) + 2] if inside else []  # a point beyond each bound, to interpolate with
        try:
            return cut(Curve([rate for rate, _ in near], [score for _, score in near]), self.bpp, self.scores)
        except InlayError:  # the curve does not rise, or has too few points
            return Curve([], [])


def _within(value: float, bounds: Range) -> bool:
    return bounds[0] <= value <= bounds[1]


Files = Callable[[Line, View], Iterator[tuple[str, str, str]]]  # the kinds of file of a line, the fields of bytes and of score

RATES: Range = (0.15, 1.5)
SCORES: Range = (50, 90)
LUMA, RGB, LOOKS = ((f"{stem}_plain{unit}", f"{stem}{unit}") for stem, unit in (("psnr", "_db"), ("psnr_rgb", "_db"), ("ssimulacra2", "")))
VIEWS = (
    View("PSNR of the luma, gray", False, LUMA, RATES),
    View("PSNR of the luma, colour", True, LUMA, RATES),
    View("PSNR of RGB", True, RGB, RATES),
    View("SSIMULACRA2", True, LOOKS, scores=SCORES),
)


def anchors(colour: bool) -> dict[str, str]:
    """What files are compared with: the kinds by their names in the page."""
    libjpeg = {"codec": "jpeg", "base": JPEG_BEFORE, "optimize": True, "progressive": False, "subsampling": SUBSAMPLING if colour else None}
    return {"libjpeg": f"{words.base(libjpeg, 'quality')}, plain", "WebP": "webp", "JPEG 2000": "jpeg2000, plain", "AVIF": "avif"}


def is_shown(line: Line) -> bool:
    """False for ablations, and for JPEG with the standard's Huffman tables, which waste bytes that no inlay is to be praised for."""
    if line["codec"] in PEERS:
        return True
    own_tables = line["codec"] != "jpeg" or line["base"] == "trellis" or line["optimize"] or line["progressive"]
    return line["preset"] in PRESETS and bool(own_tables)


def name(line: Line) -> str:
    """The kind of the line's file."""
    base = words.base(line, knob(line))
    return base if line["codec"] in PEERS else f"{base}; {words.inlay(line)}"


def picture(line: Line) -> Picture:
    """The picture of a line: two pictures may have one name."""
    return line["set"], line["sha256"]


def curves(lines: Iterable[Line], view: View) -> dict[str, Curves]:
    """The curves of each kind of file: peers, plain bases that were made for themselves, and files with an inlay."""
    return _collected(lines, view, _files)


def legacy_curves(lines: Iterable[Line], view: View) -> dict[str, Curves]:
    """The curves of what a plain viewer shows of files with an inlay, whose bytes count."""
    return _collected(lines, view, _legacy)


def _files(line: Line, view: View) -> Iterator[tuple[str, str, str]]:
    """Those of `curves`."""
    yield name(line), "file_bytes", view.fields[1]
    if line["packed_bytes"] is not None:
        yield f"{name(line)}; packed into JPEG XL", "packed_bytes", view.fields[1]
    if line["codec"] not in PEERS and not line["legacy_loss_db"]:
        yield f"{words.base(line, knob(line))}, plain", "plain_bytes", view.fields[0]


def _legacy(line: Line, view: View) -> Iterator[tuple[str, str, str]]:
    """Those of `legacy_curves`."""
    if line["codec"] not in PEERS:
        yield name(line), "file_bytes", view.fields[0]


def _collected(lines: Iterable[Line], view: View, files: Files) -> dict[str, Curves]:
    points: dict[str, dict[Picture, dict[float, tuple[float, float | None]]]] = {}
    for line in lines:
        if line["colour"] == view.colour and is_shown(line):
            for kind, size, score in files(line, view):
                of_picture = points.setdefault(kind, {}).setdefault(picture(line), {})
                of_picture[line[knob(line)]] = bpp(line, size), line[score]
    found = {kind: {p: view.curve(of_picture.values()) for p, of_picture in pictures.items()} for kind, pictures in points.items()}
    return {kind: {p: curve for p, curve in of_kind.items() if curve.bpp} for kind, of_kind in found.items()}


@dataclass(frozen=True)
class Saving:
    """The mean BD-rate over the pictures on which both kinds of file have curves with a common range."""

    percent: float
    images: int


def bd_rates(anchor: Curves, test: Curves) -> dict[Picture, float]:
    """The BD-rate of each picture that has one."""
    found = {}
    for each in anchor.keys() & test.keys():
        try:
            found[each] = bd_rate(anchor[each], test[each])
        except InlayError:  # too few points, or no common range; the number of pictures shows that it is missing
            continue
    return found


def saving(rates: Mapping[Picture, float], set_name: str | None = None) -> Saving | None:
    """The mean over the pictures of a set, or over all pictures: sets weigh as much as they have pictures."""
    chosen = [rate for (name, _), rate in sorted(rates.items()) if set_name in (None, name)]
    return Saving(fmean(chosen), len(chosen)) if chosen else None
