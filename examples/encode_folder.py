"""Encode every picture of a folder as a JPEG with an inlay.

python encode_folder.py PICTURES OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

import inlaid


def main(pictures: str, out: str) -> None:
    """Write OUT/name.jpg for each picture."""
    Path(out).mkdir(parents=True, exist_ok=True)
    for source in sorted(Path(pictures).iterdir()):
        if source.suffix.lower() not in (".png", ".tif", ".tiff", ".webp", ".ppm"):
            continue
        with Image.open(source) as picture:
            data = inlaid.encode(picture, quality=40)
        target = Path(out, f"{source.stem}.jpg")
        target.write_bytes(data)
        print(f"{target}: {len(data)} bytes, of which {len(data) - len(inlaid.strip(data))} are the inlay")


if __name__ == "__main__":
    main(*sys.argv[1:])
