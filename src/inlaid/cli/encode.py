"""`inlaid encode`: a picture to a base file with an inlay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from .base_options import base_options, chosen
from .encoded import finish, format_of
from .group import Command
from .inputs import open_picture
from .messages import Progress, error_prefix
from .options import Fitting, Limits, Targets, as_json, fitting_options, limit_options, output, source, target_options
from .outputs import check_output

if TYPE_CHECKING:
    from ..encoding.pictures import Extent


@click.command(cls=Command)
@source()
@output("OUT.jpg|OUT.jp2")
@base_options
@target_options
@fitting_options
@limit_options
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
    given = chosen(module, quality, targets, options)
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
