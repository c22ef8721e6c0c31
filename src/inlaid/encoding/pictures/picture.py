"""A picture as it was read: samples of any mode and depth, and metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from ...arrays import DeepPixels
from ...errors import FormatError, InlayError
from .colour_chunks import Colours

FULL = 65535  # the largest sample of 16 bits


@dataclass(frozen=True)
class Extent:
    """The size of a picture, known before it is decoded."""

    width: int
    height: int
    gray: bool
    deep: bool = False  # more than 8 bits a sample

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return self.width * self.height


Check = Callable[[Extent], None]  # raises an InlayError to refuse a picture


@dataclass(frozen=True)
class Deep:
    """Samples of 16 bits, 0..65535.

    size: width, height.
    mode: L, LA, RGB, RGBA or CMYK; La or RGBa where the colours are multiplied by alpha.
    rows: returns rows [top, bottom), (n, W) for L, else (n, W, channels).
    """

    size: tuple[int, int]
    mode: str
    rows: Callable[[int, int], DeepPixels]


Samples = Image.Image | Deep  # an image: 8 bits, any mode of Pillow


@dataclass(frozen=True)
class Picture:
    """Samples and metadata of a picture.

    metadata: `exif`, `xmp`, `icc_profile`, `comment` (bytes) and `dpi`, Pillow's names.
    notes: sentences on what was left out.
    transparent: the samples of the transparent colour, if there is one.
    colours: their description in a PNG file without an ICC profile.
    upright: the samples are turned by the orientation in the EXIF already.
    """

    samples: Samples
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    transparent: tuple[int, ...] | None = None
    colours: Colours = field(default_factory=Colours)
    upright: bool = False


@contextmanager
def decoding(*passed: type[Exception]) -> Iterator[None]:
    """Turns exceptions into FormatErrors, since Pillow raises many types for damaged bytes.  InlayError, MemoryError and `passed` stay."""
    unchanged: tuple[type[Exception], ...] = (InlayError, MemoryError, *passed)
    try:
        yield
    except unchanged:
        raise
    except Exception as error:
        raise FormatError(f"cannot decode the picture: {error or type(error).__name__}") from error


def frame_notes(frame: int, frames: int) -> tuple[str, ...]:
    """The note on a file of several frames of which the first is used."""
    return (f"the first of {frames} frames is used",) if frame == 0 and frames > 1 else ()
