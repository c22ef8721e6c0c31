"""Checks the inlaid that is installed, from outside: python tests/check_wheel.py

The golden files decode to the recorded pixels, a picture can be encoded, and nothing but numpy, Pillow, click and rich is required.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import inlaid

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
REQUIRED = {"click", "mozjpeg-lossless-optimization", "numpy", "pillow", "rich"}


def expect(what, found, expected):
    """Ends the check where something is not as expected."""
    if found != expected:
        raise SystemExit(f"{what}: found {found}, expected {expected}")


def requirements():
    """What the distribution requires without extras, in lower case."""
    lines = [line for line in metadata.requires("inlaid") or [] if "extra ==" not in line]
    return {re.match(r"[\w-]+", line)[0].lower() for line in lines}


def main():
    """Checks, and says what was checked."""
    expect("imported from the source", ROOT / "src" in Path(inlaid.__file__).parents, False)
    expect("requirements", requirements(), REQUIRED)
    version = metadata.version("inlaid")
    expect("version in the package", inlaid.__version__, version)
    printed = subprocess.run([sys.executable, "-m", "inlaid", "--version"], capture_output=True, text=True, check=True).stdout
    expect("version of the command", printed.split()[-1], version)
    pages = [file.name for file in metadata.files("inlaid") or [] if "man1" in file.parts and file.locate().is_file()]
    expect("man pages", pages, ["inlaid.1"])
    records = json.loads((GOLDEN / "golden.json").read_text())
    for path in ("", "portable"):  # the fastest, and one that every machine has
        os.environ["INLAID_PATH"] = path
        for record in records.values():
            pixels = inlaid.decode((GOLDEN / record["file"]).read_bytes())
            expect(f"{record['file']}, path {path or 'chosen'}", hashlib.sha256(pixels.tobytes()).hexdigest(), record["pixels_sha256"])
    encoded = inlaid.encode(pixels, quality=30, effort=2)
    expect("size of an encoded picture", inlaid.decode(encoded).shape, pixels.shape)
    installed = sorted(f"{d.name} {d.version}" for d in metadata.distributions())
    print(f"inlaid {version}: {len(records)} golden files decode, {sys.version.split()[0]}; installed: {', '.join(installed)}")


if __name__ == "__main__":
    main()
