"""Report which JPEG and JP2 files below a folder have an inlay, and in what state it is.

python whats_inside.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import inlaid


def line(data: bytes) -> str:
    """What is inside a file, in one line."""
    try:
        report = inlaid.info(data)
    except inlaid.InlayError as error:
        return f"cannot be read: {error}"
    inlay, size = report["inlay"], report["file_bytes"]
    if inlay is None:
        return f"{size} bytes, no inlay"
    if inlay["state"] == "matches":
        return f"{size} bytes, an inlay of {inlay['payload_bytes']}, which brings {inlay['gain_db']:.2f} dB"
    return f"{size} bytes, an inlay of {inlay['payload_bytes']} that is {inlay['state']}: {inlay['reason']}"


def main(folder: str) -> None:
    """Print a line for each file."""
    for path in sorted(Path(folder).rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".jp2"):
            print(f"{path.relative_to(folder)}: {line(path.read_bytes())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
