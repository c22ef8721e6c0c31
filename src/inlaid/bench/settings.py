"""What a measurement is asked for: the settings of codec and fit, and what a line holds beside sizes and PSNRs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .. import formats
from ..encoding import encoder, presets
from ..errors import InlayError
from . import peers, wiener
from .runs import BEFORE, JPEG_BEFORE, KNOBS, TARGETS, Line

Box = tuple[int, int, int, int]  # x, y, width, height in pixels

# The points of a codec without points of its own among the peers.
QUALITIES = (10, 20, 30, 40)
RATES_BPP = (0.2, 0.3, 0.5, 0.7, 1.0)

BASES = ("trellis", "turbo")
TUNES = ("looks", "psnr")
BASE_OPTIONS = ("base", "optimize", "progressive", "subsampling", "rate_bpp")
SUBSAMPLING = "420"  # of a picture in colour, where none is given: the JPEG encoder's own


@dataclass(frozen=True)
class Settings:
    """The settings of one measurement.  Every field is part of a line and of its key.  One of runs.KNOBS is given."""

    codec: str = "jpeg"
    quality: float | None = 75  # on the codec's own scale
    preset: str = presets.DEFAULT  # "none" for peers
    effort: int = 5  # 0 where no network is fitted
    optimize: bool = False  # Huffman tables made for the base, in place of the standard's; a trellis base always has its own
    progressive: bool | None = None  # None: of a trellis base the smaller, else False
    seed: int = 0
    rate_bpp: float | None = None  # of the base, where the codec takes a rate
    base: str | None = None  # encoder of JPEG bases, "turbo" by default; None for JPEG 2000 and peers
    tune: str = BEFORE["tune"]  # what base and fit aim at
    legacy_loss_db: float = BEFORE["legacy_loss_db"]  # what the closed loop may take from the base; 0: no loop
    colour: bool = False  # measure the picture in RGB, in place of its luma
    subsampling: str | None = None  # of a JPEG picture in colour, else None
    target_bpp: float | None = None  # what the whole file has to meet, in place of a quality or a rate of the base
    target_psnr_db: float | None = None
    target_ssimulacra2: float | None = None

    def __post_init__(self) -> None:
        if self.codec in peers.NAMES:
            self._set(preset="none", tune=BEFORE["tune"])
        if self.preset in ("none", wiener.NAME):
            self._set(effort=0, seed=0, legacy_loss_db=0.0)
        if self.codec == "jpeg":
            self._set(base=self.base or JPEG_BEFORE)
            if self.colour:
                self._set(subsampling=self.subsampling or SUBSAMPLING)
        if self.progressive is None and self.base != "trellis":
            self._set(progressive=False)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def check(self) -> None:
        """InlayError if nothing can be measured with these settings."""
        if len(given := [name for name in KNOBS if getattr(self, name) is not None]) != 1:
            raise InlayError(f"{' and '.join(given) or 'nothing'} given; expected one of {', '.join(KNOBS)}")
        if self.target and self.preset in ("none", wiener.NAME):
            raise InlayError(f"{given[0]}: only files with an inlay have targets; expected a quality")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise InlayError(f"quality {self.quality}, expected 1 to 100")
        if self.rate_bpp is not None and not 0 < self.rate_bpp <= 24:
            raise InlayError(f"rate {self.rate_bpp}, expected more than 0 bits a pixel, at most 24")
        if self.base not in (None, *BASES) or self.tune not in TUNES:
            raise InlayError(f"base {self.base}, tune {self.tune}; expected one of {', '.join(BASES)} and one of {', '.join(TUNES)}")
        if not (math.isfinite(self.legacy_loss_db) and self.legacy_loss_db >= 0):
            raise InlayError(f"legacy loss {self.legacy_loss_db}, expected 0 dB or more")
        if self.codec in peers.NAMES:
            peers.library(self.codec)
            if self.quality is not None and int(self.quality) != self.quality:
                raise InlayError(f"quality {self.quality}: {self.codec} takes whole numbers")
        elif self.preset == wiener.NAME:
            if self.colour:
                raise InlayError("a linear filter is measured on luma alone, not in colour")
        else:
            presets.by_name(self.preset).at(self.effort)
        self._check_options()

    def _check_options(self) -> None:
        """InlayError for an option that the codec or the encoder lacks, or that means nothing here."""
        known = set() if self.codec in peers.NAMES else codec_options(self.codec)
        for name in BASE_OPTIONS:
            value = getattr(self, name)
            before = JPEG_BEFORE if self.codec == "jpeg" and name == "base" else None
            if value not in (None, False, before) and name not in known:
                expected = "; expected a quality" if name == "rate_bpp" else ""
                raise InlayError(f"{name} {value}: {self.codec} has no such option{expected}")
        if self.subsampling and not self.colour:
            raise InlayError(f"subsampling {self.subsampling}: a gray picture has no chroma; expected it with colour")
        if self.base == "trellis" and self.optimize:
            raise InlayError("optimize: a trellis base always has Huffman tables of its own")
        for name, value in BEFORE.items():
            if (asked := getattr(self, name)) != value and name not in known | encoder_options():
                raise InlayError(f"{name} {asked}: the encoder has no such option for {self.codec}")

    @property
    def can_be_packed(self) -> bool:
        """True for JPEG files of our own.  A linear filter has no file."""
        return self.codec == "jpeg" and self.preset != wiener.NAME

    @property
    def target(self) -> dict[str, float]:
        """The argument of `encoder.encode` for the target; empty where there is none."""
        return {name: value for name in TARGETS if (value := getattr(self, name)) is not None}

    def base_options(self) -> dict[str, Any]:
        """The options of the base codec's `encode`.  Those that are off are named too: JPEG's encoder optimises by default."""
        wanted = {name: getattr(self, name) for name in (*BASE_OPTIONS, *BEFORE)}
        if self.base == "trellis":
            del wanted["optimize"]
        known = codec_options(self.codec)
        return {name: value for name, value in wanted.items() if value is not None and name in known}

    def fit_options(self) -> dict[str, Any]:
        """The options of `encoder.encode` that are new, beside `base_options`."""
        return {name: getattr(self, name) for name in BEFORE if name in encoder_options()}


def codec_options(codec: str) -> set[str]:
    """The names of the options of a base codec."""
    return formats.by_name(codec).codec.OPTIONS


def encoder_options() -> set[str]:
    """The names of the arguments of `encoder.encode`."""
    return set(inspect.signature(encoder.encode).parameters)


def at_points(settings: Settings, points: Mapping[str, Iterable[float]]) -> list[Settings]:
    """`settings` at each value of each knob in `points`."""
    unset: dict[str, Any] = dict.fromkeys(KNOBS)
    return [replace(settings, **unset | {name: value}) for name, values in points.items() for value in values]


@dataclass(frozen=True)
class Detail:
    """What a line holds beside sizes and PSNRs."""

    metrics: str = "psnr"  # or "all": SSIM, MS-SSIM and SSIMULACRA2 too
    crop: Box | None = None  # the part whose pixels the line keeps
    packed: bool = False  # the bytes of the file packed into JPEG XL

    @classmethod
    def of(cls, line: Line) -> Detail:
        """What a line holds."""
        return cls(line["metrics"], tuple(line["crop"]["box"]) if line["crop"] else None, line["packed_bytes"] is not None)

    def merged(self, line: Line | None) -> Detail:
        """What is asked for, together with what the line already holds."""
        has = Detail.of(line) if line else self
        return Detail("all" if "all" in (self.metrics, has.metrics) else "psnr", self.crop or has.crop, self.packed or has.packed)


PSNR_ONLY = Detail()
