"""How soon a fit is as good as a long one: decibels against seconds.

The luma of each picture as JPEG of quality 20; from the prior that the encoder would begin at, the default preset's schedule at several
numbers of steps, without a cost of bytes; all threads. Seconds are those of `fit`; the PSNR is that of the float network over the
whole picture. "Seconds" are those of the quickest schedule that comes within 0.05 dB of 2000 steps.

"Anew": the same numbers of steps, but begun anew after 50 and whenever they have doubled, with a Gauss-Newton step and eigenvectors where
the fit has come to. It lowers the error further; an encoder that weighs bytes too gains nothing by it before effort 7.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from statistics import fmean

import numpy as np
from common import Column, Line, at_most, jpeg_of, originals, prior_for

from inlaid.arrays import Pixels, Vector
from inlaid.encoding.fit import Problem, fit, mean_squared_error
from inlaid.encoding.presets import FOLLOWED, SMALL
from inlaid.parameters import UNIT

REFERENCE = 2000
STEPS = (25, 50, 100, 200, 400, 800)
ANEW, CYCLE = (100, 200, 400), 50
WITHIN_DB = 0.05
REQUIRED_S = 8
COLUMNS = (
    Column("seconds", f"seconds to {WITHIN_DB} dB", ".2f"),
    Column("steps", "steps", ".0f"),
    Column("base_db", "base, dB", ".2f"),
    Column("prior_db", "prior, dB", ".2f"),
    *(Column(f"db_{n}", f"{n} steps, dB", ".3f") for n in (*STEPS, REFERENCE)),
    *(Column(f"db_{n}_anew", f"{n} steps anew, dB", ".3f") for n in ANEW),
    *(Column(f"seconds_{n}", f"{n} steps, s", ".2f") for n in (*STEPS, REFERENCE)),
    *(Column(f"seconds_{n}_anew", f"{n} steps anew, s", ".2f") for n in ANEW),
)


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """A line for each picture, then the mean and the worst of every number."""
    found: list[Line] = []
    for name, original in islice(originals(arguments.images), arguments.sample):
        found.append(_picture(original, arguments.threads))
        yield {"what": name} | found[-1]

    def of_all(summary: Callable[[Iterable[float]], float], key: str) -> float:
        return summary(line[key] for line in found)

    required = at_most(seconds=REQUIRED_S)
    yield {"what": f"mean of {len(found)}", "required": required} | {key: of_all(fmean, key) for key in found[0]}
    yield {"what": f"worst of {len(found)}", "required": required} | {key: of_all(min if "db" in key else max, key) for key in found[0]}


def _picture(original: Pixels, threads: int) -> Line:
    """Seconds and PSNR (dB) of every schedule."""
    base = jpeg_of(original, 20)[1]
    prior = prior_for(SMALL, base, original)
    start = (prior.values / UNIT).astype(np.float32)

    def psnr(parameters: Vector) -> float:
        return _psnr(mean_squared_error(Problem(SMALL, base, original), parameters, threads))

    numbers = {"base_db": _psnr(float(np.square(original - base.astype(np.float64)).mean())), "prior_db": psnr(start)}
    walk = partial(fit, SMALL, start, base=base, original=original, threads=threads)
    walk(replace(FOLLOWED, steps=1))  # wakes threads and caches
    schedules = {f"{steps}": replace(FOLLOWED, steps=steps) for steps in (*STEPS, REFERENCE)}
    schedules |= {f"{steps}_anew": replace(FOLLOWED, steps=steps, cycle=CYCLE) for steps in ANEW}
    for name, schedule in schedules.items():
        begun = time.perf_counter()
        fitted = walk(schedule)
        numbers[f"seconds_{name}"] = time.perf_counter() - begun
        numbers[f"db_{name}"] = psnr(fitted.parameters)
    enough = numbers[f"db_{REFERENCE}"] - WITHIN_DB
    quickest = min((name for name in schedules if numbers[f"db_{name}"] >= enough), key=lambda name: numbers[f"seconds_{name}"])
    return {"seconds": numbers[f"seconds_{quickest}"], "steps": schedules[quickest].steps} | numbers


def _psnr(mse: float) -> float:
    return float(10 * np.log10(255**2 / mse))
