"""What a measurement is asked for: the settings of codec and fit, and what a line holds beside sizes and PSNRs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from .. import formats
from ..encoding import presets
from ..errors import InlayError
from . import peers, wiener
from .runs import Line

Box = tuple[int, int, int, int]  # x, y, width, height in pixels

BASE_OPTIONS = ("optimize", "progressive", "rate_bpp")


@dataclass(frozen=True)
class Settings:
    """The settings of one measurement.  Every field is part of a line and of its key.  One of quality and rate_bpp is None."""

    codec: str = "jpeg"
    quality: int | None = 75  # on the codec's own scale
    preset: str = presets.DEFAULT  # "none" for peers
    effort: int = 5  # 0 where no network is fitted
    optimize: bool = False  # Huffman tables made for the base, in place of the standard's
    progressive: bool = False
    seed: int = 0
    rate_bpp: float | None = None  # of the base, where the codec takes a rate

    def __post_init__(self) -> None:
        if self.codec in peers.NAMES:
            object.__setattr__(self, "preset", "none")
        if self.preset in ("none", wiener.NAME):
            for name in ("effort", "seed"):
                object.__setattr__(self, name, 0)

    def check(self) -> None:
        """InlayError if nothing can be measured with these settings."""
        if (self.quality is None) == (self.rate_bpp is None):
            raise InlayError(f"quality {self.quality} and rate {self.rate_bpp}, expected one of the two")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise InlayError(f"quality {self.quality}, expected 1 to 100")
        if self.rate_bpp is not None and not 0 < self.rate_bpp <= 24:
            raise InlayError(f"rate {self.rate_bpp}, expected more than 0 bits a pixel, at most 24")
        if self.codec in peers.NAMES:
            peers.library(self.codec)
            known: set[str] = set()
        else:
            known = formats.by_name(self.codec).codec.OPTIONS
            if self.preset != wiener.NAME:
                presets.by_name(self.preset).at(self.effort)
        for name, value in self.base_options().items():
            if name not in known:
                expected = "; expected a quality" if name == "rate_bpp" else ""
                raise InlayError(f"{name} {value}: {self.codec} has no such option{expected}")

    def base_options(self) -> dict[str, Any]:
        """The base codec's options that are set."""
        return {name: value for name in BASE_OPTIONS if (value := getattr(self, name)) not in (None, False)}


def at_points(settings: Settings, *, qualities: Iterable[int] = (), rates: Iterable[float] = ()) -> list[Settings]:
    """`settings` at each quality, and at each rate in bits a pixel."""
    return [
        *(replace(settings, quality=quality, rate_bpp=None) for quality in qualities),
        *(replace(settings, quality=None, rate_bpp=rate) for rate in rates),
    ]


@dataclass(frozen=True)
class Detail:
    """What a line holds beside sizes and PSNRs."""

    metrics: str = "psnr"  # or "all": SSIM, MS-SSIM and SSIMULACRA2 too
    crop: Box | None = None  # the part whose pixels the line keeps

    @classmethod
    def of(cls, line: Line) -> Detail:
        """What a line holds."""
        return cls(line["metrics"], tuple(line["crop"]["box"]) if line["crop"] else None)

    def merged(self, line: Line | None) -> Detail:
        """What is asked for, together with what the line already holds."""
        has = Detail.of(line) if line else self
        return Detail("all" if "all" in (self.metrics, has.metrics) else "psnr", self.crop or has.crop)


PSNR_ONLY = Detail()
