"""Metrics agree with hand calculation, with their properties, and with other implementations."""

import sys

import numpy as np
import pytest

from inlaid.bench import metrics
from inlaid.bench.metrics import Curve
from inlaid.encoding.distortion import mse, psnr_db
from inlaid.errors import InlayError


def test_psnr_by_hand() -> None:
    a = np.array([[0, 255], [10, 20]], np.uint8)
    b = np.array([[255, 255], [12, 20]], np.uint8)
    assert mse(a, b) == (255**2 + 4) / 4
    assert psnr_db(mse(a, b)) == pytest.approx(10 * np.log10(65025 * 4 / 65029))
    assert psnr_db(mse(a, a)) == float("inf")
    for wrong in (a[:1], a.astype(np.int16), a[None]):
        with pytest.raises(ValueError, match="expected uint8 arrays of one shape"):
            mse(a, wrong)


def test_bjontegaard_by_hand() -> None:
    anchor = Curve([0.2, 0.35, 0.5, 0.7], [27.0, 29.5, 31.0, 32.2])
    assert metrics.bd_rate(anchor, anchor) == metrics.bd_psnr(anchor, anchor) == 0
    cheaper = Curve([0.8 * r for r in anchor.bpp], anchor.psnr_db)
    assert metrics.bd_rate(anchor, cheaper) == pytest.approx(-20)
    assert metrics.bd_rate(cheaper, anchor) == pytest.approx(25)
    better = Curve(anchor.bpp, [p + 1.25 for p in anchor.psnr_db])
    assert metrics.bd_psnr(anchor, better) == pytest.approx(1.25)
    # A straight line of 6 dB a factor of 2, one dB higher: 2^(-1/6) of the rate.
    line = Curve([1, 2, 4, 8], [20, 26, 32, 38])
    above = Curve([1, 2, 4, 8], [21, 27, 33, 39])
    assert metrics.bd_rate(line, above) == pytest.approx(100 * (2 ** (-1 / 6) - 1))


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (Curve([1, 2, 3, 4], [30, 31, 31, 32]), "does not rise"),
        (Curve([1, 2, 2, 4], [30, 31, 32, 33]), "does not rise"),
        (Curve([1, 2, 3, 4], [30, 31, 32, np.inf]), "not a finite number"),
        (Curve([1, 2, 3, 4], [60, 61, 62, 63]), "no common range"),
        (Curve([1], [30]), "two points or more"),
        (Curve([1, 2], [30]), "two points or more"),
    ],
)
def test_bjontegaard_refuses(test: Curve, message: str) -> None:
    with pytest.raises(InlayError, match=message):
        metrics.bd_rate(Curve([1, 2, 3, 4], [30, 32, 33, 34]), test)


def test_a_curve_is_cut_where_it_crosses_a_bound() -> None:
    line = Curve([1, 2, 4, 8], [20, 26, 32, 38])  # straight over the logarithm of the rate
    found = metrics.cut(line, (2**0.5, 100), (-np.inf, 35))
    assert found.bpp == pytest.approx([2**0.5, 2, 4, 2**2.5]) and found.psnr_db == pytest.approx([23, 26, 32, 35])
    for whole in (((0, np.inf), (-np.inf, np.inf)), ((1, 8), (20, 38))):
        found = metrics.cut(line, *whole)
        assert found.bpp == pytest.approx(line.bpp) and found.psnr_db == pytest.approx(line.psnr_db)
    for outside in (((9, 10), (0, 99)), ((0, 99), (40, 50)), ((0, 2), (33, 99))):
        with pytest.raises(InlayError, match="no common range"):
            metrics.cut(line, *outside)


def test_missing_extra_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    with pytest.raises(InlayError, match=r"pip install 'inlaid\[bench\]'"):
        metrics.bd_rate(Curve([1, 2], [1, 2]), Curve([1, 2], [1, 2]))


# ------------------------------------------------------------------------------------------------ perceptual metrics


def pair(strength: float, height: int = 192, width: int = 208) -> tuple[np.ndarray, np.ndarray]:
    """A picture, and one that differs by a fixed pattern."""
    y, x = np.mgrid[:height, :width]
    a = 128 + 60 * np.sin(x / 5) * np.cos(y / 7) + 20 * np.sign(np.sin((x + 2 * y) / 9))
    b = a + strength * np.sin(3 * x + 5 * y + x * y / 50) - strength / 4
    return tuple(np.clip(plane, 0, 255).astype(np.uint8) for plane in (a, b))


# By pytorch-msssim 1.0.0 in double precision, data_range 255.
@pytest.mark.parametrize(("strength", "ssim", "ms_ssim"), [(4, 0.97806, 0.997909), (12, 0.841326, 0.982898), (40, 0.363507, 0.879875)])
def test_ssim_as_others_compute_it(strength: float, ssim: float, ms_ssim: float) -> None:
    a, b = pair(strength)
    assert metrics.ssim(a, b) == pytest.approx(ssim, abs=2e-5)
    assert metrics.ms_ssim(a, b) == pytest.approx(ms_ssim, abs=2e-5)


def test_properties_of_perceptual_metrics() -> None:
    values = []
    for strength in (0, 4, 12, 40):
        a, b = pair(strength)
        values.append(list(metrics.perceptual(b, original=a).values()))
        assert metrics.ssim(a, b) == pytest.approx(metrics.ssim(b, a))
        assert metrics.ms_ssim(a, b) == pytest.approx(metrics.ms_ssim(b, a))
    assert values[0] == pytest.approx([1, 1, 100])
    assert all(np.diff(column).max() < 0 for column in zip(*values, strict=True))
    a, _ = pair(0)
    assert 0 <= metrics.ms_ssim(a, 255 - a) < 0.2  # correlation is negative: no complex number, no negative one


def test_ms_ssim_of_one_changed_mean() -> None:
    """A constant added changes neither contrast nor structure, only the luminance of the coarsest scale."""
    a, b = (np.full((176, 176), level, np.uint8) for level in (100, 150))
    c1 = (0.01 * 255) ** 2
    assert metrics.ms_ssim(a, b) == pytest.approx(((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)) ** 0.1333)


def test_what_is_too_small_has_no_perceptual_metrics() -> None:
    a, b = pair(5, 175, 300)
    assert [value is None for value in metrics.perceptual(b, original=a).values()] == [False, True, False]
    assert set(metrics.perceptual(b[:7], original=a[:7]).values()) == {None}


def test_missing_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(InlayError, match=r"pip install 'inlaid\[bench\]'"):
        metrics.ssim(*pair(1, 16, 16))
