"""The closed loop: the base that a codec makes for what the network will do."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from support.pictures import coloured, texture

import inlaid
from inlaid import priors
from inlaid.encoding import candidates, encoder, presets
from inlaid.encoding.distortion import mse
from inlaid.encoding.gradient import input_gradient
from inlaid.encoding.loop import FIRST_PART, MOST_FAILURES, Loop
from inlaid.errors import InlayError
from inlaid.formats import Made, base, by_name
from inlaid.network import Network
from inlaid.parameters import UNIT

GRAY, COLOUR = texture(240, 180, seed=6), coloured(240, 180, seed=6)
HOW = {
    "trellis": {"quality": 30, "tune": "psnr"},
    "looks": {"quality": 30},
    "turbo": {"quality": 20, "base": "turbo"},
    "jpeg2000": {"format": "jpeg2000", "rate_bpp": 0.6},
}


@dataclass
class Fake:
    """A base."""

    luma: np.ndarray
    original: np.ndarray

    @property
    def mse(self):
        return mse(self.luma, self.original)


def coarse(step):
    """A codec that rounds to multiples of `step`, and the shifts that it was given."""
    shifts = []

    def make(shift):
        shifts.append(shift)
        return Fake(np.clip(np.rint((GRAY + shift) / step) * step, 0, 255).astype(np.uint8), GRAY)

    return make, shifts


def parameters(number=2):
    """The network and the values of a prior."""
    prior = priors.prior(number)
    return prior.network, (prior.values / UNIT).astype(np.float32)


def test_without_a_network_the_codec_is_given_the_original():
    network = Network()
    make, shifts = coarse(16)
    plain = make(np.zeros(GRAY.shape, np.float32))
    Loop(make, plain, 20.0, 1.0).rounds(plain, network, np.zeros(network.size, np.float32), lambda found: found.mse, 1)
    assert np.abs(shifts[-1]).max() < 1e-4


@pytest.mark.parametrize("length", [0.5, 1.0, 1.25])
def test_the_shift_is_what_the_formula_says(length):
    network, values = parameters()
    make, shifts = coarse(16)
    plain = make(np.zeros(GRAY.shape, np.float32))
    slope = input_gradient(network, values, base=plain.luma, target=GRAY)
    Loop(make, plain, 20.0, length).rounds(plain, network, values, lambda found: 0.0, 1)
    assert np.allclose(shifts[-1], FIRST_PART * (plain.luma - length * slope - GRAY), atol=0.03)


def test_bands_change_nothing(monkeypatch):
    network, values = parameters(11)
    make, shifts = coarse(16)
    plain = make(np.zeros(GRAY.shape, np.float32))
    for most in (1 << 21, 1, 10_000):
        monkeypatch.setattr(base, "BAND_PX", most)
        Loop(make, plain, 20.0, 1.0).rounds(plain, network, values, lambda found: 0.0, 1)
    assert np.allclose(shifts[-1], shifts[-2], atol=0.02) and np.allclose(shifts[-1], shifts[-3], atol=0.02)


def test_rounds_go_a_smaller_part_of_the_way_after_one_that_did_not_pay():
    network, values = parameters()
    make, shifts = coarse(16)
    plain = make(np.zeros(GRAY.shape, np.float32))
    costs = iter([3.0, 2.0, 2.0, 1.0, *[1.0] * 9])
    found, shift = Loop(make, plain, 20.0, 1.0).rounds(plain, network, values, lambda found: next(costs), 99)
    assert len(shifts) == 1 + 1 + 2 + MOST_FAILURES  # the plain base, a round that pays, one that does not, one that does, and the rest
    assert shift is shifts[3] and np.array_equal(found.luma, make(shift).luma)
    way = [each.astype(np.float32) - shifts[1] for each in shifts[2:4]]
    assert np.allclose(way[0], 2 * way[1], atol=0.05) and np.abs(way[1]).max() > 1


def test_rounds_that_do_not_pay_change_nothing():
    network, values = parameters()
    make, shifts = coarse(16)
    plain = make(np.zeros(GRAY.shape, np.float32))
    found, shift = Loop(make, plain, 20.0, 1.0).rounds(plain, network, values, lambda found: 1.0, 99)
    assert found is plain and shift is None and len(shifts) == 1 + MOST_FAILURES + 1


def test_the_plain_picture_loses_no_more_than_it_may():
    network, values = parameters()
    make, _ = coarse(16)
    plain = make(np.zeros(GRAY.shape, np.float32))
    for most in (0.01, 0.05, 0.2):
        found, _ = Loop(make, plain, most, 1.5).rounds(plain, network, values, lambda found: -found.mse, 3)
        assert 10 * np.log10(found.mse / plain.mse) <= most


@pytest.mark.parametrize("name", HOW)
@pytest.mark.parametrize("original", [GRAY, COLOUR], ids=["gray", "colour"])
def test_a_better_picture_for_its_bytes(name, original):
    """D + lambda * R falls, whatever the base, and the plain picture keeps its bound."""
    how = {"effort": 1, "preset": "large", **HOW[name]}
    without, with_loop = (encoder.encode(original, legacy_loss_db=loss, **how) for loss in (0, 0.5))
    assert with_loop.payload is not None and without.payload is not None
    bits = np.log2(len(with_loop.data) / len(without.data))
    assert with_loop.psnr_db - without.psnr_db > 5 * bits  # a base of more bytes gains some 5 dB an octave, at the most
    assert with_loop.psnr_without_loop_db == pytest.approx(without.psnr_base_db)
    assert with_loop.psnr_base_db >= without.psnr_base_db - 0.5


@pytest.mark.parametrize("name", HOW)
def test_no_loss_allowed_means_no_loop(name):
    encoded = encoder.encode(GRAY, effort=1, legacy_loss_db=0, **HOW[name])
    how = dict(HOW[name])
    codec, quality = by_name(how.pop("format", "jpeg")).codec, how.pop("quality", None)
    plain = codec.encode(Image.fromarray(GRAY), quality, {"base": "trellis", **how} if "base" in codec.OPTIONS else how)
    assert inlaid.strip(encoded.data) == plain


def test_fitted_networks_get_bases_of_their_own():
    low, high = (encoder.encode(GRAY, quality=30, tune="psnr", effort=effort, preset="default") for effort in (3, 6))
    assert high.payload is not None and low.payload is not None
    assert high.psnr_db - low.psnr_db > 6 * np.log2(len(high.data) / len(low.data))


def alike(network, made, data=b"", recipe="best"):
    of = by_name("jpeg2000" if "rate_bpp" in made.options else "jpeg")
    made_so = SimpleNamespace(format=of, data=data, original=np.zeros((100, 80), np.uint8))
    return [prior.number for prior in candidates.trained_alike(made_so, network, recipe, made)]


def test_priors_of_bases_made_alike():
    """By encoder, tuning and quality; by the rate where a codec has one."""
    looks, psnr = {"base": "trellis", "tune": "looks"}, {"base": "trellis", "tune": "psnr"}
    assert alike(presets.SMALL, Made(40, looks)) == [39] and alike(presets.LARGE, Made(48.5, looks)) == [40, 42]
    assert alike(presets.SMALL, Made(40, psnr)) == [25] and alike(presets.LARGE, Made(5, psnr)) == [22]
    assert alike(presets.SMALL, Made(40, looks | {"base": "turbo"})) == []
    assert alike(presets.SMALL, Made(40, looks), recipe="paper") == [] and alike(presets.SMALL, Made(99.5, looks)) == []
    assert alike(presets.LARGE, Made(None, {"rate_bpp": 9}), bytes(500)) == [48, 50]  # half a bit a pixel, whatever was asked for


def test_every_quality_has_priors_of_its_own():
    for network in (presets.SMALL, presets.LARGE):
        for tune, (low, high) in {"looks": (2, 99), "psnr": (3, 98)}.items():
            for quality in np.arange(low, high + 0.1, 0.5):
                assert alike(network, Made(float(quality), {"base": "trellis", "tune": tune}))
        for bpp in np.arange(0.13, 2, 0.1):
            assert alike(network, Made(None, {"rate_bpp": bpp}), bytes(int(1000 * bpp)))


def test_a_large_picture_gets_fewer_rounds():
    assert presets.rounds(5, 768 * 512) == presets.ROUNDS[5] and presets.rounds(5, 12_000_000) == (5, 0)
    assert presets.rounds(9, 10**9) == (presets.LEAST_ROUNDS, presets.ROUNDS[9][1])


def test_a_loss_out_of_range():
    for loss in (-0.1, 21, float("nan")):
        with pytest.raises(InlayError, match="legacy loss"):
            encoder.encode(GRAY, legacy_loss_db=loss)
