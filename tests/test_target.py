"""Targets: a size or a quality that the finished file meets, and what is said where none can."""

import io
import json
import math
import sys
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageCms
from support.pictures import coloured, file_of, psnr, texture

import inlaid
from inlaid import colour
from inlaid.encoding import encoder
from inlaid.encoding.knob import Knob
from inlaid.encoding.looks import ssimulacra2
from inlaid.encoding.target import Quality, Size
from inlaid.encoding.target_search import meet
from inlaid.formats import Made, by_name, jpeg

PICTURES = {"gray": texture(200, 150), "colour": coloured(200, 150)}
CODECS = {"trellis": {}, "turbo": {"base": "turbo"}, "jpeg2000": {"format": "jpeg2000"}}
every = pytest.mark.parametrize(("codec", "kind"), [(codec, kind) for codec in CODECS for kind in PICTURES])


def encode(pixels, codec="trellis", **target):
    return encoder.encode(pixels, effort=1, threads=1, **CODECS[codec], **target)


# ------------------------------------------------------------------------------------------------ met


@every
def test_sizes_are_met_and_a_larger_one_is_never_worse(codec, kind):
    found = [encode(PICTURES[kind], codec, target_bytes=size) for size in (2500, 4000, 7000)]
    for size, encoded in zip((2500, 4000, 7000), found, strict=True):
        assert 0.99 * size <= len(encoded.data) <= size
        assert inlaid.decode(encoded.data).shape == PICTURES[kind].shape
    reached = [encoded.psnr_db for encoded in found]
    assert reached == sorted(reached)


@every
def test_qualities_are_met(codec, kind):
    original = PICTURES[kind]
    restored = inlaid.decode(encode(original, codec, target_psnr_db=34).data)
    assert 34 <= psnr(colour.luma(restored), colour.luma(original)) <= 34.06  # colours are rounded once more
    restored = inlaid.decode(encode(original, codec, target_ssimulacra2=55).data)
    assert 55 <= ssimulacra2(original, restored) <= 55.5


def test_neighbouring_sizes_are_filled():
    sizes = range(3000, 3100, 30)
    found = [len(encode(PICTURES["gray"], target_bytes=size).data) for size in sizes]
    assert found == sorted(found) and all(0.99 * size <= each <= size for size, each in zip(sizes, found, strict=True))


def test_bits_a_pixel_are_those_of_the_whole_file():
    data = inlaid.encode(PICTURES["colour"], target_bpp=1.0, effort=1, threads=1)
    assert 0.99 <= 8 * len(data) / (200 * 150) <= 1.0


def test_a_fit_counts_with_its_payload():
    encoded = encoder.encode(texture(), target_bytes=2500, effort=2, threads=1, base="turbo")
    assert encoded.payload_bytes > 22 and 2475 <= len(encoded.data) <= 2500


@pytest.mark.parametrize("format", ["jpeg", "jpeg2000"])
def test_metadata_counts(format):
    image = Image.fromarray(PICTURES["colour"])
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.info["xmp"] = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + b" " * 1000 + b"</x:xmpmeta>"
    data = inlaid.encode(image, format=format, target_bytes=6000, effort=1, threads=1)
    assert 5940 <= len(data) <= 6000
    assert image.info["icc_profile"] in data and image.info["xmp"] in data


def test_the_same_target_gives_the_same_file():
    assert encode(PICTURES["gray"], target_psnr_db=36).data == encode(PICTURES["gray"], target_psnr_db=36).data


def test_what_was_found_gives_the_file_again():
    encoded = encode(PICTURES["gray"], target_bytes=3000)
    assert encode(PICTURES["gray"], quality=encoded.quality).data == encoded.data
    encoded = encode(PICTURES["gray"], "jpeg2000", target_bytes=3000)
    assert encoded.quality is None and 0.5 < encoded.rate_bpp < 0.9


def test_a_picture_that_can_have_no_inlay_meets_a_size():
    cmyk = Image.fromarray(PICTURES["colour"]).convert("CMYK")
    encoded = encoder.encode(cmyk, target_bytes=8000)
    assert 7920 <= len(encoded.data) <= 8000 and encoded.psnr_db is None
    with pytest.raises(inlaid.UnsupportedError, match="CMYK"):
        encoder.encode(cmyk, target_psnr_db=30)


# ------------------------------------------------------------------------------------------------ out of reach


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_out_of_reach_names_the_nearest(codec):
    original = PICTURES["gray"]
    with pytest.raises(inlaid.InlayError, match=r"a file of 90 bytes is out of reach; the smallest has (\d+) bytes") as error:
        encode(original, codec, target_bytes=90)
    least = int(str(error.value).split()[-2])
    assert len(encode(original, codec, target_bytes=least).data) == least
    with pytest.raises(inlaid.InlayError, match="a file of 500000 bytes is out of reach; the largest has"):
        encode(original, codec, target_bytes=500_000)
    with pytest.raises(inlaid.InlayError, match=r"a PSNR of 95 dB is out of reach; the best has (\d+\.\d\d) dB") as error:
        encode(original, codec, target_psnr_db=95)
    best = float(str(error.value).split()[-2])
    assert best <= encode(original, codec, target_psnr_db=best).psnr_db <= best + 0.05
    with pytest.raises(inlaid.InlayError, match=r"a PSNR of 5 dB is out of reach; the lowest has \d+\.\d\d dB"):
        encode(original, codec, target_psnr_db=5)


def test_other_targets_out_of_reach():
    original = PICTURES["colour"]
    with pytest.raises(inlaid.InlayError, match=r"0\.01 bits a pixel are out of reach; the smallest file has 0\.\d+"):
        encode(original, target_bpp=0.01)
    with pytest.raises(inlaid.InlayError, match=r"an SSIMULACRA2 of 99\.9 is out of reach; the best has \d+\.\d\d$"):
        encode(original, target_ssimulacra2=99.9)
    with pytest.raises(inlaid.InlayError, match="the coarsest file loses nothing"):
        encode(np.full((40, 40), 128, np.uint8), target_psnr_db=40)
    with pytest.raises(inlaid.UnsupportedError, match="5x5 pixels"):
        encode(original[:5, :5], target_ssimulacra2=50)


@pytest.mark.parametrize(
    "options",
    [
        {"target_bytes": 4000, "target_bpp": 1.0},
        {"target_psnr_db": 40, "target_ssimulacra2": 50},
        {"target_bytes": 4000, "quality": 50},
        {"target_bytes": 4000, "rate_bpp": 1.0, "format": "jpeg2000"},
        {"target_bytes": 0},
        {"target_psnr_db": math.nan},
    ],
)
def test_options_that_contradict_each_other(options):
    with pytest.raises(inlaid.InlayError, match="target"):
        inlaid.encode(PICTURES["gray"], **options)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    with pytest.raises(inlaid.InlayError, match=r"pip install 'inlaid\[looks\]'"):
        encode(PICTURES["gray"], target_ssimulacra2=50)


# ------------------------------------------------------------------------------------------------ the search alone


class Sized:
    """A file of some bytes, and of a PSNR that goes with them."""

    def __init__(self, size):
        self.data, self.psnr_db = bytes(size), 10 * math.log10(size)


def files(curve, gain):
    """`plain` and `encode` of a codec with this curve of bytes by quality, and the qualities that were encoded."""
    encoded = []

    def finished(made):
        encoded.append(made.quality)
        return Sized(round(curve(made.quality)) + gain(made.quality))

    return (lambda made: Sized(round(curve(made.quality)))), finished, encoded


KNOB = Knob(1.0, 100.0, 0.002, lambda x: Made(x, {}))


@pytest.mark.parametrize("wanted", [2000, 20_000, 150_000])
def test_few_files_are_encoded_although_payloads_vary(wanted):
    plain, finished, encoded = files(lambda q: 1000 * 1.06**q, lambda q: 60 + int(1e4 * q) % 10)
    found = meet(Size(wanted), [KNOB], plain, finished)
    assert 0.99 * wanted <= len(found.data) <= wanted and len(encoded) <= 4


def test_where_sizes_leap_the_nearest_below_is_taken():
    plain, finished, encoded = files(lambda q: 1000 * 2 ** (q // 10), lambda q: 22)
    assert len(meet(Size(6000), [KNOB], plain, finished).data) == 4022
    quality = Quality(10 * math.log10(6000), "a PSNR", " dB", 0.05, 0.0, lambda file: file.psnr_db)
    assert len(meet(quality, [KNOB], plain, finished).data) == 8022
    assert len(encoded) <= 12


def test_a_second_knob_is_turned_where_the_first_leaps():
    curves = {1: lambda q: 1000 * 2 ** (q // 10), 2: lambda q: 1000 * 1.06**q}
    plain, finished, _ = files(lambda q: curves[2 if q > 500 else 1](q % 500), lambda q: 22)
    second = Knob(1.0, 100.0, 0.002, lambda x: Made(500 + x, {}))
    assert 5940 <= len(meet(Size(6000), [KNOB, second], plain, finished).data) <= 6000


def test_a_plain_base_where_an_inlay_does_not_fit():
    plain, finished, _ = files(lambda q: 1000 + 10 * q, lambda q: 100)
    assert 1040 <= len(meet(Size(1050), [KNOB], plain, finished).data) <= 1050


def test_files_that_are_too_large_again_and_again():
    """Where the gain cannot be foretold, the file is smaller than it might be, never larger."""
    plain, finished, encoded = files(lambda q: 1000 * 1.06**q, lambda q: 3000 if q > 23.5 else 10)
    found = meet(Size(6000), [KNOB], plain, finished)
    assert 3000 <= len(found.data) <= 6000 and len(encoded) <= 30


# ------------------------------------------------------------------------------------------------ what it rests on


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_fractions_of_turbos_qualities_change_the_size_slightly(mode):
    image = Image.fromarray(PICTURES["colour"]).convert(mode)
    for quality in (20.0, 94.0, 99.0):
        sizes = sorted(len(jpeg.codec.encode(image, quality + i / 200, {})) for i in range(201))
        assert max(b / a for a, b in pairwise(sizes)) < 1.02
    whole = [len(jpeg.codec.encode(image, quality, {})) for quality in (50, 49.999)]
    assert whole[0] == pytest.approx(whole[1], rel=0.01)


@pytest.mark.parametrize("base", ["trellis", "turbo"])
def test_a_tilt_makes_the_lowest_steps_smaller_and_the_highest_larger(base):
    image = Image.fromarray(PICTURES["gray"])
    (even, tilted) = (Image.open(io.BytesIO(jpeg.codec.encode(image, 30, {"base": base, "tilt": tilt}))) for tilt in (0.0, 0.2))
    (even,), (tilted,) = even.quantization.values(), tilted.quantization.values()
    assert tilted[0] == pytest.approx(0.8 * even[0], abs=1.5) and tilted[63] == pytest.approx(1.2 * even[63], abs=1.5)
    with pytest.raises(inlaid.UnsupportedError, match=r"tilt 0\.7"):
        jpeg.codec.encode(image, 30, {"base": base, "tilt": 0.7})


def test_smaller_code_blocks_change_the_size_in_smaller_steps():
    codec, image = by_name("jpeg2000").codec, Image.fromarray(PICTURES["gray"])
    steps = {}
    for side in (64, 16):
        sizes = sorted({len(codec.encode(image, None, {"rate_bpp": 0.5 + i / 100, "block_px": side})) for i in range(50)})
        steps[side] = max(b / a for a, b in pairwise(sizes))
    assert steps[16] < 1 + 0.7 * (steps[64] - 1)
    with pytest.raises(inlaid.UnsupportedError, match="code blocks of 7 pixels"):
        codec.encode(image, 50, {"block_px": 7})


# ------------------------------------------------------------------------------------------------ the command


@pytest.fixture
def png(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(file_of(PICTURES["colour"]))
    return path


def test_the_command_reports_what_it_found(run, png, tmp_path):
    out = tmp_path / "out.jpg"
    report = json.loads(run("encode", png, "-o", out, "--target-size", "4k", "-e", 1, "--json").stdout)
    assert 3960 <= report["file_bytes"] == out.stat().st_size <= 4000
    assert 1 < report["quality"] < 100 and report["rate_bpp"] is None
    assert "\nquality  " in run("encode", png, "-o", out, "--target-psnr", 34, "-e", 1).stdout
    assert "\nrate     " in run("encode", png, "-o", tmp_path / "out.jp2", "--target-bpp", 1, "-e", 1).stdout


def test_the_command_fails_with_the_name_of_the_file(run, png, tmp_path):
    done = run("encode", png, "-o", tmp_path / "out.jpg", "--target-size", 90, "-e", 1)
    assert done.exit_code == 1 and not (tmp_path / "out.jpg").exists()
    assert done.stderr.startswith(f"inlaid: {png}: a file of 90 bytes is out of reach; the smallest has ")


@pytest.mark.parametrize(
    "options",
    [
        ("--target-size", "4k", "--target-bpp", 1),
        ("--target-psnr", 40, "--target-ssimulacra2", 70),
        ("--target-size", "4k", "-q", 50),
        ("--target-size", "4k", "--rate", 1, "--format", "jpeg2000"),
        ("--target-bpp", 1, "--psnr", 40, "--format", "jpeg2000"),
        ("--target-size", "many"),
        ("--target-bpp", 0),
        ("--target-ssimulacra2", 100),
    ],
)
def test_wrong_usage_of_targets(run, png, tmp_path, options):
    done = run("encode", png, "-o", tmp_path / "out", *options)
    assert done.exit_code == 2 and "--target" in done.stderr
