"""`inlaid bench`: measure pictures or the speed of restoring, and append the lines to a run file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import click

from .. import formats
from ..bench import evaluate, peers, runs, speed, wiener
from ..bench.settings import BASES, QUALITIES, RATES_BPP, TUNES, Box, Detail, Settings, at_points
from ..encoding import presets
from ..errors import InlayError
from .group import Command
from .messages import STREAM, Failure, Progress, print_message, print_result
from .options import PresetName
from .outputs import check_output

Number = TypeVar("Number", int, float)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)

ABLATIONS = {name: preset.description for name, preset in presets.ABLATIONS.items()} | {wiener.NAME: wiener.DESCRIPTION}


def _numbers(kind: Callable[[str], Number], largest: Number, expected: str) -> Callable[..., list[Number] | None]:
    """The callback of an option that takes numbers above 0 and at most `largest`, separated by commas."""

    def parsed(context: click.Context, parameter: click.Parameter, value: str | None) -> list[Number] | None:
        if value is None:
            return None
        try:
            numbers = [kind(part) for part in value.split(",")]
        except ValueError:
            numbers = []
        if not numbers or not all(math.isfinite(n) and 0 < n <= largest for n in numbers):
            raise click.BadParameter(f"{value!r}; expected {expected}")
        return sorted(set(numbers))

    return parsed


def _quality(text: str) -> float:
    """A whole number where `text` is one: most codecs take no other."""
    return int(text) if text.strip().isdecimal() else float(text)


def _crops(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Box]:
    """The callback of `--crop`: boxes by the name of the picture's file."""
    crops = {}
    for value in values:
        name, _, numbers = value.rpartition(":")
        box = tuple(int(part) if part.isdecimal() else -1 for part in numbers.split(","))
        if not name or len(box) != 4 or min(box) < 0 or not box[2] or not box[3]:
            raise click.BadParameter(f"{value!r}; expected FILE:x,y,width,height in pixels, as in kodim23.png:200,100,128,128")
        crops[name] = box
    return crops


@click.command(cls=Command)
@click.option("--images", multiple=True, type=_FOLDER, help="A folder of pictures.  Each folder is a set; several may follow.")
@click.argument("folders", nargs=-1, type=_FOLDER, metavar="[DIR]...")
@click.option(
    "--codec",
    "codecs",
    multiple=True,
    default=["jpeg"],
    show_default=True,
    type=click.Choice([*(module.name for module in formats.all_formats()), *peers.NAMES]),
    help=f"The base codec, or a peer that carries no inlay: {', '.join(peers.NAMES)}.  May be repeated.",
)
@click.option(
    "--quality",
    callback=_numbers(_quality, 100, "numbers from 1 to 100, as in 10,20,30,40"),
    metavar="N,N,...",
    help="Qualities on the codec's own scale, 1 to 100; JPEG takes fractions.  [default: 10,20,30,40 for jpeg; similar rates for peers]",
)
@click.option(
    "--rate",
    callback=_numbers(float, 24.0, "bits a pixel, above 0 and at most 24, as in 0.2,0.5,1.0"),
    metavar="BPP,BPP,...",
    help="Rates of the base in bits a pixel, above 0 and at most 24, in place of --quality; jpeg2000 alone.  "
    "[default: 0.2,0.3,0.5,0.7,1.0]",
)
@click.option(
    "--target-bpp",
    callback=_numbers(float, 24.0, "bits a pixel, above 0 and at most 24, as in 0.25,0.5"),
    metavar="BPP,BPP,...",
    help="Targets of `inlaid encode` in place of --quality: the most bits a pixel of the whole file.",
)
@click.option(
    "--target-psnr",
    "target_psnr_db",
    callback=_numbers(float, 100.0, "decibels, above 0 and at most 100, as in 30,35"),
    metavar="DB,DB,...",
    help="The same: the least PSNR of the restored luma.",
)
@click.option(
    "--target-ssimulacra2",
    callback=_numbers(float, 100.0, "scores, above 0 and at most 100, as in 50,70"),
    metavar="SCORE,SCORE,...",
    help="The same: the least SSIMULACRA2 of the restored picture.  It needs --metrics all.",
)
@click.option(
    "--preset",
    multiple=True,
    type=PresetName(measured=True),
    default=[presets.DEFAULT],
    show_default=True,
    help="A preset of `inlaid encode`, or an ablation.  May be repeated.  Ablations: "
    + "; ".join(f"{name}, {description}" for name, description in ABLATIONS.items())
    + ".",
)
@click.option(
    "--effort",
    "-e",
    multiple=True,
    default=[5],
    show_default=True,
    type=click.IntRange(1, 9),
    metavar="1..9",
    help="Effort, as for `inlaid encode`.  May be repeated.",
)
@click.option(
    "--base",
    type=click.Choice(BASES),
    help="The encoder of JPEG bases: our own, which chooses coefficients by rate and distortion, or libjpeg-turbo.  [default: turbo]",
)
@click.option(
    "--tune", type=click.Choice(TUNES), default="psnr", show_default=True, help="What base and fit aim at: looks, or the PSNR of the luma."
)
@click.option(
    "--legacy-loss",
    "legacy_loss_db",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="DB",
    help="What the base may lose for a viewer that knows no inlays, where that makes the restored picture better; 0: nothing.",
)
@click.option("--colour", is_flag=True, help="Measure pictures in colour, in place of their luma.  A gray picture is measured as it is.")
@click.option(
    "--subsampling",
    type=click.Choice(["444", "422", "420"]),
    help="JPEG with --colour: subsampling of the chroma planes.  [default: 420]",
)
@click.option(
    "--optimize/--no-optimize",
    help="Huffman tables made for each base, or the standard's tables; a trellis base has its own.  [default: no-optimize]",
)
@click.option(
    "--progressive/--no-progressive",
    default=None,
    help="Progressive base files, or sequential ones.  [default: the smaller for a trellis base, else no-progressive]",
)
@click.option("--seed", default=0, show_default=True, metavar="N", help="Seed of the fitting's random numbers.")
@click.option(
    "--metrics",
    type=click.Choice(["psnr", "all"]),
    default="psnr",
    show_default=True,
    help="all: also SSIM, MS-SSIM and SSIMULACRA2, which take about a second a measurement.",
)
@click.option(
    "--crop",
    "crops",
    multiple=True,
    callback=_crops,
    metavar="FILE:X,Y,W,H",
    help="Store this part of a picture's pixels in its lines, for the report to show.  May be repeated.",
)
@click.option("--packed", is_flag=True, help="Also pack JPEG files into JPEG XL, as `inlaid pack` does, and store the bytes.")
@click.option("--speed", "timed", is_flag=True, help="Measure the time of restoring with each shipped network, and no pictures.")
@click.option(
    "--jobs", "-j", type=click.IntRange(1), metavar="N", help="Number of processes, of one thread each.  [default: one for each core]"
)
@click.option("-o", "--output", required=True, type=_FILE, metavar="RUN", help="The file of JSON lines to append to.")
def bench(
    images: tuple[Path, ...],
    folders: tuple[Path, ...],
    codecs: tuple[str, ...],
    quality: list[float] | None,
    rate: list[float] | None,
    target_bpp: list[float] | None,
    target_psnr_db: list[float] | None,
    target_ssimulacra2: list[float] | None,
    preset: tuple[str, ...],
    effort: tuple[int, ...],
    metrics: str,
    packed: bool,
    crops: dict[str, Box],
    timed: bool,
    jobs: int | None,
    output: Path,
    **same: Any,
) -> None:
    """Measure pictures: encode, decode again, and append one JSON line for each picture and setting to RUN.

    The luma is measured, with and without an inlay: beside each file stands the plain base file of the same settings.  With a legacy
    loss or a target, the plain file is the file itself without the inlay.  Every codec is measured with every preset at every effort;
    peers and linear filters, which have neither, once.  A line that RUN already holds is not measured again, so an interrupted run goes
    on where it stopped.  A picture that cannot meet a target is skipped, with the reason.

    \b
    Examples:
      inlaid bench --images kodak live1 classic5 -o run.jsonl
      inlaid bench --images kodak --codec jpeg2000 --rate 0.2,0.4,0.8 --metrics all -o run.jsonl
      inlaid bench --images kodak -e 1 -e 5 --preset default --preset paper -o run.jsonl
      inlaid bench --images kodak --codec webp --codec avif --codec jxl -o run.jsonl
      inlaid bench --images kodak --colour --base trellis --tune looks --legacy-loss 0.3 --metrics all -o run.jsonl
      inlaid bench --images kodak --colour --base trellis --tune looks --legacy-loss 0.3 --target-bpp 0.25,0.5,1 -o run.jsonl
      inlaid bench --images kodak --codec jpeg2000 --rate 0.4 --metrics all --crop kodim23.png:200,100,128,128 -o run.jsonl
      inlaid bench --speed -o run.jsonl
    """
    if timed == bool(images):
        raise click.UsageError("expected one of --images and --speed")
    values = (quality, rate, target_bpp, target_psnr_db, target_ssimulacra2)
    points = {name: each for name, each in zip(runs.KNOBS, values, strict=True) if each is not None}
    if len(points) > 1:
        raise click.UsageError("expected at most one of --quality, --rate and the targets")
    if target_ssimulacra2 and metrics != "all":
        raise click.UsageError("--target-ssimulacra2: expected --metrics all with it")
    check_output(str(output))
    if str(output) == STREAM or (output.exists() and not output.is_file()):
        raise Failure(f"{output}: not a regular file; expected one, since the lines that it holds are read too")
    if timed:
        _measure_speed(output)
        return
    # `same`: optimize, progressive, seed, base, tune, legacy_loss_db, colour and subsampling, which are the same for all lines.
    fitted = [Settings(codec, None, name, level, **same) for codec, name, level in product(codecs, preset, effort)]
    settings = [at for each in dict.fromkeys(fitted) for at in at_points(each, points or _usual(each.codec))]
    with Progress("measuring") as progress:
        detail = Detail(metrics, packed=packed)
        summary = evaluate.bench([*images, *folders], settings, output, detail=detail, crops=crops, jobs=jobs, progress=progress)
    _report(summary)


def _usual(codec: str) -> dict[str, Sequence[float]]:
    """The points of a codec where none are given."""
    if codec in peers.NAMES:
        return {"quality": peers.QUALITIES[codec]}
    if "rate_bpp" in formats.by_name(codec).codec.OPTIONS:
        return {"rate_bpp": RATES_BPP}
    return {"quality": QUALITIES}


def _measure_speed(run: Path) -> None:
    runs.recover(run)
    for line in speed.measure():
        runs.append(run, line)
        n, threads = line["network"], line["threads"]
        where = f"{n['weights']} weights, {line['width']}x{line['height']}, {threads} thread{'s' if threads > 1 else ''}"
        print_result(f"{where}: restoring {1000 * line['restore_s']:.2f} ms, decoding {1000 * line['decode_s']:.2f} ms")


def _report(summary: evaluate.Summary) -> None:
    """Print what was measured; InlayError if inlaid failed on a picture, or if nothing was measured."""
    for path, reason in summary.skipped.items():
        print_message(f"{path}: skipped, {reason}")
    for path, reason in summary.failed.items():
        print_message(f"{path}: failed, {reason}")
    counts = [f"{summary.measured} measured, {summary.reused} already in the file; {len(summary.skipped)} files skipped"]
    counts += [f"failed on {len(summary.failed)}"] if summary.failed else []
    print_result(", ".join(counts))
    if summary.failed:
        raise InlayError("inlaid failed on pictures that should work; this is a bug in inlaid")
    if not summary.measured + summary.reused:
        raise InlayError("nothing could be measured")
