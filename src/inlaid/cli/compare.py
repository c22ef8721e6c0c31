"""`inlaid compare`: one page that shows a file plain and restored, and needs nothing else."""

from __future__ import annotations

import base64
from dataclasses import asdict
from html import escape
from io import BytesIO
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import click

from ..errors import FormatError, UnsupportedError
from . import streams
from .group import Command
from .inputs import check_names, open_picture, read
from .messages import STREAM, error_prefix, one_line, print_report
from .options import Limits, limit_options, output, source
from .outputs import check_output, write

if TYPE_CHECKING:
    from PIL import Image

BROWSER = Path(__file__).parents[1] / "browser"
SCRIPTS = ("inlaid.js", "inlaid-worker.js", "inlaid-compare.js", "inlaid.wasm")


@click.command(cls=Command)
@source("FILE")
@click.option("--original", metavar="ORIGINAL", help="The picture that FILE was made from, at the same size.")
@output("PAGE.html")
@limit_options
def compare(source: str, original: str | None, output: str, limits: Limits) -> None:
    """Write one HTML page that shows a JPEG file with an inlay, plain and restored.

    The page has a slider, zoom, a view of the difference, and the figures.  It holds the file, and the decoder for browsers, which
    restores it there; of a packed file, the JPEG file in it.  It loads nothing, so it can be opened from a disk or sent by mail.  With
    --original it can also show the original,
    and gives the PSNR of RGB (of a gray picture: of the luma), plain and restored.

    \b
    Examples:
      inlaid compare photo.jpg -o page.html
      inlaid compare photo.jpg --original photo.png -o page.html
    """
    from .. import decoder

    check_names(FILE=source, **({"ORIGINAL": original} if original is not None else {}))
    check_output(output)
    data = read(source)
    with error_prefix(source):
        data = decoder.unpacked(data, **asdict(limits))
        rows, embedded, prior = _file(data, limits)
    if original is not None:
        shown, measured = _original(data, source, original, limits)
        embedded["original"] = shown
        rows |= measured
    with error_prefix("the browser's decoder"):
        embedded |= {name: (BROWSER / name).read_bytes() for name in SCRIPTS}
        embedded |= {"prior": (BROWSER / "priors" / f"{prior:03}.bin").read_bytes()} if prior else {}
    name = streams.INPUT if source == STREAM else Path(source).name
    page = _page(one_line(name), rows, embedded, prior)
    write(output, page)
    print_report({}, f"{one_line(output)}: {len(page):,} bytes", as_json=False, output=output)


def _file(data: bytes, limits: Limits) -> tuple[dict[str, str], dict[str, bytes], int]:
    """The figures of a file, its bytes for the page, and the number of its prior.  An InlayError if there is nothing to compare."""
    from .. import decoder, formats

    found = formats.by_content(data)
    if found.name != "jpeg":
        raise UnsupportedError(f"it is a {found.name.upper()} file; expected a JPEG file, which browsers show")
    report = decoder.info(data, **asdict(limits))
    inlay = report["inlay"]
    if inlay is None:
        raise FormatError("there is no inlay in this file; expected one to compare with the base")
    if inlay["state"] != "matches":
        raise FormatError(f"its inlay is {inlay['state']} ({inlay['reason']}); expected one that belongs to the picture")
    network = inlay["network"]
    share = inlay["payload_bytes"] / len(data)
    prior = f"prior {inlay['prior']}" if inlay["prior"] else "no prior"
    rows = {
        "File": f"{len(data):,} bytes",
        "Inlay, of these": f"{inlay['payload_bytes']:,} bytes ({share:.2%})",
        "Network": f"{network['weights']:,} weights, {prior}",
        "Gain, recorded at encoding": f"{inlay['gain_db']:.2f} dB (PSNR of the luma)",
    }
    return rows, {"picture": data}, inlay["prior"]


def _original(data: bytes, source: str, name: str, limits: Limits) -> tuple[bytes, dict[str, str]]:
    """The original as a PNG, in the place and the colours of the base as browsers show it; and the rows of the table that it gives."""
    from functools import partial

    from .. import decoder, formats
    from ..bench.equal import psnr
    from ..encoding import pictures
    from ..encoding.alignment import Place, as_stored
    from ..encoding.limits import check_limits
    from ..formats.base import pixels

    with error_prefix(source):
        found = formats.by_content(data)
        place = Place.of(found, data)
        base, restored = (decoder.decode(data, base_only=only).pixels for only in (True, False))
        luma = found.codec.decode_luma(data)
    with error_prefix(name):
        picture = open_picture(name, partial(check_limits, format=found.name, preset=None, **asdict(limits)))
        prepared, _ = pictures.prepare(picture, target=place.space)
        stored = as_stored(prepared, place, luma)
    stored = stored.convert("L" if base.ndim == 2 else "RGB")
    target = pixels(stored)
    rows = {f"PSNR, {what}": f"{psnr(target, shown):.2f} dB" for what, shown in (("plain", base), ("restored", restored))}
    return _png(stored, found.container.metadata(data).items), rows


def _png(stored: Image.Image, metadata: dict[str, Any]) -> bytes:
    """An image in the base's place as PNG, upright, with the base's colour space."""
    from ..metadata import exif

    turn = exif.UPRIGHT.get(exif.orientation(metadata.get("exif", b"")))
    file = BytesIO()
    upright = stored if turn is None else stored.transpose(turn)
    upright.info = {}
    upright.save(file, "PNG", icc_profile=metadata.get("icc_profile"))
    return file.getvalue()


def _page(name: str, rows: dict[str, str], embedded: dict[str, bytes], prior: int) -> bytes:
    """The page.  What it holds stands in it in base64, in elements that no browser runs."""
    title = f"{name}: plain and restored"
    elements = (
        f'<script type="application/octet-stream" id="{key}">{base64.b64encode(value).decode()}</script>' for key, value in embedded.items()
    )
    table = "".join(f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in rows.items())
    template = Template((BROWSER / "compare.html").read_text("utf-8"))
    text = template.substitute(title=escape(title), rows=table, embedded="\n".join(elements), prior=str(prior))
    return text.encode("utf-8", "backslashreplace")
