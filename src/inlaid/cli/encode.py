"""`inlaid encode`: a picture to a base file with an inlay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from .encoded import finish, format_of
from .group import Command
from .inputs import open_picture
from .messages import Progress, error_prefix
from .options import Fitting, Limits, Targets, as_json, fitting_options, limit_options, output, source, target_options
from .outputs import check_output

MOST_LOSS_DB = 20.0  # that of `encoding.loop`, which imports numpy

if TYPE_CHECKING:
    from ..encoding.pictures import Extent


@click.command(cls=Command)
@source()
@output("OUT.jpg|OUT.jp2")
@click.option(
    "-q",
    "--quality",
    type=click.FloatRange(1, 100),
    metavar="1..100",
    help="Quality of the base.  JPEG: the plain picture is about as good as libjpeg's of it.  JPEG 2000: a PSNR of 26 + Q / 5 dB.  "
    "[default: 75]",
)
@click.option(
    "--rate",
    "rate_bpp",
    type=click.FloatRange(0, 24, min_open=True),
    metavar="BPP",
    help="JPEG 2000: rate of the base in bits a pixel, in place of -q.",
)
@click.option(
    "--psnr",
    "psnr_db",
    type=click.FloatRange(0, 100, min_open=True),
    metavar="DB",
    help="JPEG 2000: PSNR of the base in dB, in place of -q.",
)
@target_options
@click.option("--format", metavar="NAME", help="Format of the base: jpeg or jpeg2000.  [default: that of OUT's extension, or jpeg]")
@click.option(
    "--base",
    type=click.Choice(["trellis", "turbo"]),
    help="JPEG: the encoder of the base.  trellis: ours, which makes the base for its inlay.  turbo: libjpeg-turbo.  [default: trellis]",
)
@click.option(
    "--tune",
    type=click.Choice(["looks", "psnr"]),
    help="JPEG, trellis: what the base is best at for its bytes, by SSIMULACRA2 or by PSNR.  [default: looks]",
)
@click.option(
    "--legacy-loss",
    "legacy_loss_db",
    type=click.FloatRange(0, MOST_LOSS_DB),
    metavar="DB",
    help="How much worse the plain picture may get, in PSNR, for a better restored one.  0: the base is made without regard to its inlay.  "
    "[default: 0.3]",
)
@fitting_options
@limit_options
@click.option("--subsampling", type=click.Choice(["444", "422", "420"]), help="JPEG: subsampling of the chroma planes.  [default: 420]")
@click.option(
    "--progressive/--no-progressive",
    default=None,
    help="JPEG: write a progressive base, or a baseline one.  [default: of trellis the smaller, of turbo baseline]",
)
@click.option(
    "--optimize/--no-optimize",
    default=None,
    help="JPEG, turbo: Huffman tables made for the picture, or the standard's tables.  [default: optimize]",
)
@as_json
def encode(
    source: str,
    output: str,
    quality: float | None,
    targets: Targets,
    format: str | None,
    fitting: Fitting,
    limits: Limits,
    as_json: bool,
    **options: Any,
) -> None:
    """Write a picture as a JPEG or JPEG 2000 file with an inlay.

    IN is a picture in any format that Pillow reads: PNG, TIFF, WebP, PPM, JPEG and more.  16-bit, palette and transparent pictures
    are accepted; transparent pixels are laid on white.  The EXIF orientation is applied.  ICC profile, EXIF and XMP are kept; a note
    names what could not be kept.  The plain base file is written where an inlay does not pay or cannot apply (CMYK as JPEG); the
    report then says so.

    With a target the base's quality and the inlay are searched together.  That usually takes two to six times as long.  A target that no
    file of this picture can meet is an error, which names the nearest that one can.

    \b
    Examples:
      inlaid encode photo.png -o photo.jpg -q 40 -e 7
      inlaid encode photo.png -o photo.jpg --target-size 200k
      inlaid encode photo.png -o photo.jp2 --rate 0.5
      convert scan.psd ppm:- | inlaid encode - -o scan.jpg --json
    """
    from ..encoding import encoder
    from ..encoding.limits import check_limits
    from . import export

    module = format_of(output, format)
    legacy_loss_db = options.pop("legacy_loss_db")
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
    check_output(output)

    def check(extent: Extent) -> None:
        check_limits(extent, module.name, fitting.preset, limits.max_pixels, limits.max_memory, targets.target_ssimulacra2 is not None)
        export.check(module.name.upper(), (extent.width, extent.height), "L" if extent.gray else "RGB")

    begun = time.perf_counter()
    with error_prefix(source), Progress("fitting") as progress:
        # A variable for the picture, or a call with **, would hold its pixels until the end of the fit.
        encoded = encoder.encode(
            open_picture(source, check),
            format=module.name,
            quality=quality,
            target_bytes=targets.target_size,
            target_bpp=targets.target_bpp,
            target_psnr_db=targets.target_psnr,
            target_ssimulacra2=targets.target_ssimulacra2,
            effort=fitting.effort,
            preset=fitting.preset,
            seed=fitting.seed,
            threads=fitting.threads,
            progress=progress,
            legacy_loss_db=legacy_loss_db,
            base=given.get("base"),
            tune=given.get("tune"),
            subsampling=given.get("subsampling"),
            progressive=given.get("progressive"),
            optimize=given.get("optimize"),
            rate_bpp=given.get("rate_bpp"),
            psnr_db=given.get("psnr_db"),
        )
    finish("encode", encoded, output, time.perf_counter() - begun, as_json)
