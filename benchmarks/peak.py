"""The peaks of this machine, measured: int16 multiply-accumulates (10^9 a second) and float operations (10^9 a second, a fused
multiply-add being two) of loops that touch registers alone, with the vectors of the kernel's path: `peak.c`.
"""

from __future__ import annotations

import argparse
import ctypes
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from common import Column, Line

from inlay.provenance import versions

COLUMNS = (Column("int16_gmacs", "int16 GMAC/s", ".1f"), Column("float_gflops", "float GFLOP/s", ".1f"))
LANES = {"avx512": 16, "avx2": 8, "portable": 4}
TRIES = 5  # the best counts, since other programs can only slow it down


class Peak(NamedTuple):
    """Of some threads together."""

    int16_gmacs: float
    float_gflops: float


@cache
def _library() -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "peak.so"
        source, lanes = Path(__file__).with_suffix(".c"), LANES[versions()["kernel"]]
        subprocess.run(["cc", "-O3", "-march=native", f"-DLANES={lanes}", "-shared", "-fPIC", "-o", built, source], check=True)
        return ctypes.CDLL(str(built))


@cache
def measured(threads: int, seconds: float) -> Peak | None:
    """The peak of so many threads, in tries of so many seconds; None where there is no C compiler."""
    if shutil.which("cc") is None:
        return None
    library, together = _library(), threading.Barrier(threads)

    def giga(name: str) -> float:
        run = getattr(library, name)
        run.argtypes, run.restype = [ctypes.c_double], ctypes.c_double

        def one(_: int) -> float:
            together.wait()
            return float(run(seconds))

        with ThreadPoolExecutor(threads) as pool:
            return max(sum(pool.map(one, range(threads))) for _ in range(TRIES)) / 1e9

    return Peak(giga("int16_macs"), giga("float_flops"))


def share(rate: float, kind: str, threads: int, seconds: float) -> float | None:
    """`rate` (10^9 a second) as a part of the peak of that kind, a field of `Peak`."""
    peak = measured(threads, seconds)
    return rate / getattr(peak, kind) if peak else None


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """With one thread and with all."""
    for threads in sorted({1, arguments.threads}):
        peak = measured(threads, arguments.seconds)
        if peak is None:
            print("there is no C compiler: the peaks are left out")
            return
        yield {"what": f"{threads} threads" if threads > 1 else "1 thread", "threads": threads} | peak._asdict()
