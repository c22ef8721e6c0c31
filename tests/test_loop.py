"""The closed loop: the base that a codec makes for what the network will do."""

from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from support.pictures import coloured, texture

import inlaid
from inlaid import priors
from inlaid.encoding import encoder
from inlaid.encoding.distortion import mse
from inlaid.encoding.gradient import input_gradient
from inlaid.encoding.loop import Loop
from inlaid.errors import InlayError
from inlaid.formats import base, by_name
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
    assert np.allclose(shifts[-1], plain.luma - length * slope - GRAY, atol=0.01)


def test_bands_change_nothing(monkeypatch):
    network, values = parameters(11)
    make, shifts = coarse(16)
    plain = make(np.zeros(GRAY.shape, np.float32))
    for most in (1 << 21, 1, 10_000):
        monkeypatch.setattr(base, "BAND_PX", most)
        Loop(make, plain, 20.0, 1.0).rounds(plain, network, values, lambda found: 0.0, 1)
    assert np.allclose(shifts[-1], shifts[-2], atol=0.02) and np.allclose(shifts[-1], shifts[-3], atol=0.02)


def test_rounds_end_where_the_cost_does_not_fall():
    network, values = parameters()
    make, shifts = coarse(16)
    plain = make(np.zeros(GRAY.shape, np.float32))
    costs = iter([3.0, 2.0, 1.0, 1.0, 0.0])
    found, shift = Loop(make, plain, 20.0, 1.0).rounds(plain, network, values, lambda found: next(costs), 9)
    assert len(shifts) == 4 and shift is shifts[2] and np.array_equal(found.luma, make(shift).luma)


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


def test_a_loss_out_of_range():
    for loss in (-0.1, 21, float("nan")):
        with pytest.raises(InlayError, match="legacy loss"):
            encoder.encode(GRAY, legacy_loss_db=loss)
