"""What `inlaid encode` and `inlaid attach` share: the base format of an output, the written file and the report on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import FormatError
from .messages import print_report
from .outputs import write

if TYPE_CHECKING:
    from ..encoding.encoder import Encoded
    from ..formats import Format


def format_of(output: str, name: str | None) -> Format:
    """The base format called `name`, or that of the output's extension, or JPEG.

    Usage error if there is no such format, or if the extension belongs to another kind of picture.
    """
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


def finish(command: str, encoded: Encoded, output: str, seconds: float, as_json: bool) -> None:
    """Write the file, then print the report."""
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
        "psnr_without_loop_db": _rounded(encoded.psnr_without_loop_db),
        "gain_db": _rounded(gain),
        "quality": _rounded(encoded.quality),
        "rate_bpp": _rounded(encoded.rate_bpp),
        "seconds": round(seconds, 3),
        "reason": encoded.reason,
        "notes": list(encoded.notes),
    }
    lines = [f"base     {encoded.base_bytes} bytes"]
    if encoded.quality is not None:
        lines += [f"quality  {encoded.quality:.4g}"]
    if encoded.rate_bpp is not None:
        lines += [f"rate     {encoded.rate_bpp:.4g} bits a pixel"]
    lines += [f"payload  {encoded.payload_bytes} bytes ({share:.2%} of the file)"]
    if gain is not None:
        lines += [f"PSNR     {before:.2f} -> {after:.2f} dB (luma), gain {gain:.2f} dB"]
    if encoded.psnr_without_loop_db is not None and before is not None:
        change_db = before - encoded.psnr_without_loop_db
        lines += [f"loop     {change_db:+.2f} dB for the plain picture, against a base made without regard to its inlay"]
    lines += [f"time     {seconds:.1f} s", *(f"note: {note}" for note in encoded.notes), encoded.reason]
    print_report(fields, "\n".join(lines), as_json=as_json, output=output)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
