"""The command `inlaid`: the group of all commands.

The commands on single files import numpy and Pillow when they run; the commands in `LAZY` are imported as a whole when they are used.
So `inlaid --help` answers at once.
"""

from __future__ import annotations

import click

from .. import __version__
from .attach import attach
from .decode import decode
from .encode import encode
from .group import Lazy, LazyGroup
from .inspect import info, strip

LAZY = {
    "demo": Lazy("inlaid.cli.demo:demo", "Encode a real photograph; show a table and a before / after picture."),
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


for command in (encode, attach, decode, info, strip):
    main.add_command(command)
