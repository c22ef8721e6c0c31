"""`inlaid decode`: a file with an inlay to the restored picture."""

from __future__ import annotations

from dataclasses import asdict

import click

from . import streams
from .group import Command
from .inputs import read
from .messages import STREAM, error_prefix, print_message
from .options import Limits, limit_options, output, source, threads_option
from .outputs import check_output, writing


@click.command(cls=Command)
@source()
@output("OUT.png")
@click.option("--base", is_flag=True, help="Write the plain base, as viewers that know no inlay show it.")
@limit_options
@threads_option
def decode(source: str, output: str, base: bool, limits: Limits, threads: int | None) -> None:
    """Write the restored picture.

    The extension of OUT names the format: PNG, TIFF, WebP (lossless), PPM, JPEG or another format that Pillow writes and that can
    hold the picture.  Standard output is PNG.  ICC profile, EXIF, XMP and resolution are kept where the format holds them.  Where it
    does not hold the EXIF orientation, the picture is turned upright.  A file without an inlay gives its base; so does a file whose
    inlay is damaged or belongs to another picture.  Messages on standard error name what was not kept, and why.

    \b
    Examples:
      inlaid decode photo.jpg -o restored.png
      inlaid decode photo.jpg -o - | display
    """
    from .. import decoder
    from . import export

    format = export.format_of("x.png" if output == STREAM else output)
    if format is None:
        raise click.BadParameter(f"{output}: Pillow writes no such format; expected .png, for example", param_hint="-o")
    check_output(output)
    data = read(source)
    with error_prefix(source):
        data = decoder.unpacked(data, **asdict(limits))
        picture = export.size_and_mode(data)
    with error_prefix(output, streams.OUTPUT):
        notes = export.check(format, *picture)
    with error_prefix(source):
        decoded = decoder.decode(data, base_only=base, threads=threads, **asdict(limits))
    with writing(output) as file:
        notes += export.write(decoded.image, data, format, file)
    if decoded.state != "restored" and not base:
        notes = (decoded.reason, *notes)
    for note in notes:
        print_message(f"{streams.INPUT if source == STREAM else source}: {note}")
