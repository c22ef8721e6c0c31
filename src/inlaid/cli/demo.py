"""`inlaid demo`: the main job on a real photograph, with a table, a before / after picture, and all files to look at."""

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
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .. import __version__, decoder, formats
from ..bench.metrics import psnr_db
from ..encoding import encoder, pictures
from ..encoding.encoder import Encoded
from ..errors import InlayError
from . import streams
from .files import check_output, open_picture, write
from .group import Command
from .messages import STREAM, Failure, Progress, about, answer, one_line, to_json
from .options import fitting_options

Pixels = NDArray[np.uint8]

QUALITIES = (10, 20, 40, 75)
SHOWN = (20, 40)  # in the picture, one row each
FILES = ("original.png", "before-after.png", "results.json", *(f"q{q}{kind}" for q in QUALITIES for kind in (".jpg", "-restored.png")))
CROP_PX, SCALE = (160, 120), 3  # width, height; enlarged so much, pixel by pixel
PHOTOGRAPH = "coffee.png"  # CC0 by its photographer, Rachel Michetti; in every wheel of scikit-image
# What the base is coded with, here and in the plain files that it is compared to.
OPTIONS: dict[str, Any] = {"subsampling": "420", "progressive": False, "optimize": True}


@dataclass(frozen=True)
class Row:
    """A line of the table.  PSNRs are of the luma; plain_bytes: what a plain JPEG needs for the restored PSNR, if it can."""

    quality: int
    base_bytes: int
    payload_bytes: int
    psnr_base_db: float
    psnr_db: float
    plain_bytes: int | None
    seconds: float


@click.command(cls=Command)
@click.option("-o", "--output", metavar="DIR", default="inlaid-demo", show_default=True, help="The folder for the files.")
@click.option("--image", metavar="PHOTO", help="A picture of your own in place of the photograph; - for standard input.")
@fitting_options
def demo(output: str, image: str | None, effort: int, preset: str | None, seed: int, threads: int | None) -> None:
    """Do the main job on a real photograph, at several qualities.

    Prints a table: bytes and PSNR of the plain JPEG and of the restored picture, and the bytes that a plain JPEG would need to be
    as good.  Writes to DIR the original, the JPEG files with their inlays, the restored pictures, a before / after picture and the
    numbers.  The photograph is a cup of coffee (CC0, Rachel Michetti) that comes with scikit-image: pip install 'inlaid[demo]'.

    \b
    Examples:
      inlaid demo
      inlaid demo --image photo.png -o out -e 7
    """
    picture = photograph() if image is None else open_picture(image)
    with about(image or PHOTOGRAPH):
        original, _ = pictures.prepare(picture)
    original = original.convert("RGB") if original.mode == "CMYK" else original
    with about(output):
        folder = Path(output)
        folder.mkdir(exist_ok=True)
    for name in FILES:
        check_output(str(folder / name))
    write(str(folder / "original.png"), _png(original))
    rows, strips = [], []
    for quality in QUALITIES:
        begun = time.perf_counter()
        with about(image or PHOTOGRAPH), Progress(f"quality {quality}") as progress:
            encoded = encoder.encode(
                original, quality=quality, effort=effort, preset=preset, seed=seed, threads=threads, progress=progress, **OPTIONS
            )
        rows.append(measure(original, quality, encoded, time.perf_counter() - begun))
        base, restored = (decoder.decode(encoded.data, base_only=b).image for b in (True, False))
        write(str(folder / f"q{quality}.jpg"), encoded.data)
        write(str(folder / f"q{quality}-restored.png"), _png(restored))
        if quality in SHOWN:
            strips.append((rows[-1], base, restored))
    write(str(folder / "before-after.png"), _png(before_after(original, strips)))
    name = PHOTOGRAPH if image is None else streams.INPUT if image == STREAM else Path(image).name
    numbers = {"picture": name, "size": original.size, "effort": effort}
    numbers |= {"inlaid": __version__, "rows": [asdict(row) for row in rows]}
    write(str(folder / "results.json"), (to_json(numbers) + "\n").encode())
    console = Console()
    with console.capture() as capture:  # what is printed goes one way, and the names are no markup
        console.print(table(rows, escape(f"{one_line(name)}, {original.width}x{original.height}, effort {effort}")))
    where = f"{one_line(str(folder / 'before-after.png'))} shows crops of it, qualities {' and '.join(map(str, SHOWN))}."
    answer(capture.get() + where)


def photograph() -> pictures.Picture:
    """The photograph, from scikit-image's files; that package itself is not imported."""
    found = importlib.util.find_spec("skimage")
    file = Path(found.origin).parent / "data" / PHOTOGRAPH if found and found.origin else None
    if file is None or not file.exists():
        raise Failure(
            "demo: the photograph comes with scikit-image, which is not installed (pip install 'inlaid[demo]'); "
            "inlaid demo --image PHOTO takes any picture of your own"
        )
    return open_picture(str(file))


def measure(original: Image.Image, quality: int, encoded: Encoded, seconds: float) -> Row:
    """What came out, in numbers."""
    before, after = encoded.psnr_base_db, encoded.psnr_db
    if before is None or after is None:
        raise InlayError(encoded.reason)
    plain_bytes = encoded.base_bytes if encoded.payload is None else plain_bytes_for(original, quality, after)
    return Row(quality, encoded.base_bytes, encoded.payload_bytes, before, after, plain_bytes, seconds)


def plain_bytes_for(original: Image.Image, quality: int, wanted_db: float) -> int | None:
    """The size at which a plain JPEG has that PSNR, between two qualities by the logarithm of the size; None if none has."""
    luma, module, last = pictures.luma(original), formats.by_name("jpeg"), None
    for better in range(quality, 101):
        data = module.codec.encode(original, better, OPTIONS)
        point = psnr_db(module.codec.decode_luma(data), luma), log(len(data))
        if point[0] >= wanted_db and last is not None:
            part = (wanted_db - last[0]) / (point[0] - last[0]) if np.isfinite(point[0]) else 1.0
            return round(exp(last[1] + part * (point[1] - last[1])))
        last = point
    return None


def table(rows: Iterable[Row], title: str) -> Table:
    """The rows, for people; 80 columns."""
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


# ------------------------------------------------------------------------------------------------ the picture


def before_after(original: Image.Image, strips: Iterable[tuple[Row, Image.Image, Image.Image]]) -> Image.Image:
    """Enlarged crops side by side, one row for each (row, base, restored): original | JPEG | JPEG with inlay."""
    strips = list(strips)
    box = best_crop(original, strips[0][1], strips[0][2])
    width, height = (box[2] - box[0]) * SCALE, (box[3] - box[1]) * SCALE
    gap, bar = 8, 26
    sheet = Image.new("RGB", (3 * width + 4 * gap, len(strips) * (height + bar + gap) + gap), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for line, (row, base, restored) in enumerate(strips):
        top = gap + line * (height + bar + gap)
        labels = (
            "original",
            f"JPEG, quality {row.quality}: {row.base_bytes} bytes, {row.psnr_base_db:.2f} dB",
            f"with inlay: {row.base_bytes} + {row.payload_bytes} bytes, {row.psnr_db:.2f} dB",
        )
        for column, (picture, label) in enumerate(zip((original, base, restored), labels, strict=True)):
            left = gap + column * (width + gap)
            draw.text((left, top), label, "black", font)
            crop = picture.convert("RGB").crop(box).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(crop, (left, top + bar))
    return sheet


def best_crop(original: Image.Image, base: Image.Image, restored: Image.Image) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) in which the squared error falls most."""
    target, before, after = (np.asarray(p.convert("L"), np.float64) for p in (original, base, restored))
    sums = np.pad(((before - target) ** 2 - (after - target) ** 2).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    width, height = (min(a, b) for a, b in zip(CROP_PX, original.size, strict=True))
    fallen = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(fallen.argmax()), fallen.shape)
    return int(left), int(top), int(left) + width, int(top) + height


def _png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
