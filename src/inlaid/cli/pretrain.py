"""`inlaid pretrain`: a prior from folders of images; the training itself is `inlaid.pretraining.pretrain`."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

import click

from .. import __version__
from .files import check_output, write
from .group import Command
from .messages import Failure, Progress, about, tell

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
    help="The base codec's qualities to train for, both included.",
)
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), nargs=2, metavar="LOW HIGH", help="JPEG 2000: bits a pixel, in place of --quality."
)
@click.option(
    "--recipe",
    type=click.Choice(["best", "paper"]),
    default="best",
    show_default=True,
    help="What measures best, or what the paper says: SGD with momentum on 256x256 crops, instance norm.",
)
@click.option("--channels", type=click.IntRange(1), metavar="N", help="Of the network; the start's, or 6.")
@click.option("--layers", type=click.IntRange(0), metavar="N", help="Separable layers of the network; the start's, or 3.")
@click.option("--dilations", metavar="N,N...", help="Of each separable layer's convolution; the start's, or all 1.")
@click.option(
    "--steps",
    type=click.IntRange(1),
    metavar="N",
    default=60_000,
    show_default=True,
    help="Training steps; one looks at about 65,000 pixels, of the paper's recipe at two crops.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="The highest, reached after 50 steps; then it falls along half a cosine.  [default: 0.01]",
)
@click.option("--start", metavar="PRIOR.json", help="A prior to begin at; random numbers if left out.")
@click.option(
    "--pictures",
    type=click.IntRange(1),
    metavar="N",
    default=64,
    show_default=True,
    help="Pictures to fit after the training, for the spreads of the parameters.",
)
@click.option("--seed", type=click.IntRange(0), metavar="N", default=0, show_default=True, help="Of the random numbers.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads to compute with; all cores if left out.")
@click.option(
    "--checkpoint",
    metavar="FILE",
    help="Where to note the state as it goes; a run that finds the file goes on from there.  Removed at the end.",
)
@click.option("--plot", metavar="FILE.svg", help="Also draw how the gain grew.")
@click.option("-o", "--output", metavar="PRIOR.json", required=True, help="The file to write; - for standard output.")
@click.pass_context
def pretrain(
    ctx: click.Context, folder: tuple[str, ...], folders: tuple[str, ...], codec: str, quality: tuple[int, int] | None,
    rate: tuple[float, float] | None, recipe: str, channels: int | None, layers: int | None, dilations: str | None, steps: int,
    learning_rate: float | None, start: str | None, pictures: int, seed: int, threads: int | None, checkpoint: str | None,
    plot: str | None, output: str,
) -> None:  # fmt: skip
    """Train a prior from folders of images.

    A prior is the shared start of all inlays for a base codec and a band of qualities.  The file says how it came about: command,
    seed, steps, number of images and the gain along the way.

    \b
    Examples:
      inlaid pretrain --images train val --codec jpeg --quality 13 26 -o prior.json
      inlaid pretrain --images train --quality 7 14 --start prior.json --steps 30000 --checkpoint run.npz -o low.json
      inlaid pretrain --images train --codec jpeg2000 --rate 0.25 0.5 -o prior.json
      inlaid pretrain --images train --quality 10 40 --recipe paper --steps 4000 --plot history.svg -o paper.json
    """
    from ..formats import by_name
    from ..network import Network
    from ..pretraining.corpus import Band
    from ..pretraining.pretrain import history, to_text
    from ..pretraining.pretrain import pretrain as train
    from ..pretraining.recipes import CheckpointError
    from ..report import plots

    folder += folders
    if (quality is None) == (rate is None):
        raise click.UsageError("expected one of --quality and --rate")
    low, high = quality or rate or (0, 0)
    if low > high:
        raise click.BadParameter(f"{low} is more than {high}", param_hint="--quality" if quality else "--rate")
    with about("--codec"):
        module = by_name(codec)
    if rate and "rate_bpp" not in module.codec.OPTIONS:
        raise click.UsageError(f"--rate does not apply to {codec}")
    band = Band(codec, "quality" if quality else "rate_bpp", low, high)
    for name in folder:
        if not Path(name).is_dir():
            raise Failure(f"{name}: there is no such folder of images")
    check_output(output)
    if plot is not None:
        check_output(plot)
        if Path(plot).suffix.lower() != ".svg":
            raise click.BadParameter(f"{plot!r}; expected the name of an SVG file, as in history.svg", param_hint="--plot")
        if obstacle := plots.obstacle():
            raise Failure(f"--plot: {obstacle}")
    shape = _network_of(start) if start is not None else {}
    asked: dict[str, Any] = {key: value for key, value in (("channels", channels), ("layers", layers)) if value is not None}
    if dilations is not None:
        try:
            asked["dilations"] = [int(word) for word in dilations.split(",")]
        except ValueError:
            raise click.BadParameter(f"{dilations!r} is not a list of numbers", param_hint="--dilations") from None
    if start is not None and shape | asked != shape:
        raise click.UsageError(f"{start} is a prior of {shape['channels']} channels and {shape['layers']} layers; it cannot begin another")
    with about("--channels, --layers, --dilations"):
        network = Network(**(shape | asked))
    if checkpoint is not None:
        check_output(checkpoint)
    begun = time.perf_counter()
    with about(", ".join(folder)), _Told("training") as progress:
        try:
            fields = train(
                [Path(name).resolve() for name in folder], band, network, recipe=recipe, steps=steps, learning_rate=learning_rate,
                start=Path(start) if start else None, surveyed=pictures, seed=seed, threads=threads,
                checkpoint=Path(checkpoint) if checkpoint else None, progress=progress,
            )  # fmt: skip
        except CheckpointError as error:
            raise Failure(f"{checkpoint}: {error}") from error
    fields["provenance"] |= {"command": _command_line(ctx, folder), "inlaid": __version__}
    write(output, to_text(fields).encode())
    if checkpoint is not None:
        Path(checkpoint).unlink(missing_ok=True)
    ends, gains_db = history(fields["provenance"])
    if plot is not None:
        curve = plots.Series(f"{codec}, {'quality' if quality else 'bits a pixel'} {low} to {high}", ends, gains_db, 0)
        write(plot, plots.standalone(plots.curves(f"Pre-training: {network}", [curve], x="steps", y="mean gain over the base, dB")))
    if skipped := fields["provenance"]["skipped"]:
        tell(f"skipped {len(skipped)} files that are no pictures or too small: {', '.join(skipped[:8])}")
    tell(
        f"{output}: {network.size} parameters from {fields['provenance']['images']} images in {time.perf_counter() - begun:.0f} s; "
        f"gain over the last steps {gains_db[-1]:.3f} dB"
    )


class _Told(Progress):
    """Where there is no terminal for the bar, a line at every tenth of the way."""

    def __call__(self, done: int, total: int) -> None:
        super().__call__(done, total)
        if not self.terminal and done * 10 // total > (done - 1) * 10 // total:
            tell(f"{self.what}: {done} of {total} steps, {time.monotonic() - self.begun:.0f} s")


def _network_of(name: str) -> dict[str, Any]:
    """The network's shape in a prior's file."""
    with about(name):
        text = Path(name).read_bytes()
    try:
        parsed = json.loads(text)
        shape: dict[str, Any] = parsed["network"]
        if set(shape) != NETWORK_KEYS or not isinstance(parsed["values"], list):
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{name}: not a prior; expected a file that inlaid pretrain wrote") from error
    return shape


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
