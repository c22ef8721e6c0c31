"""What a finished file has to meet: a size, or a quality of the restored picture.

An amount is what is wanted of a file, on a scale that goes about evenly with the fineness of the base: the logarithm of the bytes, a PSNR,
or a score.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from ..decoder import decode
from ..errors import InlayError, TargetError, UnsupportedError
from ..formats.base import pixels
from .looks import SMALLEST_PX, ssimulacra2

LEAST_FILL = 0.99  # of a wanted size
TIGHT_FILL = 0.997  # from here on nothing tighter is looked for
ABOVE_DB, ABOVE_SCORE = 0.05, 0.5  # the most that a quality may be above the wanted one
USUAL_BYTES, USUAL_DB, USUAL_SCORE = 70, 0.5, 1.0  # what an inlay adds, for the first guess alone
_NO_LOSS_DB = 200.0  # stands for an infinite PSNR


class File(Protocol):
    """A finished file."""

    @property
    def data(self) -> bytes:
        """Its bytes."""

    @property
    def psnr_db(self) -> float | None:
        """Of the restored luma."""


class Target(ABC):
    """Amounts of `low` to `high` meet it; the search aims at `aim`."""

    low: float
    aim: float
    high: float
    is_floor: bool  # True for a quality, which may not be below `low`; False for a size, which may not be above `high`

    @abstractmethod
    def amount(self, file: File) -> float:
        """The amount of a file."""

    @abstractmethod
    def usual_gain(self, amount: float) -> float:
        """What an inlay usually adds to the amount of a plain base."""

    @abstractmethod
    def is_done(self, amount: float) -> bool:
        """True if a further file would hardly be better."""

    @abstractmethod
    def rank(self, file: File, amount: float) -> tuple[float, ...]:
        """Greater for a better one of the files that are allowed.  amount: the file's."""

    @abstractmethod
    def beyond(self, nearest: float) -> TargetError:
        """The error where the nearest amount that a file can have is `nearest`."""

    def allows(self, amount: float) -> bool:
        """True unless the quality is below, or the size above the wanted one."""
        return amount >= self.low if self.is_floor else amount <= self.high

    def meets(self, amount: float) -> bool:
        """True if a file of this amount is what is wanted."""
        return self.low <= amount <= self.high


@dataclass(frozen=True)
class Size(Target):
    """At most `most_bytes`, and hardly less.  bpp, pixels: where it was asked for in bits a pixel, those and the picture's pixels."""

    most_bytes: int
    bpp: float | None = None
    pixels: int = 1
    is_floor = False

    def __post_init__(self) -> None:
        for name, share in (("low", LEAST_FILL), ("aim", (1 + TIGHT_FILL) / 2), ("high", 1.0)):
            object.__setattr__(self, name, math.log(share * self.most_bytes))

    def amount(self, file: File) -> float:
        """The logarithm of the bytes."""
        return math.log(len(file.data))

    def usual_gain(self, amount: float) -> float:
        """That of the bytes of an inlay."""
        return math.log1p(USUAL_BYTES / math.exp(amount))

    def is_done(self, amount: float) -> bool:
        """True for a file that fills the size tightly."""
        return math.log(TIGHT_FILL * self.most_bytes) <= amount <= self.high

    def rank(self, file: File, amount: float) -> tuple[float, ...]:
        """Of the files that meet the size, the one with the best picture."""
        return self.meets(amount), file.psnr_db or 0.0, len(file.data)

    def beyond(self, nearest: float) -> TargetError:
        """It names the size of the smallest or of the largest file."""
        size, is_least = round(math.exp(nearest)), nearest > self.high
        which = "smallest" if is_least else "largest"
        if self.bpp is None:
            return TargetError(f"a file of {self.most_bytes} bytes is out of reach; the {which} has {size} bytes")
        found = _rounded(8 * size / self.pixels, is_least, 4)
        return TargetError(f"{self.bpp:g} bits a pixel are out of reach; the {which} file has {found}")


@dataclass(frozen=True)
class Quality(Target):
    """At least `low`, and hardly more.  measure: the quality of a file.  name, unit: for messages.  above: the most above `low`."""

    low: float
    name: str
    unit: str
    above: float
    usual: float
    measure: Callable[[File], float]
    is_floor = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "high", self.low + self.above)
        object.__setattr__(self, "aim", self.low + 0.4 * self.above)

    def amount(self, file: File) -> float:
        """The quality itself."""
        return self.measure(file)

    def usual_gain(self, amount: float) -> float:
        """A few tenths of a decibel, or a point."""
        return self.usual

    def is_done(self, amount: float) -> bool:
        """True for what is wanted."""
        return self.meets(amount)

    def rank(self, file: File, amount: float) -> tuple[float, ...]:
        """The smaller file."""
        return self.meets(amount), -len(file.data)

    def beyond(self, nearest: float) -> TargetError:
        """It names the best quality, or the lowest."""
        if nearest >= _NO_LOSS_DB:
            return TargetError(f"{self.name} of {self.low:g}{self.unit} is out of reach; the coarsest file loses nothing")
        is_best = nearest < self.low
        which, found = ("best" if is_best else "lowest"), _rounded(nearest, not is_best, 2)
        return TargetError(f"{self.name} of {self.low:g}{self.unit} is out of reach; the {which} has {found}{self.unit}")


def target_of(
    image: Image.Image,
    *,
    bytes: int | None = None,
    bpp: float | None = None,
    psnr_db: float | None = None,
    ssimulacra2: float | None = None,
    threads: int | None = None,
) -> Target | None:
    """The target of a prepared picture; None if none of the four is given.  threads: of a decoding.

    InlayError for more than one, and where the picture has no such quality.
    """
    given = {"bytes": bytes, "bpp": bpp, "psnr_db": psnr_db, "ssimulacra2": ssimulacra2}
    wanted = {name: value for name, value in given.items() if value is not None}
    if not wanted:
        return None
    if len(wanted) > 1:
        raise InlayError(f"more than one target: {', '.join(f'target_{name}' for name in wanted)}")
    ((name, value),) = wanted.items()
    if not math.isfinite(value) or (value <= 0 and name != "ssimulacra2"):
        raise InlayError(f"target_{name} {value}; expected a number above 0")
    count = image.width * image.height
    if name == "bytes":
        return Size(max(1, int(value)))
    if name == "bpp":
        return Size(max(1, int(value * count / 8)), value, count)
    if image.mode == "CMYK":
        raise UnsupportedError("a CMYK picture has no quality to aim at; expected a target of a size")
    if name == "psnr_db":
        return Quality(value, "a PSNR", " dB", ABOVE_DB, USUAL_DB, _psnr_db)
    if min(image.size) < SMALLEST_PX:
        raise UnsupportedError(f"no SSIMULACRA2 of {image.width}x{image.height} pixels; expected {SMALLEST_PX} a side or more")
    return Quality(value, "an SSIMULACRA2", "", ABOVE_SCORE, USUAL_SCORE, _score(image, threads))


def _psnr_db(file: File) -> float:
    return _NO_LOSS_DB if file.psnr_db is None else min(file.psnr_db, _NO_LOSS_DB)


def _score(image: Image.Image, threads: int | None) -> Callable[[File], float]:
    """The SSIMULACRA2 of a file's restored picture, in colour, against `image`."""
    original = pixels(image)
    return lambda file: ssimulacra2(original, decode(file.data, threads=threads).pixels)


def _rounded(value: float, up: bool, digits: int) -> str:
    """Rounded to the side that can be reached."""
    scale = 10**digits
    return f"{(math.ceil if up else math.floor)(value * scale) / scale:.{digits}f}"
