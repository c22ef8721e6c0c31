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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from common import Column, Line

from inlaid.bench.provenance import versions

COLUMNS = (Column("int16_gmacs", "int16 GMAC/s", ".1f"), Column("float_gflops", "float GFLOP/s", ".1f"))
KERNEL = Path(__file__).parents[1] / "src" / "kernel"
VECTORS = {"vnni": "avx512"}  # the path's file in src/kernel/vectors, where it has another name
SPIN_S = 0.005
TRIES = 5  # the best counts, since other programs can only slow it down


@cache
def _library() -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "peak.so"
        source, path = Path(__file__).with_suffix(".c"), versions()["kernel"]
        flags = [f'-DVECTORS="vectors/{VECTORS.get(path, path)}.h"', f"-I{KERNEL}", *(["-mno-avx512vnni"] if path == "avx512" else [])]
        subprocess.run(["cc", "-O3", "-march=native", *flags, "-shared", "-fPIC", "-o", built, source], check=True)
        return ctypes.CDLL(str(built))


class Spin:
    """A peak that takes its turns with what is measured against it: a processor is not as quick at all times. One call is one try."""

    def __init__(self, kind: str, threads: int) -> None:
        """`kind`: a function of peak.c; all threads spin together."""
        self.kind, self.threads, self.rates = kind, threads, list[float]()

    def __call__(self, seconds: float = SPIN_S) -> None:
        """Another try."""
        run, together = getattr(_library(), self.kind), threading.Barrier(self.threads)
        run.argtypes, run.restype = [ctypes.c_double], ctypes.c_double

        def one(_: int) -> float:
            together.wait()
            return float(run(seconds))

        with ThreadPoolExecutor(self.threads) as pool:
            self.rates.append(sum(pool.map(one, range(self.threads))) / 1e9)

    def share(self, rate: float, summary: Callable[[list[float]], float]) -> float | None:
        """`rate` (10^9 a second) as a part of the best or the median try, as the rate itself is one of either; None without a try."""
        return rate / summary(self.rates) if self.rates else None


def compiler() -> bool:
    """Whether peaks can be measured here."""
    return shutil.which("cc") is not None


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """With one thread and with all; the best of some tries."""
    if not compiler():
        print("there is no C compiler: the peaks are left out")
        return
    for threads in sorted({1, arguments.threads}):
        line: Line = {"what": f"{threads} threads" if threads > 1 else "1 thread", "threads": threads}
        for kind, name in (("int16_macs", "int16_gmacs"), ("float_flops", "float_gflops")):
            spin = Spin(kind, threads)
            for _ in range(TRIES):
                spin(arguments.seconds)
            line[name] = max(spin.rates)
        yield line
