"""Encode many pictures at once, each in a process with one thread.

python many_processes.py OUT PICTURE...
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

import inlaid


def encode(out: str, source: str) -> str:
    """Write OUT/name.jpg; return a line that says so."""
    with Image.open(source) as picture:
        data = inlaid.encode(picture, quality=40, threads=1)
    target = Path(out, f"{Path(source).stem}.jpg")
    target.write_bytes(data)
    return f"{target}: {len(data)} bytes"


def main(out: str, *sources: str) -> None:
    """Share the pictures among as many processes as there are processors."""
    Path(out).mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        for written in pool.map(partial(encode, out), sources):
            print(written)


if __name__ == "__main__":  # processes that are spawned import this file
    main(*sys.argv[1:])
