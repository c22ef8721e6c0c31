"""The memory that whole commands take: the largest resident set of the process, in megabytes (10^6 bytes).

"Beyond the picture" is the part of it that exceeds the picture itself, one byte a pixel in gray and three in colour. The first line is
the memory of `python -c "import inlaid.encoding.encoder"` alone. The pictures are synthetic. Each is encoded from PPM at quality 75 and
effort 5, and the file is decoded to PPM and to PNG. It is verified that every picture was restored and has its size.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from commands import INLAY
from common import MEGAPIXELS_12, MEGAPIXELS_100, Column, Line, at_most, synthetic, verify
from PIL import Image

COLUMNS = (
    Column("peak_mb", "peak, MB", ".0f"),
    Column("picture_mb", "picture, MB", ".0f"),
    Column("beyond_mb", "beyond the picture, MB", ".0f"),
    Column("beyond_a_pixel", "beyond, bytes a pixel", ".2f"),
)
# A new process begins with the resident set of its parent.  So a small process starts the command, in place of this large one.
STARTER = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


def peak_mb(*command: str | Path) -> float:
    """The largest resident set of a command in megabytes.  The command must succeed and print nothing on standard error."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", STARTER, *command], capture_output=True, text=True)
    *messages, largest = done.stderr.splitlines()
    verify(done.returncode == 0 and not messages, f"{' '.join(map(str, command))}: {done.stderr}")
    return int(largest) * MAXRSS_BYTES / 1e6


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """Yield a line for the import alone, then one for each command and picture of at most `arguments.largest` megapixels."""
    yield {"what": "python -c 'import inlaid.encoding.encoder'", "peak_mb": peak_mb(sys.executable, "-c", "import inlaid.encoding.encoder")}
    for shape in (MEGAPIXELS_12, MEGAPIXELS_100):
        megapixels = shape[0] * shape[1] // 10**6
        for planes, colour in ((1, "gray"), (3, "colour")):
            if megapixels > arguments.largest:
                continue
            with tempfile.TemporaryDirectory() as folder:
                for what, peak, limit in _commands(Path(folder), shape, planes):
                    pixels = shape[0] * shape[1] / 1e6
                    beyond_mb = peak - pixels * planes
                    sizes = {"peak_mb": peak, "picture_mb": pixels * planes, "beyond_mb": beyond_mb, "beyond_a_pixel": beyond_mb / pixels}
                    required = limit if shape == MEGAPIXELS_100 else {}
                    yield {"what": f"{what}, {megapixels} megapixels in {colour}", **sizes, "required": required}


def _commands(folder: Path, shape: tuple[int, int], planes: int) -> Iterator[tuple[str, float, dict[str, object]]]:
    """Each command, its peak (MB), and the requirement."""
    original, file = folder / "original.ppm", folder / "file.jpg"
    Image.fromarray(synthetic(*shape, colour=planes == 3)).save(original)
    peak = peak_mb(*INLAY, "encode", original, "-o", file, "-q", "75", "-e", "5")
    yield "encode -e 5", peak, at_most(peak_mb=1000)
    original.unlink()
    for suffix in (".ppm", ".png"):
        restored = folder / f"restored{suffix}"
        peak = peak_mb(*INLAY, "decode", file, "-o", restored)
        with Image.open(restored) as opened:
            verify(opened.size == shape[::-1] and len(opened.getbands()) == planes, f"{restored.name} is not of the picture's size")
        restored.unlink()
        yield f"decode to {suffix}", peak, at_most(beyond_mb=250)
