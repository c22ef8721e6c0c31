"""The command `inlaid`: arguments in, files and reports out; the work is done by the library.

Commands on single files are here, the others in modules of their own (`LAZY`).  Everything heavy is imported inside a command, so
that `inlaid --help` answers at once.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..errors import FormatError
from . import streams
from .files import check_names, check_output, open_picture, read, write, writing
from .group import Lazy, LazyGroup
from .messages import STREAM, Progress, about, one_line, report, tell
from .options import as_json, fitting_options, limit_options, output, source, threads_option

if TYPE_CHECKING:
    from ..encoding.encoder import Encoded
    from ..encoding.pictures import Extent
    from ..formats import Format

LAZY = {
    "demo": Lazy("inlaid.cli.demo:demo", "The main job on a real photograph: a table and a before / after picture."),
    "pretrain": Lazy("inlaid.cli.pretrain:pretrain", "Train a prior from folders of images."),
    "bench": Lazy("inlaid.cli.bench:bench", "Measure images, one JSON line a measurement.", "bench"),
    "report": Lazy("inlaid.cli.bench:report", "Tables and plots from the lines of a bench.", "bench"),
}


@click.group(cls=LazyGroup, lazy=LAZY, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="inlaid")
def main() -> None:
    """JPEG and JPEG 2000 files that carry a tiny neural network, fitted to the picture, which makes them look better.

    Every viewer opens the file as before; `inlaid decode` shows a picture closer to the original.

    \b
      inlaid encode photo.png -o photo.jpg -q 40
      inlaid decode photo.jpg -o restored.png

    IN and OUT may be - for standard input and output; reports then go to standard error.  Exit codes: 0 done, 1 failed (one line
    says why), 2 wrong usage, 130 interrupted.  An output appears when it is complete; on failure, what was there before stays.
    """


# ------------------------------------------------------------------------------------------------ encoding


@main.command()
@source()
@output("OUT.jpg|OUT.jp2")
@click.option(
    "-q",
    "--quality",
    type=click.IntRange(1, 100),
    metavar="1..100",
    help="Of the base: as libjpeg counts it, or for JPEG 2000 a PSNR of 26 + Q / 5 dB.  [default: 75]",
)
@click.option(
    "--rate",
    "rate_bpp",
    type=click.FloatRange(0, 24, min_open=True),
    metavar="BPP",
    help="JPEG 2000: bits a pixel of the base, in place of -q.",
)
@click.option(
    "--psnr", "psnr_db", type=click.FloatRange(0, 100, min_open=True), metavar="DB", help="JPEG 2000: PSNR of the base, in place of -q."
)
@click.option("--format", metavar="NAME", help="jpeg or jpeg2000; OUT's extension says it if left out.")
@fitting_options
@limit_options
@click.option("--subsampling", type=click.Choice(["444", "422", "420"]), help="JPEG: of the base's colour planes.  [default: 420]")
@click.option("--progressive", is_flag=True, default=None, help="JPEG: write a progressive base.")
@click.option(
    "--optimize/--no-optimize",
    default=None,
    help="JPEG: Huffman tables of the base made for the picture, or the standard's.  [default: optimize]",
)
@as_json
def encode(
    source: str, output: str, quality: int | None, format: str | None, effort: int, preset: str | None, seed: int,
    threads: int | None, max_pixels: int | None, max_memory: int | None, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Write a picture as a JPEG or JPEG 2000 file with an inlay.

    IN is whatever Pillow opens: PNG, TIFF, WebP, PPM, JPEG and more.  16 bits, palettes and alpha (laid on white) are included.  Its
    ICC profile, EXIF and XMP are kept; a note says what cannot be.  Its EXIF orientation is applied.  Where an inlay would not pay,
    or cannot apply (CMYK as JPEG), the plain base file is written, and the report says so.

    \b
    Examples:
      inlaid encode photo.png -o photo.jpg -q 40 -e 7
      inlaid encode photo.png -o photo.jp2 --rate 0.5
      convert scan.psd ppm:- | inlaid encode - -o scan.jpg --json
    """
    from ..encoding import encoder
    from ..encoding.limits import check_limits
    from . import export

    module = _format_of(output, format)
    given = {name: value for name, value in options.items() if value is not None}
    if foreign := sorted(given.keys() - module.codec.OPTIONS):
        raise click.UsageError(f"--{foreign[0].partition('_')[0]} does not apply to {module.name}")
    if sum(value is not None for value in (quality, given.get("rate_bpp"), given.get("psnr_db"))) > 1:
        raise click.UsageError("expected at most one of --quality, --rate and --psnr")
    check_output(output)

    def check(extent: Extent) -> None:
        check_limits(extent, module.name, max_pixels, max_memory)
        export.check(module.name.upper(), (extent.width, extent.height), "L" if extent.gray else "RGB")

    begun = time.perf_counter()
    with about(source), Progress("fitting") as progress:
        # No name for the picture and no **: they would hold its pixels to the end.
        encoded = encoder.encode(
            open_picture(source, check), format=module.name, quality=quality, effort=effort, preset=preset,
            seed=seed, threads=threads, progress=progress, subsampling=given.get("subsampling"),
            progressive=given.get("progressive"), optimize=given.get("optimize"), rate_bpp=given.get("rate_bpp"),
            psnr_db=given.get("psnr_db"),
        )  # fmt: skip
    _finish("encode", encoded, output, time.perf_counter() - begun, as_json)


@main.command()
@source("BASE")
@click.option("--original", metavar="MASTER", required=True, help="The picture that BASE was made from, at the same size.")
@output("OUT")
@fitting_options
@limit_options
@as_json
def attach(
    source: str, original: str, output: str, effort: int, preset: str | None, seed: int, threads: int | None, max_pixels: int | None,
    max_memory: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Add an inlay to an existing JPEG or JP2 file; its image data stays byte for byte.

    The inlay brings BASE, a file of any encoder, nearer to MASTER.  MASTER is compared in the colour space of BASE: its ICC profile
    (none means sRGB) is converted.  It may lie upright or as BASE is stored.  An inlay that BASE had is replaced.  Where none pays,
    or none can apply (CMYK, 12 bits, lossless, arithmetic coding), the file is written as it is, and the report says so.

    \b
    Examples:
      inlaid attach photo.jpg --original photo.tif -o photo-with-inlay.jpg
      cjpeg -quality 50 photo.ppm | inlaid attach - --original photo.ppm -o photo.jpg
    """
    from .. import formats
    from ..encoding import encoder, pictures
    from ..encoding.alignment import space_of
    from ..encoding.limits import check_limits

    check_names(BASE=source, MASTER=original)
    check_output(output)
    base = read(source)
    with about(source):
        module = formats.by_content(base)
        carries = not module.container.obstacle(base)
        space = space_of(base) if carries else None
    if Path(output).suffix.lower() != Path(source).suffix.lower():
        _format_of(output, module.name)
    limits = partial(check_limits, format=module.name, max_pixels=max_pixels, max_memory=max_memory)
    begun = time.perf_counter()
    with about(original):
        picture = open_picture(original, limits)
        master, notes = pictures.prepare(picture, target=space) if carries else (picture, ())
    with about(source), Progress("fitting") as progress:
        encoded = encoder.attach(base, master, effort=effort, preset=preset, seed=seed, threads=threads, progress=progress)
    _finish("attach", replace(encoded, notes=(*notes, *encoded.notes)), output, time.perf_counter() - begun, as_json)


def _format_of(output: str, name: str | None) -> Format:
    """The base format called `name`, or the one of OUT's extension; a usage error if that promises another kind of picture."""
    from PIL import Image

    from .. import formats

    suffix = Path(output).suffix.lower()
    by_suffix = formats.by_extension(suffix)
    try:
        module = formats.by_name(name) if name else by_suffix or formats.by_name("jpeg")
    except FormatError as error:
        raise click.BadParameter(str(error), param_hint="--format") from error
    if by_suffix is not module and suffix in Image.registered_extensions():
        written = module.name.upper() if name else " or ".join(m.name.upper() for m in formats.all_formats())
        raise click.BadParameter(f"{output}: a {written} file is written; expected a name in {module.extensions[0]}", param_hint="-o")
    return module


def _finish(command: str, encoded: Encoded, output: str, seconds: float, as_json: bool) -> None:
    """Write the file and report what is in it."""
    write(output, encoded.data)
    before, after, share = encoded.psnr_base_db, encoded.psnr_db, encoded.payload_bytes / len(encoded.data)
    gain = None
    if before is not None and after is not None:
        gain = after - before if after != before else 0.0  # both may be infinite
    fields = {
        "command": command,
        "output": output,
        "file_bytes": len(encoded.data),
        "base_bytes": encoded.base_bytes,
        "payload_bytes": encoded.payload_bytes,
        "psnr_base_db": _rounded(before),
        "psnr_db": _rounded(after),
        "gain_db": _rounded(gain),
        "seconds": round(seconds, 3),
        "reason": encoded.reason,
        "notes": list(encoded.notes),
    }
    lines = [f"base     {encoded.base_bytes} bytes"]
    lines += [f"payload  {encoded.payload_bytes} bytes ({share:.2%} of the file)"]
    if gain is not None:
        lines += [f"PSNR     {before:.2f} -> {after:.2f} dB (luma), gain {gain:.2f} dB"]
    lines += [f"time     {seconds:.1f} s", *(f"note: {note}" for note in encoded.notes), encoded.reason]
    report(fields, "\n".join(lines), as_json=as_json, output=output)


def _rounded(value_db: float | None) -> float | None:
    return None if value_db is None else round(value_db, 4)


# ------------------------------------------------------------------------------------------------ decoding


@main.command()
@source()
@output("OUT.png")
@click.option("--base", is_flag=True, help="The plain base, as viewers without inlay show it.")
@limit_options
@threads_option
def decode(source: str, output: str, base: bool, max_pixels: int | None, max_memory: int | None, threads: int | None) -> None:
    """Write the restored picture.

    The extension of OUT says the format: PNG, TIFF, WebP (lossless), PPM, JPEG or another one that Pillow writes and that holds the
    picture; standard output is PNG.  ICC profile, EXIF, XMP and resolution are kept where the format holds them; where EXIF's
    orientation is not kept, the picture is turned upright.  A file without an inlay gives its base; so does one whose inlay is
    damaged or belongs to another picture.  Lines on standard error name what was not kept, and why.

    \b
    Examples:
      inlaid decode photo.jpg -o restored.png
      inlaid decode photo.jpg -o - | display
    """
    from .. import decoder, formats
    from . import export

    format = export.format_of("x.png" if output == STREAM else output)
    if format is None:
        raise click.BadParameter(f"{output}: Pillow writes no such format; expected .png, for example", param_hint="-o")
    check_output(output)
    data = read(source)
    with about(source):
        header = formats.by_content(data).container.describe(data)
    with about(output, streams.OUTPUT):
        notes = export.check(format, (header["width"], header["height"]), "L" if header["model"] == "gray" else "RGB")
    with about(source):
        decoded = decoder.decode(data, base_only=base, max_pixels=max_pixels, max_memory=max_memory, threads=threads)
    with writing(output) as file:
        notes += export.write(decoded.image, data, format, file)
    if decoded.state != "restored" and not base:
        notes = (decoded.reason, *notes)
    for note in notes:
        tell(f"{'standard input' if source == STREAM else source}: {note}")


@main.command()
@source()
@limit_options
@as_json
def info(source: str, max_pixels: int | None, max_memory: int | None, as_json: bool) -> None:
    """Tell what is inside a file.

    The base and its metadata; of an inlay its bytes and share of the file, the network, the gain recorded at encoding, and the
    state: `matches` if it belongs to the picture, else `stale`, `damaged` or `unsupported`, with the reason.

    \b
    Example:
      inlaid info photo.jpg --json
    """
    from .. import decoder

    data = read(source)
    with about(source):
        found = decoder.info(data, max_pixels=max_pixels, max_memory=max_memory)
    report({"file": source} | found, _described(source, found), as_json=as_json)


def _described(name: str, found: dict[str, Any]) -> str:
    """What `decoder.info` found, for people."""
    base, inlay = found["base"], found["inlay"]
    coding = dict.fromkeys(str(base[key]) for key in ("model", "subsampling", "wavelet") if key in base)
    coding |= {"progressive": None} if base.get("progressive") else {}
    rows = {
        "file": f"{one_line(name)}, {found['file_bytes']} bytes",
        "base": f"{found['format'].upper()}, {base['width']}x{base['height']}, {', '.join(coding)}, {found['base_bytes']} bytes",
        "metadata": ", ".join(base["metadata"]) or "none",
        "inlay": "none",
    }
    if inlay is not None:
        rows["inlay"] = f"{inlay['payload_bytes']} bytes ({inlay['payload_bytes'] / found['file_bytes']:.2%} of the file)"
        rows["state"] = f"{inlay['state']}: {inlay['reason']}"
    if inlay is not None and (network := inlay.get("network")):
        start = f"prior {inlay['prior']}" if inlay["prior"] else "no prior"
        rows["network"] = (
            f"{network['channels']} channels, {network['layers']} separable layers, {network['kernel']}x{network['kernel']}; "
            f"{network['weights']} weights, {network['biases']} biases, {start}, {inlay['coded_bytes']} bytes coded"
        )
        if inlay["parameter_sets"] > 1:
            rows["areas"] = f"{inlay['parameter_sets']} sets of parameters, each for a part of the picture"
        rows["gain"] = f"{inlay['gain_db']:.2f} dB (luma PSNR, recorded at encoding)"
    return "\n".join(f"{label:9} {text}" for label, text in rows.items())


@main.command()
@source()
@output("OUT")
def strip(source: str, output: str) -> None:
    """Write the base file alone, byte for byte as it was before the inlay.

    \b
    Example:
      inlaid strip photo.jpg -o plain.jpg
    """
    from .. import formats

    check_output(output)
    data = read(source)
    with about(source):
        plain = formats.by_content(data).container.strip(data)
    write(output, plain)
    text = f"{len(data) - len(plain)} bytes were taken out" if plain != data else "there was no inlay in this file"
    report({}, f"{text}; {len(plain)} bytes are left", as_json=False, output=output)
