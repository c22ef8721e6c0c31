"""The commands `inlaid bench` and `inlaid report`."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import click

from .. import formats
from ..bench import evaluate, peers, runs, speed, wiener
from ..bench.evaluate import Box, Settings
from ..encoding import presets
from ..errors import InlayError
from ..report import plots, sections
from ..report import tables as reports
from .files import check_output, write
from .group import Command
from .messages import STREAM, Failure, Progress, about, answer, tell
from .options import PresetName

Number = TypeVar("Number", int, float)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)

QUALITIES = (10, 20, 30, 40)
RATES_BPP = (0.2, 0.3, 0.5, 0.7, 1.0)


def _numbers(kind: Callable[[str], Number], most: Number, expected: str) -> Callable[..., list[Number] | None]:
    """A reader of a list of numbers, all above 0 and at most `most`."""

    def read(context: click.Context, parameter: click.Parameter, value: str | None) -> list[Number] | None:
        if value is None:
            return None
        try:
            numbers = [kind(part) for part in value.split(",")]
        except ValueError:
            numbers = []
        if not numbers or not all(math.isfinite(n) and 0 < n <= most for n in numbers):
            raise click.BadParameter(f"{value!r}; expected {expected}")
        return sorted(set(numbers))

    return read


def _crops(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Box]:
    crops = {}
    for value in values:
        name, _, numbers = value.rpartition(":")
        box = tuple(int(part) if part.isdecimal() else -1 for part in numbers.split(","))
        if not name or len(box) != 4 or min(box) < 0 or not box[2] or not box[3]:
            raise click.BadParameter(f"{value!r}; expected FILE:x,y,width,height in pixels, as in kodim23.png:200,100,128,128")
        crops[name] = box
    return crops


@click.command(cls=Command)
@click.option("--images", multiple=True, type=_FOLDER, help="A folder of pictures, a set; several may follow.")
@click.argument("folders", nargs=-1, type=_FOLDER, metavar="[DIR]...")
@click.option("--codec", "codecs", multiple=True, default=["jpeg"], show_default=True,
              type=click.Choice([*(module.name for module in formats.all_formats()), *peers.NAMES]),
              help="The base codec, or a peer that carries no inlay: webp, avif, jxl; may be repeated.")  # fmt: skip
@click.option("--quality", callback=_numbers(int, 100, "numbers from 1 to 100, as in 10,20,30,40"), metavar="N,N,...",
              help="The base codec's qualities; default: 10,20,30,40 for jpeg, about the same rates for peers.")  # fmt: skip
@click.option("--rate", callback=_numbers(float, 24.0, "bits a pixel, above 0 and at most 24, as in 0.2,0.5,1.0"), metavar="BPP,BPP,...",
              help="Rates of the base in bits a pixel, instead of --quality; jpeg2000 alone, default: 0.2,0.3,0.5,0.7,1.0.")  # fmt: skip
@click.option("--preset", multiple=True, type=PresetName(measured=True), default=[presets.DEFAULT], show_default=True,
              help="As for `inlaid encode`; may be repeated.  To tell what brings what, also: "
              + "; ".join(f"{name}, {preset.about}" for name, preset in presets.ABLATIONS.items())
              + f"; {wiener.NAME}, {wiener.ABOUT}.")  # fmt: skip
@click.option("--effort", "-e", multiple=True, default=[5], show_default=True, type=click.IntRange(1, 9),
              help="As for `inlaid encode`; may be repeated.")  # fmt: skip
@click.option("--optimize/--no-optimize", help="Optimised Huffman tables in the base; default: the standard tables.")
@click.option("--progressive", is_flag=True, help="Progressive base files.")
@click.option("--seed", default=0, show_default=True, help="Of the fitting.")
@click.option("--metrics", type=click.Choice(["psnr", "all"]), default="psnr", show_default=True,
              help="all: also SSIM, MS-SSIM and SSIMULACRA2, about a second a measurement.")  # fmt: skip
@click.option("--crop", "crops", multiple=True, callback=_crops, metavar="FILE:X,Y,W,H",
              help="Keep this part of a picture's pixels in its lines, for the report to show; may be repeated.")  # fmt: skip
@click.option("--speed", "timed", is_flag=True, help="Measure no pictures, but the time that restoring takes, for every shipped network.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes, of one thread each; default: one a processor.")
@click.option("-o", "--output", required=True, type=_FILE, metavar="RUN", help="JSON lines; those already there are not measured again.")
def bench(
    images: tuple[Path, ...], folders: tuple[Path, ...], codecs: tuple[str, ...], quality: list[int] | None, rate: list[float] | None,
    preset: tuple[str, ...], effort: tuple[int, ...], optimize: bool, progressive: bool, seed: int, metrics: str, crops: dict[str, Box],
    timed: bool, jobs: int | None, output: Path,
) -> None:  # fmt: skip
    """Measure pictures: encode, decode again, and append one JSON line a picture and setting to RUN.

    Luma; the plain base file of the same settings is measured beside it.  Every codec is measured with every preset at every
    effort; peers and linear filters, which have none, once.  An interrupted run goes on where it stopped.

    \b
    Examples:
      inlaid bench --images kodak live1 classic5 -o run.jsonl
      inlaid bench --images kodak --codec jpeg2000 --rate 0.2,0.4,0.8 --metrics all -o run.jsonl
      inlaid bench --images kodak -e 1 -e 5 --preset default --preset paper -o run.jsonl
      inlaid bench --images kodak --codec webp --codec avif --codec jxl -o run.jsonl
      inlaid bench --images kodak --codec jpeg2000 --rate 0.4 --metrics all --crop kodim23.png:200,100,128,128 -o run.jsonl
      inlaid bench --speed -o run.jsonl
    """
    if timed == bool(images):
        raise click.UsageError("one of --images and --speed is needed, and not both")
    if quality is not None and rate is not None:
        raise click.UsageError("--quality and --rate both say how good the base is; expected one of them")
    check_output(str(output))
    if str(output) == STREAM or (output.exists() and not output.is_file()):
        raise Failure(f"{output}: expected a file, since what its lines hold is not measured again")
    if timed:
        runs.recover(output)
        for line in speed.measure():
            runs.append(output, line)
            n, threads = line["network"], line["threads"]
            where = f"{n['weights']} weights, {line['width']}x{line['height']}, {threads} thread{'s' if threads > 1 else ''}"
            answer(f"{where}: restoring {1000 * line['restore_s']:.2f} ms, decoding {1000 * line['decode_s']:.2f} ms")
        return
    wanted = [each for codec in codecs for each in _settings(codec, quality, rate, product(preset, effort), optimize, progressive, seed)]
    with Progress("measuring") as progress:
        summary = evaluate.bench([*images, *folders], wanted, output, metrics=metrics, crops=crops, jobs=jobs, progress=progress)
    for path, reason in summary.skipped.items():
        tell(f"{path}: skipped, {reason}")
    for path, reason in summary.failed.items():
        tell(f"{path}: failed, {reason}")
    answer(
        f"{summary.measured} measured, {summary.reused} were there; {len(summary.skipped)} files skipped"
        + (f", failed on {len(summary.failed)}" if summary.failed else "")
    )
    if summary.failed:
        raise InlayError("inlaid failed on pictures that should work; this is a bug in inlaid")
    if not summary.measured + summary.reused:
        raise InlayError("nothing could be measured")


def _settings(
    codec: str, quality: list[int] | None, rate: list[float] | None, ways: product[Any], optimize: bool, progressive: bool, seed: int
) -> list[Settings]:
    """One codec at all its points, fitted in all ways; a peer, which is not fitted, once."""
    if quality is None and rate is None:
        if codec in peers.NAMES:
            quality = list(peers.QUALITIES[codec])
        elif "rate_bpp" in formats.by_name(codec).codec.OPTIONS:
            rate = list(RATES_BPP)
        else:
            quality = list(QUALITIES)
    settings = [Settings(codec, None, preset, effort, optimize, progressive, seed) for preset, effort in ways]
    return [at for each in dict.fromkeys(settings) for at in evaluate.at_points(each, qualities=quality or (), rates=rate or ())]


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="RUN...")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="For results.md, results.html and the folder results/ of figures; default: the tables to standard output.")  # fmt: skip
def report(runs: tuple[Path, ...], output: Path | None) -> None:
    """Make tables and curves from the stored lines of `inlaid bench`, beside the paper's figures.

    The lines of all RUNs are taken together.  results.html is one page that needs no other file.

    \b
    Examples:
      inlaid report run.jsonl
      inlaid report run.jsonl peers.jsonl -o docs
    """
    results = reports.results(runs)
    if output is None:
        answer(sections.markdown(results).removesuffix("\n"))
        return
    with about(str(output)):
        output.mkdir(parents=True, exist_ok=True)
    check_output(str(output / "results.md"))
    if obstacle := plots.obstacle():
        tell(f"no figures: {obstacle}")
    files = sections.files(results, figures=not obstacle)
    for name, data in files.items():
        with about(str(output / name)):
            (output / name).parent.mkdir(exist_ok=True)
        write(str(output / name), data)
    answer(f"{output / 'results.md'}, {output / 'results.html'} and {len(files) - 2} figures")
