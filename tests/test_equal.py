"""The bytes of a peer at an equal measure."""

import numpy as np
import pytest
from PIL import features
from support.pictures import textured

from inlaid.bench import equal, peers
from inlaid.bench.equal import Peer, psnr
from inlaid.errors import InlayError
from inlaid.formats import jpeg

PICTURE = np.asarray(textured(96, 80).convert("RGB"))


def size_of(quality):
    return 1000 * 2 ** (quality / 10)


class Made(Peer):
    """A codec whose bytes double with every ten qualities, and whose measure is a function of the quality."""

    def __init__(self, measure=float):
        super().__init__("jpeg", PICTURE)
        self.measure, self.tries = measure, set()

    def file(self, quality):
        return bytes(round(size_of(quality)))

    def measured(self, measure, quality):
        self.tries.add(quality)
        return self.measure(quality)


def test_between_two_qualities_the_logarithm_of_the_bytes_is_linear():
    made = Made()
    for wanted in (1, 1.5, 2, 33.25, 50, 99.9, 100):
        assert made.bytes_at(psnr, wanted) == pytest.approx(size_of(wanted), abs=1)
    assert made.bytes_at(psnr, 0.99) is made.bytes_at(psnr, 100.01) is None


def test_few_qualities_are_tried_and_shared():
    made = Made()
    made.bytes_at(psnr, 33.3)
    assert len(made.tries) <= 8
    made.bytes_at(psnr, 33.7)
    assert len(made.tries) <= 8


def test_qualities_that_give_the_same_file():
    """AVIF has 64 steps for its 100 qualities."""
    made = Made(lambda quality: float(quality // 4 * 4))
    assert made.bytes_at(psnr, 40) == round(size_of(40))
    assert made.bytes_at(psnr, 42) == pytest.approx((size_of(43) * size_of(44)) ** 0.5, abs=1)


def test_a_quality_that_loses_nothing():
    made = Made(lambda quality: float(quality) if quality < 100 else float("inf"))
    assert made.bytes_at(psnr, float("inf")) == made.bytes_at(psnr, 150.0) == round(size_of(100))
    assert Made().bytes_at(psnr, float("inf")) is None


def test_the_best_quality_within_some_bytes():
    made = Made()
    assert made.quality_within(round(size_of(40))) == 40 and made.quality_within(round(size_of(40)) - 1) == 39
    assert made.quality_within(1) == 1 and made.quality_within(10**9) == 100


@pytest.mark.parametrize("name", equal.NAMES)
@pytest.mark.parametrize("picture", [PICTURE, PICTURE[..., 1]], ids=["colour", "gray"])
def test_a_real_codec(name, picture, monkeypatch):
    if name != "jpeg" and not features.check(name):
        pytest.skip(f"this Pillow was built without {name}")
    encoded, encode = [], peers.encode
    monkeypatch.setattr(peers, "encode", lambda name, pixels, quality: encoded.append(quality) or encode(name, pixels, quality))
    peer = Peer(name, picture)
    assert peer.pixels(40).shape == picture.shape
    between = (peer.measured(psnr, 30) + peer.measured(psnr, 70)) / 2
    assert len(peer.file(30)) < peer.bytes_at(psnr, between) < len(peer.file(70))
    assert len(encoded) == len(set(encoded))


def test_plain_jpeg_is_that_of_libjpeg():
    from io import BytesIO

    textured(96, 80).convert("RGB").save(file := BytesIO(), "JPEG", quality=40, subsampling=2, optimize=True)
    data = Peer("jpeg", PICTURE).file(40)
    assert np.array_equal(jpeg.codec.decode(data).luma, jpeg.codec.decode(file.getvalue()).luma)
    assert abs(len(data) - len(file.getvalue())) <= 20  # the resolution in JFIF


def test_peers_that_are_not_there(monkeypatch):
    with pytest.raises(InlayError, match="expected one of jpeg, webp, avif"):
        Peer("jxl", PICTURE)
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(InlayError, match="built without avif"):
        Peer("avif", PICTURE)
