"""`inlaid info` and `inlaid strip`: what is inside a file, and the file without its inlay."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from .group import Command
from .inputs import read
from .messages import error_prefix, one_line, print_report
from .options import Limits, as_json, limit_options, output, source
from .outputs import convert


@click.command(cls=Command)
@click.argument("sources", metavar="IN...", nargs=-1, required=True)
@click.option(
    "--check",
    is_flag=True,
    help="Look at many files, and at folders with all files below: print a line for each whose inlay is not well, and nothing else.  "
    "The exit code is 1 if there is one.",
)
@click.option(
    "--manifest",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --check: the manifest of the batch that made the files.  [default: that in the folder]",
)
@click.option("-j", "--jobs", type=click.IntRange(1), metavar="N", help="With --check: files at once.  [default: one for each core]")
@limit_options
@as_json
def info(sources: tuple[str, ...], check: bool, manifest: Path | None, jobs: int | None, limits: Limits, as_json: bool) -> None:
    """Show what is inside a file, or check many.

    Of the base: its format, size, coding and metadata.  Of the inlay: its bytes and share of the file, the network, and the gain that
    the encoder recorded.  The state is `matches` where the inlay belongs to the picture, else `stale`, `damaged` or `unsupported`,
    with the reason.

    With --check IN may be many files, packed ones too, folders and URLs.  `matches` is well, and so is `plain`, a file without an
    inlay.  Not well are `stale`, `damaged`, `unsupported` and `unreadable`.  By the manifest of `inlaid batch`, `dropped` is a file that
    had an inlay, and `missing` one that is gone.  With --json every file gets a line.

    \b
    Examples:
      inlaid info photo.jpg --json
      inlaid info --check web
    """
    if check:
        from .check import check_files

        check_files(sources, limits, manifest, jobs, as_json=as_json)
        return
    if len(sources) > 1 or manifest or jobs:
        raise click.UsageError("expected one file; with --check there may be more, --manifest and --jobs")
    from .. import decoder

    (source,) = sources
    data = read(source)
    with error_prefix(source):
        found = decoder.info(data, **asdict(limits))
    print_report({"file": source} | found, _described(source, found), as_json=as_json)


def _described(name: str, found: dict[str, Any]) -> str:
    """The result of `decoder.info` as lines of text."""
    base, inlay = found["base"], found["inlay"]
    coding = dict.fromkeys(str(base[key]) for key in ("model", "subsampling", "wavelet") if key in base)
    coding |= {"progressive": None} if base.get("progressive") else {}
    rows = {
        "file": f"{one_line(name)}, {found['file_bytes']} bytes",
        **({} if found["packed_bytes"] is None else {"packed": f"{found['packed_bytes']} bytes, JPEG XL"}),
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


@click.command(cls=Command)
@source()
@output("OUT")
def strip(source: str, output: str) -> None:
    """Write the base file alone, byte for byte as it was before the inlay.

    \b
    Example:
      inlaid strip photo.jpg -o plain.jpg
    """
    from .. import formats

    data, plain = convert(source, output, formats.strip)
    text = f"{len(data) - len(plain)} bytes were taken out" if plain != data else "there was no inlay in this file"
    print_report({}, f"{text}; {len(plain)} bytes are left", as_json=False, output=output)
