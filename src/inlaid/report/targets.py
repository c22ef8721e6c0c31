"""The report's section on targets: how near the files come to what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ..bench.runs import Line, knob
from ..encoding.target import ABOVE_DB, ABOVE_SCORE, LEAST_FILL
from . import words
from .page import Block, Grid, Heading, Text

_NAMES = {"target_bpp": "bits a pixel", "target_psnr_db": "PSNR, dB", "target_ssimulacra2": "SSIMULACRA2"}
# A line of these has digits enough for a difference of so much to be none.
_ROUNDING = 1e-5


def section(lines: Sequence[Line]) -> list[Block]:
    """A row for each kind of file and target; empty where no targets were measured."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((knob(line), f"{words.base(line, knob(line))}; {words.inlay(line)}"), []).append(line)
    if not groups:
        return []
    text = Text(
        f"One number in: files of `--target-bpp` have at most that size, and no less than {LEAST_FILL:.0%} of it; those of "
        f"`--target-psnr` and `--target-ssimulacra2` have at least that quality, and at most {ABOVE_DB:g} dB or {ABOVE_SCORE:g} points "
        "more.  *met*: files within both bounds.  *on the wrong side*: larger files than asked for, or poorer ones.  A picture that cannot "
        "meet a target has no line.  Encoding: seconds of one thread, the median."
    )
    rows = [_row(at, kind, of_group) for (at, kind), of_group in sorted(groups.items())]
    return [Heading("Targets"), text, Grid(["file", "by", "targets", "files", "met", "on the wrong side", "farthest", "encoding, s"], rows)]


def _row(at: str, kind: str, lines: Sequence[Line]) -> list[object]:
    differences = [_difference(line, at) for line in lines]
    least, most = _bounds(at)
    met = sum(least - _ROUNDING <= each <= most + _ROUNDING for each in differences)
    wrong = sum(each > most + _ROUNDING if at == "target_bpp" else each < least - _ROUNDING for each in differences)
    farthest = max(differences, key=abs)
    shown = f"{100 * farthest:+.2f} %" if at == "target_bpp" else f"{farthest:+.3f}"
    targets = ", ".join(f"{value:g}" for value in sorted({line[at] for line in lines}))
    return [kind, _NAMES[at], targets, len(lines), met, wrong, shown, f"{median(line['encode_s'] for line in lines):.1f}"]


def _bounds(at: str) -> tuple[float, float]:
    """The least and the most of a difference."""
    return {"target_bpp": (LEAST_FILL - 1, 0.0), "target_psnr_db": (0.0, ABOVE_DB), "target_ssimulacra2": (0.0, ABOVE_SCORE)}[at]


def _difference(line: Line, at: str) -> float:
    """What a file has more than was asked for: of a size the share, of a quality the number."""
    if at == "target_bpp":
        asked_bytes = int(line[at] * line["width"] * line["height"] / 8)  # as the encoder rounds it
        return float(line["file_bytes"] / asked_bytes - 1)
    found = line["psnr_db"] if at == "target_psnr_db" else line["ssimulacra2"]
    return float("inf") if found is None else float(found - line[at])
