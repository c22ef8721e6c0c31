"""Write docs/tools.md: which of the usual tools keep, drop or outdate an inlay: `python docs/generate_tools.py`.

Each installed tool works on a JPEG file with an inlay, whose state afterwards is that of `inlaid info`.  The results of tools that are not
installed here are kept from the page.  A test compares the page with the tools that are installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

import inlaid

PAGE = Path(__file__).with_name("tools.md")
HEADS = ("tool", "to", "command", "the inlay is", "version")
# The words for the states of `inlaid info`; None is a file without an inlay.
WORDS = {"matches": "kept", "stale": "**outdated**", "damaged": "**damaged**", None: "**dropped**"}
INTRODUCTION = """# Other tools

<!-- Written by docs/generate_tools.py, which runs the tools. -->

What happens to the inlay of `photo.jpg` when another program changes the file. It is

- **kept**: `inlaid decode` restores the picture as before;
- **dropped**: the new file is an ordinary JPEG. Nothing else is lost, and `inlaid attach` gives it an inlay again;
- **outdated**: it is still there, but the picture is another one. Its fingerprint tells: `inlaid decode` shows the plain picture and warns.
  `inlaid strip` takes it out, `inlaid attach` makes a new one.

The inlay is in APP9 segments, so a lossless tool keeps it if it copies all segments. A tool that encodes the pixels anew can only drop or
outdate it: let such tools work first, and attach afterwards. `inlaid info --check FOLDER` finds what was dropped or outdated.
inlaid reads a JPEG file that cjxl has packed into JPEG XL directly, as it does those of `inlaid pack`.
"""


@dataclass(frozen=True)
class Tool:
    """A tool: the programs that it may be called, its package in Python or node, and how it says its version."""

    name: str
    programs: tuple[str, ...] = ()  # the first that is there takes the place of {} in the commands
    version: tuple[str, ...] = ("--version",)
    module: str | None = None  # of Python: the commands are then statements, after `before`
    before: str = ""
    package: str = ""  # of the module, if it has another name

    def found(self) -> str | None:
        """The program or module, if it is installed."""
        if self.module:
            done = subprocess.run([sys.executable, "-c", f"import {self.module}"], capture_output=True)
            return None if done.returncode else self.module
        return next((program for program in self.programs if shutil.which(program)), None)

    def version_of(self, found: str) -> str:
        """The numbers of its version."""
        if self.module:
            code = f"from importlib.metadata import version; print(version('{self.package or self.name}'))"
            command = [sys.executable, "-c", code]
        elif found == "node":
            command = [found, "-p", "require('sharp').versions.sharp"]
        else:
            command = [found, *self.version]
        done = subprocess.run(command, capture_output=True, text=True)
        numbers = re.search(r"\d+\.\d+[\d.-]*", done.stdout + done.stderr)
        return numbers[0].rstrip(".-") if numbers else "?"


_MOZ = "mozjpeg_lossless_optimization"
_PATHS = "from pathlib import Path; photo, out = Path('photo.jpg'), Path('out.jpg')"
TOOLS = {
    "jpegtran": Tool("jpegtran (libjpeg-turbo)", ("jpegtran",), ("-version",)),
    "exiftool": Tool("exiftool", ("exiftool",), ("-ver",)),
    "exiv2": Tool("exiv2", ("exiv2",)),
    "jhead": Tool("jhead", ("jhead",), ("-V",)),
    "im": Tool("ImageMagick", ("magick", "convert-im7.q16", "convert-im6.q16")),
    "gm": Tool("GraphicsMagick", ("gm",), ("version",)),
    "vips": Tool("libvips", ("vips",)),
    "thumbnail": Tool("libvips", ("vipsthumbnail",), ("--vips-version",)),
    "sharp": Tool("sharp", ("node",)),
    "pillow": Tool("Pillow", module="PIL", before="from PIL import Image"),
    "opencv": Tool("OpenCV", module="cv2", before="import cv2", package="opencv-python-headless"),
    "jpegoptim": Tool("jpegoptim", ("jpegoptim",)),
    "mozjpeg": Tool("mozjpeg-lossless-optimization", module=_MOZ, before=f"from {_MOZ} import COPY_MARKERS, optimize; {_PATHS}"),
    "jxl": Tool("cjxl, djxl (libjxl)", ("cjxl",)),
}
# Tool, what it is called for, and the command in a folder with photo.jpg.  It changes that file or writes out.jpg.
CASES = (
    ("jpegtran", "optimise", "{} -optimize -outfile out.jpg photo.jpg"),
    ("jpegtran", "optimise, with all segments", "{} -copy all -optimize -outfile out.jpg photo.jpg"),
    ("jpegtran", "make progressive", "{} -copy all -progressive -outfile out.jpg photo.jpg"),
    ("jpegtran", "rotate", "{} -copy all -rotate 90 -outfile out.jpg photo.jpg"),
    ("jpegtran", "crop", "{} -copy all -crop 64x64+0+0 -outfile out.jpg photo.jpg"),
    ("exiftool", "write a tag", "{} -Artist=me -o out.jpg photo.jpg"),
    ("exiftool", "turn by a tag", "{} -n -Orientation=6 -o out.jpg photo.jpg"),
    ("exiftool", "remove EXIF and XMP", "{} -EXIF:all= -XMP:all= -o out.jpg photo.jpg"),
    ("exiftool", "remove all metadata", "{} -all= -o out.jpg photo.jpg"),
    ("exiv2", "write a tag", "{} -M 'set Exif.Image.Artist me' photo.jpg"),
    ("exiv2", "remove all metadata", "{} rm photo.jpg"),
    ("jhead", "write a comment", "{} -cl me photo.jpg"),
    ("jhead", "remove EXIF", "{} -de photo.jpg"),
    ("jhead", "remove unknown segments", "{} -du photo.jpg"),
    ("jhead", "remove all metadata", "{} -purejpg photo.jpg"),
    ("im", "encode anew", "{} photo.jpg -quality 50 out.jpg"),
    ("im", "shrink", "{} photo.jpg -resize 50% out.jpg"),
    ("im", "shrink, without the inlay", "{} photo.jpg -resize 50% +profile APP9 out.jpg"),
    ("im", "shrink, without metadata", "{} photo.jpg -resize 50% -strip out.jpg"),
    ("gm", "encode anew", "{} convert photo.jpg -quality 50 out.jpg"),
    ("gm", "shrink", "{} convert photo.jpg -resize 50% out.jpg"),
    ("gm", "shrink, without the inlay", "{} convert photo.jpg -resize 50% +profile APP9 out.jpg"),
    ("gm", "shrink, without metadata", "{} convert photo.jpg -resize 50% +profile '*' out.jpg"),
    ("vips", "encode anew", "{} jpegsave photo.jpg out.jpg --Q 80"),
    ("thumbnail", "shrink", "{} photo.jpg --size 64 -o out.jpg"),
    ("sharp", "encode anew", """{} -e "require('sharp')('photo.jpg').toFile('out.jpg')" """),
    ("sharp", "encode anew, with metadata", """{} -e "require('sharp')('photo.jpg').keepMetadata().toFile('out.jpg')" """),
    ("pillow", "encode anew", "Image.open('photo.jpg').save('out.jpg')"),
    ("pillow", "the same tables", "Image.open('photo.jpg').save('out.jpg', quality='keep')"),
    ("opencv", "encode anew", "cv2.imwrite('out.jpg', cv2.imread('photo.jpg'))"),
    ("jpegoptim", "optimise", "{} photo.jpg"),
    ("jpegoptim", "optimise, with all segments", "{} --strip-none photo.jpg"),
    ("jpegoptim", "optimise, without metadata", "{} --strip-all photo.jpg"),
    ("jpegoptim", "encode anew, smaller", "{} --max=50 photo.jpg"),
    ("mozjpeg", "optimise", "out.write_bytes(optimize(photo.read_bytes()))"),
    ("mozjpeg", "optimise, with all segments", "out.write_bytes(optimize(photo.read_bytes(), copy=COPY_MARKERS.ALL))"),
    ("jxl", "pack as JPEG XL, and unpack", "cjxl photo.jpg x.jxl && djxl x.jxl out.jpg"),
    ("jxl", "encode the pixels as JPEG XL, and back", "cjxl --lossless_jpeg=0 -d 1 photo.jpg x.jxl && djxl x.jxl out.jpg"),
)


def photo() -> bytes:
    """A JPEG file with an inlay: stripes in colour, 160x128."""
    y, x = np.mgrid[:128, :160] / 8
    planes = [128 + 50 * np.sign(np.sin(x + y / 2 + k)) + 40 * np.sin(x / 3 - y / 5 + k) for k in range(3)]
    image = Image.fromarray(np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x10F] = "a camera"
    file = BytesIO()
    image.save(file, "PNG", exif=exif)
    data = inlaid.encode(Image.open(file), quality=40, effort=2)
    assert inlaid.info(data)["inlay"], "the inlay does not pay"
    return data


def state_after(tool: Tool, found: str, command: str, data: bytes) -> str:
    """The word for the inlay of `data` after the command.  RuntimeError if the tool fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photo.jpg").write_bytes(data)
        line = [sys.executable, "-c", f"{tool.before}; {command}"] if tool.module else ["sh", "-c", command.replace("{}", found)]
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=60)
        result = next(path for path in (folder / "out.jpg", folder / "photo.jpg") if path.exists())
        if done.returncode or (result.name == "photo.jpg" and "out" in command):
            raise RuntimeError(f"{command}: {done.stderr or done.stdout}")
        inlay = inlaid.info(result.read_bytes())["inlay"]
        return WORDS[inlay and inlay["state"]]


def known() -> dict[tuple[str, ...], list[str]]:
    """The rows of the page, by their first three cells."""
    lines = PAGE.read_text("utf-8").splitlines() if PAGE.exists() else []
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return {tuple(row[:3]): row for row in rows[2:] if len(row) == len(HEADS)}


def installed(tool: Tool) -> str | None:
    """The program or module of a tool, if it is there and runs."""
    found = tool.found()
    if found == "node" and subprocess.run([found, "-e", "require('sharp')"], capture_output=True).returncode:
        return None
    return found


def measured() -> list[list[str]]:
    """The rows of the tools that are installed."""
    data, rows = photo(), []
    for key, what, command in CASES:
        tool = TOOLS[key]
        if found := installed(tool):
            rows.append([*names(key, what, command), state_after(tool, found, command, data), tool.version_of(found)])
    return rows


def names(key: str, what: str, command: str) -> list[str]:
    """The first three cells of a row."""
    tool = TOOLS[key]
    shown = command.strip().replace("{}", tool.programs[0] if tool.programs else "").replace("|", "\\|")
    return [tool.name, what, f"`{shown}`"]


def render() -> str:
    """The page: rows measured here, else those of the page before."""
    rows = known() | {tuple(row[:3]): row for row in measured()}
    order = [tuple(names(*case)) for case in CASES]
    table = [list(HEADS), ["---"] * len(HEADS), *(rows[each] for each in order if each in rows)]
    return "\n".join([INTRODUCTION, *(f"| {' | '.join(row)} |" for row in table)]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
