"""Colours: a master in any space is converted to what a viewer shows, in 8 bits and in 16."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms
from support.masters import RGB_SPACES, cmyk_profile, linear, master
from support.pictures import coloured, texture
from support.png_files import png_of

from inlaid.encoding import pictures
from inlaid.encoding.pictures import icc
from inlaid.encoding.pictures.icc import Curve
from inlaid.encoding.pictures.spaces import Space, between, conversion, is_readable
from inlaid.errors import UnsupportedError

TRUTH = coloured(96, 64, seed=5)  # sRGB
SRGB = Space("RGB")


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", RGB_SPACES)
def test_a_master_becomes_srgb(name, bits):
    space = RGB_SPACES[name]
    samples, source = master(TRUTH, *space, bits), Space("RGB", icc.colour_profile(*space))
    convert = conversion(source, SRGB)
    if bits == 8:
        found = convert(samples).astype(np.float64)
        limit = {"linear sRGB": 2.5}.get(name, 1.2)  # 8 bits are too few for linear light
    else:
        found, limit = between(convert, samples), 0.8
    change = found - TRUTH
    assert np.abs(change.mean(axis=(0, 1))).max() < 0.12
    assert np.sqrt((change**2).mean()) < limit


def test_a_gray_master():
    truth = texture(96, 64, seed=5)
    source = Space("L", icc.gray_profile(Curve(1.0)))
    convert = conversion(source, Space("L"))
    deep = np.floor(linear(truth) * 65535 + 0.5).astype(np.uint16)
    found = between(convert, deep)[..., 0]
    assert np.sqrt(((found - truth) ** 2).mean()) < 0.5
    assert abs((found - truth).mean()) < 0.1


@pytest.mark.parametrize("value", [0, 1, 40, 128, 254, 255])
def test_interpolation_meets_the_8_bit_values(value):
    convert = conversion(Space("RGB", icc.colour_profile(*RGB_SPACES["ProPhoto"])), SRGB)
    pixels = np.full((1, 4, 3), value, np.uint8)
    assert np.array_equal(between(convert, pixels.astype(np.uint16) * 257), convert(pixels))


def test_one_space_by_two_profiles_is_not_converted():
    """Otherwise a master would lose quality because of its own profile."""
    described = icc.colour_profile(icc.SRGB, icc.SRGB_CURVE)
    of_lcms = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (described, of_lcms):
        assert conversion(Space("RGB", profile), SRGB) is None
        assert conversion(SRGB, Space("RGB", profile)) is None
    assert conversion(Space("RGB", described), Space("RGB", of_lcms)) is None
    wide = Space("RGB", icc.colour_profile(*RGB_SPACES["Display P3"]))
    assert conversion(wide, wide) is None
    assert conversion(Space("L"), SRGB) is None
    assert conversion(SRGB, Space("L")) is None


def test_gray_and_colour():
    """Gray without a profile is taken as sRGB."""
    gray = texture(40, 30)
    image, _ = pictures.prepare(Image.fromarray(gray), target=SRGB)
    assert np.array_equal(np.asarray(image), np.dstack([gray] * 3))
    image, _ = pictures.prepare(Image.fromarray(TRUTH), target=Space("L"))
    assert np.array_equal(np.asarray(image), pictures.luma(Image.fromarray(TRUTH)))
    wide = RGB_SPACES["Display P3"]
    image, _ = pictures.prepare(Image.fromarray(gray), target=Space("RGB", icc.colour_profile(*wide)))
    assert np.abs(np.asarray(image).astype(int) - gray[..., None]).max() <= 1  # P3 has sRGB's curve and white, so grays are the same


def test_a_cmyk_master():
    inks = np.dstack([255 - TRUTH, np.zeros(TRUTH.shape[:2], np.uint8)])
    image = Image.frombytes("CMYK", (TRUTH.shape[1], TRUTH.shape[0]), inks.tobytes())
    image.info["icc_profile"] = cmyk_profile()
    found, _ = pictures.prepare(image, target=SRGB)
    change = np.asarray(found).astype(np.float64) - TRUTH
    assert np.sqrt((change**2).mean()) < 1.5
    assert np.abs(change.mean(axis=(0, 1))).max() < 0.6


def test_what_cannot_be_converted_is_refused():
    with pytest.raises(UnsupportedError, match="CMYK without an ICC profile"):
        pictures.prepare(Image.new("CMYK", (8, 8)), target=SRGB)
    one_way = Space("RGB", cmyk_profile())  # has no table back to ink
    with pytest.raises(UnsupportedError, match="cannot be converted"):
        conversion(SRGB, Space("CMYK", one_way.icc))


def test_a_profile_that_does_not_fit_is_left_out():
    """Viewers ignore it too."""
    image = Image.fromarray(TRUTH)
    image.info["icc_profile"] = icc.gray_profile(Curve(2.2))
    for target in (None, SRGB):
        found, notes = pictures.prepare(image, target=target)
        assert np.array_equal(np.asarray(found), TRUTH)
        assert "icc_profile" not in found.info
        assert notes == ("the ICC profile is for GRAY, the pixels are RGB; it was left out",)


def test_a_profile_that_cannot_be_read_is_kept_and_not_used():
    image = Image.fromarray(TRUTH)
    image.info["icc_profile"] = b"no profile"
    found, notes = pictures.prepare(image)
    assert np.array_equal(np.asarray(found), TRUTH) and found.info["icc_profile"] == b"no profile"
    assert notes == ("the ICC profile cannot be read here; it was kept as it is",)
    found, notes = pictures.prepare(image, target=SRGB)
    assert np.array_equal(np.asarray(found), TRUTH) and "icc_profile" not in found.info
    assert notes == ("the ICC profile cannot be read; the colours were taken for sRGB",)


def test_a_curve_that_claims_too_much_is_not_read():
    """LittleCMS would allocate 200 MB for it."""
    sound = icc.gray_profile(Curve(1.0))
    tag = sound.index(b"kTRC")
    place = int.from_bytes(sound[tag + 4 : tag + 8], "big")
    for entries, readable in ((0, True), (10, True), (11, False), (100_000_000, False)):
        curve = b"curv" + bytes(4) + struct.pack(">I", entries)
        assert is_readable(sound[:place] + curve + sound[place + 12 :]) == readable


# ------------------------------------------------------------------------------------------------ colours of PNG files


def png(chunks, pixels=TRUTH):
    return png_of(pixels, 16 if pixels.dtype == np.uint16 else 8, 2 if pixels.ndim == 3 else 0, *chunks)


def chromaticities(primaries):
    points = (primaries.white, primaries.red, primaries.green, primaries.blue)
    return b"cHRM", struct.pack(">8I", *(round(value * 1e5) for point in points for value in point))


def gamma(value):
    return b"gAMA", struct.pack(">I", round(value * 1e5))


def test_png_says_nothing_or_srgb():
    p3 = RGB_SPACES["Display P3"][0]
    for chunks in ([], [gamma(1 / 2.2)], [gamma(1 / 2.2), chromaticities(icc.SRGB)], [(b"sRGB", b"\0"), gamma(1.0)],
                   [(b"cICP", bytes((1, 13, 0, 1))), gamma(1.0), chromaticities(p3)]):  # fmt: skip
        image, notes = pictures.prepare(pictures.open_picture(png(chunks)))
        assert np.array_equal(np.asarray(image), TRUTH), chunks
        assert not notes and "icc_profile" not in image.info


def test_gamma_alone_becomes_srgb():
    samples = master(TRUTH, icc.SRGB, Curve(1.0), 16)
    for source in (pictures.open_picture(png([gamma(1.0)], samples)), Image.open(io.BytesIO(png([gamma(1.0)], samples)))):
        image, notes = pictures.prepare(source)
        assert np.sqrt(((np.asarray(image).astype(float) - TRUTH) ** 2).mean()) < 0.9
        assert notes == ("the pixels were converted from the picture's gamma of 1 (gAMA) to sRGB",)
        assert "icc_profile" not in image.info
    gray = texture(96, 64, seed=5)
    deep = np.floor(linear(gray) * 65535 + 0.5).astype(np.uint16)
    image, _ = pictures.prepare(pictures.open_picture(png([gamma(1.0)], deep)))
    assert np.sqrt(((pictures.luma(image).astype(float) - gray) ** 2).mean()) < 0.9


@pytest.mark.parametrize("chunk", ["cICP", "cHRM"])
def test_wide_primaries_become_a_profile(chunk):
    """The colours are kept: pixels and profile together give the truth."""
    primaries, curve = RGB_SPACES["Display P3"]
    samples = master(TRUTH, primaries, curve, 8)
    chunks = [(b"cICP", bytes((12, 13, 0, 1)))] if chunk == "cICP" else [gamma(1 / 2.2), chromaticities(primaries)]
    image, notes = pictures.prepare(pictures.open_picture(png(chunks, samples)))
    assert np.abs(np.asarray(image).astype(int) - samples).max() <= 1
    seen = conversion(Space("RGB", image.info["icc_profile"]), SRGB)(np.asarray(image)).astype(np.float64)
    assert np.sqrt(((seen - TRUTH) ** 2).mean()) < 1.2
    assert len(notes) == 1 and chunk in notes[0]
    image, notes = pictures.prepare(pictures.open_picture(png(chunks, samples)), target=SRGB)
    assert np.sqrt(((np.asarray(image).astype(float) - TRUTH) ** 2).mean()) < 1.2


def test_hdr_is_noted_and_not_compared():
    data = png([(b"cICP", bytes((9, 16, 0, 1)))])
    image, notes = pictures.prepare(pictures.open_picture(data))
    assert np.array_equal(np.asarray(image), TRUTH)
    assert len(notes) == 1 and "PQ" in notes[0]
    with pytest.raises(UnsupportedError, match="PQ"):
        pictures.prepare(pictures.open_picture(data), target=SRGB)


@pytest.mark.parametrize("body", [b"", bytes(32), b"\xff" * 32, b"\0\0"])
@pytest.mark.parametrize("kind", [b"cHRM", b"gAMA", b"cICP"])
def test_nonsense_about_colours_is_noted(kind, body):
    image, notes = pictures.prepare(pictures.open_picture(png([(kind, body)])))
    assert np.array_equal(np.asarray(image), TRUTH)
    assert len(notes) == 1, notes
