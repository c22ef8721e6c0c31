"""Measure readings of the paper: what it leaves open, each part varied by itself.

    python benchmarks/readings.py --train DIR ... --test DIR [--only READING ...] [-o docs/runs/readings.jsonl]

For each reading a network is trained by the paper's recipe, then fitted to held-out pictures, and its parameters are coded as in a file.
One JSON line a reading and codec is appended; `inlaid report` makes their table. Use pictures that no result is reported on: the
readings are chosen by this.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from common import originals
from PIL import Image

from inlaid import formats
from inlaid.arrays import Pixels, Vector
from inlaid.bench import provenance, runs
from inlaid.bench.metrics import Curve, bd_psnr, bd_rate
from inlaid.encoding.candidates import COARSENESSES, Base
from inlaid.encoding.curvature import gauss_newton, random_tiles, sample_px
from inlaid.encoding.distortion import mse, psnr_db
from inlaid.encoding.fit import Problem, fit, mean_squared_error
from inlaid.encoding.floatnet import he_init
from inlaid.encoding.gradient import PEAK_MSE, normed_gradient
from inlaid.encoding.instance_norm import units
from inlaid.encoding.presets import SMALL
from inlaid.encoding.quantize import quantise
from inlaid.encoding.rate_slope import RateCurve
from inlaid.encoding.rectangles import tiles
from inlaid.encoding.run import Run
from inlaid.encoding.schedule import Schedule
from inlaid.errors import InlayError
from inlaid.parameters import UNIT, Prior, Sets, apply
from inlaid.pretraining.corpus import Band, images_in, load
from inlaid.pretraining.pretrain import WARMUP_STEPS, survey
from inlaid.pretraining.recipes import Paper
from inlaid.pretraining.training import train
from inlaid.restoration import restore

CROP_PX = Paper.patch_size[0] * Paper.patch_size[1]
PAYLOAD_BYTES = 12  # of a payload without parameters
POINTS = {"jpeg": (10, 20, 30, 40), "jpeg2000": (0.2, 0.4, 0.7, 1.0)}
BANDS = {"jpeg": Band("jpeg", "quality", 10, 40), "jpeg2000": Band("jpeg2000", "rate_bpp", 0.2, 1.0)}
SUMMED = CROP_PX  # a sum's gradient over a crop is so many times the mean's


@dataclass(frozen=True)
class Training:
    """How a reading trains: attributes of the recipe, and the schedule."""

    recipe: tuple[tuple[str, Any], ...] = ()
    steps: int = 6000
    pixel_range: float = 255
    rate: float = Paper.learning_rate
    decays: bool = True
    last_layer: bool = False  # the last layer begins with random numbers too, not with zeros

    def of(self, codec: str, folders: list[Path], surveyed: int, most_steps: int | None) -> Trained:
        """The trained network, and the prior made of it.  InlayError if the training diverges."""
        schedule = replace(Paper.schedule, pixel_range=self.pixel_range)
        recipe = type("Reading", (Paper,), {"schedule": schedule, **dict(self.recipe)})(SMALL, 1)
        rows, columns = (side + 2 * SMALL.halo_px for side in recipe.patch_size)
        corpus = load(images_in(folders), BANDS[codec], (rows, columns), 0)
        steps = min(self.steps, most_steps or self.steps)
        course = Schedule(steps, rate=self.rate, final_rate=0 if self.decays else self.rate, warmup=WARMUP_STEPS)
        start = he_init(SMALL, np.random.default_rng(0))
        if self.last_layer:
            last = SMALL.tensors[-1]
            scale = np.sqrt(2 / last.fan_in) / units(SMALL, self.pixel_range)[last.slice]
            start[last.slice] = scale * np.random.default_rng(1).normal(size=last.size)
        trained, _ = train(recipe, corpus, course, start=start)
        values = recipe.finished(trained, corpus, 0)
        exponents, spreads = survey(recipe, trained, values, corpus, surveyed)
        return Trained(trained, Prior(0, SMALL, np.rint(values * UNIT).astype(np.int64), exponents, spreads))


@dataclass(frozen=True)
class Trained:
    """The parameters that a training ended with, and its prior."""

    parameters: Vector
    prior: Prior


@dataclass(frozen=True)
class Reading:
    """What differs from the chosen reading, in words, and how it trains and fits."""

    differs: str
    training: Training = Training()
    fit: dict[str, Any] = field(default_factory=dict)  # fields of the schedule
    of_blocks: bool = False  # in use too, each block has its own statistics: not a network that a file can hold

    @property
    def schedule(self) -> Schedule:
        """Of the fits."""
        return replace(Paper.schedule, pixel_range=self.training.pixel_range, **self.fit)


def blocks(side_px: int, at_once: int) -> dict[str, Any]:
    """The schedule's fields for block pairs of a side, so many a step."""
    return {"patch": (side_px, side_px), "batch_px": side_px**2 * at_once}


READINGS = {
    "chosen": Reading("the chosen reading"),
    "unit-range": Reading("pixels from 0 to 1", Training(pixel_range=1)),
    "unit-range-sum": Reading("pixels from 0 to 1, loss summed over a block in the training", Training(pixel_range=1, rate=0.01 * SUMMED)),
    "sum": Reading("loss summed over a block in the training", Training(rate=0.01 * SUMMED)),
    "sum-in-fit": Reading("loss summed over a block in the fit, so that every gradient is clipped", fit={"clip": 1e-5}),
    "last-layer": Reading("the last layer begins by MSRA too, not with zeros", Training(last_layer=True)),
    "training-2000": Reading("training of 2,000 steps", Training(steps=2000)),
    "training-20000": Reading("training of 20,000 steps", Training(steps=20_000)),
    "training-constant": Reading("training at a constant rate", Training(decays=False)),
    "crops-4": Reading("4 crops a training step, as many in all", Training((("CROPS", 4),), steps=1500)),
    "blocks-256": Reading("a block pair of 256x256 a step", fit=blocks(256, 1)),
    "blocks-128": Reading("a block pair of 128x128 a step", fit=blocks(128, 1)),
    "blocks-128-9": Reading("9 block pairs of 128x128 a step", fit=blocks(128, 9)),
    "blocks-in-use": Reading("9 block pairs of 128x128 a step, and statistics of each block in use", fit=blocks(128, 9), of_blocks=True),
    "fit-constant": Reading("fit at a constant rate", fit={"final_rate": 0.1}),
    "fit-rate-0.01": Reading("fit at a rate of 0.01", fit={"rate": 0.01}),
    "unclipped": Reading("gradient not clipped", fit={"clip": None}),
    "clips-each": Reading("each part of the gradient clipped to 1", fit={"clips_each": True}),
    **{f"fit-{n}": Reading(f"fit of {n} steps", fit={"steps": n}) for n in (50, 100, 400)},
}
FOR_JPEG2000 = ("chosen", "unit-range", "training-20000", "blocks-128-9", "fit-50", "fit-400")


def evaluated(reading: Reading, codec: str, point: float, trained: Trained, original: Pixels) -> runs.Line:
    """Bytes and mean squared errors of one picture: plain, with the prior as it is, fitted, and coded."""
    known, image = formats.by_name(codec), Image.fromarray(original)
    data = known.codec.encode(image, int(point), {}) if codec == "jpeg" else known.codec.encode(image, None, {"rate_bpp": point})
    base = Base.of(known, data, known.codec.decode_luma(data), image)
    mse_per_byte = RateCurve(known, data, base.sample).mse_per_byte()
    prior = trained.prior
    as_it_is = (prior.values / UNIT).astype(np.float32)
    problem = Problem(SMALL, base.luma, base.original, like=as_it_is)
    result = fit(problem, trained.parameters, reading.schedule, Run(threads=1))
    fitted, error = result.parameters, mean_squared_error(problem, result.parameters, 1)
    if reading.of_blocks:
        each = tiles(base.luma.shape, *reading.schedule.patch)
        error = normed_gradient(SMALL, result.normed, each, base=base.luma, target=base.original, threads=1)[0] * PEAK_MSE / original.size
    hessian = gauss_newton(SMALL, fitted, base.luma, random_tiles(base.luma.shape, sample_px(SMALL.size)), threads=1)
    choices = [(base.mse, 0)]
    for coarseness in COARSENESSES:
        coded = quantise(prior, fitted, hessian, error, mse_per_byte / 8, coarseness)
        try:
            sets = Sets((apply(prior, coded.levels, coarseness),))
        except InlayError:  # a parameter exceeds its bounds
            continue
        restored = restore(SMALL, sets, base.luma, threads=1)
        choices.append((mse(restored, base.original), len(coded.coded) + PAYLOAD_BYTES + known.container.OVERHEAD_BYTES))
    coded_mse, payload_bytes = min(choices, key=lambda choice: choice[0] + mse_per_byte * choice[1])
    errors = {"plain": base.mse, "prior": mean_squared_error(problem, as_it_is, 1), "fitted": error, "coded": coded_mse}
    return {"bytes": len(data), "payload_bytes": payload_bytes, "pixels": original.size} | {k: psnr_db(e) for k, e in errors.items()}


def figures(found: list[list[runs.Line]]) -> runs.Line:
    """The figures of a reading: means over pictures, each given by its points in rising order."""
    every = [point for picture in found for point in picture]

    def curve(picture: list[runs.Line], key: str, counted: bool) -> Curve:
        sizes = [point["bytes"] + counted * point["payload_bytes"] for point in picture]
        return Curve([8 * size / picture[0]["pixels"] for size in sizes], [point[key] for point in picture])

    def gain(measure: Callable[[Curve, Curve], float], counted: bool) -> float:
        return round(fmean(measure(curve(p, "plain", False), curve(p, "coded", counted)) for p in found), 4)

    return {
        "pictures": len(found),
        "prior_db": round(fmean(point["prior"] - point["plain"] for point in every), 4),
        "fitted_db": round(fmean(point["fitted"] - point["plain"] for point in every), 4),
        "payload_bytes": round(fmean(point["payload_bytes"] for point in every), 1),
        "bd_rate_percent": gain(bd_rate, True),
        "bd_rate_uncounted_percent": gain(bd_rate, False),
        "bd_psnr_db": gain(bd_psnr, True),
    }


CODED = ("payload_bytes", "bd_rate_percent", "bd_rate_uncounted_percent", "bd_psnr_db")


def measured(names: list[str], codec: str, arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> Iterator[runs.Line]:
    """A line a reading, as they come.  Where a training diverges, the line has a reason and no figures."""
    pictures = [luma for _, luma in originals(arguments.test)][: arguments.pictures]
    trainings = dict.fromkeys(READINGS[name].training for name in names)
    futures = {t: pool.submit(t.of, codec, arguments.train, arguments.surveyed, arguments.most_steps) for t in trainings}
    for name in names:
        reading = READINGS[name]
        line = {"benchmark": runs.READING, "name": name, "codec": codec, "differs": reading.differs, "reason": None}
        steps = min(reading.training.steps, arguments.most_steps or reading.training.steps)
        line |= {"training_steps": steps, "fit_steps": reading.schedule.steps} | dict.fromkeys(runs.READ)
        line |= {"versions": provenance.versions(), "machine": provenance.machine()}
        try:
            trained = futures[reading.training].result()
            each = [[pool.submit(evaluated, reading, codec, at, trained, picture) for at in POINTS[codec]] for picture in pictures]
            line |= figures([[future.result() for future in points] for points in each])
            if reading.of_blocks:
                line |= dict.fromkeys(CODED)
        except InlayError as error:
            line |= {"reason": str(error)}
        yield line


def main() -> int:
    """Measure the readings asked for, and append their lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, nargs="+", required=True, metavar="DIR", help="folders of pictures to train on")
    parser.add_argument("--test", type=Path, required=True, metavar="DIR", help="folder of pictures to fit to")
    parser.add_argument("--only", nargs="*", choices=READINGS, metavar="READING", help=", ".join(READINGS))
    parser.add_argument("--codec", nargs="*", choices=POINTS, default=list(POINTS), help="(default: all)")
    parser.add_argument("--pictures", type=int, default=4, metavar="N", help="fit to the first N pictures (default: 4)")
    parser.add_argument("--surveyed", type=int, default=4, metavar="N", help="pictures that the spreads are measured on (default: 4)")
    parser.add_argument("--most-steps", type=int, metavar="N", help="train for at most N steps: for trying the script")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "docs" / "runs" / "readings.jsonl", metavar="RUN")
    arguments = parser.parse_args()
    runs.recover(arguments.output)
    for codec in arguments.codec:
        names = arguments.only or [*(READINGS if codec == "jpeg" else FOR_JPEG2000)]
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            for line in measured(names, codec, arguments, pool):
                runs.append(arguments.output, line)
                coded = "" if line["bd_rate_percent"] is None else f", BD-rate {line['bd_rate_percent']:.2f} %"
                print(f"{codec}, {line['differs']}: {line['reason'] or 'fitted'} {line['fitted_db'] or ''}{coded}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
