"""`inlaid demo`: encode a real photograph at several qualities; write tables, a before / after picture and all files."""

from __future__ import annotations

import importlib.util
import json
import time
from dataclasses import asdict
from io import BytesIO
from itertools import product
from pathlib import Path

import click
from PIL import Image
from rich.console import Console
from rich.markup import escape

from .. import __version__, decoder
from ..bench import equal
from ..encoding import encoder, pictures
from ..formats.base import pixels
from . import streams
from .before_after import Strip, before_after
from .demo_rows import Comparison, Row
from .group import Command
from .inputs import open_picture
from .messages import STREAM, Failure, Progress, error_prefix, one_line, print_result, to_json
from .options import Fitting, fitting_options
from .outputs import check_output, write
from .serve import Gallery

QUALITIES, TUNES = (20, 40, 60, 80), ("looks", "psnr")
SHOWN = (20, 40)  # qualities in the before / after picture, one row each
FILES = (
    *("original.png", "before-after.png", "results.json"),
    *(f"q{quality}{kind}" for quality in QUALITIES for kind in (".jpg", "-restored.png", "-psnr.jpg")),
)
PHOTOGRAPH = "coffee.png"  # CC0 by its photographer, Rachel Michetti; in every wheel of scikit-image
WIDTH = 100  # columns of text; a table takes what it needs of these, and would be cut off in a narrower console


@click.command(cls=Command)
@click.option("-o", "--output", metavar="DIR", default="inlaid-demo", show_default=True, help="The folder to write to.")
@click.option("--image", metavar="PHOTO", help="A picture of your own; - for standard input.  [default: the photograph]")
@click.option("--serve", is_flag=True, help="Afterwards show a gallery of the files in the browser, at an address of this machine alone.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, metavar="N", help="The port of --serve; 0 for a free one."
)
@fitting_options
def demo(output: str, image: str | None, serve: bool, port: int, fitting: Fitting) -> None:
    """Encode a real photograph at several qualities, and compare the files with JPEG, WebP and AVIF.

    Prints two tables.  Each has a row for each quality: the bytes of the file, its inlay among them; SSIMULACRA2 and PSNR of the plain
    picture, as any viewer shows it, and of the restored picture; and the bytes that plain JPEG (libjpeg-turbo), WebP and AVIF need to
    be as good.  The first table compares at the same SSIMULACRA2, with files tuned for looks.  The second compares at the same PSNR of
    RGB (of a gray picture: of the luma), with files tuned for PSNR.

    Writes to DIR the original, the files with their inlays, the restored pictures, a before / after picture and the numbers.  Metadata
    are left out, as they would cost every codec the same.  The photograph is a cup of coffee (CC0, Rachel Michetti) that comes with
    scikit-image: pip install 'inlaid[demo]'.  The demo takes about a minute; a larger picture takes longer.

    --serve shows the files in a gallery, restored by the browser, until Ctrl-C.  Where DIR already holds the photograph's files of the
    same effort, they are shown as they are.

    \b
    Examples:
      inlaid demo
      inlaid demo --serve
      inlaid demo --image photo.png -o out -e 7
    """
    if serve:
        with Gallery(Path(output), FILES, port) as gallery:  # first: a port in use is found before the work
            if image is not None or not is_made(Path(output), fitting.effort):
                make(output, image, fitting)
            print_result(f"The gallery is at {gallery.url}; Ctrl-C ends it.")
            gallery.run()
    else:
        make(output, image, fitting)


def is_made(folder: Path, effort: int) -> bool:
    """True if the folder holds what the demo makes of its own photograph, by this version at this effort."""
    try:
        numbers = json.loads((folder / "results.json").read_text("utf-8"))
        found = [numbers[key] for key in ("picture", "effort", "inlaid")]
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return found == [PHOTOGRAPH, effort, __version__] and all((folder / name).exists() for name in FILES)


def make(output: str, image: str | None, fitting: Fitting) -> None:
    """Encode the picture, write the files, print the tables."""
    picture = photograph() if image is None else open_picture(image)
    with error_prefix(image or PHOTOGRAPH):
        original, _ = pictures.prepare(picture)
    original = original.convert("RGB") if original.mode == "CMYK" else original
    original.info = {}
    with error_prefix(output):
        folder = Path(output)
        folder.mkdir(exist_ok=True)
    for name in FILES:
        check_output(str(folder / name))
    write(str(folder / "original.png"), _png(original))
    comparison = Comparison.of(pixels(original))
    rows, strips = [], []
    for tune, quality in product(TUNES, QUALITIES):
        begun = time.perf_counter()
        with error_prefix(image or PHOTOGRAPH), Progress(f"quality {quality}, {tune}") as progress:
            encoded = encoder.encode(original, quality=quality, tune=tune, progress=progress, **asdict(fitting))
        seconds = time.perf_counter() - begun
        with Progress(f"quality {quality}, {tune}: other codecs") as progress:
            row = comparison.row(quality, tune, encoded, seconds, progress)
        rows.append(row)
        if tune == "psnr":
            write(str(folder / f"q{quality}-psnr.jpg"), encoded.data)
            continue
        restored = decoder.decode(encoded.data).image
        write(str(folder / f"q{quality}.jpg"), encoded.data)
        write(str(folder / f"q{quality}-restored.png"), _png(restored))
        if quality in SHOWN:
            strips.append(strip(comparison, row, restored))
    write(str(folder / "before-after.png"), _png(before_after(original, strips)))
    name = PHOTOGRAPH if image is None else streams.INPUT if image == STREAM else Path(image).name
    numbers = {"picture": name, "size": original.size, "effort": fitting.effort, "psnr_of": comparison.kind}
    numbers |= {"inlaid": __version__, "notes": comparison.notes, "rows": [asdict(row) for row in rows]}
    write(str(folder / "results.json"), (to_json(numbers) + "\n").encode())
    console = Console(width=WIDTH)
    with console.capture() as capture:  # so that `print_result` prints everything; `escape`: a file name is no markup
        for tune in TUNES:
            title = escape(f"{one_line(name)}, {original.width}x{original.height}")
            console.print(comparison.table((row for row in rows if row.tune == tune), tune, title))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    shown = one_line(str(folder / "before-after.png"))
    last = f"{shown} shows crops, qualities {' and '.join(map(str, SHOWN))}, beside plain JPEG files of no more bytes."
    print_result("\n".join([*lines, *comparison.legend(), last]))


def strip(comparison: Comparison, row: Row, restored: Image.Image) -> Strip:
    """A file's restored picture beside the best plain JPEG that has no more bytes."""
    jpeg = comparison.peers[equal.JPEG]
    quality = jpeg.quality_within(row.file_bytes)

    def label(what: str, size: int, measured: float | None, psnr_db: float) -> str:
        return f"{what}: {size:,} bytes, " + (f"{psnr_db:.2f} dB" if measured is None else f"SSIMULACRA2 {measured:.1f}")

    plain = jpeg.pixels(quality)
    plain_label = label("plain JPEG", len(jpeg.file(quality)), comparison.looks(plain), equal.psnr(comparison.original, plain))
    restored_label = label("JPEG with inlay, restored", row.file_bytes, row.ssimulacra2, row.psnr_db)
    return Strip(Image.fromarray(plain), restored, plain_label, restored_label)


def photograph() -> pictures.Picture:
    """The photograph from scikit-image's files.  The package is found, not imported."""
    found = importlib.util.find_spec("skimage")
    file = Path(found.origin).parent / "data" / PHOTOGRAPH if found and found.origin else None
    if file is None or not file.exists():
        raise Failure(
            "demo: the photograph comes with scikit-image, which is not installed (pip install 'inlaid[demo]'); "
            "inlaid demo --image PHOTO takes any picture of your own"
        )
    return open_picture(str(file))


def _png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
