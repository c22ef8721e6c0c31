"""Numbers that compare pictures and codecs, defined once (docs/design.md, How results are measured).

Mean squared error and PSNR; SSIM, MS-SSIM and SSIMULACRA2 where a claim is about looks; BD-rate and BD-PSNR.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import InlayError

Pixels = NDArray[np.uint8]
PEAK = 255
# What each can be measured on: the shorter side, in pixels.  A window of 11, at five scales for MS-SSIM.
SMALLEST_PX = {"ssim": 11, "ms_ssim": 176, "ssimulacra2": 8}
LOOKS = tuple(SMALLEST_PX)
_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


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


def looks(pixels: Pixels, *, original: Pixels) -> dict[str, float | None]:
    """SSIM, MS-SSIM and SSIMULACRA2 of two uint8 (H, W); None where the picture is too small.  InlayError without the `bench` extra."""
    functions = {"ssim": ssim, "ms_ssim": ms_ssim, "ssimulacra2": ssimulacra2}
    return {name: functions[name](original, pixels) if min(pixels.shape) >= SMALLEST_PX[name] else None for name in LOOKS}


def ssim(a: Pixels, b: Pixels) -> float:
    """Structural similarity of two uint8 (H, W), at most 1: Gaussian window, sigma 1.5 (Wang et al. 2004)."""
    function = _imported("skimage.metrics", "structural_similarity")
    return float(function(a, b, data_range=PEAK, gaussian_weights=True, sigma=1.5, use_sample_covariance=False))


def ms_ssim(a: Pixels, b: Pixels) -> float:
    """The same over five scales of two uint8 (H, W), each half as large as the one before (Wang, Simoncelli, Bovik 2003).

    Written here since of the light libraries none gives what the reference gives; this agrees with pytorch-msssim.
    """
    blur = _imported("scipy.ndimage", "gaussian_filter")

    def mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        inside: NDArray[np.float64] = blur(plane, 1.5, radius=5)[5:-5, 5:-5]  # where the window of 11 is whole
        return inside

    x, y, product = a.astype(float), b.astype(float), 1.0
    for scale, weight in enumerate(_MS_SSIM_WEIGHTS, 1):
        x_mean, y_mean = mean(x), mean(y)
        variances = mean(x * x) - x_mean**2 + mean(y * y) - y_mean**2
        similarity = (2 * (mean(x * y) - x_mean * y_mean) + (0.03 * PEAK) ** 2) / (variances + (0.03 * PEAK) ** 2)
        if scale == len(_MS_SSIM_WEIGHTS):  # luminance counts at the coarsest scale alone
            similarity *= (2 * x_mean * y_mean + (0.01 * PEAK) ** 2) / (x_mean**2 + y_mean**2 + (0.01 * PEAK) ** 2)
        product *= max(0.0, float(similarity.mean())) ** weight
        x, y = _halved(x), _halved(y)
    return product


def _halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 2x2 pixels; an odd row or column at the end is left out."""
    height, width = (size // 2 for size in plane.shape)
    means: NDArray[np.float64] = plane[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))
    return means


def ssimulacra2(original: Pixels, pixels: Pixels) -> float:
    """SSIMULACRA2 of two uint8 (H, W), taken for gray sRGB: 100 is equal, 70 high quality, 50 medium, 10 very low; not symmetric."""
    files = []
    for plane in (original, pixels):
        Image.fromarray(plane).save(file := io.BytesIO(), "PPM")
        files.append(file)
    return float(_imported("ssimulacra2", "compute_ssimulacra2")(*files))


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
    function = _imported("bjontegaard", name)
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


def _imported(module: str, name: str) -> Callable[..., Any]:
    """A function of a library that only the bench needs, and that has no types."""
    try:
        return getattr(import_module(module), name)  # type: ignore[no-any-return]  # they have no types
    except ImportError as error:
        raise InlayError(f"{name} needs {error.name or module}: pip install 'inlaid[bench]'") from error
