"""Verify what inlaid computes, then measure its speed and memory beside other programs in the same run.

    python benchmarks/run.py [--only SECTION ...] [--images DIR] [--repeats N] [-o docs/benchmarks]

appends JSON lines to docs/benchmarks.jsonl, those of a section when it is complete. It writes docs/benchmarks.md from the latest lines of
every section; `--only` without a section writes the page alone. Times are meaningful on an idle machine only.

A section is a module beside this file. Its docstring says what is measured and goes into the page, COLUMNS are those of its table, and
`measure(arguments)` yields lines.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

# Modules by section, in the order of the page.
SECTIONS = {name: name for name in ("peak", "decode", "threads", "fit", "convergence", "commands", "plugin", "memory", "batch")} | {
    "fit": "fit_step"
}
BUSY = 0.3  # a load of other programs above it makes the times unreliable


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="folder of pictures; decode takes the first, convergence all (default: synthetic ones)"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="convergence: at most N pictures (default: all)")
    parser.add_argument(
        "--repeats", type=int, default=15, metavar="N", help="timed runs of each call (default: 15; at most 5 of calls that take seconds)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="processors to use (default: all)")
    parser.add_argument("--seconds", type=float, default=0.5, metavar="S", help="peak: seconds of each try (default: 0.5)")
    parser.add_argument(
        "--largest", type=float, default=100, metavar="MP", help="threads, plugin, memory: at most MP megapixels (default: 100)"
    )
    parser.add_argument("--pictures", type=int, default=200, metavar="N", help="batch: pictures to encode (default: 200)")
    parser.add_argument("--files", type=int, default=100_000, metavar="N", help="batch: files that are done (default: 100000)")
    parser.add_argument("--no-compile", action="store_true", help="fit: leave out torch.compile, which compiles for a minute")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(__file__).parents[1] / "docs" / "benchmarks",
        help="name of the files, without extension (default: docs/benchmarks)",
    )
    return parser.parse_args()


def restrict(threads: int | None) -> int:
    """Restrict this process and its children to `threads` processors; returns their number.

    To be called before a library is imported that counts the processors.
    """
    count = threads or os.cpu_count() or 1
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        count = len(os.sched_getaffinity(0))
    os.environ["OMP_NUM_THREADS"] = str(count)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    return count


def main() -> int:
    """Measure the sections asked for, and write the page."""
    arguments = parsed()
    arguments.threads = restrict(arguments.threads)
    import page  # here, since it imports numpy, which counts the processors

    from inlaid.bench import provenance

    sections = {name: importlib.import_module(module) for name, module in SECTIONS.items()}
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None  # of other programs, before the measurements begin
    if arguments.only and load and load > BUSY:
        print(f"other programs are running (load {load}): the times will be too long and the ratios unreliable")
    run = {"machine": provenance.machine(), "versions": provenance.versions(), "load": load, "threads": arguments.threads}
    stored, written = (arguments.output.with_suffix(suffix) for suffix in (".jsonl", ".md"))
    stored.parent.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        section, lines = sections[name], []
        begun = datetime.now(UTC).isoformat(timespec="seconds")
        print(f"\n{name}: {run['machine']}, {arguments.threads} threads\n")
        _, *widths = [len(head) + 2 for head in page.heads(section)]
        print(_aligned(page.heads(section), widths), flush=True)
        for line in section.measure(arguments):
            print(_aligned(page.cells(section, line), widths), flush=True)
            lines.append({"benchmark": name, "time": begun} | run | line)
        with stored.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    lines = [json.loads(line) for line in stored.read_text("utf-8").splitlines()]
    written.write_text(page.render(lines, sections, stored.name), "utf-8")
    print(f"\n{written} is written from {stored}")
    return 0


def _aligned(cells: list[str], widths: list[int]) -> str:
    """A row for the terminal: what was measured, the numbers, and the requirements."""
    what, *rest = cells
    return f"{what:72}" + "".join(f"{cell:>{width}}" for cell, width in zip(rest[:-1], widths, strict=False)) + f"  {rest[-1]}"


if __name__ == "__main__":
    sys.exit(main())
