"""The command `inlay`: arguments in, files and reports out; the work is done by the library.

Commands on single files are here, the others in modules of their own (`LAZY`).  Everything heavy is imported inside a command, so
that `inlay --help` answers at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import __version__
from .cli_support import (
    STREAM,
    Lazy,
    LazyGroup,
    Progress,
    about,
    check_names,
    check_output,
    fitting_options,
    open_picture,
    read,
    report,
    tell,
    write,
)

if TYPE_CHECKING:
    from .encoder import Encoded

Command = TypeVar("Command", bound=Callable[..., Any])

LAZY = {
    "demo": Lazy("inlay.demo:demo", "The main job on a real photograph: a table and a before / after picture."),
    "pretrain": Lazy("inlay.pretrain_cli:pretrain", "Train a prior from folders of images."),
    "bench": Lazy("inlay.evaluate_cli:bench", "Measure images, one JSON line a measurement.", "bench"),
    "report": Lazy("inlay.evaluate_cli:report", "Tables and plots from the lines of a bench.", "bench"),
}


@click.group(cls=LazyGroup, lazy=LAZY, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="inlay")
def main() -> None:
    """JPEG files that carry a tiny neural network, fitted to the picture, which makes them look better.

    Every viewer opens the file as before; `inlay decode` shows a picture closer to the original.

    \b
      inlay encode photo.png -o photo.jpg -q 40
      inlay decode photo.jpg -o restored.png

    IN and OUT may be - for standard input and output; reports then go to standard error.  Exit codes: 0 done, 1 failed (one line
    says why), 2 wrong usage, 130 interrupted.  An output appears when it is complete; on failure, what was there before stays.
    """


def source(metavar: str = "IN") -> Callable[[Command], Command]:
    """The argument for the input."""
    return click.argument("source", metavar=metavar)


def output(metavar: str) -> Callable[[Command], Command]:
    """The option for the output."""
    return click.option("-o", "--output", metavar=metavar, required=True, help="The file to write; - for standard output.")


as_json = click.option("--json", "as_json", is_flag=True, help="Report as one JSON object.")


# ------------------------------------------------------------------------------------------------ encoding


@main.command()
@source()
@output("OUT.jpg")
@click.option(
    "-q",
    "--quality",
    type=click.IntRange(1, 100),
    metavar="1..100",
    default=75,
    show_default=True,
    help="Of the base, as libjpeg counts it.",
)
@fitting_options
@click.option(
    "--subsampling", type=click.Choice(["444", "422", "420"]), default="420", show_default=True, help="Of the base's colour planes."
)
@click.option("--progressive", is_flag=True, help="Write a progressive base.")
@click.option(
    "--optimize/--no-optimize",
    default=True,
    show_default=True,
    help="Huffman tables of the base: made for the picture, or the standard's.",
)
@as_json
def encode(
    source: str, output: str, quality: int, effort: int, preset: str | None, seed: int, threads: int | None,
    subsampling: str, progressive: bool, optimize: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write a picture as a JPEG file with an inlay.

    IN is whatever Pillow opens: PNG, TIFF, WebP, PPM, JPEG and more, 16 bits, palettes and alpha (laid on white) included.  Its
    ICC profile, EXIF and XMP are kept, its EXIF orientation is applied.  Where an inlay would not pay, or cannot apply (CMYK), the
    plain JPEG is written, and the report says so.

    \b
    Examples:
      inlay encode photo.png -o photo.jpg -q 40 -e 7
      convert scan.psd ppm:- | inlay encode - -o scan.jpg --json
    """
    from . import encoder
    from .formats import jpeg

    _check_is_jpeg(output, jpeg.EXTENSIONS)
    check_output(output)
    picture = open_picture(source)
    begun = time.perf_counter()
    with about(source), Progress("fitting") as progress:
        encoded = encoder.encode(
            picture, quality=quality, effort=effort, preset=preset, subsampling=subsampling, progressive=progressive,
            optimize=optimize, seed=seed, threads=threads, progress=progress,
        )  # fmt: skip
    _finish("encode", encoded, output, time.perf_counter() - begun, as_json)


@main.command()
@source("BASE.jpg")
@click.option("--original", metavar="MASTER", required=True, help="The picture that BASE.jpg was made from, at the same size.")
@output("OUT.jpg")
@fitting_options
@as_json
def attach(source: str, original: str, output: str, effort: int, preset: str | None, seed: int, threads: int | None, as_json: bool) -> None:
    """Add an inlay to an existing JPEG file; its image data stays byte for byte.

    The inlay brings BASE.jpg, a file of any encoder, nearer to MASTER.  An inlay that it had is replaced.  Where none pays, or none
    can apply (CMYK, 12 bits, lossless, arithmetic coding), the file is written as it is, and the report says so.

    \b
    Examples:
      inlay attach photo.jpg --original photo.tif -o photo-with-inlay.jpg
      cjpeg -quality 50 photo.ppm | inlay attach - --original photo.ppm -o photo.jpg
    """
    from . import encoder, pictures
    from .formats import jpeg

    check_names(BASE=source, MASTER=original)
    _check_is_jpeg(output, jpeg.EXTENSIONS)
    check_output(output)
    base = read(source)
    picture = open_picture(original)
    begun = time.perf_counter()
    with about(original):
        picture, notes = pictures.prepare(picture)
    with about(source), Progress("fitting") as progress:
        encoded = encoder.attach(base, picture, effort=effort, preset=preset, seed=seed, threads=threads, progress=progress)
    _finish("attach", encoded, output, time.perf_counter() - begun, as_json, notes)


def _check_is_jpeg(output: str, extensions: tuple[str, ...]) -> None:
    """A usage error if the name promises another kind of picture."""
    from pathlib import Path

    from PIL import Image

    suffix = Path(output).suffix.lower()
    if suffix not in extensions and suffix in Image.registered_extensions():
        raise click.BadParameter(f"{output}: a JPEG file is written; expected a name in {extensions[0]}", param_hint="-o")


def _finish(command: str, encoded: Encoded, output: str, seconds: float, as_json: bool, notes: tuple[str, ...] = ()) -> None:
    """Write the file and report what is in it."""
    write(output, encoded.data)
    before, after, share = encoded.psnr_base_db, encoded.psnr_db, encoded.payload_bytes / len(encoded.data)
    gain = None
    if before is not None and after is not None:
        gain = after - before if after != before else 0.0  # both may be infinite
    notes += encoded.notes
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
        "notes": list(notes),
    }
    lines = [f"base     {encoded.base_bytes} bytes"]
    lines += [f"payload  {encoded.payload_bytes} bytes ({share:.2%} of the file)"]
    if gain is not None:
        lines += [f"PSNR     {before:.2f} -> {after:.2f} dB (luma), gain {gain:.2f} dB"]
    lines += [f"time     {seconds:.1f} s", *(f"note: {note}" for note in notes), encoded.reason]
    report(fields, "\n".join(lines), as_json=as_json, output=output)


def _rounded(value_db: float | None) -> float | None:
    return None if value_db is None else round(value_db, 4)


# ------------------------------------------------------------------------------------------------ decoding


@main.command()
@source()
@output("OUT.png")
@click.option("--base", is_flag=True, help="The plain base, as viewers without inlay show it.")
@click.option("--max-pixels", type=click.IntRange(1), metavar="N", help="Refuse larger pictures before decoding anything.")
def decode(source: str, output: str, base: bool, max_pixels: int | None) -> None:
    """Write the restored picture.

    The extension of OUT says the format: PNG, TIFF, WebP (lossless), PPM, JPEG or another one that Pillow writes; standard output
    is PNG.  ICC profile, EXIF and XMP are kept where the format can hold them; where it cannot hold EXIF, the picture is turned
    upright.  A file without an inlay gives its base; so does one whose inlay is damaged or belongs to another picture, and a line
    on standard error says so.

    \b
    Examples:
      inlay decode photo.jpg -o restored.png
      inlay decode photo.jpg -o - | display
    """
    from . import decoder, export

    format = export.format_of("x.png" if output == STREAM else output)
    if format is None:
        raise click.BadParameter(f"{output}: Pillow writes no such format; expected .png, for example", param_hint="-o")
    check_output(output)
    data = read(source)
    with about(source):
        decoded = decoder.decode(data, base_only=base, max_pixels=max_pixels)
    with about(output, "standard output"):
        picture, notes = export.write(decoded.pixels, data, format)
    write(output, picture)
    if decoded.state != "restored" and not base:
        notes = (decoded.reason, *notes)
    for note in notes:
        tell(f"{'standard input' if source == STREAM else source}: {note}")


@main.command()
@source()
@as_json
def info(source: str, as_json: bool) -> None:
    """Tell what is inside a file.

    The base and its metadata; of an inlay its bytes and share of the file, the network, the gain recorded at encoding, and the
    state: `matches` if it belongs to the picture, else `stale`, `damaged` or `unsupported`, with the reason.

    \b
    Example:
      inlay info photo.jpg --json
    """
    from . import decoder

    data = read(source)
    with about(source):
        found = decoder.info(data)
    report({"file": source} | found, _described(source, found), as_json=as_json)


def _described(name: str, found: dict[str, Any]) -> str:
    """What `decoder.info` found, for people."""
    base, inlay = found["base"], found["inlay"]
    coding = [str(base["model"]), base["subsampling"]] if base["model"] != base["subsampling"] else [base["model"]]
    coding += ["progressive"] if base["progressive"] else []
    rows = {
        "file": f"{name}, {found['file_bytes']} bytes",
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
        rows["gain"] = f"{inlay['gain_db']:.2f} dB (luma PSNR, recorded at encoding)"
    return "\n".join(f"{label:9} {text}" for label, text in rows.items())


@main.command()
@source()
@output("OUT.jpg")
def strip(source: str, output: str) -> None:
    """Write the base file alone, byte for byte as it was before the inlay.

    \b
    Example:
      inlay strip photo.jpg -o plain.jpg
    """
    from . import formats

    check_output(output)
    data = read(source)
    with about(source):
        plain = formats.by_content(data).strip(data)
    write(output, plain)
    text = f"{len(data) - len(plain)} bytes were taken out" if plain != data else "there was no inlay in this file"
    report({}, f"{text}; {len(plain)} bytes are left", as_json=False, output=output)
