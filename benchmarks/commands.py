"""Whole commands, each in a process of its own. Start-up stands beside `python -c pass`, decoding a small picture beside the import of
numpy and Pillow. Decoding a colour JPEG of 12 megapixels (a
synthetic picture, quality 75, inlay by `encode -e 1`) to PNG stands beside Pillow, which decodes the plain base and writes the same kind
of PNG. Times are medians of alternating runs. First it is verified that the command restores the picture, and that both PNGs have its
size. `inlaid encode` at its default effort stands beside libjpeg's base without the closed loop, at quality 75, in colour.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from common import FEW, MEGAPIXELS_12, Column, Line, at_most, median_ms, synthetic, verify
from PIL import Image

from inlaid import decoder

COLUMNS = (
    Column("ms", "ms", ".0f"),
    Column("beside_ms", "beside, ms", ".0f"),
    Column("more_ms", "more, ms", ".0f"),
    Column("times", "times", ".2f"),
)
INLAY = [sys.executable, "-m", "inlaid"]
SHAPE = MEGAPIXELS_12


def run(command: list[str | Path]) -> None:
    """Run a command.  It must succeed and print nothing on standard error, where `decode` would report a base without an inlay."""
    done = subprocess.run(command, capture_output=True, text=True)
    verify(done.returncode == 0 and not done.stderr, f"{' '.join(map(str, command))}: {done.stderr}")


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """Yield a line for each command."""
    nothing = partial(run, [sys.executable, "-c", "pass"])
    start = {"--version": ["--version"], "--help": ["--help"], "decode --help": ["decode", "--help"]}
    ms = median_ms(arguments.repeats, {"": nothing} | {name: partial(run, [*INLAY, *rest]) for name, rest in start.items()})
    for name in start:
        line = _line(f"inlaid {name}, beside python -c pass", arguments.repeats, ms[name], ms[""])
        yield line | ({"required": at_most(more_ms=60)} if name != "decode --help" else {})

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield _small(folder, arguments.repeats)
        original, file, restored, plain = (folder / name for name in ("original.ppm", "file.jpg", "restored.png", "plain.png"))
        Image.fromarray(synthetic(*SHAPE, colour=True)).save(original)
        run([*INLAY, "encode", original, "-o", file, "-q", "75", "-e", "1"])
        code = "import sys; from PIL import Image; Image.open(sys.argv[1]).save(sys.argv[2])"
        calls = {
            "plain": partial(run, [sys.executable, "-c", code, file, plain]),
            "decode": partial(run, [*INLAY, "decode", file, "-o", restored]),
        }
        for call in calls.values():
            call()
        _verify(file, restored, plain)
        repeats = min(arguments.repeats, FEW)
        ms = median_ms(repeats, calls, warm=False)
        encoding = list(_encoding(folder, repeats))
    what = "inlaid decode, 12 megapixels in colour to PNG, beside Pillow's plain one"
    yield _line(what, repeats, ms["decode"], ms["plain"]) | {"required": at_most(times=1.5)}
    yield from encoding


def _small(folder: Path, repeats: int) -> Line:
    """The line of decoding a small picture."""
    original, file = folder / "small.ppm", folder / "small.jpg"
    Image.fromarray(synthetic(128, 160, colour=True)).save(original)
    run([*INLAY, "encode", original, "-o", file, "-q", "40", "-e", "1", "--base", "turbo", "--legacy-loss", "0"])
    libraries = partial(run, [sys.executable, "-c", "import numpy, PIL.Image"])
    ms = median_ms(repeats, {"libraries": libraries, "decode": partial(run, [*INLAY, "decode", file, "-o", folder / "small.png"])})
    what = "inlaid decode, 160x128 in colour to PNG, beside the import of numpy and Pillow"
    return _line(what, repeats, ms["decode"], ms["libraries"]) | {"required": at_most(ms=200)}


def _encoding(folder: Path, repeats: int) -> Iterator[Line]:
    """The lines of `encode`."""
    for name, shape, most_ms in (("768x512", (512, 768), 6000), ("12 megapixels", SHAPE, 20_000)):
        original = folder / "original.ppm"
        Image.fromarray(synthetic(*shape, colour=True)).save(original)
        command: list[str | Path] = [*INLAY, "encode", original, "-q", "75", "-o"]
        calls = {
            "default": partial(run, [*command, folder / "default.jpg"]),
            "turbo": partial(run, [*command, folder / "turbo.jpg", "--base", "turbo", "--legacy-loss", "0"]),
        }
        ms = median_ms(repeats, calls, warm=False)
        for made in ("default.jpg", "turbo.jpg"):
            verify(decoder.decode((folder / made).read_bytes()).state == "restored", f"{made} has no inlay")
        line = _line(f"inlaid encode, {name} in colour, beside libjpeg's base without the loop", repeats, ms["default"], ms["turbo"])
        yield line | {"required": at_most(ms=most_ms)}


def _line(what: str, repeats: int, ms: float, beside_ms: float) -> Line:
    return {"what": what, "repeats": repeats, "ms": ms, "beside_ms": beside_ms, "more_ms": ms - beside_ms, "times": ms / beside_ms}


def _verify(file: Path, restored: Path, plain: Path) -> None:
    decoded = decoder.decode(file.read_bytes())
    verify(decoded.state == "restored", f"the decoder says {decoded.state}, {decoded.reason}")
    shown, base = (np.asarray(Image.open(png)) for png in (restored, plain))
    verify(shown.shape == base.shape == (*SHAPE, 3), "the PNGs have another size than the picture")
    verify(np.array_equal(shown, decoded.pixels) and not np.array_equal(shown, base), "the PNG is not the restored picture")
