"""A Django app that gives every picture library of a site the restored pictures: easy-thumbnails, sorl-thumbnail, ImageField.

INSTALLED_APPS = [..., "django_app.Inlays"]

These libraries open pictures by Pillow.  `python django_app.py PHOTO.jpg OUT.jpg` does what they do, without Django.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageOps

import inlaid

try:
    from django.apps import AppConfig
except ImportError:  # only the thumbnail below is wanted

    class AppConfig:  # type: ignore[no-redef]
        """Stands for Django's."""


class Inlays(AppConfig):  # type: ignore[misc]
    """Registers the plugin when the site starts.  A site has a process for each request already, so one thread is enough."""

    name = "django_app"
    path = str(Path(__file__).parent)

    def ready(self) -> None:
        """Django calls this once in each process."""
        inlaid.register(threads=1)


def thumbnail(source: str, target: str, size: tuple[int, int] = (120, 120)) -> None:
    """A thumbnail as easy-thumbnails makes it.  Where Pillow decodes at a reduced size, that is the base's: an inlay would not show."""
    with Image.open(source) as picture:
        upright = ImageOps.exif_transpose(picture)
        upright.thumbnail(size)
        upright.save(target, quality=85, icc_profile=picture.info.get("icc_profile"))


if __name__ == "__main__":
    Inlays.ready(None)  # type: ignore[arg-type]
    thumbnail(*sys.argv[1:])
