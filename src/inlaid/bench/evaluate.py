"""The bench: measurements of all pictures in some folders, one JSON line each, in a run file.

Lines are appended as they come, so an interrupted run goes on where it stopped.  A line that the file already holds is reused if its
picture, settings and code are the same, and if it holds everything that is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import InlayError
from ..threads import default_threads
from . import runs
from .measurement import Unmeasurable, head, measure
from .processes import run_all
from .settings import PSNR_ONLY, Box, Detail, Settings

Progress = Callable[[int, int], None]


@dataclass
class Summary:
    """The results of a bench: numbers of lines, and the pictures that gave none, with the reason."""

    measured: int = 0
    reused: int = 0
    skipped: dict[Path, str] = field(default_factory=dict)  # broken, not a picture, or beyond what the codec takes
    failed: dict[Path, str] = field(default_factory=dict)  # inlaid's own fault


def bench(
    folders: Sequence[Path],
    settings: Iterable[Settings],
    run: Path,
    *,
    detail: Detail = PSNR_ONLY,
    crops: Mapping[str, Box] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Measure every picture in `folders` at all `settings`, and append the lines to the file `run`.

    detail: of all lines; it has no crop.  crops: by the name of a picture's file, the part whose pixels its lines keep.  jobs: number of
    processes, by default one for each processor core.  progress: called with the number of lines done and of all lines.  InlayError
    if a folder holds no file, or if `run` holds something else than lines.
    """
    settings, crops = list(settings), crops or {}
    for each in settings:
        each.check()
    summary = Summary()
    files = _files(folders)
    if unknown := crops.keys() - {path.name for path in files}:
        raise InlayError(f"crops: there is no file {', '.join(sorted(unknown))} in these folders")
    known = {runs.key(line): line for line in runs.recover(run)}
    wanted: list[tuple[Path, Settings, Detail]] = []
    for path in files:
        try:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            summary.skipped[path] = f"cannot be read: {error.strerror}"
            continue
        for each in settings:
            line = known.get(runs.key(head(path, sha256, each)))
            asked = replace(detail, crop=crops.get(path.name), packed=detail.packed and each.can_be_packed).merged(line)
            if line and asked == Detail.of(line):
                summary.reused += 1
            else:
                wanted.append((path, each, asked))
    for path, outcome in run_all(measure, wanted, jobs or default_threads()):
        if isinstance(outcome, dict):
            runs.append(run, outcome)
            summary.measured += 1
        elif isinstance(outcome, Unmeasurable):
            summary.skipped[path] = str(outcome)
        else:
            summary.failed[path] = f"{type(outcome).__name__}: {outcome}"
        if progress:
            progress(summary.reused + summary.measured, summary.reused + len(wanted))
    return summary


def _files(folders: Sequence[Path]) -> list[Path]:
    """All files of the folders, sorted within each.  InlayError if two folders have one name, which lines use as the set's name."""
    named: dict[str, Path] = {}
    found = []
    for folder in dict.fromkeys(f.resolve() for f in folders):
        if folder.name in named:
            raise InlayError(f"{named[folder.name]} and {folder} have the same name, which names their set: rename one")
        named[folder.name] = folder
        if not folder.is_dir():
            raise InlayError(f"{folder} is not a folder")
        files = sorted(p for p in folder.iterdir() if p.is_file())
        if not files:
            raise InlayError(f"no files in {folder} (subfolders are not searched)")
        found += files
    return found
