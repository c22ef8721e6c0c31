"""The commands `inlay bench` and `inlay report`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from . import evaluate, plots, presets
from . import report as reports
from .cli_support import PresetName, Progress, tell
from .errors import InlayError
from .evaluate import Settings

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


def _qualities(context: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    try:
        numbers = [int(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(1 <= n <= 100 for n in numbers):
        raise click.BadParameter(f"{value!r}; expected numbers from 1 to 100, as in 10,20,30,40")
    return sorted(set(numbers))


@click.command()
@click.option("--images", multiple=True, required=True, type=_FOLDER, help="A folder of pictures, a set; several may follow.")
@click.argument("folders", nargs=-1, type=_FOLDER, metavar="[DIR]...")
@click.option("--codec", default="jpeg", show_default=True, help="The base codec.")
@click.option("--quality", default="10,20,30,40", show_default=True, callback=_qualities, help="The base codec's qualities.")
@click.option("--preset", type=PresetName(), default=presets.DEFAULT, show_default=True, help="As for `inlay encode`.")
@click.option("--effort", "-e", default=5, show_default=True, type=click.IntRange(1, 9), help="As for `inlay encode`.")
@click.option("--optimize/--no-optimize", help="Optimised Huffman tables in the base; default: the standard tables.")
@click.option("--progressive", is_flag=True, help="Progressive base files.")
@click.option("--seed", default=0, show_default=True, help="Of the fitting.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes, of one thread each; default: one a processor.")
@click.option("-o", "--output", required=True, type=_FILE, metavar="RUN", help="JSON lines; those already there are not measured again.")
def bench(
    images: tuple[Path, ...],
    folders: tuple[Path, ...],
    codec: str,
    quality: list[int],
    preset: str,
    effort: int,
    optimize: bool,
    progressive: bool,
    seed: int,
    jobs: int | None,
    output: Path,
) -> None:
    """Measure pictures: encode, decode again, and append one JSON line a picture and quality to RUN.

    Luma; the plain base file of the same settings is measured beside it.  An interrupted run goes on where it stopped.
    """
    settings = Settings(codec, 0, preset, effort, optimize, progressive, seed)
    with Progress("measuring") as progress:
        wanted = evaluate.at_qualities(settings, quality)
        summary = evaluate.bench([*images, *folders], wanted, output, jobs=jobs, progress=progress)
    for path, reason in summary.skipped.items():
        tell(f"{path}: skipped, {reason}")
    for path, reason in summary.failed.items():
        tell(f"{path}: failed, {reason}")
    click.echo(
        f"{summary.measured} measured, {summary.reused} were there; {len(summary.skipped)} files skipped"
        + (f", failed on {len(summary.failed)}" if summary.failed else "")
    )
    if summary.failed:
        raise InlayError("inlay failed on pictures that should work; this is a bug in inlay")
    if not summary.measured + summary.reused:
        raise InlayError("nothing could be measured")


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="RUN...")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="For results.md and a figure for each set; default: the tables to standard output.")  # fmt: skip
def report(runs: tuple[Path, ...], output: Path | None) -> None:
    """Make tables and curves from the stored lines of `inlay bench`, beside the paper's figures."""
    tables = reports.tables(runs)
    page = reports.markdown(tables)
    if output is None:
        sys.stdout.write(page)
        return
    output.mkdir(parents=True, exist_ok=True)
    try:
        figures = plots.rd_curves(tables, output)
    except InlayError as error:
        tell(f"no figures: {error}")
        figures = []
    page += "".join(f"\n![{figure.stem}]({figure.name})\n" for figure in figures)
    (output / "results.md").write_text(page, "utf-8")
    click.echo(f"{output / 'results.md'} and {len(figures)} figures")
