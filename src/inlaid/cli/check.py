"""`inlaid info --check`: which inlays of many files are well."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path

from .. import formats
from ..batch import check, local
from ..formats import packing
from ..threads import default_threads
from .messages import Failure, one_line, print_result, to_json
from .options import Limits

FEW = 8  # files that are checked before processes would have started


def check_files(paths: tuple[str, ...], limits: Limits, manifest: Path | None, jobs: int | None, *, as_json: bool) -> None:
    """Print a line for each file that is not well; with `as_json`, for each file.  `Failure` if one is not."""
    found = check.files(paths, formats.extensions() | {packing.EXTENSION}, manifest)
    first = list(islice(found, FEW + 1))
    executor = local.in_processes if len(first) > FEW and jobs != 1 else local.here
    total = wrong = 0
    work = check.Check(**asdict(limits))
    with closing(executor(work, chain(first, found), jobs or default_threads())) as results:
        for file, result in results:
            if isinstance(result, Exception):
                result = {"file": file.path, "state": "unreadable", "reason": str(result)}
            total += 1
            well = result["state"] in check.WELL
            wrong += not well
            if as_json:
                print_result(to_json(result))
            elif not well:
                print_result(f"{one_line(result['file'])}: {result['state']}: {one_line(result['reason'])}")
    if wrong:
        raise Failure(f"{wrong} of {total} files are not well")
