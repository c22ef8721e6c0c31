"""JPEG files."""

from __future__ import annotations

from .. import Format
from . import codec, container

FORMAT = Format("jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), container, codec)
