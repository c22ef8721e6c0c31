"""`inlaid batch`: a tree of pictures to a tree of files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from .. import formats
from ..batch import local, manifest, places, planning, run
from ..batch.work import Action
from ..decoder import WORK_BYTES
from ..errors import InlayError
from ..formats import packing
from ..threads import default_threads
from . import batch_actions as actions
from . import export
from .base_options import base_options, chosen
from .batch_progress import Files, is_wanted
from .group import Command
from .messages import Failure, print_message, print_report
from .options import Bytes, Fitting, Targets, as_json, one_thread_fitting_options, target_options

LEAST_SHARE = 3 * WORK_BYTES  # of the memory, for one file: a fit takes two, and its picture
ACTIONS = ("encode", "attach", "decode", "strip", "pack", "unpack")
_EVERYWHERE = {"source", "dest", "action", "jobs", "dask", "max_memory", "max_pixels", "manifest_path", "as_json"}
_FIT = {"effort", "preset", "seed"}
# The options that each action has beside those of `_EVERYWHERE`; None: all but those named for others.
_OWN = {"attach": _FIT | {"masters"}, "decode": {"to"}, "strip": set[str](), "pack": set[str](), "unpack": set[str]()}


@click.command(cls=Command)
@click.argument("source")
@click.argument("dest")
@click.option(
    "--action",
    type=click.Choice(ACTIONS),
    help="What is done to each file, as by the command of that name.  [default: attach with --masters, else encode]",
)
@click.option("--masters", metavar="DIR", help="attach: the originals.  That of sub/photo.jpg is sub/photo with any extension.")
@click.option("--to", metavar="EXT", help="decode: the extension of the pictures, which names their format.  [default: png]")
@click.option("-j", "--jobs", type=click.IntRange(1), metavar="N", help="Files at once, a process each.  [default: one for each core]")
@click.option(
    "--dask",
    metavar="[ADDRESS]",
    is_flag=False,
    flag_value="local",
    help="Work on the Dask cluster of this scheduler, as in tcp://host:8786; without an address, on a cluster of -j workers that is "
    "made here.  It needs pip install 'inlaid[batch]'.",
)
@click.option(
    "--max-memory",
    type=Bytes(),
    metavar="SIZE",
    help="Memory for all files at once, as in 8G.  Fewer are worked on at once where it is little.  A picture that takes "
    "more than its share waits and is worked on alone; one that takes "
    "more than all fails.  [default: no limit]",
)
@click.option("--max-pixels", type=click.IntRange(1), metavar="N", help="Refuse a picture of more than N pixels.  [default: no limit]")
@click.option(
    "--manifest",
    "manifest_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=f"The manifest, a file of this machine.  [default: {manifest.NAME} in DEST]",
)
@base_options
@target_options
@one_thread_fitting_options
@as_json
def batch(
    source: str,
    dest: str,
    action: str | None,
    masters: str | None,
    to: str | None,
    jobs: int | None,
    dask: str | None,
    max_memory: int | None,
    max_pixels: int | None,
    manifest_path: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Encode, attach to, decode, strip, pack or unpack each picture of a tree, in many processes.

    SOURCE and DEST are folders, or URLs that fsspec opens: s3://bucket/folder, gs://, http:// and more.  DEST gets the folders of SOURCE.
    Hidden files and links to folders are left out, and so are files that the action does not take.

    The manifest has a JSON line for each file: what it was made from, its bytes, gain, seconds and error.  The same command again does
    what is not done: files that are new, that have changed, that failed, whose output is gone, or that were made with other settings.
    A file that fails is named, and the others go on; the exit code is then 1.  A file appears in DEST when it is complete.  It is the
    same for any number of workers: each file is worked on by one thread.

    \b
    Examples:
      inlaid batch photos web -q 40
      inlaid batch web better --masters photos
      inlaid batch web restored --action decode --to tif -j 4 --max-memory 8G
      inlaid batch web archive --action pack
      inlaid batch s3://bucket/photos s3://bucket/web --manifest web.jsonl --dask tcp://scheduler:8786
    """
    action = action or ("attach" if masters else "encode")
    _check_options(click.get_current_context(), action, masters)
    source_tree, dest_tree = places.opened(source), places.opened(dest)
    masters_tree = places.opened(masters) if masters else None
    given = [tree for tree in (source_tree, dest_tree, masters_tree) if tree]
    if places.nested(source_tree, dest_tree):
        raise click.UsageError(f"{dest}: SOURCE and DEST lie in one another; expected two trees")
    if manifest_path is None and not isinstance(dest_tree, places.Local):
        raise click.UsageError(f"{dest} is no folder of this machine; expected --manifest FILE, a file that is")
    work, taken, suffix = _action(action, to, max_pixels, options)
    for tree in (source_tree, masters_tree):
        if tree is not None:
            tree.listed("")  # an error before anything is made
    plan = planning.Plan(source_tree, dest_tree, masters_tree, taken, suffix, run.key_of(work))
    path = manifest_path or Path(dest_tree.url, manifest.NAME)
    jobs = jobs or default_threads()
    if any(tree.url.startswith("memory:") for tree in given):
        executor: tuple[run.Executor, int] = (local.here, 1)  # other processes have other memories
        begun, summary = _run(plan, work, executor, max_memory, path)
    elif dask is None:
        begun, summary = _run(plan, work, (local.in_processes, jobs), max_memory, path)
    else:
        with _cluster(dask, jobs) as executor:
            begun, summary = _run(plan, work, executor, max_memory, path)
    _finish(summary, time.perf_counter() - begun, path, as_json)


def _check_options(context: click.Context, action: str, masters: str | None) -> None:
    """Usage error for an option of another action, or a missing one."""
    given = {
        p.name: p
        for p in context.command.params
        if p.name and context.get_parameter_source(p.name) is not click.core.ParameterSource.DEFAULT
    }
    own = _OWN.get(action)
    foreign = given.keys() & {"masters", "to"} if own is None else given.keys() - _EVERYWHERE - own
    if foreign:
        raise click.UsageError(f"{given[min(foreign)].opts[-1]} does not apply to --action {action}")
    if action == "attach" and masters is None:
        raise click.UsageError("--action attach: expected --masters DIR, the originals")


def _action(action: str, to: str | None, max_pixels: int | None, options: dict[str, Any]) -> tuple[Action, frozenset[str], str | None]:
    """The action, the extensions of the files that it takes, and that of its outputs, None for the source's."""
    fitting: Fitting = options.pop("fitting")
    if action == "attach":
        return actions.Attach(fitting, max_pixels), actions.CARRIERS, None
    if action == "strip":
        return actions.Strip(), actions.CARRIERS, None
    if action == "pack":
        return actions.Pack(max_pixels), frozenset(formats.by_name("jpeg").extensions), packing.EXTENSION
    if action == "unpack":
        return actions.Unpack(max_pixels), frozenset({packing.EXTENSION}), formats.by_name("jpeg").extensions[0]
    if action == "decode":
        suffix = f".{(to or 'png').removeprefix('.').lower()}"
        if (format := export.format_of(f"x{suffix}")) is None:
            raise click.BadParameter(f"{to}: Pillow writes no such format; expected png, for example", param_hint="--to")
        return actions.Decode(format, max_pixels), actions.CARRIERS, suffix
    targets: Targets = options.pop("targets")
    quality, name, loss_db = (options.pop(key) for key in ("quality", "format", "legacy_loss_db"))
    try:
        module = formats.by_name(name or "jpeg")
    except InlayError as error:
        raise click.BadParameter(str(error), param_hint="--format") from error
    given = chosen(module, quality, targets, options) | ({} if loss_db is None else {"legacy_loss_db": loss_db})
    names = {"target_size": "target_bytes", "target_psnr": "target_psnr_db"}
    wanted = {names.get(key, key): value for key, value in vars(targets).items() if value is not None}
    return actions.Encode(module.name, quality, wanted, given, fitting, max_pixels), actions.PICTURES, module.extensions[0]


@contextmanager
def _cluster(address: str, jobs: int) -> Iterator[tuple[run.Executor, int]]:
    try:
        from ..batch import cluster
    except ImportError as error:
        raise InlayError(f"--dask: {error}; pip install 'inlaid[batch]' brings what it needs") from error
    with cluster.connected(address, jobs) as connected:
        yield connected, connected.jobs


def _run(
    plan: planning.Plan, action: Action, executor: tuple[run.Executor, int], max_memory: int | None, path: Path
) -> tuple[float, run.Summary]:
    """When the work began, and what was done."""
    with manifest.opened(path) as opened:
        run_in, jobs = executor
        if max_memory:
            jobs = max(1, min(jobs, max_memory // LEAST_SHARE))
        work = run.Batch(plan, action, run_in, jobs, max_memory)
        total = work.left(opened) if is_wanted() else None
        begun = time.perf_counter()
        with Files("files", total) as files:
            try:
                return begun, work.run(opened, lambda record: files(record["source"], record["error"]))
            except KeyboardInterrupt:
                print_message("the same command goes on where this one stopped")
                raise


def _finish(summary: run.Summary, seconds: float, path: Path, as_json: bool) -> None:
    """Print what was done.  `Failure` if a file failed."""
    counts = summary.counts
    fields = {
        "command": "batch",
        "done": summary.done,
        "failed": summary.failed,
        "kept": counts.kept,
        "others": counts.others,
        "bytes_read": summary.bytes_read,
        "bytes_written": summary.bytes_written,
        "seconds": round(seconds, 3),
        "manifest": str(path),
    }
    plural = "other file was" if counts.others == 1 else "other files were"
    rate = f", {summary.done / seconds:.3g} a second" if summary.done and seconds else ""
    parts = [f"{summary.done} files done in {seconds:.1f} s{rate}, {summary.bytes_read} to {summary.bytes_written} bytes"]
    parts += [f"{counts.kept} were done before"] if counts.kept else []
    parts += [f"{counts.others} {plural} left out"] if counts.others else []
    print_report(fields, "; ".join(parts), as_json=as_json)
    if summary.failed:
        all_files = summary.failed + summary.done + counts.kept
        raise Failure(f"{summary.failed} of {all_files} files failed; {path} says why")
