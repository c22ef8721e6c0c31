"""`inlaid batch` on folders, the whole command from its start to its end.

Pictures are encoded by two processes, beside one: 384x256 in colour, quality 75, `-e 1`. Runs alternate, and the speed-up is the median of
those of the pairs. It is verified that both make the same files.

Where nothing is to be done, the time of a file is that of the whole command, less its start, by the number of files: listing both folders,
and looking each file up in the manifest. Beside stands a run with no files. The memory is the most that the process took, and what it took
beyond that of the run with no files. The files are small JPEGs in folders of 1000, all of them done (`--action strip`). It is verified that
the command counts them as done.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from statistics import median

from common import Column, Line, at_least, at_most, synthetic, verify
from PIL import Image

from inlaid.batch import manifest, places, planning, run
from inlaid.cli import batch_actions as actions

COLUMNS = (
    Column("seconds", "seconds", ".1f"),
    Column("beside_s", "beside, seconds", ".1f"),
    Column("speedup", "speed-up", ".2f"),
    Column("ms_a_file", "ms a file", ".3f"),
    Column("memory_mb", "memory, MB", ".0f"),
    Column("growth_mb", "beyond no files, MB", ".0f"),
)
INLAID = [sys.executable, "-m", "inlaid", "batch"]
SIZE_PX = (256, 384)
PAIRS = 3
# Runs a command, and prints its seconds and its ru_maxrss.  That begins with the memory of the starting process, which is small here.
LAUNCHER = """
import os, sys, time
begun = time.perf_counter()
process = os.posix_spawn(sys.executable, sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print(time.perf_counter() - begun, usage.ru_maxrss)
sys.exit(status != 0)
"""


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """Yield a line for the speed-up by a second process, and one for many files that are done."""
    with tempfile.TemporaryDirectory() as name:
        yield _two_processes(Path(name), arguments)
    with tempfile.TemporaryDirectory() as name:
        yield _nothing_to_do(Path(name), arguments.files)


def _two_processes(folder: Path, arguments: argparse.Namespace) -> Line:
    height, width = SIZE_PX
    whole = synthetic(2 * height, 2 * width, colour=True)
    (folder / "source").mkdir()
    for i in range(arguments.pictures):
        y, x = 31 * i % height, 53 * i % width
        Image.fromarray(whole[y : y + height, x : x + width]).save(folder / "source" / f"{i}.png")
    pairs = []
    for _ in range(min(arguments.repeats, PAIRS)):
        pairs.append([_encode(folder, jobs) for jobs in (1, 2)])
        made = [{p.name: p.read_bytes() for p in (folder / f"dest{jobs}").glob("*.jpg")} for jobs in (1, 2)]
        verify(made[0] == made[1] and len(made[0]) == arguments.pictures, "one and two processes make other files")
    one, two = (median(each) for each in zip(*pairs, strict=True))
    line = {"what": f"{arguments.pictures} pictures, 2 processes, beside 1", "repeats": len(pairs), "seconds": two, "beside_s": one}
    required = at_least(speedup=1.8) if arguments.threads >= 2 else {}
    return line | {"speedup": median(a / b for a, b in pairs), "required": required}


def _encode(folder: Path, jobs: int) -> float:
    """The seconds of a run into an empty folder."""
    dest = folder / f"dest{jobs}"
    shutil.rmtree(dest, ignore_errors=True)
    begun = time.perf_counter()
    done = subprocess.run([*INLAID, folder / "source", dest, "-e", "1", "-j", str(jobs)], capture_output=True, text=True)
    verify(done.returncode == 0, done.stderr)
    return time.perf_counter() - begun


def _nothing_to_do(folder: Path, count: int) -> Line:
    (few_s, few_bytes), (many_s, many_bytes) = (_done(folder / str(n), n) for n in (0, count))
    line = {"what": f"{count} files, nothing to do, beside 0", "repeats": 1, "seconds": many_s, "beside_s": few_s}
    line |= {"ms_a_file": 1000 * (many_s - few_s) / count, "memory_mb": many_bytes / 1e6, "growth_mb": (many_bytes - few_bytes) / 1e6}
    return line | {"required": at_most(ms_a_file=1.0)}


def _done(folder: Path, count: int) -> tuple[float, int]:
    """Seconds and most bytes of a run on `count` files that are all done."""
    source, dest = folder / "source", folder / "dest"
    file = BytesIO()
    Image.new("L", (16, 16)).save(file, "JPEG")
    for tree in (source, dest):
        tree.mkdir(parents=True)
        for i in range(count):
            place = tree / f"{i // 1000:03}"
            if i % 1000 == 0:
                place.mkdir()
                (first := place / f"{i}.jpg").write_bytes(file.getvalue())
            else:
                os.link(first, place / f"{i}.jpg")  # a folder lists it like a file of its own, and it is made sooner
    action = actions.Strip()
    plan = planning.Plan(places.Local(str(source)), places.Local(str(dest)), None, actions.CARRIERS, None, run.key_of(action))
    with manifest.opened(dest / manifest.NAME) as opened:
        for task in plan.tasks(opened, planning.Counts()):
            opened.append(task.record | {"state": manifest.DONE, "bytes": len(file.getvalue()), "payload_bytes": 0})
    command = [*INLAID, str(source), str(dest), "--action", "strip", "--json"]
    launched = subprocess.run([sys.executable, "-c", LAUNCHER, *command], capture_output=True, text=True)
    verify(launched.returncode == 0, launched.stderr)
    answer, measured = launched.stdout.splitlines()
    seconds, kilobytes = map(float, measured.split())
    found = json.loads(answer)
    verify(found.get("kept") == count and found.get("done") == 0, f"{count} files are not all counted as done: {found}")
    return seconds, int(kilobytes) * (1 if sys.platform == "darwin" else 1024)
