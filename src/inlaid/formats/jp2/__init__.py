"""JPEG 2000 files: JP2."""

from __future__ import annotations

from .. import Format
from . import codec, container

FORMAT = Format("jpeg2000", (".jp2",), container, codec)
