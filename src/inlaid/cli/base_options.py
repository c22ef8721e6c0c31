"""The options of a base file, which `inlaid encode` and `inlaid batch` share, and their checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import Command, Targets

if TYPE_CHECKING:
    from ..formats import Format

MOST_LOSS_DB = 20.0  # that of `encoding.loop`, which imports numpy


def base_options(command: Command) -> Command:
    """Options that say how the base is made.  The command receives each by its name."""
    for option in (
        click.option(
            "--optimize/--no-optimize",
            default=None,
            help="JPEG, turbo: Huffman tables made for the picture, or the standard's tables.  [default: optimize]",
        ),
        click.option(
            "--progressive/--no-progressive",
            default=None,
            help="JPEG: write a progressive base, or a baseline one.  [default: of trellis the smaller, of turbo baseline]",
        ),
        click.option(
            "--subsampling", type=click.Choice(["444", "422", "420"]), help="JPEG: subsampling of the chroma planes.  [default: 420]"
        ),
        click.option(
            "--legacy-loss",
            "legacy_loss_db",
            type=click.FloatRange(0, MOST_LOSS_DB),
            metavar="DB",
            help="How much worse the plain picture may get, in PSNR, for a better restored one.  "
            "0: the base is made without regard to its inlay.  "
            "[default: 0.3]",
        ),
        click.option(
            "--tune",
            type=click.Choice(["looks", "psnr"]),
            help="JPEG, trellis: what the base is best at for its bytes, by SSIMULACRA2 or by PSNR.  [default: looks]",
        ),
        click.option(
            "--base",
            type=click.Choice(["trellis", "turbo"]),
            help="JPEG: the encoder of the base.  trellis: ours, which makes the base for its inlay.  "
            "turbo: libjpeg-turbo.  [default: trellis]",
        ),
        click.option("--format", metavar="NAME", help="Format of the base: jpeg or jpeg2000.  [default: that of OUT's extension, or jpeg]"),
        click.option(
            "--psnr",
            "psnr_db",
            type=click.FloatRange(0, 100, min_open=True),
            metavar="DB",
            help="JPEG 2000: PSNR of the base in dB, in place of -q.",
        ),
        click.option(
            "--rate",
            "rate_bpp",
            type=click.FloatRange(0, 24, min_open=True),
            metavar="BPP",
            help="JPEG 2000: rate of the base in bits a pixel, in place of -q.",
        ),
        click.option(
            "-q",
            "--quality",
            type=click.FloatRange(1, 100),
            metavar="1..100",
            help="Quality of the base.  JPEG: the plain picture is about as good as libjpeg's of it.  JPEG 2000: a PSNR of 26 + Q / 5 dB.  "
            "[default: 75]",
        ),
    ):
        command = option(command)
    return command


def chosen(module: Format, quality: float | None, targets: Targets, options: dict[str, Any]) -> dict[str, Any]:
    """Those of the base codec's `options` that are given.  Usage error if one does not apply, or contradicts another."""
    given = {name: value for name, value in options.items() if value is not None}
    if foreign := sorted(given.keys() - module.codec.OPTIONS):
        raise click.UsageError(f"--{foreign[0].partition('_')[0]} does not apply to {module.name}")
    if sum(value is not None for value in (quality, given.get("rate_bpp"), given.get("psnr_db"))) > 1:
        raise click.UsageError("expected at most one of --quality, --rate and --psnr")
    wanted = [f"--{name.replace('_', '-')}" for name, value in vars(targets).items() if value is not None]
    if len(wanted) > 1:
        raise click.UsageError(f"expected at most one target, not {' and '.join(wanted)}")
    if wanted and (quality is not None or given.keys() & {"rate_bpp", "psnr_db"}):
        raise click.UsageError(f"{wanted[0]} takes the place of --quality, --rate and --psnr")
    return given
