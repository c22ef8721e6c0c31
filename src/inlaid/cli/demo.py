"""`inlaid demo`: encode a real photograph at several qualities; write a table, a before / after picture and all files."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from io import BytesIO
from math import exp, log
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .. import __version__, decoder, formats
from ..encoding import encoder, pictures
from ..encoding.distortion import mse, psnr_db
from ..encoding.encoder import Encoded
from ..errors import InlayError
from . import streams
from .before_after import Strip, before_after
from .group import Command
from .inputs import open_picture
from .messages import STREAM, Failure, Progress, error_prefix, one_line, print_result, to_json
from .options import Fitting, fitting_options
from .outputs import check_output, write

QUALITIES = (10, 20, 40, 75)
SHOWN = (20, 40)  # qualities in the before / after picture, one row each
FILES = ("original.png", "before-after.png", "results.json", *(f"q{q}{kind}" for q in QUALITIES for kind in (".jpg", "-restored.png")))
PHOTOGRAPH = "coffee.png"  # CC0 by its photographer, Rachel Michetti; in every wheel of scikit-image
# Options of the base codec, for the base and for the plain JPEG files that it is compared with.
OPTIONS: dict[str, Any] = {"subsampling": "420", "progressive": False, "optimize": True}


@dataclass(frozen=True)
class Row:
    """A row of the table.  PSNRs are of the luma."""

    quality: int
    base_bytes: int
    payload_bytes: int
    psnr_base_db: float
    psnr_db: float
    plain_bytes: int | None  # of a plain JPEG with the PSNR of the restored picture; None if no quality reaches it
    seconds: float


@click.command(cls=Command)
@click.option("-o", "--output", metavar="DIR", default="inlaid-demo", show_default=True, help="The folder to write to.")
@click.option("--image", metavar="PHOTO", help="A picture of your own; - for standard input.  [default: the photograph]")
@fitting_options
def demo(output: str, image: str | None, fitting: Fitting) -> None:
    """Encode a real photograph at several qualities, and show what an inlay brings.

    Prints a table of the bytes and PSNR of the plain JPEG and of the restored picture, and of the bytes that a plain JPEG would need
    for the same PSNR.  Writes to DIR the original, the JPEG files with their inlays, the restored pictures, a before / after picture
    and the numbers.  The photograph is a cup of coffee (CC0, Rachel Michetti) that comes with scikit-image: pip install
    'inlaid[demo]'.

    \b
    Examples:
      inlaid demo
      inlaid demo --image photo.png -o out -e 7
    """
    picture = photograph() if image is None else open_picture(image)
    with error_prefix(image or PHOTOGRAPH):
        original, _ = pictures.prepare(picture)
    original = original.convert("RGB") if original.mode == "CMYK" else original
    with error_prefix(output):
        folder = Path(output)
        folder.mkdir(exist_ok=True)
    for name in FILES:
        check_output(str(folder / name))
    write(str(folder / "original.png"), _png(original))
    rows, strips = [], []
    for quality in QUALITIES:
        begun = time.perf_counter()
        with error_prefix(image or PHOTOGRAPH), Progress(f"quality {quality}") as progress:
            encoded = encoder.encode(original, quality=quality, progress=progress, **asdict(fitting), **OPTIONS)
        row = measure(original, quality, encoded, time.perf_counter() - begun)
        rows.append(row)
        base, restored = (decoder.decode(encoded.data, base_only=b).image for b in (True, False))
        write(str(folder / f"q{quality}.jpg"), encoded.data)
        write(str(folder / f"q{quality}-restored.png"), _png(restored))
        if quality in SHOWN:
            base_label = f"JPEG, quality {quality}: {row.base_bytes} bytes, {row.psnr_base_db:.2f} dB"
            restored_label = f"with inlay: {row.base_bytes} + {row.payload_bytes} bytes, {row.psnr_db:.2f} dB"
            strips.append(Strip(base, restored, base_label, restored_label))
    write(str(folder / "before-after.png"), _png(before_after(original, strips)))
    name = PHOTOGRAPH if image is None else streams.INPUT if image == STREAM else Path(image).name
    numbers = {"picture": name, "size": original.size, "effort": fitting.effort}
    numbers |= {"inlaid": __version__, "rows": [asdict(row) for row in rows]}
    write(str(folder / "results.json"), (to_json(numbers) + "\n").encode())
    console = Console()
    with console.capture() as capture:  # so that `print_result` prints everything; `escape`: a file name is no markup
        console.print(table(rows, escape(f"{one_line(name)}, {original.width}x{original.height}, effort {fitting.effort}")))
    shown = one_line(str(folder / "before-after.png"))
    print_result(f"{capture.get()}{shown} shows crops of it, qualities {' and '.join(map(str, SHOWN))}.")


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


def measure(original: Image.Image, quality: int, encoded: Encoded, seconds: float) -> Row:
    """The row of one encoded file; `seconds` is the time that encoding took."""
    before, after = encoded.psnr_base_db, encoded.psnr_db
    if before is None or after is None:
        raise InlayError(encoded.reason)
    plain_bytes = encoded.base_bytes if encoded.payload is None else plain_bytes_for(original, quality, after)
    return Row(quality, encoded.base_bytes, encoded.payload_bytes, before, after, plain_bytes, seconds)


def plain_bytes_for(original: Image.Image, quality: int, wanted_db: float) -> int | None:
    """Bytes of a plain JPEG with a luma PSNR of `wanted_db`; None if no quality from `quality` on reaches it.

    Between two qualities the logarithm of the bytes is interpolated.
    """
    luma, module, last = pictures.luma(original), formats.by_name("jpeg"), None
    for better in range(quality, 101):
        data = module.codec.encode(original, better, OPTIONS)
        point = psnr_db(mse(module.codec.decode_luma(data), luma)), log(len(data))
        if point[0] >= wanted_db and last is not None:
            part = (wanted_db - last[0]) / (point[0] - last[0]) if np.isfinite(point[0]) else 1.0
            return round(exp(last[1] + part * (point[1] - last[1])))
        last = point
    return None


def table(rows: Iterable[Row], title: str) -> Table:
    """The rows as a table of at most 80 columns of text."""
    made = Table(title=title, caption="PSNR of the luma in dB. As good: the bytes that a plain JPEG needs for the restored PSNR.")
    for heading in ("q", "plain\nbytes", "inlay\nbytes", "PSNR\nplain", "PSNR\nrestored", "gain", "as good\nbytes", "saved", "s"):
        made.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        size, gain = row.base_bytes + row.payload_bytes, row.psnr_db - row.psnr_base_db if row.payload_bytes else 0.0
        as_good = ("-", "-") if row.plain_bytes is None else (f"{row.plain_bytes}", f"{1 - size / row.plain_bytes:.1%}")
        before_after = f"{row.psnr_base_db:.2f}", f"{row.psnr_db:.2f}", f"{gain:+.2f}"
        bytes_ = f"{row.base_bytes}", f"{row.payload_bytes}"
        made.add_row(f"{row.quality}", *bytes_, *before_after, *as_good, f"{row.seconds:.1f}")
    return made


def _png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
