"""`inlaid encode`: a picture to a base file with an inlay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from .encoded import finish, format_of
from .group import Command
from .inputs import open_picture
from .messages import Progress, error_prefix
from .options import Fitting, Limits, as_json, fitting_options, limit_options, output, source
from .outputs import check_output

if TYPE_CHECKING:
    from ..encoding.pictures import Extent


@click.command(cls=Command)
@source()
@output("OUT.jpg|OUT.jp2")
@click.option(
    "-q",
    "--quality",
    type=click.IntRange(1, 100),
    metavar="1..100",
    help="Quality of the base.  JPEG: on libjpeg's scale.  JPEG 2000: a PSNR of 26 + Q / 5 dB.  [default: 75]",
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
@click.option("--format", metavar="NAME", help="Format of the base: jpeg or jpeg2000.  [default: that of OUT's extension, or jpeg]")
@fitting_options
@limit_options
@click.option("--subsampling", type=click.Choice(["444", "422", "420"]), help="JPEG: subsampling of the chroma planes.  [default: 420]")
@click.option("--progressive", is_flag=True, default=None, help="JPEG: write a progressive base.")
@click.option(
    "--optimize/--no-optimize",
    default=None,
    help="JPEG: Huffman tables made for the picture, or the standard's tables.  [default: optimize]",
)
@as_json
def encode(
    source: str, output: str, quality: int | None, format: str | None, fitting: Fitting, limits: Limits, as_json: bool, **options: Any
) -> None:
    """Write a picture as a JPEG or JPEG 2000 file with an inlay.

    IN is a picture in any format that Pillow reads: PNG, TIFF, WebP, PPM, JPEG and more.  16-bit, palette and transparent pictures
    are accepted; transparent pixels are laid on white.  The EXIF orientation is applied.  ICC profile, EXIF and XMP are kept; a note
    names what could not be kept.  The plain base file is written where an inlay does not pay or cannot apply (CMYK as JPEG); the
    report then says so.

    \b
    Examples:
      inlaid encode photo.png -o photo.jpg -q 40 -e 7
      inlaid encode photo.png -o photo.jp2 --rate 0.5
      convert scan.psd ppm:- | inlaid encode - -o scan.jpg --json
    """
    from ..encoding import encoder
    from ..encoding.limits import check_limits
    from . import export

    module = format_of(output, format)
    given = {name: value for name, value in options.items() if value is not None}
    if foreign := sorted(given.keys() - module.codec.OPTIONS):
        raise click.UsageError(f"--{foreign[0].partition('_')[0]} does not apply to {module.name}")
    if sum(value is not None for value in (quality, given.get("rate_bpp"), given.get("psnr_db"))) > 1:
        raise click.UsageError("expected at most one of --quality, --rate and --psnr")
    check_output(output)

    def check(extent: Extent) -> None:
        check_limits(extent, module.name, fitting.preset, limits.max_pixels, limits.max_memory)
        export.check(module.name.upper(), (extent.width, extent.height), "L" if extent.gray else "RGB")

    begun = time.perf_counter()
    with error_prefix(source), Progress("fitting") as progress:
        # A variable for the picture, or a call with **, would hold its pixels until the end of the fit.
        encoded = encoder.encode(
            open_picture(source, check),
            format=module.name,
            quality=quality,
            effort=fitting.effort,
            preset=fitting.preset,
            seed=fitting.seed,
            threads=fitting.threads,
            progress=progress,
            subsampling=given.get("subsampling"),
            progressive=given.get("progressive"),
            optimize=given.get("optimize"),
            rate_bpp=given.get("rate_bpp"),
            psnr_db=given.get("psnr_db"),
        )
    finish("encode", encoded, output, time.perf_counter() - begun, as_json)
