"""The time that a fit takes to come near the result of a long fit.

The base is the luma of each picture as JPEG of quality 20. The fit begins with the encoder's prior and follows the default preset's
schedule at several numbers of steps, without a cost of bytes, on all threads. The times are those of `fit`. The PSNR is that of the float
network over the whole picture. The first column is the time of the quickest schedule that comes within 0.05 dB of 2000 steps.

"Restarted": the same number of steps, restarted after 50 steps and whenever their number has doubled, with a Gauss-Newton step and
eigenvectors at the parameters reached. It lowers the error further. An encoder, which weighs bytes too, gains by it only from effort 7 on.
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
from inlaid.encoding.distortion import mse, psnr_db
from inlaid.encoding.fit import Problem, fit, mean_squared_error
from inlaid.encoding.presets import FOLLOWED, SMALL
from inlaid.encoding.run import Run
from inlaid.parameters import UNIT

REFERENCE = 2000
STEPS = (25, 50, 100, 200, 400, 800)
RESTARTED, CYCLE = (100, 200, 400), 50
WITHIN_DB = 0.05
REQUIRED_S = 8
COLUMNS = (
    Column("seconds", f"seconds to {WITHIN_DB} dB", ".2f"),
    Column("steps", "steps", ".0f"),
    Column("base_db", "base, dB", ".2f"),
    Column("prior_db", "prior, dB", ".2f"),
    *(Column(f"db_{n}", f"{n} steps, dB", ".3f") for n in (*STEPS, REFERENCE)),
    *(Column(f"db_{n}_anew", f"{n} steps restarted, dB", ".3f") for n in RESTARTED),
    *(Column(f"seconds_{n}", f"{n} steps, s", ".2f") for n in (*STEPS, REFERENCE)),
    *(Column(f"seconds_{n}_anew", f"{n} steps restarted, s", ".2f") for n in RESTARTED),
)


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """Yield a line for each picture, then one with the mean and one with the worst of every number."""
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
    """The time (s) and PSNR (dB) of every schedule."""
    base = jpeg_of(original, 20)[1]
    prior = prior_for(SMALL, base, original)
    start = (prior.values / UNIT).astype(np.float32)

    problem = Problem(SMALL, base, original)

    def psnr(parameters: Vector) -> float:
        return psnr_db(mean_squared_error(problem, parameters, threads))

    numbers = {"base_db": psnr_db(mse(base, original)), "prior_db": psnr(start)}
    walk = partial(fit, problem, start, run=Run(threads=threads))
    walk(replace(FOLLOWED, steps=1))  # warms caches and starts threads
    schedules = {f"{steps}": replace(FOLLOWED, steps=steps) for steps in (*STEPS, REFERENCE)}
    schedules |= {f"{steps}_anew": replace(FOLLOWED, steps=steps, cycle=CYCLE) for steps in RESTARTED}
    for name, schedule in schedules.items():
        begun = time.perf_counter()
        fitted = walk(schedule)
        numbers[f"seconds_{name}"] = time.perf_counter() - begun
        numbers[f"db_{name}"] = psnr(fitted.parameters)
    enough = numbers[f"db_{REFERENCE}"] - WITHIN_DB
    quickest = min((name for name in schedules if numbers[f"db_{name}"] >= enough), key=lambda name: numbers[f"seconds_{name}"])
    return {"seconds": numbers[f"seconds_{quickest}"], "steps": schedules[quickest].steps} | numbers
