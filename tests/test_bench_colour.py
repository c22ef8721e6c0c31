"""The bench in colour, with other peers, and with the encoder's newer options."""

import io
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from support.pictures import coloured, texture

from inlaid import colour, decoder, formats
from inlaid.bench import evaluate, measurement, metrics, peers, runs
from inlaid.bench.settings import Detail, Settings
from inlaid.cli.main import main
from inlaid.encoding import encoder
from inlaid.encoding.distortion import mse, psnr_db
from inlaid.errors import InlayError

MODULES = {"jxl": "pillow_jxl", "mozjpeg": "pyvips", "jpegli": "ajpegli"}


@pytest.fixture
def folder(tmp_path):
    """A set of two pictures, one gray and one in colour."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    Image.fromarray(texture()).save(folder / "gray.png")
    Image.fromarray(coloured()).save(folder / "colour.png")
    return folder


def between(a, b):
    return pytest.approx(psnr_db(mse(a, b)), abs=1e-6)


# ------------------------------------------------------------------------------------------------ colour


@pytest.mark.parametrize("subsampling", [None, "444"])
def test_a_line_in_colour_says_what_the_file_gives(folder, subsampling):
    """All numbers are computed here again, without the bench."""
    rgb = coloured()
    given = subsampling or "420"
    plain = formats.by_name("jpeg").codec.encode(Image.fromarray(rgb), 10, {"optimize": False, "subsampling": given})
    settings = Settings(quality=10, effort=1, colour=True, subsampling=subsampling)
    file = encoder.encode(rgb, quality=10, effort=1, threads=1, **settings.base_options() | settings.fit_options()).data
    line = measurement.measure(folder / "colour.png", settings, Detail("all"))
    assert (line["colour"], line["subsampling"], line["base"]) == (True, given, "turbo")
    assert (line["plain_bytes"], line["file_bytes"]) == (len(plain), len(file))
    assert len(file) > len(plain)
    for suffix, data in (("_plain", plain), ("", file)):
        shown = decoder.decode(data).pixels
        assert line[f"psnr{suffix}_db"] == between(colour.luma(shown), colour.luma(rgb))
        assert line[f"psnr_rgb{suffix}_db"] == between(shown, rgb)
        assert line[f"ssimulacra2{suffix}"] == pytest.approx(metrics.ssimulacra2(rgb, shown), abs=1e-6)
        assert line[f"ssim{suffix}"] == pytest.approx(metrics.ssim(colour.luma(rgb), colour.luma(shown)), abs=1e-6)
    assert set(line) == {"image", *runs.KEY, *runs.MEASURED}
    assert json.loads(json.dumps(line, allow_nan=False)) == line


def test_a_gray_picture_is_measured_as_it_is(folder):
    gray, colourful = (measurement.measure(folder / "gray.png", Settings(quality=20, effort=1, colour=each)) for each in (False, True))
    asked = ("colour", "subsampling", "encode_s", "decode_s")
    assert {k: v for k, v in gray.items() if k not in asked} == {k: v for k, v in colourful.items() if k not in asked}
    assert gray["psnr_rgb_db"] is None and runs.key(gray) != runs.key(colourful)


def test_the_metric_sees_colour():
    """A change of the colours alone is none of the luma."""
    rgb = coloured()
    changed = np.stack([rgb[..., 0], rgb[..., 1], 255 - rgb[..., 2]], -1)
    assert metrics.perceptual(changed, original=rgb)["ssimulacra2"] < 50
    gray = np.repeat(texture()[..., None], 3, -1)
    noisy = np.clip(gray.astype(int) + np.random.default_rng(0).integers(-9, 9, texture().shape)[..., None], 0, 255).astype(np.uint8)
    of_gray = metrics.perceptual(noisy[..., 0], original=texture())
    assert metrics.perceptual(noisy, original=gray) == pytest.approx(of_gray, abs=1e-3)


@pytest.mark.parametrize("name", peers.NAMES)
def test_a_peer_in_colour(folder, name):
    pytest.importorskip(MODULES.get(name, "PIL"))
    rgb = coloured()
    line = measurement.measure(folder / "colour.png", Settings(name, 40, colour=True))
    file = peers.encode(name, rgb, 40)
    shown = peers.decode(name, file, gray=False)
    assert (line["plain_bytes"], line["file_bytes"]) == (len(file), len(file))
    assert line["psnr_rgb_db"] == line["psnr_rgb_plain_db"] == between(shown, rgb)
    assert line["psnr_db"] == between(colour.luma(shown), colour.luma(rgb))
    assert line["psnr_rgb_db"] > 20
    gray = measurement.measure(folder / "gray.png", Settings(name, 40, colour=True))
    assert gray["psnr_db"] == between(peers.decode(name, peers.encode(name, texture(), 40)), texture())
    assert gray["psnr_rgb_db"] is None


@pytest.mark.parametrize("name", ["mozjpeg", "jpegli"])
def test_peers_that_are_jpeg_files(name):
    pytest.importorskip(MODULES[name])
    for pixels, model in ((coloured(), "4:2:0"), (texture(), "gray")):
        file = peers.encode(name, pixels, 50)
        described = formats.by_name("jpeg").container.describe(file)
        assert (described["subsampling"], described["progressive"]) == (model, True)
        assert np.array_equal(peers.decode(name, file, gray=pixels.ndim == 2), np.asarray(Image.open(io.BytesIO(file))))


def test_a_library_without_mozjpeg_is_no_mozjpeg(monkeypatch):
    pytest.importorskip("pyvips")
    monkeypatch.setattr(peers, "has_mozjpeg", lambda: False)
    with pytest.raises(InlayError, match="built without mozjpeg"):
        peers.library("mozjpeg")


# ------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings("jpeg2000", base="trellis"), "base trellis: jpeg2000 has no such option"),
        (Settings("jpeg2000", base="turbo"), "base turbo: jpeg2000 has no such option"),
        (Settings("webp", base="turbo"), "base turbo: webp has no such option"),
        (Settings(base="best"), "base best, tune psnr; expected one of trellis, turbo"),
        (Settings("jpeg2000", tune="looks"), "tune looks: the encoder has no such option for jpeg2000"),
        (Settings(tune="size"), "expected .* one of looks, psnr"),
        (Settings(legacy_loss_db=-0.1), "legacy loss -0.1, expected 0 dB or more"),
        (Settings(legacy_loss_db=float("nan")), "legacy loss nan"),
        (Settings(subsampling="444"), "subsampling 444: a gray picture has no chroma"),
        (Settings("jpeg2000", colour=True, subsampling="444"), "subsampling 444: jpeg2000 has no such option"),
        (Settings("webp", colour=True, subsampling="444"), "subsampling 444: webp has no such option"),
        (Settings(preset="wiener", colour=True), "a linear filter is measured on luma alone"),
        (Settings("webp", 20.5), "quality 20.5: webp takes whole numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(InlayError, match=message):
        settings.check()


def test_what_means_nothing_is_not_part_of_a_setting():
    """Equal measurements have equal settings."""
    assert Settings("webp", 20, tune="looks", legacy_loss_db=0.3) == Settings("webp", 20)
    assert Settings(preset="wiener", legacy_loss_db=0.3) == Settings(preset="wiener")
    assert Settings(base="turbo", progressive=False) == Settings()
    assert Settings(colour=True, subsampling="420") == Settings(colour=True)
    assert Settings(base="trellis").progressive is None and Settings(base="trellis", progressive=False).progressive is False


# ------------------------------------------------------------------------------------------------ options of the encoder


@pytest.fixture
def told(monkeypatch):
    """What an encoder with all options is told: those of its base, then its own.  Its bases are turbo's; a loop's is coarser."""
    told, codec = [], formats.by_name("jpeg").codec
    honest, honest_base = encoder.encode, codec.encode
    as_before = {"base": "turbo", "legacy_loss_db": 0.0} if "base" in codec.OPTIONS else {}

    def encode_base(image, quality, options, **more):
        told.append(options)
        return honest_base(image, quality, {name: value for name, value in options.items() if name not in ("base", "tune")}, **more)

    def encode(image, *, quality, legacy_loss_db=0.3, base="trellis", tune="looks", **options):
        told.append({"tune": tune, "legacy_loss_db": legacy_loss_db, "base": base})
        return honest(image, quality=quality - (5 if legacy_loss_db else 0), **options, **as_before)

    monkeypatch.setattr(codec, "OPTIONS", {"subsampling", "progressive", "optimize", "base", "tune"})
    monkeypatch.setattr(codec, "encode", encode_base)
    monkeypatch.setattr(encoder, "encode", encode)
    return told


def measured_with(folder, **settings):
    asked = Settings(quality=20, effort=1, **settings)
    asked.check()
    return measurement.measure(folder / "gray.png", asked)


def test_the_encoder_is_told_everything(folder, told):
    """The bench's defaults are not the encoder's."""
    line = measured_with(folder)
    assert told[:2] == [
        {"base": "turbo", "tune": "psnr", "optimize": False, "progressive": False},
        {"tune": "psnr", "legacy_loss_db": 0.0, "base": "turbo"},
    ]
    assert (line["base"], line["tune"], line["legacy_loss_db"]) == ("turbo", "psnr", 0.0)
    told.clear()
    line = measured_with(folder, base="trellis", tune="looks")
    assert told[:2] == [{"base": "trellis", "tune": "looks"}, {"tune": "looks", "legacy_loss_db": 0.0, "base": "trellis"}]
    assert (line["base"], line["tune"], line["progressive"]) == ("trellis", "looks", None)
    told.clear()
    measured_with(folder, base="trellis", progressive=False)
    assert told[0] == {"base": "trellis", "tune": "psnr", "progressive": False}
    with pytest.raises(InlayError, match="a trellis base always has Huffman tables of its own"):
        measured_with(folder, base="trellis", optimize=True)


def test_a_loop_has_a_base_of_its_own(folder, told):
    """Its plain file is what a plain viewer shows of the file."""
    line, open_loop = measured_with(folder, legacy_loss_db=0.3), measured_with(folder)
    base = formats.by_name("jpeg").codec.encode(Image.fromarray(texture()), 15, {"optimize": False})
    assert line["plain_bytes"] == len(base) < open_loop["plain_bytes"]
    assert line["psnr_plain_db"] == between(decoder.decode(base).pixels, texture())
    assert line["payload_bytes"] == line["file_bytes"] - len(base) > 0


# ------------------------------------------------------------------------------------------------ lines


def test_lines_of_before_were_made_as_before(tmp_path):
    """They have the key of the same measurement of now, but for the code."""
    run = tmp_path / "run.jsonl"
    folder = tmp_path / "tiny"
    folder.mkdir()
    Image.fromarray(texture()).save(folder / "gray.png")
    settings = [Settings(quality=20, effort=1), Settings("jpeg2000", None, effort=1, rate_bpp=0.5), Settings("webp", 20)]
    evaluate.bench([folder], settings, run, jobs=1)
    added = {"base", "tune", "legacy_loss_db", "colour", "subsampling", "psnr_rgb_plain_db", "psnr_rgb_db"}
    stored = [json.loads(line) for line in run.read_text().splitlines()]
    assert {line["codec"]: line["base"] for line in stored} == {"jpeg": "turbo", "jpeg2000": None, "webp": None}
    run.write_text("".join(json.dumps({k: v for k, v in line.items() if k not in added}) + "\n" for line in stored))
    assert runs.read_lines(run) == stored
    assert evaluate.bench([folder], settings, run, jobs=1).reused == 3


def test_the_command_measures_in_colour(folder, tmp_path):
    run = tmp_path / "run.jsonl"
    arguments = ["bench", "--images", str(folder), "-e", "1", "-j", "1", "-o", str(run), "--colour"]
    result = CliRunner().invoke(main, [*arguments, "--quality", "20,30", "--base", "turbo", "--subsampling", "422"])
    assert result.exit_code == 0, result.output
    lines = runs.read_lines(run)
    assert [(line["quality"], line["colour"], line["subsampling"]) for line in lines] == [(q, True, "422") for q in (20, 30)] * 2
    assert all(type(line["quality"]) is int for line in lines)
    assert [line["psnr_rgb_db"] is None for line in lines] == [line["image"] == "gray.png" for line in lines]
    for wrong, message in (
        (["--codec", "webp", "--quality", "20.5"], "webp takes whole numbers"),
        (["--codec", "webp", "--base", "turbo"], "webp has no such option"),
        (["--legacy-loss", "-1"], "-1"),
        (["--tune", "size"], "'size' is not one of"),
    ):
        result = CliRunner().invoke(main, [*arguments, *wrong])
        assert result.exit_code != 0 and message in " ".join(result.output.replace("│", "").split())
