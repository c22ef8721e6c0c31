"""Measure what each part of the base made for its inlay brings: each is taken out, and the files are compared with those of everything.

    python benchmarks/parts.py --images DIR [--only PART ...] [--pictures N] [-o docs/runs/parts.jsonl]

One JSON line a part and tuning is appended; `inlaid report` makes their table. Files tuned for PSNR are gray and are compared by PSNR.
Files for looks are in colour and are compared by SSIMULACRA2. Use pictures that no result is reported on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest import mock

from inlaid import formats, priors
from inlaid.bench import provenance, runs
from inlaid.bench.measurement import measure
from inlaid.bench.settings import Detail, Settings
from inlaid.encoding import candidates, loop, presets
from inlaid.formats.jpeg import trellis
from inlaid.network import Network
from inlaid.parameters import Prior
from inlaid.report import rates
from inlaid.report.rates import Curves
from inlaid.report.tables import bpp

QUALITIES = {"psnr": (3, 6, 12, 25, 40, 60), "looks": (15, 30, 45, 60, 80)}
VIEWS = {"psnr": rates.VIEWS[0], "looks": rates.VIEWS[3]}
EVERYTHING: dict[str, Any] = {"preset": "large", "effort": 1, "base": "trellis", "legacy_loss_db": loop.LEGACY_LOSS_DB}


@dataclass(frozen=True)
class Part:
    """What differs from everything, in words; settings of the bench; (object, name, value) that take the place of others; and where."""

    differs: str
    settings: dict[str, Any] = field(default_factory=dict)
    changes: tuple[tuple[Any, str, Any], ...] = ()
    shape: dict[str, float] = field(default_factory=dict)  # of the tuning's tables
    tuning: dict[str, float] = field(default_factory=dict)
    tunes: tuple[str, ...] = ("psnr", "looks")

    def changed(self, tune: str) -> ExitStack:
        """The changes, until the stack is left."""
        stack, usual = ExitStack(), trellis.TUNINGS[tune]
        shapes = {name: replace(getattr(usual, name), **self.shape) for name in ("luma", "chroma_shape")}
        stack.enter_context(mock.patch.dict(trellis.TUNINGS, {tune: replace(usual, **shapes, **self.tuning)}))
        for target, name, value in self.changes:
            stack.enter_context(mock.patch.object(target, name, value))
        return stack


def ordinary(codec: str, network: Network, recipe: str, shipped: Any = priors.candidates) -> list[Prior]:
    """The shipped priors that were not trained on bases made for an inlay."""
    return [prior for prior in shipped(codec, network, recipe) if not priors.stored(prior.number)["provenance"].get("rounds")]


def two_rounds(effort: int, pixels: int) -> tuple[int, int]:
    """In place of `presets.rounds`."""
    return 2, 0


CODEC, LOOKS = formats.by_name("jpeg").codec, ("looks",)
PARTS = {
    "everything": Part("everything"),
    "own-base": Part("without the base encoder: libjpeg's, with Huffman tables of its own", {"base": "turbo", "optimize": True}),
    "loop": Part("without the loop", {"legacy_loss_db": 0.0}),
    "many-rounds": Part("two rounds of the loop alone", changes=((presets, "rounds", two_rounds),)),
    "length": Part("steps of the loop of length 1", changes=((CODEC, "LOOP_LENGTH", 1.0),)),
    "part-of-the-way": Part("rounds that go the whole way", changes=((loop, "FIRST_PART", 1.0), (loop, "NEXT_PART", 1.0))),
    "own-priors": Part("without priors for bases made for an inlay", changes=((priors, "candidates", ordinary),)),
    "priors-tried": Part("the prior that is best on the first base", changes=((candidates, "trained_alike", lambda *_: []),)),
    "trellis": Part("the nearest levels, in place of the trellis's", shape={"price": 1e-6}),
    "tables": Part("flat tables", shape={"rise": 0.0}),
    "weights": Part("errors of all frequencies weighed alike", shape={"focus": 0.0}, tunes=LOOKS),
    "dc": Part("DC's step not made finer", shape={"dc": 1.0}, tunes=LOOKS),
    "masking": Part("the same lambda for all blocks", tuning={"masking": 0.0}, tunes=LOOKS),
    "chroma": Part("chroma as fine as luma", tuning={"chroma": 1.0}, tunes=LOOKS),
    "progressive": Part("baseline files", {"progressive": False}),
    "large": Part("378 weights in place of 1888", {"preset": "default"}),
    "tilt": Part("with the choice of a tilt, as from effort 7 on", changes=((presets, "TILTED", 1),)),
    "fit": Part("with the fit of effort 5", {"effort": 5}),
    "fit-and-loop": Part("with fit, loop with it and another fit: effort 6", {"effort": 6}),
}


def measured(name: str, tune: str, path: Path, quality: float) -> runs.Line:
    """The line of the bench."""
    part, detail = PARTS[name], Detail("all" if tune == "looks" else "psnr")
    with part.changed(tune):
        return measure(path, Settings(quality=quality, tune=tune, colour=tune == "looks", **EVERYTHING | part.settings), detail)


def curves(lines: list[runs.Line], tune: str) -> Curves:
    """The curve of each picture."""
    view, found = VIEWS[tune], {}
    for picture in dict.fromkeys(map(rates.picture, lines)):
        of_picture = [line for line in lines if rates.picture(line) == picture]
        found[picture] = view.curve((bpp(line), line[view.fields[1]]) for line in of_picture)
    return found


def results(names: list[str], tune: str, pictures: list[Path], pool: ProcessPoolExecutor) -> Iterator[runs.Line]:
    """A line a part, as they come."""
    names = ["everything", *(name for name in names if name != "everything" and tune in PARTS[name].tunes)]
    futures: dict[str, list[Future[runs.Line]]] = {
        name: [pool.submit(measured, name, tune, path, q) for path in pictures for q in QUALITIES[tune]] for name in names
    }
    anchor: Curves = {}
    for name in names:
        lines = [future.result() for future in futures[name]]
        anchor = anchor or curves(lines, tune)
        each = rates.bd_rates(anchor, curves(lines, tune))
        yield {
            "benchmark": runs.PART,
            "name": name,
            "tune": tune,
            "differs": PARTS[name].differs,
            "pictures": len(each),
            "bd_rate_percent": round(fmean(each.values()), 3),
            "versions": provenance.versions(),
            "machine": provenance.machine(),
        }


def main() -> int:
    """Measure the parts asked for, and append their lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of pictures")
    parser.add_argument("--pictures", type=int, default=8, metavar="N", help="take the first N of them (default: 8)")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--tune", nargs="*", choices=QUALITIES, default=list(QUALITIES), help="(default: both)")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "docs" / "runs" / "parts.jsonl", metavar="RUN")
    arguments = parser.parse_args()
    runs.recover(arguments.output)
    pictures = sorted(path for path in arguments.images.iterdir() if path.is_file())[: arguments.pictures]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for tune in arguments.tune:
            for line in results(arguments.only, tune, pictures, pool):
                runs.append(arguments.output, line)
                print(f"{tune}, {line['differs']}: {line['bd_rate_percent']:+.2f} %", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
