"""Add inlays to JPEG files that exist already, from the masters that they were made from.

python attach_masters.py JPEGS MASTERS OUT

A JPEG and its master have the same name but for the extension.  The image data of the JPEG files stays byte for byte.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

import inlaid


def main(jpegs: str, masters: str, out: str) -> None:
    """Write OUT/name.jpg for each JPEG file that has a master."""
    by_name = {path.stem: path for path in Path(masters).iterdir()}
    Path(out).mkdir(parents=True, exist_ok=True)
    for source in sorted(Path(jpegs).glob("*.jpg")):
        if source.stem not in by_name:
            print(f"{source}: no master")
            continue
        base = source.read_bytes()
        try:
            with Image.open(by_name[source.stem]) as master:
                data = inlaid.attach(base, master)
        except inlaid.InlayError as error:  # another size, a damaged file
            print(f"{source}: {error}")
            continue
        Path(out, source.name).write_bytes(data)
        print(f"{source}: {len(data) - len(base):+} bytes" if data != base else f"{source}: an inlay would not pay")


if __name__ == "__main__":
    main(*sys.argv[1:])
