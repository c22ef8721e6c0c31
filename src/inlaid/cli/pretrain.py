"""`inlaid pretrain`: train a prior from folders of images.  The training itself is `inlaid.pretraining.pretrain`."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .. import __version__, formats
from ..network import Network
from ..pretraining import pretrain as pretraining
from ..pretraining.checkpoint import CheckpointError
from ..pretraining.corpus import Band
from ..report import plots
from .group import Command
from .messages import Failure, Progress, error_prefix, print_message
from .options import threads_option
from .outputs import check_output, write

NETWORK_KEYS = {"channels", "layers", "kernel", "dilations", "inputs"}


@click.command(cls=Command)
@click.option(
    "--images", "folder", metavar="DIR...", multiple=True, required=True, help="Folders of images, searched with their subfolders."
)
@click.argument("folders", nargs=-1, metavar="[DIR]...")
@click.option("--codec", metavar="NAME", default="jpeg", show_default=True, help="The base codec that the prior is for.")
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    nargs=2,
    metavar="LOW HIGH",
    help="Lowest and highest quality of the bases, 1 to 100, on the codec's own scale.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    nargs=2,
    metavar="LOW HIGH",
    help="JPEG 2000: lowest and highest rate of the bases in bits a pixel, in place of --quality.",
)
@click.option("--base", type=click.Choice(["trellis", "turbo"]), default="turbo", show_default=True, help="JPEG: the encoder of the bases.")
@click.option("--tune", type=click.Choice(["looks", "psnr"]), help="JPEG: what a trellis base aims at.  [default: looks]")
@click.option(
    "--rounds",
    type=click.IntRange(0),
    metavar="N",
    default=0,
    show_default=True,
    help="Rounds of the closed loop that makes the bases, for the network of --start.",
)
@click.option(
    "--shrink",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="X",
    default=1.0,
    show_default=True,
    help="Make pictures smaller by this factor first.  That hides what an earlier JPEG file left in them.",
)
@click.option(
    "--recipe",
    type=click.Choice(["best", "paper"]),
    default="best",
    show_default=True,
    help="best: the recipe that measures best.  paper: the paper's, SGD with momentum on crops of 256x256 pixels, with instance norm.",
)
@click.option("--channels", type=click.IntRange(1), metavar="N", help="Channels of the network.  [default: those of --start, or 6]")
@click.option("--layers", type=click.IntRange(0), metavar="N", help="Separable layers of the network.  [default: those of --start, or 3]")
@click.option(
    "--dilations",
    metavar="N,N...",
    help="Dilation of each separable layer's convolution.  [default: those of --start, or all 1]",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    metavar="N",
    default=60_000,
    show_default=True,
    help="Training steps.  A step takes about 65,000 pixels; with the paper's recipe, one crop.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="The highest learning rate.  It is reached after 50 steps; then it falls along half a cosine.  [default: 0.01]",
)
@click.option("--start", metavar="PRIOR.json", help="A prior to begin with.  [default: random numbers]")
@click.option(
    "--pictures",
    type=click.IntRange(1),
    metavar="N",
    default=64,
    show_default=True,
    help="Pictures to fit after the training, to measure the spreads of the parameters.",
)
@click.option("--seed", type=click.IntRange(0), metavar="N", default=0, show_default=True, help="Seed of the random numbers.")
@threads_option
@click.option(
    "--checkpoint",
    metavar="FILE",
    help="A file for the state of the training.  A run that finds the file goes on from there.  It is removed at the end.",
)
@click.option("--plot", metavar="FILE.svg", help="Also draw the gain over the steps.")
@click.option("-o", "--output", metavar="PRIOR.json", required=True, help="The file to write; - for standard output.")
@click.pass_context
def pretrain(
    ctx: click.Context,
    folder: tuple[str, ...],
    folders: tuple[str, ...],
    codec: str,
    quality: tuple[int, int] | None,
    rate: tuple[float, float] | None,
    base: str,
    tune: str | None,
    rounds: int,
    shrink: float,
    recipe: str,
    channels: int | None,
    layers: int | None,
    dilations: str | None,
    steps: int,
    learning_rate: float | None,
    start: str | None,
    pictures: int,
    seed: int,
    threads: int | None,
    checkpoint: str | None,
    plot: str | None,
    output: str,
) -> None:
    """Train a prior from folders of images.

    A prior holds the parameters that every inlay for a base codec and a band of qualities begins with.  Its file records how it was
    made: command, seed, steps, number of images, and the gain along the way.

    \b
    Examples:
      inlaid pretrain --images train val --codec jpeg --quality 13 26 -o prior.json
      inlaid pretrain --images train --quality 7 14 --start prior.json --steps 30000 --checkpoint run.npz -o low.json
      inlaid pretrain --images train --codec jpeg2000 --rate 0.25 0.5 -o prior.json
      inlaid pretrain --images train --quality 10 40 --recipe paper --steps 60000 --plot history.svg -o paper.json
    """
    folder += folders
    band = replace(_band(codec, quality, rate), options=_base_options(codec, base, tune), shrink=shrink)
    if rounds and (start is None or recipe == "paper"):
        raise click.UsageError("--rounds needs --start, and the recipe best")
    for name in folder:
        if not Path(name).is_dir():
            raise Failure(f"{name}: there is no such folder of images")
    check_output(output)
    if plot is not None:
        _check_plot(plot)
    network = _network(start, {"channels": channels, "layers": layers}, dilations)
    if checkpoint is not None:
        check_output(checkpoint)
    training = pretraining.Training(recipe, steps, learning_rate, Path(start) if start else None, pictures, seed, threads, rounds)
    begun = time.perf_counter()
    with error_prefix(", ".join(folder)), _ProgressLines("training") as progress:
        try:
            fields = pretraining.pretrain(
                [Path(name).resolve() for name in folder],
                band,
                network,
                training,
                checkpoint=Path(checkpoint) if checkpoint else None,
                progress=progress,
            )
        except CheckpointError as error:
            raise Failure(f"{checkpoint}: {error}") from error
    provenance = fields["provenance"]
    provenance |= {"command": _command_line(ctx, folder), "inlaid": __version__}
    write(output, pretraining.to_text(fields).encode())
    if checkpoint is not None:
        Path(checkpoint).unlink(missing_ok=True)
    ends, gains_db = pretraining.history(provenance)
    if plot is not None:
        knob = "quality" if quality else "bits a pixel"
        curve = plots.Series(f"{codec}, {knob} {band.low} to {band.high}", ends, gains_db, 0)
        write(plot, plots.standalone(plots.curves(f"Pre-training: {network}", [curve], x="steps", y="mean gain over the base, dB")))
    if skipped := provenance["skipped"]:
        print_message(f"skipped {len(skipped)} files that are not pictures or too small: {', '.join(skipped[:8])}")
    print_message(
        f"{output}: {network.size} parameters from {provenance['images']} images in {time.perf_counter() - begun:.0f} s; "
        f"gain over the last steps {gains_db[-1]:.3f} dB"
    )


def _band(codec: str, quality: tuple[int, int] | None, rate: tuple[float, float] | None) -> Band:
    if (quality is None) == (rate is None):
        raise click.UsageError("expected one of --quality and --rate")
    low, high = quality or rate or (0, 0)
    if low > high:
        raise click.BadParameter(f"{low} is more than {high}", param_hint="--quality" if quality else "--rate")
    with error_prefix("--codec"):
        module = formats.by_name(codec)
    if rate and "rate_bpp" not in module.codec.OPTIONS:
        raise click.UsageError(f"--rate does not apply to {codec}")
    return Band(codec, "quality" if quality else "rate_bpp", low, high)


def _base_options(codec: str, base: str, tune: str | None) -> tuple[tuple[str, str], ...]:
    if base == "turbo":
        if tune is not None:
            raise click.UsageError("--tune needs --base trellis")
        return ()
    if codec != "jpeg":
        raise click.UsageError(f"--base {base} does not apply to {codec}")
    return ("base", base), ("tune", tune or "looks")


def _check_plot(plot: str) -> None:
    check_output(plot)
    if Path(plot).suffix.lower() != ".svg":
        raise click.BadParameter(f"{plot!r}; expected the name of an SVG file, as in history.svg", param_hint="--plot")
    if obstacle := plots.obstacle():
        raise Failure(f"--plot: {obstacle}")


def _network(start: str | None, sizes: dict[str, int | None], dilations: str | None) -> Network:
    """The network of the prior `start`, or of the default sizes, changed by what the options name."""
    shape = {} if start is None else _shape_in(start)
    asked: dict[str, Any] = {key: value for key, value in sizes.items() if value is not None}
    if dilations is not None:
        try:
            asked["dilations"] = [int(word) for word in dilations.split(",")]
        except ValueError:
            raise click.BadParameter(f"{dilations!r} is not a list of numbers", param_hint="--dilations") from None
    if start is not None and shape | asked != shape:
        raise click.UsageError(
            f"{start} is a prior of {shape['channels']} channels and {shape['layers']} layers; another network cannot begin with it"
        )
    with error_prefix("--channels, --layers, --dilations"):
        return Network(**(shape | asked))


def _shape_in(name: str) -> dict[str, Any]:
    """The shape of the network in a prior's file."""
    with error_prefix(name):
        text = Path(name).read_bytes()
    try:
        parsed = json.loads(text)
        shape: dict[str, Any] = parsed["network"]
        vectors = [parsed["values"], parsed.get("normed", parsed["values"])]
        if set(shape) != NETWORK_KEYS or any(len(each) != Network(**shape).size for each in vectors):
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{name}: not a prior; expected a file that inlaid pretrain wrote") from error
    return shape


class _ProgressLines(Progress):
    """A progress bar, or where standard error is not a terminal a line at every tenth of the steps."""

    def __call__(self, done: int, total: int) -> None:
        super().__call__(done, total)
        if not self.terminal and done * 10 // total > (done - 1) * 10 // total:
            print_message(f"{self.what}: {done} of {total} steps, {time.monotonic() - self.begun:.0f} s")


def _command_line(ctx: click.Context, folders: tuple[str, ...]) -> str:
    """The command as given, with the names of files and folders in place of their paths."""
    words = ["inlaid", "pretrain", "--images", *(Path(name).resolve().name for name in folders)]
    for option in ctx.command.params:
        name = option.name or ""
        if not isinstance(option, click.Option) or name == "folder" or option.opts[-1] in ("--threads", "--help"):
            continue
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = ctx.params[name]
        if name in ("start", "checkpoint", "plot", "output"):
            value = Path(value).name
        words += [option.opts[0], *map(str, value if isinstance(value, tuple) else (value,))]
    return shlex.join(words)
