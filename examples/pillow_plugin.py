"""Show that programs which know Pillow alone work with inlays: open a file, make a thumbnail, save a new file with an inlay.

python pillow_plugin.py PHOTO.jpg OUT.jpg
"""

from __future__ import annotations

import sys

from PIL import Image

import inlaid


def main(source: str, target: str) -> None:
    """Print what was opened; write the picture at half its size to `target`, with an inlay."""
    inlaid.register()  # once, where the program begins
    with Image.open(source) as picture:
        print(f"{source}: {picture.format} {picture.mode} {picture.width}x{picture.height}")  # nothing is decoded yet
        half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)  # of the restored picture
        icc_profile = picture.info.get("icc_profile")
    half.save(target, inlaid=True, quality=40, effort=2, icc_profile=icc_profile)  # as with Pillow alone, the rest is left out
    print(f"{target}: {half.width}x{half.height}")


if __name__ == "__main__":
    main(*sys.argv[1:])
