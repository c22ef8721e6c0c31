"""`inlaid pack` and `inlaid unpack`: JPEG files in JPEG XL, and back, byte for byte."""

from __future__ import annotations

import click

from .group import Command
from .messages import print_report
from .options import output, source
from .outputs import convert


@click.command(cls=Command)
@source()
@output("OUT.jxl")
def pack(source: str, output: str) -> None:
    """Pack a JPEG file into JPEG XL, without loss.

    It takes 7 to 17 % fewer bytes.  `inlaid unpack` and djxl give the JPEG file back byte for byte, with inlay and metadata.
    `inlaid decode`, `info` and `compare` read the packed file directly; other viewers of JPEG XL show the picture without its inlay.  A
    file that would not come back byte for byte is refused.  `inlaid batch --action pack` packs a tree.  It needs
    pip install 'inlaid[pack]'.

    \b
    Example:
      inlaid pack photo.jpg -o photo.jxl
    """
    from ..formats import packing

    data, packed = convert(source, output, packing.pack)
    saved = 1 - len(packed) / len(data)
    print_report({}, f"{len(packed)} bytes, {saved:.1%} fewer", as_json=False, output=output)


@click.command(cls=Command)
@source("IN.jxl")
@output("OUT.jpg")
def unpack(source: str, output: str) -> None:
    """Write the JPEG file in a packed file, byte for byte as it was.

    \b
    Example:
      inlaid unpack photo.jxl -o photo.jpg
    """
    from ..formats import packing

    _, data = convert(source, output, packing.unpack)
    print_report({}, f"{len(data)} bytes", as_json=False, output=output)
