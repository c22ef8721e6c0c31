"""Numbers that compare pictures and codecs, defined once: mean squared error, PSNR, BD-rate and BD-PSNR (DESIGN.md, section 5)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InlayError

Pixels = NDArray[np.uint8]
PEAK = 255


@dataclass(frozen=True)
class Curve:
    """A rate-distortion curve: one point a quality, rates rising."""

    bpp: Sequence[float]
    psnr_db: Sequence[float]


def mse(a: Pixels, b: Pixels) -> float:
    """Mean squared difference of two uint8 arrays of one shape, in grey levels squared; ValueError for anything else."""
    if a.dtype != np.uint8 or b.dtype != np.uint8 or a.shape != b.shape or not a.size:
        raise ValueError(f"{a.dtype} {a.shape} against {b.dtype} {b.shape}; expected uint8 arrays of one shape")
    difference = np.subtract(a, b, dtype=np.int32).ravel()
    return int((difference * difference).sum(dtype=np.int64)) / a.size


def psnr_db(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio, 10 log10(255^2 / mse), of two uint8 arrays of one shape; infinite where they are equal."""
    error = mse(a, b)
    return float(10 * np.log10(PEAK**2 / error)) if error else float("inf")


def bd_rate(anchor: Curve, test: Curve) -> float:
    """How many per cent more bits `test` needs than `anchor` for the same PSNR (negative: fewer).

    Bjontegaard (VCEG-M33, 2001): the mean difference of log rate over the PSNRs that both curves reach, by Akima interpolation.
    InlayError where there is no such number: see `bd_psnr`.
    """
    return _delta("bd_rate", anchor, test)


def bd_psnr(anchor: Curve, test: Curve) -> float:
    """How many dB `test` is above `anchor` at the same rate, the mean over the log rates that both curves reach.

    InlayError if the `bench` extra is not installed, a curve does not rise, a PSNR is infinite, or the curves have no common range.
    """
    return _delta("bd_psnr", anchor, test)


def _delta(name: str, anchor: Curve, test: Curve) -> float:
    for curve in (anchor, test):
        _check(curve)
    function = _bjontegaard(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # curves that do not overlap give a nan, which is told below
        # min_overlap 0: a gain of 1 dB on a curve that spans 6 is no reason for a warning.
        value = function(
            anchor.bpp, anchor.psnr_db, test.bpp, test.psnr_db,
            method="akima", require_matching_points=False, min_overlap=0,
        )  # fmt: skip
    if not np.isfinite(value):
        raise InlayError("no BD-rate: the curves have no common range")
    return float(value)


def _check(curve: Curve) -> None:
    rate, distortion = np.asarray(curve.bpp, float), np.asarray(curve.psnr_db, float)
    if rate.shape != distortion.shape or rate.ndim != 1 or rate.size < 2:
        raise InlayError(f"no BD-rate: {rate.size} rates and {distortion.size} PSNRs, expected two points or more")
    if not (np.isfinite(distortion).all() and np.isfinite(rate).all() and (rate > 0).all()):
        raise InlayError("no BD-rate: a rate or a PSNR is not a finite number (nothing was lost?)")
    if (np.diff(rate) <= 0).any() or (np.diff(distortion) <= 0).any():
        raise InlayError("no BD-rate: the curve does not rise from point to point")


def _bjontegaard(name: str) -> Callable[..., Any]:
    try:
        import bjontegaard
    except ImportError as error:
        raise InlayError(f"BD-rate needs {error.name or 'bjontegaard'}: pip install 'inlay[bench]'") from error
    return getattr(bjontegaard, name)  # type: ignore[no-any-return]  # it has no types
