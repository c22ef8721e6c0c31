"""End to end: from a picture to a file with an inlay and back, and every case in which the file is left as it is."""

import io
import warnings
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from support.inlays import sealed
from support.pictures import coloured, file_of, halves, jpeg_of, psnr, texture
from support.programs import output, program
from support.selection import first, slow

import inlaid
from inlaid import decoder, native, payload, priors, reference, restoration
from inlaid.encoding import encoder, pictures, presets
from inlaid.encoding.bases import Base
from inlaid.encoding.fit import Problem, fit, mean_squared_error
from inlaid.encoding.rate_slope import RateCurve
from inlaid.errors import FormatError, InlayError, InlayWarning, LimitError, UnsupportedError
from inlaid.formats import Made, jpeg
from inlaid.network import Network
from inlaid.parameters import UNIT, Areas, Sets

pytestmark = pytest.mark.filterwarnings("error")  # a warning that no test expects is a failure


def luma_of(image):
    """(H, W): the luma as libjpeg's encoder computes it, rounded to nearest."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    if image.mode == "L":
        return np.asarray(image)
    red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(int), 2, 0)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)


def shown(data):
    """The base as Pillow shows it."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image if image.mode == "L" else image.convert("RGB"))


def restored_luma(data):
    """The luma that the reference decoder restores from the bytes of the file."""
    found = payload.read(jpeg.container.extract(data), priors.network_of)
    luma = jpeg.codec.decode(data).luma
    sets = decoder.integer_parameters(found, luma.shape)
    assert sets.areas is None
    return reference.restore(found.network, sets.parameters[0], luma)


def pixels_as_format_says(data):
    """The restored pixels by FORMAT.md, section 7, in plain integers."""
    base, luma = jpeg.codec.decode(data), restored_luma(data).astype(np.int64)
    planes = np.asarray(base.image).astype(np.int64)
    if base.model == "gray":
        return luma
    if base.model == "rgb":
        return np.clip(planes + (luma - base.luma)[..., None], 0, 255)
    b, r = (planes[..., k] - 128 for k in (1, 2))
    red, blue = luma + (91881 * r + 32768 >> 16), luma + (116130 * b + 32768 >> 16)
    return np.clip(np.stack([red, luma + (-22554 * b - 46802 * r + 32768 >> 16), blue], -1), 0, 255)


def decoded_with_warning(data):
    with pytest.warns(InlayWarning) as warned:
        pixels = inlaid.decode(data)
    assert len(warned) == 1
    return pixels, str(warned[0].message)


def assert_whole(encoded, original):
    """Checks what must hold for every file with an inlay."""
    data, base = encoded.data, inlaid.strip(encoded.data)
    assert jpeg.container.extract(base) is None
    assert len(base) == encoded.base_bytes
    assert len(data) == encoded.base_bytes + encoded.payload_bytes
    # Any viewer sees the base.
    assert np.array_equal(shown(data), shown(base))
    assert np.array_equal(inlaid.decode(data, base=True), shown(base))
    assert np.array_equal(inlaid.decode(base), shown(base))
    # The reported gain is that of the file.
    luma, original_luma = restored_luma(data), luma_of(original)
    pixels = inlaid.decode(data)
    assert np.array_equal(pixels, pixels_as_format_says(data))
    assert pixels.dtype == np.uint8
    assert psnr(luma, original_luma) == pytest.approx(encoded.psnr_db, abs=1e-9)
    assert psnr(jpeg.codec.decode(base).luma, original_luma) == pytest.approx(encoded.psnr_base_db, abs=1e-9)
    assert encoded.psnr_db > encoded.psnr_base_db
    # `info` reports it.
    report = inlaid.info(data)
    assert report["inlay"]["state"] == "matches"
    assert report["inlay"]["gain_db"] == pytest.approx(encoded.psnr_db - encoded.psnr_base_db, abs=0.0101)
    assert report["inlay"]["payload_bytes"] == encoded.payload_bytes
    assert report["file_bytes"] == len(data)
    assert report["base_bytes"] == len(base)
    assert inlaid.info(base)["inlay"] is None


def assert_no_plain_base_is_better(encoded, original, quality, options):
    """Checks plain bases of this and all higher qualities whose file is not larger."""
    bases = [jpeg.codec.encode(Image.fromarray(original), better, options) for better in range(quality, 101)]
    for base in (base for base in bases if len(base) <= len(encoded.data)):
        assert psnr(jpeg.codec.decode(base).luma, luma_of(original)) <= encoded.psnr_db


def assert_plain(encoded, *words):
    """Checks that there is no inlay, and that the reason has these words."""
    assert jpeg.container.extract(encoded.data) is None
    assert encoded.payload is None
    assert encoded.payload_bytes == 0
    assert encoded.reason.startswith("no inlay: ")
    for word in words:
        assert word in encoded.reason


# ------------------------------------------------------------------------------------------------ encode

GRAY, COLOUR = texture(200, 150), coloured(200, 150)
ENCODINGS = {
    "gray": (GRAY, {"effort": 2}),
    "gray, odd size": (texture(139, 101, 2), {"quality": 15}),
    "gray, three columns of blocks": (texture(24, 400, 3), {}),
    "gray, progressive, not optimised": (GRAY, {"base": "turbo", "progressive": True, "optimize": False}),
    "gray, quality 30": (GRAY, {"quality": 30, "effort": 3}),
    "gray, quality 75": (GRAY, {"quality": 75}),
    "444": (COLOUR, {"subsampling": "444"}),
    "422": (COLOUR, {"subsampling": "422"}),
    "420": (COLOUR, {"subsampling": "420", "effort": 2}),
    "420, odd size": (coloured(139, 101, 2), {"quality": 15, "effort": 2}),
    "420, progressive": (COLOUR, {"progressive": True}),
    "420, not optimised": (COLOUR, {"base": "turbo", "optimize": False}),
    "420, libjpeg's": (COLOUR, {"base": "turbo"}),
    "420, for its PSNR": (COLOUR, {"tune": "psnr"}),
    "420, without the loop": (COLOUR, {"legacy_loss_db": 0}),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_encode(name):
    original, options = ENCODINGS[name]
    encoded = encoder.encode(original, **{"quality": 20, "effort": 1, **options})
    assert encoded.payload is not None, encoded.reason
    assert_whole(encoded, original)
    gain = encoded.psnr_db - encoded.psnr_base_db
    assert gain > 0.3
    assert encoded.reason == f"the inlay brings {gain:.2f} dB for {encoded.payload_bytes} bytes"
    base = inlaid.info(encoded.data)["base"]
    assert (base["height"], base["width"]) == original.shape[:2]
    expected = "gray" if original.ndim == 2 else ":".join(options.get("subsampling", "420"))
    assert base["subsampling"] == expected
    if options.get("base") == "turbo" or "progressive" in options:
        assert base["progressive"] == options.get("progressive", False)
    if not base["progressive"]:
        assert base["optimized_huffman"] == options.get("optimize", True)


def test_the_base_is_what_pillow_writes():
    settings = {"quality": 25, "progressive": True, "optimize": True}
    data = inlaid.encode(COLOUR, quality=25, effort=1, base="turbo", legacy_loss_db=0, subsampling="422", progressive=True)
    assert jpeg.container.extract(data) is not None
    assert inlaid.strip(data) == jpeg_of(COLOUR, subsampling=1, **settings)


@pytest.mark.parametrize("effort", first([1, 3]))
@pytest.mark.parametrize("quality", [10, 30, 80])
@pytest.mark.parametrize("original", [GRAY, COLOUR, texture(64, 48, 5)], ids=["gray", "colour", "small"])
@pytest.mark.parametrize("base", jpeg.codec.BASES)
def test_never_worse_than_a_plain_base_of_the_same_size(effort, quality, original, base):
    """Compared with all higher qualities whose file is not larger."""
    how = {"base": base, "tune": "psnr"}
    assert_no_plain_base_is_better(encoder.encode(original, quality=quality, effort=effort, **how), original, quality, how)


def test_more_effort_is_worth_it():
    """In a larger picture the bytes of the payload hardly count."""
    original = texture(320, 240, 1)
    gains = []
    for effort in (1, 2, 4):
        encoded = encoder.encode(original, quality=30, effort=effort)
        gains.append(encoded.psnr_db - encoded.psnr_base_db)
    assert gains[1] > gains[0] + 0.2
    assert gains[2] > gains[1] + 0.05


def test_effort_1_takes_the_prior_as_it_is():
    encoded = encoder.encode(GRAY, quality=20, effort=1)
    assert encoded.payload.coded == b""
    assert encoded.payload.prior > 0
    assert encoded.payload_bytes == 22
    assert encoded.fit is None
    prior = priors.prior(encoded.payload.prior)
    assert np.array_equal(decoder.integer_parameters(encoded.payload, (1, 1)).parameters, [prior.values])


def test_the_fit_is_reported():
    steps = []
    encoded = encoder.encode(GRAY, quality=20, effort=2, progress=lambda *step: steps.append(step))
    assert len(encoded.fit.history) == 25
    assert encoded.fit.reason == "all 25 steps were made"
    assert steps[-1] == (25, 25)


@pytest.mark.parametrize("preset", ["default", "paper", slow(None)])
def test_deterministic(preset):
    options = {"quality": 20, "effort": 2, "preset": preset, "threads": 2, "seed": 3}
    first, second = (inlaid.encode(COLOUR, **options) for _ in range(2))
    assert first == second
    assert (jpeg.container.extract(first) is not None) or preset == "paper"


def test_the_number_of_threads_changes_no_decoded_byte():
    original = texture(200, 260)  # rows enough for three bands
    for threads in (1, 3):
        encoded = encoder.encode(original, quality=20, effort=2, threads=threads)
        assert_whole(encoded, original)
        assert np.array_equal(inlaid.decode(encoded.data, threads=1), inlaid.decode(encoded.data, threads=3))


@pytest.mark.parametrize("path", native.ALL_PATHS)
def test_every_path_decodes_to_the_same_bytes(path, monkeypatch):
    if path not in native.paths():
        pytest.skip(f"this machine or build has no {path} path")
    data = inlaid.encode(COLOUR, quality=20, effort=1)
    monkeypatch.setenv("INLAID_PATH", path)
    assert np.array_equal(inlaid.decode(data), pixels_as_format_says(data))


@pytest.mark.parametrize("codec", first(["jpeg", "jpeg2000"]))
def test_the_paper_preset(codec):
    """The paper's network with instance norm, fitted from the prior of its own recipe."""
    original = texture(256, 192, 2)
    how = {"quality": 10} if codec == "jpeg" else {"rate_bpp": 0.4}
    encoded = encoder.encode(original, format=codec, effort=4, preset="paper", **how)
    assert encoded.payload is not None, encoded.reason
    assert psnr(inlaid.decode(encoded.data), original) == pytest.approx(encoded.psnr_db)
    alone = encoder.encode(original, format=codec, effort=1, preset="paper", **how)
    assert encoded.psnr_db > max(alone.psnr_db, encoded.psnr_base_db + (0.5 if codec == "jpeg" else 0.2))
    stored = priors.stored(encoded.payload.prior)
    assert stored["codec"] == codec and stored["provenance"]["recipe"] == "paper"
    assert (encoded.payload.network.weights, encoded.payload.network.size) == (378, 402)


def test_the_paper_preset_on_a_picture_of_several_instances():
    """Each step sees one block, and the norm's statistics are pooled over tiles."""
    original = texture(1024, 640, 2)
    encoded = encoder.encode(original, quality=10, effort=3, preset="paper")
    assert encoded.payload is not None, encoded.reason
    assert_whole(encoded, original)
    assert encoded.psnr_db > encoded.psnr_base_db + 0.5


def test_normed_fits_begin_where_the_training_ended():
    """The prior is that network with the norm folded into it, so both restore a picture much alike; a fit from there is better at once."""
    prior, start = priors.prior(19), priors.normed_start(19)
    assert priors.normed_start(1) is None
    original = texture(256, 192, 2)
    base = jpeg.codec.decode_luma(jpeg_of(original, quality=20))
    values = (prior.values / UNIT).astype(np.float32)
    problem = Problem(prior.network, base, original, like=values)
    as_it_is, folded, fitted, from_values = (
        mean_squared_error(problem, p)
        for p in (
            values,
            *(fit(problem, start, presets.PRESETS["paper"].at(effort)).parameters for effort in (1, 2)),
            fit(problem, values, presets.PRESETS["paper"].at(2)).parameters,
        )
    )
    plain = ((base.astype(float) - original) ** 2).mean()
    assert as_it_is < 0.97 * plain and abs(folded - as_it_is) < 0.15 * plain
    assert fitted < min(as_it_is, folded, from_values)


@pytest.mark.parametrize("preset", first(presets.ABLATIONS))
def test_ablations_make_whole_files(preset):
    original = texture(256, 192, 2)
    encoded = encoder.encode(original, quality=20, effort=3, preset=preset)
    assert encoded.payload is not None, encoded.reason
    assert encoded.payload.prior in {"random": [0], "papers-prior": [19]}.get(preset, [n for n in priors.files() if n not in (0, 19)])
    assert_whole(encoded, original)


def test_a_payload_without_a_prior_end_to_end(monkeypatch):
    """With no prior shipped, the default preset fits from random weights, and the network stands in the payload."""
    monkeypatch.setattr(priors, "candidates", lambda codec, network, recipe: [])
    original = texture(256, 192, 2)
    encoded = encoder.encode(original, quality=20, effort=4)
    assert encoded.payload is not None, encoded.reason
    assert encoded.payload.prior == 0
    assert_whole(encoded, original)
    network = inlaid.info(encoded.data)["inlay"]["network"]
    assert (network["channels"], network["layers"], network["kernel"], network["weights"], network["biases"]) == (6, 3, 3, 378, 24)


def test_what_is_measured_is_the_luma_against_the_original():
    encoded = encoder.encode(COLOUR, quality=20, effort=1)
    before, after = shown(encoded.data).astype(float), inlaid.decode(encoded.data).astype(float)
    assert psnr(after, COLOUR) > psnr(before, COLOUR) + 0.3  # in RGB too


# ------------------------------------------------------------------------------------------------ no inlay


def test_flat_colour():
    for original in (np.full((90, 120), 77, np.uint8), np.full((64, 64, 3), (200, 30, 90), np.uint8)):
        encoded = encoder.encode(original, quality=30, effort=2)
        assert_plain(encoded)
        assert np.array_equal(inlaid.decode(encoded.data), shown(encoded.data))
    assert_plain(encoder.encode(np.full((90, 120), 128, np.uint8), effort=2), "the base has lost nothing")


@pytest.mark.parametrize(("quality", "spread"), [(10, 3), (75, 60), (95, 60)])
def test_noise(quality, spread):
    noise = np.clip(np.random.default_rng(0).normal(128, spread, (96, 128)), 0, 255).astype(np.uint8)
    encoded = encoder.encode(noise, quality=quality, effort=2)
    assert_plain(encoded)
    assert encoded.data == jpeg.codec.encode(Image.fromarray(noise), quality, {"base": "trellis"})


@pytest.mark.parametrize(("quality", "spread"), [(20, 8), (75, 8), (10, 80)])
def test_noise_that_gains(quality, spread):
    """Coarse steps remove much of the noise and leave the rest too small or too large.  Scaling it is a gain."""
    noise = np.clip(np.random.default_rng(0).normal(128, spread, (96, 128)), 0, 255).astype(np.uint8)
    how = {"base": "turbo"}
    encoded = encoder.encode(noise, quality=quality, effort=2, **how)
    if encoded.payload is None:
        assert_plain(encoded)
    else:
        assert_whole(encoded, noise)
        assert_no_plain_base_is_better(encoded, noise, quality, how)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (1, 40)])
@pytest.mark.parametrize("effort", [1, 3])
def test_tiny_pictures(shape, effort):
    original = texture(*shape[::-1], seed=1)
    encoded = encoder.encode(original, quality=20, effort=effort)
    assert_plain(encoded)
    assert encoded.data == jpeg.codec.encode(Image.fromarray(original), 20, {"base": "trellis"})
    assert inlaid.decode(encoded.data).shape == shape
    assert_plain(encoder.encode(coloured(*shape[::-1], seed=1), quality=20, effort=1))


def test_flat_base_of_an_original_that_is_not():
    """The base is flat.  A fit has nothing to learn from, and must not fail."""
    original = np.clip(128 + np.random.default_rng(1).normal(0, 1.5, (64, 64)), 0, 255).round().astype(np.uint8)
    assert len(np.unique(jpeg.codec.decode(jpeg_of(original, quality=5)).luma)) == 1
    for preset in ("default", "paper"):
        encoded = encoder.encode(original, quality=5, effort=2, preset=preset)
        assert encoded.psnr_db >= encoded.psnr_base_db


def test_cmyk_comes_out_plain():
    picture = Image.fromarray(coloured(120, 90)).convert("CMYK")
    encoded = encoder.encode(picture, quality=30, effort=2)
    assert_plain(encoded, "CMYK")
    assert encoded.psnr_db is None
    assert jpeg.container.describe(encoded.data)["components"] == 4


# ------------------------------------------------------------------------------------------------ kinds of originals


def test_arrays_and_images_are_the_same():
    expected = inlaid.encode(COLOUR, quality=20, effort=1)
    assert jpeg.container.extract(expected) is not None
    assert inlaid.encode(Image.fromarray(COLOUR), quality=20, effort=1) == expected
    assert inlaid.encode(np.asfortranarray(COLOUR), quality=20, effort=1) == expected
    assert inlaid.encode(COLOUR[::1].astype(np.uint16) * 257, quality=20, effort=1) == expected
    opaque = np.dstack([COLOUR, np.full(COLOUR.shape[:2], 255, np.uint8)])
    assert inlaid.encode(opaque, quality=20, effort=1) == expected
    gray = inlaid.encode(GRAY, quality=20, effort=1)
    assert inlaid.encode(GRAY[..., None], quality=20, effort=1) == gray
    assert inlaid.encode(GRAY.astype(np.uint16) * 257, quality=20, effort=1) == gray
    assert inlaid.encode(Image.fromarray(GRAY.astype(np.uint16) * 257), quality=20, effort=1) == gray
    assert inlaid.encode(Image.fromarray(GRAY).convert("LA"), quality=20, effort=1) == gray


def test_sixteen_bits_are_rounded():
    """(v + 128) // 257 is the nearest 8-bit value."""
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    prepared, notes = pictures.prepare(values)
    expected = np.rint(values / 257.0).astype(np.uint8)
    assert np.array_equal(np.asarray(prepared), expected)
    assert notes == ()


def test_palette_and_two_levels():
    palette = Image.fromarray(COLOUR).quantize(32)
    encoded = encoder.encode(palette, quality=20, effort=1)
    assert_whole(encoded, palette.convert("RGB"))
    bits = Image.fromarray(GRAY).convert("1")
    encoded = encoder.encode(bits, quality=20, effort=1)
    assert encoded.data == inlaid.encode(bits.convert("L"), quality=20, effort=1)


def test_transparency_is_laid_on_white():
    alpha = np.where(np.add.outer(np.arange(150), np.arange(200)) > 170, 255, 0).astype(np.uint8)
    encoded = encoder.encode(np.dstack([COLOUR, alpha]), quality=20, effort=1)
    on_white = np.where(alpha[..., None] > 0, COLOUR, 255)
    assert_whole(encoded, on_white.astype(np.uint8))
    assert any("white" in note for note in encoded.notes)


def test_orientation_and_metadata_of_the_original():
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    exif[0x010E] = "a description"
    file = file_of(COLOUR, exif=exif, icc_profile=b"a profile" * 20)
    encoded = encoder.encode(Image.open(io.BytesIO(file)), quality=20, effort=1)
    upright = np.rot90(COLOUR, -1)
    assert_whole(encoded, upright)
    assert inlaid.decode(encoded.data).shape == upright.shape
    with Image.open(io.BytesIO(encoded.data)) as opened:
        assert opened.getexif().get(0x0112, 1) == 1
        assert opened.getexif()[0x010E] == "a description"
        assert opened.info["icc_profile"] == b"a profile" * 20


# ------------------------------------------------------------------------------------------------ attach


def attached(base, original, **options):
    """The result of `attach`.  Without its inlay it must be the base, byte for byte."""
    encoded = encoder.attach(base, original, **{"effort": 1, **options})
    assert inlaid.strip(encoded.data) == inlaid.strip(base)
    return encoded


@pytest.mark.parametrize(
    "settings",
    [
        {"quality": 20},
        {"quality": 20, "progressive": True},
        {"quality": 20, "subsampling": 1, "restart_marker_rows": 2},
        {"quality": 20, "keep_rgb": True, "subsampling": 0},
        {"qtables": [[24] * 64, [40] * 64], "subsampling": 0},
    ],
    ids=str,
)
def test_attach(settings):
    base = jpeg_of(COLOUR, **settings)
    encoded = attached(base, COLOUR)
    assert encoded.payload is not None, encoded.reason
    assert_whole(encoded, COLOUR)
    scan = base.index(b"\xff\xda")
    assert encoded.data.endswith(base[scan:])
    assert jpeg.container.describe(encoded.data)["model"] == ("rgb" if "keep_rgb" in settings else "ycbcr")


def test_attach_to_gray():
    base = jpeg_of(GRAY, quality=20)
    for original in (GRAY, Image.fromarray(GRAY), np.dstack([GRAY] * 3)):
        encoded = attached(base, original)
        assert encoded.payload is not None
        assert inlaid.decode(encoded.data).shape == GRAY.shape


def test_attach_keeps_metadata():
    exif = Image.Exif()
    exif[0x010E] = "a description"
    base = jpeg_of(COLOUR, quality=20, exif=exif, icc_profile=b"a profile" * 20, comment=b"a comment")
    encoded = attached(base, COLOUR)
    assert encoded.payload is not None
    before, after = (Image.open(io.BytesIO(data)) for data in (base, encoded.data))
    for key in ("icc_profile", "exif", "comment"):
        assert after.info[key] == before.info[key]


def test_attach_twice_replaces():
    base = jpeg_of(COLOUR, quality=20)
    first = attached(base, COLOUR, effort=1).data
    second = attached(first, COLOUR, effort=2).data
    assert second == attached(base, COLOUR, effort=2).data
    assert second != first
    assert attached(second, COLOUR, effort=1).data == first
    assert second.count(b"inlay\0") == 1


def test_attach_where_none_pays_takes_the_old_one_away():
    """The old inlay was made for another original."""
    first = attached(jpeg_of(GRAY, quality=20), GRAY).data
    assert jpeg.container.extract(first) is not None
    noise = np.random.default_rng(1).integers(0, 256, GRAY.shape, dtype=np.uint8)
    encoded = attached(first, noise, effort=1)
    assert_plain(encoded)
    assert encoded.data == inlaid.strip(first)


def test_attach_another_size():
    base = jpeg_of(COLOUR, quality=20)
    for wrong in (COLOUR[:, :-1], COLOUR[1:], np.ascontiguousarray(COLOUR.transpose(1, 0, 2))):
        with pytest.raises(FormatError, match="expected the same picture at the same size"):
            inlaid.attach(base, wrong)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_attach_to_a_turned_base(orientation):
    """The base is stored turned, as cameras do; the original is upright, as viewers show it."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    base = jpeg_of(COLOUR, quality=20, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg_of(COLOUR, quality=100, subsampling=0, exif=exif))))
    upright = Image.fromarray(np.asarray(upright))  # without EXIF
    encoded = attached(base, upright, effort=1)
    assert encoded.payload is not None, encoded.reason
    # The luma is restored as it is stored.
    assert psnr(restored_luma(encoded.data), luma_of(COLOUR)) > psnr(jpeg.codec.decode(base).luma, luma_of(COLOUR)) + 0.3
    assert inlaid.decode(encoded.data).shape == COLOUR.shape


def test_attach_to_what_cannot_carry_one():
    cmyk = jpeg_of(Image.fromarray(COLOUR).convert("CMYK"), quality=30)
    encoded = encoder.attach(cmyk, COLOUR)
    assert encoded.data == cmyk
    assert_plain(encoded, "CMYK")
    assert inlaid.attach(cmyk, COLOUR) == cmyk

    ppm = b"P6 200 150 255\n" + COLOUR.tobytes()
    arithmetic = output(program("cjpeg"), "-arithmetic", "-quality", "30", data=ppm)
    encoded = encoder.attach(arithmetic, COLOUR)
    assert encoded.data == arithmetic
    assert_plain(encoded, "arithmetic")


# ------------------------------------------------------------------------------------------------ stale, damaged, of another version


@pytest.fixture(scope="module")
def carrier():
    """A file of whole blocks with a fitted inlay."""
    encoded = encoder.encode(coloured(192, 144), quality=20, effort=2, base="turbo", optimize=False)
    assert encoded.payload.coded
    return encoded.data


def assert_base(data, state):
    """Checks that the base is shown with a warning.  Returns the warning."""
    pixels, message = decoded_with_warning(data)
    assert np.array_equal(pixels, shown(data))
    report = inlaid.info(data)["inlay"]
    assert report["state"] == state
    if state != "stale":
        assert message.startswith(report["reason"].removesuffix("; the base is shown"))
    return message


@pytest.mark.parametrize(
    "options", [("-rotate", "180"), ("-rotate", "90"), ("-flip", "horizontal"), ("-transpose",), ("-crop", "96x96+16+16")]
)
def test_transformed_without_loss(carrier, options):
    """jpegtran copies the segment, but the changed pixels make the inlay stale."""
    data = output(program("jpegtran"), "-copy", "all", *options, data=carrier)
    assert jpeg.container.extract(data) == jpeg.container.extract(carrier)
    assert "belongs to another picture" in assert_base(data, "stale")


@pytest.mark.parametrize("options", [("-optimize",), ("-progressive",), ("-optimize", "-progressive"), ("-restart", "1")])
def test_transcoded_without_loss(carrier, options):
    data = output(program("jpegtran"), "-copy", "all", *options, data=carrier)
    assert data != carrier
    assert np.array_equal(inlaid.decode(data), inlaid.decode(carrier))
    assert inlaid.info(data)["inlay"]["state"] == "matches"


@pytest.mark.parametrize("quality", [15, 21, 30])
def test_encoded_again_with_the_old_segment(carrier, quality):
    data = jpeg.container.embed(jpeg_of(shown(carrier), quality=quality), jpeg.container.extract(carrier))
    assert "belongs to another picture" in assert_base(data, "stale")


def test_another_pictures_segment(carrier):
    data = jpeg.container.embed(jpeg_of(coloured(192, 144, seed=9), quality=20), jpeg.container.extract(carrier))
    assert_base(data, "stale")


def test_damaged_and_unsupported(carrier):
    raw, base = jpeg.container.extract(carrier), inlaid.strip(carrier)
    damaged = bytes([raw[0], raw[1], raw[2] ^ 1]) + raw[3:]
    assert "damaged" in assert_base(jpeg.container.embed(base, damaged), "damaged")
    assert_base(jpeg.container.embed(base, b""), "damaged")
    assert "version 2" in assert_base(jpeg.container.embed(base, sealed(b"\2" + raw[1:-2])), "unsupported")
    assert "prior 255" in assert_base(jpeg.container.embed(base, sealed(raw[:1] + b"\xff" + raw[2:-2])), "unsupported")
    too_far = sealed(raw[: -2 - len(payload.read(raw, priors.network_of).coded)] + b"\xff" * 300)
    assert "parameter" in assert_base(jpeg.container.embed(base, too_far), "damaged")
    # The base can still be shown, and the payload removed.
    for data in (jpeg.container.embed(base, damaged), jpeg.container.embed(base, too_far)):
        assert np.array_equal(inlaid.decode(data, base=True), shown(base))
        assert inlaid.strip(data) == base


def test_a_payload_in_a_file_that_cannot_carry_one(carrier):
    cmyk = jpeg_of(Image.fromarray(coloured(192, 144)).convert("CMYK"), quality=30)
    data = jpeg.container.embed(cmyk, jpeg.container.extract(carrier))
    assert "CMYK" in assert_base(data, "unsupported")
    arithmetic = output(program("jpegtran"), "-copy", "all", "-arithmetic", data=carrier)
    assert "arithmetic" in assert_base(arithmetic, "unsupported")


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    "call",
    [
        lambda: inlaid.encode(GRAY, quality=0),
        lambda: inlaid.encode(GRAY, quality=101),
        lambda: inlaid.encode(GRAY, effort=0),
        lambda: inlaid.encode(GRAY, threads=-1),
        lambda: inlaid.encode(GRAY, seed=-1),
        lambda: inlaid.attach(jpeg_of(GRAY), GRAY, threads=0),
        lambda: inlaid.decode(inlaid.encode(GRAY, quality=20, effort=1), threads=0),
        lambda: inlaid.encode(GRAY, effort=10),
        lambda: inlaid.encode(GRAY, preset="none such"),
        lambda: inlaid.encode(GRAY, format="gif"),
        lambda: inlaid.encode(COLOUR, subsampling="411"),
        lambda: inlaid.encode(GRAY.astype(np.float32)),
        lambda: inlaid.encode(GRAY.astype(np.int64)),
        lambda: inlaid.encode(GRAY > 100),
        lambda: inlaid.encode(np.zeros((0, 5), np.uint8)),
        lambda: inlaid.encode(np.zeros((5, 5, 2), np.uint8)),
        lambda: inlaid.encode(np.zeros((5, 5, 5), np.uint8)),
        lambda: inlaid.encode(np.zeros((2, 5, 5, 3), np.uint8)),
        lambda: inlaid.encode(np.zeros(5, np.uint8)),
        lambda: inlaid.encode(np.zeros((1, 65501), np.uint8)),
        lambda: inlaid.encode(Image.new("F", (8, 8))),
        lambda: inlaid.encode(Image.new("I", (8, 8), 70000)),
        lambda: inlaid.encode(Image.open(io.BytesIO(file_of(GRAY)[:-300]))),
        lambda: inlaid.attach(b"", GRAY),
        lambda: inlaid.attach(file_of(GRAY), GRAY),
        lambda: inlaid.attach(jpeg_of(GRAY), GRAY, effort=10),
        lambda: inlaid.attach(jpeg_of(GRAY), GRAY.astype(float)),
        lambda: inlaid.attach(jpeg_of(GRAY)[:-500], GRAY),
        lambda: inlaid.attach(jpeg_of(GRAY)[:100], GRAY),
        lambda: inlaid.decode(b""),
        lambda: inlaid.decode(file_of(GRAY)),
        lambda: inlaid.decode(jpeg_of(GRAY)[:300]),
        lambda: inlaid.decode(jpeg_of(GRAY), max_pixels=29_999),
        lambda: inlaid.info(b"\xff\xd8\xff"),
        lambda: inlaid.info(jpeg_of(GRAY), max_pixels=29_999),
        lambda: inlaid.strip(b"GIF89a"),
        lambda: inlaid.strip(jpeg_of(GRAY)[:50]),
    ],
)
def test_every_error_is_an_inlay_error(call):
    with pytest.raises(InlayError) as error:
        call()
    assert len(str(error.value)) > 10
    assert isinstance(error.value, InlayError)


def test_errors_say_which():
    with pytest.raises(LimitError, match="200x150 pixels, at most 29999 are allowed"):
        inlaid.decode(jpeg_of(GRAY), max_pixels=29_999)
    assert inlaid.decode(jpeg_of(GRAY), max_pixels=30_000).shape == (150, 200)
    with pytest.raises(FormatError, match="not a JPEG or JPEG2000 file: it begins with 89 50 4e 47"):
        inlaid.decode(file_of(GRAY))
    with pytest.raises(UnsupportedError, match="float32"):
        inlaid.encode(GRAY.astype(np.float32))
    with pytest.raises(InlayError, match="effort 10, expected 1 to 9"):
        inlaid.encode(GRAY, effort=10)
    with pytest.raises(InlayError, match="no preset 'x'; expected one of default, large, best, paper"):
        inlaid.encode(GRAY, preset="x")


def test_a_file_that_pays_can_be_used_at_once():
    """The two lines of the README."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert inlaid.decode(inlaid.encode(COLOUR, quality=20, effort=1)).shape == COLOUR.shape


def test_effort_1_without_a_prior_says_so():
    encoded = encoder.encode(GRAY, quality=20, effort=1, preset="random")
    assert encoded.payload is None
    assert encoded.reason == "no inlay: effort 1 takes a prior as it is, and this preset has none"


@pytest.mark.parametrize(("image", "quality"), [(texture(160, 120, seed=0), 10), slow(texture(160, 120, seed=1), 20)])
@pytest.mark.parametrize(("base", "gain_db", "slack"), [("turbo", 0.5, 1.0), ("trellis", 0.0, 1.004)])
def test_more_effort_is_no_worse(image, quality, base, gain_db, slack):
    """D + lambda * R is less than that of the prior as it is, also for a small picture, where few parameters are worth their bytes.

    From one effort to the next it falls on bases of libjpeg.  On bases of the loop it may rise a little: the loop weighs bytes by the
    restored error, not by the plain one.  The gain alone may fall a little: a longer fit may find as good a picture in fewer bytes.
    """
    how = {"base": base, "legacy_loss_db": 0 if base == "turbo" else None}
    results = [encoder.encode(image, quality=quality, effort=effort, **how) for effort in (1, 2, 3, 5)]
    made, (prepared, _) = Made(quality, {"base": base}), pictures.prepare(image)
    data = jpeg.codec.encode(prepared, made.quality, made.options)
    base = Base.of(jpeg.FORMAT, data, jpeg.codec.decode_luma(data), prepared)
    mse_per_byte = RateCurve(base.format, base.data, base.sample, made).mse_per_byte()
    costs = [255**2 / 10 ** (r.psnr_db / 10) + mse_per_byte * len(r.data) for r in results]
    assert mse_per_byte > 0 and max(costs) == costs[0]
    assert all(more <= slack * less for less, more in pairwise(costs))
    assert results[-1].psnr_db > results[0].psnr_db + gain_db


@pytest.mark.parametrize("settings", [{"quality": 20}, {"format": "jpeg2000", "rate_bpp": 0.8}], ids=["jpeg", "jpeg2000"])
def test_colour_gains_too_and_keeps_its_brightness(settings):
    """The original's luma is rounded like the base's.  Otherwise the network would learn an offset of half a grey level."""
    original = coloured(320, 240, seed=5)
    encoded = encoder.encode(original, effort=3, **settings)
    assert encoded.payload is not None
    base, restored = (inlaid.decode(encoded.data, base=which) for which in (True, False))
    assert psnr(restored, original) > psnr(base, original) + 0.1
    assert abs(restored.mean() - original.mean()) < abs(base.mean() - original.mean()) + 0.1


# ------------------------------------------------------------------------------------------------ areas


@pytest.mark.slow
def test_areas_pay_where_a_picture_has_two_kinds():
    original = halves(400, 300)
    # On libjpeg's base: one that is made for its inlay suits both kinds, and needs no second set.
    one, two = (encoder.encode(original, quality=40, effort=effort, base="turbo") for effort in (5, 6))
    assert inlaid.info(one.data)["inlay"]["parameter_sets"] == 1
    assert inlaid.info(two.data)["inlay"]["parameter_sets"] == 2
    assert two.psnr_db > one.psnr_db + 0.05
    assert psnr(inlaid.decode(two.data), original) == pytest.approx(two.psnr_db)


@pytest.mark.parametrize("network", [Network(), Network(4, 2, dilations=(3, 5), inputs=3)], ids=str)
@pytest.mark.parametrize("side_px", [32, 64])
def test_areas_have_no_seams(network, side_px):
    """The result equals whole pictures, one restored with each set, from which each square takes its part."""
    rng, base = np.random.default_rng(3), texture(203, 150, seed=3)
    sets = tuple(rng.integers(-500, 501, network.size).astype(np.int16) for _ in range(3))
    numbers = rng.integers(0, 3, Areas.squares(base.shape, side_px)).astype(np.uint8)
    whole = np.stack([reference.restore(network, each, base) for each in sets])
    each_pixel = np.kron(numbers, np.ones((side_px, side_px), int))[: base.shape[0], : base.shape[1]]
    expected = np.take_along_axis(whole, each_pixel[None], 0)[0]
    for threads in (1, 2):
        found = restoration.restore(network, Sets(sets, Areas(side_px, numbers)), base, threads=threads)
        assert np.array_equal(found, expected)
