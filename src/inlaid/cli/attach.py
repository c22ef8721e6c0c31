"""`inlaid attach`: an inlay for an existing base file."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import click

from .encoded import finish, format_of
from .group import Command
from .inputs import check_names, open_picture, read
from .messages import Progress, error_prefix
from .options import Fitting, Limits, as_json, file_names, fitting_options, limit_options, output, source
from .outputs import check_output


@click.command(cls=Command)
@source("BASE")
@click.option(
    "--original",
    metavar="MASTER",
    required=True,
    shell_complete=file_names,
    help="The picture that BASE was made from, at the same size.",
)
@output("OUT")
@fitting_options
@limit_options
@as_json
def attach(source: str, original: str, output: str, fitting: Fitting, limits: Limits, as_json: bool) -> None:
    """Add an inlay to an existing JPEG or JP2 file; its image data stays byte for byte.

    The inlay brings BASE, a file of any encoder, nearer to MASTER.  MASTER is converted from the colour space of its ICC profile to
    that of BASE; without a profile it is taken as sRGB.  MASTER may be upright or oriented as BASE is stored.  An inlay that BASE
    already has is taken out first.  BASE is written without an inlay where none pays or none can apply (CMYK, 12 bits, lossless,
    arithmetic coding); the report then says so.

    \b
    Examples:
      inlaid attach photo.jpg --original photo.tif -o photo-with-inlay.jpg
      cjpeg -quality 50 photo.ppm | inlaid attach - --original photo.ppm -o photo.jpg
    """
    from .. import formats
    from ..encoding import encoder, pictures
    from ..encoding.alignment import Place
    from ..encoding.limits import check_limits

    check_names(BASE=source, MASTER=original)
    check_output(output)
    base = read(source)
    with error_prefix(source):
        module = formats.by_content(base)
        applies = not module.container.obstacle(base)
        space = Place.of(module, base).space if applies else None
    if Path(output).suffix.lower() != Path(source).suffix.lower():
        format_of(output, module.name)
    check = partial(check_limits, format=module.name, preset=fitting.preset, **asdict(limits))
    begun = time.perf_counter()
    with error_prefix(original):
        picture = open_picture(original, check)
        master, notes = pictures.prepare(picture, target=space) if applies else (picture, ())
    with error_prefix(source), Progress("fitting") as progress:
        encoded = encoder.attach(base, master, **asdict(fitting), progress=progress)
    finish("attach", replace(encoded, notes=(*notes, *encoded.notes)), output, time.perf_counter() - begun, as_json)
