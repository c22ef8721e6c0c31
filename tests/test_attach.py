"""`attach`: the inlay is made for a given base and measured against what a viewer sees of the master."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from support.masters import RGB_SPACES, cmyk_profile, linear, master
from support.pictures import coloured, jpeg_of, psnr, texture

import inlaid
from inlaid.encoding import encoder, pictures
from inlaid.encoding.pictures import icc
from inlaid.encoding.pictures.given import picture_of
from inlaid.encoding.pictures.icc import Curve
from inlaid.encoding.pictures.picture import Picture
from inlaid.errors import FormatError, UnsupportedError

EFFORT = 1


def true_gain(encoded, truth):
    """The gain in dB for the luma of an sRGB picture."""
    luma = pictures.luma(truth)
    base, restored = (pictures.luma(inlaid.decode_image(encoded.data, base=b)) for b in (True, False))
    return psnr(restored, luma) - psnr(base, luma)


def masters(truth, gray):
    """Pictures of the same colours as `truth` (sRGB) and `gray` in other spaces, each with its truth."""
    for name, (primaries, curve) in RGB_SPACES.items():
        for bits in (8, 16):
            samples = master(np.asarray(truth), primaries, curve, bits)
            if name == "linear sRGB" and bits == 8:
                continue  # 8 bits of linear light lose too much
            profile = icc.colour_profile(primaries, curve)
            found = picture_of(samples)
            yield f"{name}, {bits} bits", Picture(found.samples, {"icc_profile": profile}), truth
    light = np.floor(linear(np.asarray(gray)) * 65535 + 0.5).astype(np.uint16)
    found = picture_of(light)
    yield "gray of gamma 1", Picture(found.samples, {"icc_profile": icc.gray_profile(Curve(1.0))}), gray
    inks = np.dstack([255 - np.asarray(truth), np.zeros(truth.size[::-1], np.uint8)])
    cmyk = Image.frombytes("CMYK", truth.size, inks.tobytes())
    cmyk.info["icc_profile"] = cmyk_profile()
    yield "CMYK", cmyk, truth


@pytest.mark.parametrize("seed", range(5))
def test_the_gain_is_true_for_a_viewer(seed):
    truth, gray = Image.fromarray(coloured(160, 128, seed)), Image.fromarray(texture(160, 128, seed))
    bases = {each.mode: jpeg_of(each, quality=40) for each in (truth, gray)}
    for name, picture, seen in masters(truth, gray):
        encoded = encoder.attach(bases[seen.mode], picture, effort=EFFORT)
        assert encoded.payload is not None, (name, encoded.reason)
        assert inlaid.strip(encoded.data) == bases[seen.mode]
        reported, true = encoded.psnr_db - encoded.psnr_base_db, true_gain(encoded, seen)
        assert reported == pytest.approx(true, abs=0.05), name
        assert true > 0.3, name


def test_a_base_in_a_space_of_its_own():
    """A wide-gamut base and an sRGB master are compared in the base's space."""
    truth = coloured(160, 128, 2)
    space = RGB_SPACES["Display P3"]
    profile = icc.colour_profile(*space)
    wide = Image.fromarray(master(truth, *space, 8))
    base = jpeg_of(wide, quality=40, icc_profile=profile)
    encoded = encoder.attach(base, Image.fromarray(truth), effort=EFFORT)
    assert encoded.payload is not None
    reported = encoded.psnr_db - encoded.psnr_base_db
    assert reported == pytest.approx(true_gain(encoded, wide), abs=0.05)


def test_a_deep_master_is_rounded():
    """With 16 bits cut to 8, the network would learn an offset of a third of a grey level."""
    truth = coloured(160, 128, 1).astype(np.uint16) * 257 // 4
    noisy = np.minimum(truth + np.random.default_rng(0).integers(0, 257, truth.shape), 65535).astype(np.uint16)
    exact = (noisy / 257).mean()
    image, _ = pictures.prepare(noisy)
    assert np.asarray(image).mean() == pytest.approx(exact, abs=0.01)


def smoothed(pixels, quality):
    """The picture without the small coefficients of its blocks.  Its JPEG file of this quality is smaller and has more error, as after a
    trellis."""
    k = np.arange(8)
    basis = np.sqrt(np.where(k == 0, 1, 2) / 8)[:, None] * np.cos(np.pi * k[:, None] * (2 * k + 1) / 16)
    table = np.array(Image.open(io.BytesIO(jpeg_of(pixels, quality=quality))).quantization[0]).reshape(8, 8)
    height, width = pixels.shape
    blocks = (pixels.astype(float) - 128).reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)
    found = basis @ blocks @ basis.T
    found = np.where((np.abs(found / table) < 0.75) & (np.add.outer(k, k) > 2), 0, found)
    back = (basis.T @ found @ basis).swapaxes(1, 2).reshape(height, width) + 128
    return np.clip(np.rint(back), 0, 255).astype(np.uint8)


def test_a_foreign_base_is_judged_as_it_is():
    """A base with fewer bytes and more error than libjpeg's file of the same tables still gets an inlay."""
    original = texture(160, 120, 3)
    base, usual = (jpeg_of(p, quality=40, optimize=True) for p in (smoothed(original, 40), original))
    errors = [np.mean((inlaid.decode(data).astype(float) - original) ** 2) for data in (base, usual)]
    assert len(base) < len(usual) and errors[0] > errors[1]
    encoded = encoder.attach(base, original, effort=EFFORT)
    assert encoded.payload is not None, encoded.reason
    assert encoded.psnr_db > encoded.psnr_base_db + 0.3


def test_nothing_is_attached_that_brings_nothing():
    original = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    encoded = encoder.attach(jpeg_of(original, quality=95), original, effort=EFFORT)
    assert encoded.payload is None and "worth its bytes" in encoded.reason


# ------------------------------------------------------------------------------------------------ turned pictures


def oriented(number):
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 1, number) + bytes(4)


@pytest.mark.parametrize("stored", [True, False], ids=["as stored", "upright"])
@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("size", [(160, 128), (128, 128)])
def test_a_master_may_be_upright_or_as_stored(size, number, stored):
    pixels = Image.fromarray(coloured(*size, 4))
    base = jpeg_of(pixels, quality=30, exif=oriented(number))
    original = pixels if stored else pictures.prepare(Picture(pixels, {"exif": oriented(number)}))[0]
    encoded = encoder.attach(base, original, effort=1)
    assert encoded.psnr_base_db > 24  # it was compared with the picture as it stands, not turned
    assert encoded.payload is not None


def test_a_master_of_another_size_is_refused():
    base = jpeg_of(coloured(160, 128, 4), exif=oriented(6))
    with pytest.raises(FormatError, match=r"the original has 100x90 pixels, the base 160x128 \(or 128x160, upright\); expected"):
        encoder.attach(base, coloured(100, 90), effort=1)
    with pytest.raises(FormatError, match="the original has 100x90 pixels, the base 160x128; expected"):
        encoder.attach(jpeg_of(coloured(160, 128, 4)), coloured(100, 90), effort=1)


def test_a_base_that_cannot_carry_an_inlay_stays_as_it_is():
    """The master is not read."""
    base = jpeg_of(Image.new("CMYK", (32, 24)))
    encoded = encoder.attach(base, coloured(8, 8))
    assert encoded.data == base and encoded.reason == "no inlay: it cannot apply to this file (CMYK)"
    # A DNL segment behind the scan gives the height; the frame header holds 0.
    whole = jpeg_of(texture(64, 48))
    at = whole.index(b"\xff\xc0")
    lines = whole[: at + 5] + b"\0\0" + whole[at + 7 : -2] + b"\xff\xdc\0\4" + whole[at + 5 : at + 7] + whole[-2:]
    encoded = encoder.attach(lines, texture(64, 48))
    assert encoded.data == lines and "DNL" in encoded.reason


def test_a_cmyk_master_without_a_profile_is_refused():
    with pytest.raises(UnsupportedError, match="CMYK without an ICC profile"):
        encoder.attach(jpeg_of(coloured(32, 24)), Image.new("CMYK", (32, 24)))


# ------------------------------------------------------------------------------------------------ the caller's picture


@pytest.mark.parametrize("format", ["GIF", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("call", ["encode", "attach"])
def test_the_pixels_that_were_drawn_are_encoded(format, call):
    """What was drawn on a frame is encoded, and the image stays at that frame."""
    pages = [Image.fromarray(texture(64, 48, seed)) for seed in (1, 2, 3)]
    file = io.BytesIO()
    pages[0].save(file, format, save_all=True, append_images=pages[1:], **({"lossless": True} if format == "WEBP" else {}))
    for page in (0, 1):
        image = Image.open(file)
        image.seek(page)
        image.load()
        white = 255 if image.mode in ("L", "P") else (255,) * len(image.getbands())
        image.paste(white, (8, 8, 40, 40))
        before, place, info = image.tobytes(), image.tell(), dict(image.info)
        expected = np.asarray(image.convert("RGB"))
        if call == "encode":
            shown = inlaid.decode(inlaid.encode(image, quality=95, effort=1), base=True)
            assert np.abs(shown.reshape(*shown.shape[:2], -1).mean(axis=2) - expected.mean(axis=2)).mean() < 4
        else:
            encoded = encoder.attach(jpeg_of(image.convert("RGB"), quality=95), image, effort=1)
            assert encoded.psnr_base_db > 30
        assert (image.tobytes(), image.tell(), dict(image.info)) == (before, place, info)


@pytest.mark.parametrize("format", ["GIF", "TIFF", "PNG", "JPEG"])
def test_an_image_that_is_not_decoded_yet_stays_so(format, tmp_path):
    file = tmp_path / "picture"
    Image.fromarray(texture(64, 48, 1)).save(file, format)
    with Image.open(file) as image:
        tiles = list(image.tile)
        inlaid.encode(image, quality=30, effort=1)
        assert image.tile == tiles
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(file)))


def test_a_draft_is_encoded_as_a_draft():
    image = Image.open(io.BytesIO(jpeg_of(coloured(160, 128))))
    image.draft("L", (80, 64))
    assert inlaid.decode(inlaid.encode(image, quality=50, effort=1)).shape == (64, 80)
