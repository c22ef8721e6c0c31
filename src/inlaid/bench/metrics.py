"""Metrics of pictures and codecs: the perceptual SSIM, MS-SSIM and SSIMULACRA2; BD-rate and BD-PSNR."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from .. import colour
from ..arrays import Matrix, Pixels
from ..encoding import looks
from ..encoding.distortion import PEAK
from ..encoding.looks import ssimulacra2
from ..errors import InlayError

# The perceptual metrics, and the smallest side of a picture for each.  SSIM has windows of 11 pixels, MS-SSIM has them at five scales.
SMALLEST_PX = {"ssim": 11, "ms_ssim": 176, "ssimulacra2": looks.SMALLEST_PX}
PERCEPTUAL = tuple(SMALLEST_PX)
_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@dataclass(frozen=True)
class Curve:
    """A rate-distortion curve: one point for each quality, in rising order of the rate."""

    bpp: Sequence[float]
    psnr_db: Sequence[float]


def perceptual(pixels: Pixels, *, original: Pixels) -> dict[str, float | None]:
    """SSIM, MS-SSIM and SSIMULACRA2 of two uint8 (H, W) or (H, W, 3); None where the picture is too small.

    SSIM and MS-SSIM are of the luma.  InlayError without the `bench` extra.
    """
    found: dict[str, float | None] = dict.fromkeys(PERCEPTUAL)
    lumas = colour.luma(original), colour.luma(pixels)
    for name, function, pair in (("ssim", ssim, lumas), ("ms_ssim", ms_ssim, lumas), ("ssimulacra2", ssimulacra2, (original, pixels))):
        if min(pixels.shape[:2]) >= SMALLEST_PX[name]:
            found[name] = function(*pair)
    return found


def ssim(a: Pixels, b: Pixels) -> float:
    """Structural similarity of two uint8 (H, W), at most 1, with a Gaussian window of sigma 1.5 (Wang et al. 2004)."""
    function = _imported("skimage.metrics", "structural_similarity")
    return float(function(a, b, data_range=PEAK, gaussian_weights=True, sigma=1.5, use_sample_covariance=False))


def ms_ssim(a: Pixels, b: Pixels) -> float:
    """Structural similarity of two uint8 (H, W) at five scales, each half as large as the one before (Wang, Simoncelli, Bovik 2003).

    It is written here because no light library gives the reference's values.  It agrees with pytorch-msssim.
    """
    blur = _imported("scipy.ndimage", "gaussian_filter")

    def mean(plane: Matrix) -> Matrix:
        inside: Matrix = blur(plane, 1.5, radius=5)[5:-5, 5:-5]  # only where the window of 11 pixels lies inside the plane
        return inside

    x, y, product = a.astype(float), b.astype(float), 1.0
    for scale, weight in enumerate(_MS_SSIM_WEIGHTS, 1):
        x_mean, y_mean = mean(x), mean(y)
        variances = mean(x * x) - x_mean**2 + mean(y * y) - y_mean**2
        similarity = (2 * (mean(x * y) - x_mean * y_mean) + (0.03 * PEAK) ** 2) / (variances + (0.03 * PEAK) ** 2)
        if scale == len(_MS_SSIM_WEIGHTS):  # luminance counts at the coarsest scale only
            similarity *= (2 * x_mean * y_mean + (0.01 * PEAK) ** 2) / (x_mean**2 + y_mean**2 + (0.01 * PEAK) ** 2)
        product *= max(0.0, float(similarity.mean())) ** weight
        x, y = _halved(x), _halved(y)
    return product


def _halved(plane: Matrix) -> Matrix:
    """Means of 2x2 pixels.  An odd last row or column is left out."""
    height, width = (size // 2 for size in plane.shape)
    means: Matrix = plane[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))
    return means


def bd_rate(anchor: Curve, test: Curve) -> float:
    """Bits that `test` needs beyond those of `anchor` for the same PSNR, in per cent; negative where it needs fewer.

    The mean difference of the logarithms of the rates, over the PSNRs that both curves reach (Bjontegaard, VCEG-M33, 2001), with Akima
    interpolation.  InlayError in the cases of `bd_psnr`.
    """
    return _delta("bd_rate", anchor, test)


def bd_psnr(anchor: Curve, test: Curve) -> float:
    """PSNR of `test` above that of `anchor` at the same rate, in dB: the mean over the logarithms of the rates that both curves reach.

    InlayError if the `bench` extra is not installed, if a curve does not rise, if a PSNR is infinite, or if the curves have no common
    range.
    """
    return _delta("bd_psnr", anchor, test)


def height_at(curve: Curve, bpp: float) -> float | None:
    """The PSNR of a curve at a rate, by a monotone cubic over the logarithm of the rate; None outside the curve.

    InlayError in the cases of `bd_psnr` that one curve can have.
    """
    _check(curve)
    if not curve.bpp[0] <= bpp <= curve.bpp[-1]:
        return None
    return float(_imported("scipy.interpolate", "PchipInterpolator")(np.log(curve.bpp), curve.psnr_db)(np.log(bpp)))


def cut(curve: Curve, bpp: tuple[float, float], heights: tuple[float, float]) -> Curve:
    """The part of a curve with rates and heights in two ranges.  Where the curve crosses a bound, its end lies there, by a monotone cubic
    over the logarithm of the rate.

    InlayError in the cases of `bd_psnr` that one curve can have, or if nothing of the curve is left.
    """
    _check(curve)
    rates, levels = np.log(curve.bpp), np.asarray(curve.psnr_db, float)
    monotone = _imported("scipy.interpolate", "PchipInterpolator")
    height, rate = monotone(rates, levels), monotone(levels, rates)
    least, most = max(heights[0], levels[0]), min(heights[1], levels[-1])
    if least < most:
        low, high = max(np.log(max(bpp[0], curve.bpp[0])), rate(least)), min(np.log(min(bpp[1], curve.bpp[-1])), rate(most))
        if low < high:
            at = np.array([low, *(x for x in rates if low < x < high), high])
            return Curve(np.exp(at).tolist(), height(at).tolist())
    raise InlayError("no BD-rate: the curves have no common range")


def _delta(name: str, anchor: Curve, test: Curve) -> float:
    for curve in (anchor, test):
        _check(curve)
    function = _imported("bjontegaard", name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # curves that do not overlap give a nan, an error below
        curves = (anchor.bpp, anchor.psnr_db, test.bpp, test.psnr_db)
        # min_overlap 0: by default a gain of 1 dB on curves that span 6 dB would give a warning.
        value = function(*curves, method="akima", require_matching_points=False, min_overlap=0)
    if not np.isfinite(value):
        raise InlayError("no BD-rate: the curves have no common range")
    return float(value)


def _check(curve: Curve) -> None:
    rate, distortion = np.asarray(curve.bpp, float), np.asarray(curve.psnr_db, float)
    if rate.shape != distortion.shape or rate.ndim != 1 or rate.size < 2:
        raise InlayError(f"no BD-rate: {rate.size} rates and {distortion.size} PSNRs, expected two points or more")
    if not (np.isfinite(distortion).all() and np.isfinite(rate).all() and (rate > 0).all()):
        raise InlayError("no BD-rate: a rate or a PSNR is not a finite number, as of a file that loses nothing")
    if (np.diff(rate) <= 0).any() or (np.diff(distortion) <= 0).any():
        raise InlayError("no BD-rate: the curve does not rise from point to point")


def _imported(module: str, name: str) -> Callable[..., Any]:
    """A function of a library that only the bench needs; InlayError, which names the extra, if it is not installed."""
    try:
        return getattr(import_module(module), name)  # type: ignore[no-any-return]  # the libraries have no types
    except ImportError as error:
        raise InlayError(f"{name} needs {error.name or module}: pip install 'inlaid[bench]'") from error
