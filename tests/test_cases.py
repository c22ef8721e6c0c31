"""Small files that other programs made, each of a kind that was once read wrong.  They lie beside the repository, not in it.

Other tests make files of these kinds; this one reads the original files.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import psnr

import inlaid
from inlaid.encoding import pictures

CASES = Path(__file__).parents[2] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the folder shared/cases is not beside the repository")
FAST = ("-e", "1", "--json")


@pytest.fixture
def done(run, tmp_path):
    """Runs a command that must succeed, with an output of this name.  Returns its report and the output."""

    def done(command, name, *arguments):
        out = tmp_path / name
        result = run(command, *arguments, "-o", out)
        assert result.exit_code == 0, result.stderr
        return (json.loads(result.stdout) if "--json" in arguments else result.stderr), out

    return done


def image(file):
    with Image.open(file) as opened:
        opened.load()
    return opened


def luma(name):
    return pictures.luma(pictures.prepare(pictures.open_picture((CASES / name).read_bytes()))[0])


def noted(report, *words):
    return any(all(word in note for word in words) for note in report["notes"])


@pytest.mark.parametrize("suffix", ["ico", "icns"])
def test_icons_are_refused(suffix, run, tmp_path):
    result = run("decode", CASES / "photo_with_inlay.jpg", "-o", tmp_path / f"x.{suffix}")
    assert result.exit_code == 1 and "would not have 256x192 pixels" in result.stderr


@pytest.mark.parametrize(("base", "master", "truth"), [("icc_base.jpg", "icc_prophoto.png", "icc_truth_srgb.png")])
def test_a_wide_master(done, base, master, truth):
    report, out = done("attach", "out.jpg", CASES / base, "--original", CASES / master, *FAST)
    before, after = (pictures.luma(inlaid.decode_image(out.read_bytes(), base=b)) for b in (True, False))
    gain = psnr(after, luma(truth)) - psnr(before, luma(truth))
    assert gain > 1
    assert report["gain_db"] == pytest.approx(gain, abs=0.05)


def test_a_deep_dark_master(done):
    report, out = done("attach", "out.jpg", CASES / "r16_dark.jpg", "--original", CASES / "r16_dark.png", *FAST)
    assert report["gain_db"] > 0.5
    change = pictures.luma(inlaid.decode_image(out.read_bytes())).astype(float) - luma("r16_dark.png")
    assert abs(change.mean()) < 0.1


@pytest.mark.parametrize("name", ["camera_exif_icc.jpg", "or6_upright.jpg"])
@pytest.mark.parametrize("suffix", ["tif", "jp2", "png", "webp", "avif", "jpg", "bmp", "gif"])
def test_metadata_of_the_decoded_picture(name, suffix, done):
    said, out = done("decode", f"out.{suffix}", CASES / name)
    found, source = image(out), image(CASES / name)
    if suffix in ("bmp", "gif"):
        assert "does not keep" in said and "EXIF" in said
        if "icc_profile" in source.info:
            assert "ICC profile" in said
        if name.startswith("or6"):
            assert found.size == source.size[::-1] and "turned upright" in said
        return
    if suffix == "jp2":
        from inlaid.formats import jp2

        found.info |= jp2.container.metadata(out.read_bytes()).items
    assert found.info.get("icc_profile") == source.info.get("icc_profile")
    tags = found.getexif()
    assert tags.get_ifd(0x8769)[0x9003] == "2024:01:02 03:04:05"
    if name.startswith("camera"):
        assert (tags[0x010F], tags[0x0110]) == ("Canon", "EOS R5")
        assert tags.get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize("name", ["e6.tif", "p_rawexif.png"])
def test_exif_of_the_original(name, done):
    report, out = done("encode", "out.jpg", CASES / name, *FAST)
    found = image(out)
    assert not report["notes"]
    assert found.size == (64, 96) and found.getexif().get(0x0112, 1) == 1
    if name == "e6.tif":
        tags = found.getexif()
        assert tags[0x0110] == "EOS R5" and tags.get_ifd(0x8769)[0xA434] == "RF24-70"


@pytest.mark.parametrize("name", ["ex_w_ascii.jpeg", "ex_trunc_head.png"])
def test_damaged_exif(name, done):
    report, _ = done("encode", "out.jpg", CASES / name, *FAST)
    assert noted(report, "EXIF", "damaged")
    report, _ = done("attach", "attached.jpeg", CASES / "ex_w_ascii.jpeg", "--original", CASES / name, *FAST)
    assert noted(report, "EXIF", "damaged")


SAMPLES = {  # least, mean and greatest gray of the file's samples
    "t_g12.tif": (1, 7.23, 16),
    "t_g16_miw.tif": (37, 154.35, 206),
    "t_rgb16_planar.tif": (37, 154.35, 206),
    "t_ga8_assoc.tif": (37, 154.35, 206),
    "p_1bit_trns.png": (255, 255, 255),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name):
    least, mean, greatest = SAMPLES[name]
    if name == "t_rgb16_planar.tif":
        pytest.importorskip("tifffile")
    found = luma(name)
    assert found.mean() == pytest.approx(mean, abs=0.6)
    assert abs(int(found.min()) - least) <= 1 and abs(int(found.max()) - greatest) <= 1


@pytest.mark.parametrize("name", ["p_1bit_trns.png", "p_16_trns.png"])
def test_transparent_colours(name, done):
    report, out = done("encode", "out.jpg", CASES / name, *FAST)
    assert noted(report, "laid on white")
    assert np.asarray(image(out)).max() > 250


def test_gamma(done):
    report, _ = done("encode", "out.jpg", CASES / "p_gama1.png", *FAST)
    assert noted(report, "gAMA")


def test_much_xmp(done):
    report, out = done("encode", "out.jpg", CASES / "p_bigxmp.png", *FAST)
    assert noted(report, "XMP") or len(image(out).info["xmp"]) > 0


def test_channels_of_jp2(done):
    _, out = done("decode", "out.png", CASES / "k_cdef_bgr.jp2")
    # Its components are jm.png's red, green and blue; its channel definition calls them blue, green and red.
    assert psnr(np.asarray(image(out))[..., ::-1], np.asarray(image(CASES / "jm.png"))) > 30
    report, _ = done("attach", "out.jp2", CASES / "k_cdef_bgr.jp2", "--original", CASES / "jm.png", *FAST)
    assert report["payload_bytes"] == 0 and "cdef" in report["reason"]
    _, out = done("decode", "alpha.png", CASES / "k_alpha.jp2")
    assert np.asarray(image(out)).reshape(-1, 3).max() == 255


def test_a_master_as_it_is_stored(done):
    report, _ = done("attach", "out.jpg", CASES / "or6.jpg", "--original", CASES / "or6_master_stored.png", *FAST)
    assert report["gain_db"] > 1


def test_a_gain_map(done):
    report, out = done("encode", "out.jpg", CASES / "uhdr.jpg", *FAST)
    assert noted(report, "gain map")
    assert b"hdrgm" not in out.read_bytes()


def test_height_given_later(done):
    report, out = done("attach", "out.jpg", CASES / "j_dnl.jpg", "--original", CASES / "jm.png", *FAST)
    assert "DNL" in report["reason"] and out.read_bytes() == (CASES / "j_dnl.jpg").read_bytes()


def test_a_drawing_on_a_frame():
    frame = Image.open(CASES / "m.gif")
    frame.load()
    frame.paste(0, (8, 8, 40, 40))
    before = frame.tobytes()
    shown = inlaid.decode(inlaid.encode(frame, quality=90, effort=1), base=True)
    assert frame.tobytes() == before
    assert np.abs(shown[10:38, 10:38].astype(int) - np.asarray(frame.convert("RGB"))[10:38, 10:38]).mean() < 3
