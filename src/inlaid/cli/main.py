"""The command `inlaid`: the group of all commands.  Each is imported when it is used, so `inlaid --help` answers at once."""

from __future__ import annotations

import click

from .. import __version__
from .group import Lazy, LazyGroup

LAZY = {
    "encode": Lazy("inlaid.cli.encode:encode", "Write a picture as a JPEG or JPEG 2000 file with an inlay."),
    "attach": Lazy("inlaid.cli.attach:attach", "Add an inlay to an existing JPEG or JP2 file; its image data stays byte for byte."),
    "decode": Lazy("inlaid.cli.decode:decode", "Write the restored picture."),
    "info": Lazy("inlaid.cli.inspect:info", "Show what is inside a file."),
    "strip": Lazy("inlaid.cli.inspect:strip", "Write the base file alone, byte for byte as it was before the inlay."),
    "pack": Lazy("inlaid.cli.pack:pack", "Pack a JPEG file into JPEG XL, without loss."),
    "unpack": Lazy("inlaid.cli.pack:unpack", "Write the JPEG file in a packed file, byte for byte as it was."),
    "batch": Lazy("inlaid.cli.batch:batch", "Encode, attach to, decode or strip a tree of pictures, in many processes."),
    "demo": Lazy("inlaid.cli.demo:demo", "Encode a real photograph; show a table and a before / after picture."),
    "compare": Lazy("inlaid.cli.compare:compare", "Write one HTML page that shows a file plain and restored."),
    "pretrain": Lazy("inlaid.cli.pretrain:pretrain", "Train a prior from folders of images."),
    "bench": Lazy("inlaid.cli.bench:bench", "Measure images, one JSON line a measurement.", "bench"),
    "report": Lazy("inlaid.cli.report:report", "Tables and plots from the lines of a bench.", "bench"),
}


@click.group(cls=LazyGroup, lazy=LAZY, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="inlaid")
def main() -> None:
    """JPEG and JPEG 2000 files that carry a tiny neural network, fitted to the picture, which makes them look better.

    Every viewer opens the file as before.  `inlaid decode` gives a picture closer to the original.

    \b
      inlaid encode photo.png -o photo.jpg -q 40
      inlaid decode photo.jpg -o restored.png

    IN and OUT may be - for standard input and output; reports then go to standard error.  A file appears under its name when it is
    complete; a failure leaves an existing file as it was.  Exit codes: 0 done, 1 failed (one line says why), 2 wrong usage, 130
    interrupted.
    """
