"""The commands: what they write, what they say, and how they fail."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, features
from support.pictures import file_of, textured
from support.programs import program

import inlaid
from inlaid.cli import messages
from inlaid.cli.group import Lazy
from inlaid.cli.main import LAZY, main
from inlaid.formats import by_name, jpeg

ORIENTATION, MAKE = 0x112, 0x10F
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
COMMANDS = {
    *("encode", "attach", "decode", "info", "strip", "pack", "unpack", "batch"),
    *("demo", "compare", "pretrain", "bench", "report"),
}


def pixels(path):
    with Image.open(path) as opened:
        return np.asarray(opened)


def exif(**tags):
    made = Image.Exif()
    for tag, value in ((ORIENTATION, tags.get("orientation")), (MAKE, tags.get("make"))):
        if value is not None:
            made[tag] = value
    return made.tobytes()


def subprocess_run(*arguments, **settings):
    """Runs `inlaid` in its own process."""
    return subprocess.run([sys.executable, "-m", "inlaid", *map(str, arguments)], capture_output=True, timeout=300, **settings)


@pytest.fixture
def png(tmp_path):
    """The name of a small picture."""
    path = tmp_path / "photo.png"
    textured(48, 40).save(path)
    return path


@pytest.fixture
def jpg(tmp_path, carrier):
    """The name of a file with an inlay."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(carrier.data)
    return path


# ------------------------------------------------------------------------------------------------ the main job


def test_encode_decode_info_strip(run, tmp_path, carrier):
    carrier.original.save(tmp_path / "photo.png")
    out = tmp_path / "photo.jpg"
    done = run("encode", tmp_path / "photo.png", "-o", out, "-q", 40, "-e", 2)
    assert (done.exit_code, done.stderr) == (0, "")
    for word in ("base", "payload", "PSNR", "time", "the inlay brings"):
        assert word in done.stdout

    done = run("info", out)
    assert done.exit_code == 0 and "matches" in done.stdout and "6 channels" in done.stdout
    found = json.loads(run("info", out, "--json").stdout)
    assert found["inlay"]["state"] == "matches" and found["file"] == str(out)
    assert found["file_bytes"] == found["base_bytes"] + found["inlay"]["payload_bytes"] == out.stat().st_size

    done = run("decode", out, "-o", tmp_path / "restored.png")
    assert (done.exit_code, done.output) == (0, "")
    assert np.array_equal(pixels(tmp_path / "restored.png"), inlaid.decode(out.read_bytes()))
    assert run("decode", out, "-o", tmp_path / "base.png", "--base").exit_code == 0
    assert np.array_equal(pixels(tmp_path / "base.png"), jpeg.codec.decode_image(out.read_bytes()))
    original = np.asarray(carrier.original).astype(float)
    restored, base = (((pixels(tmp_path / f"{n}.png") - original) ** 2).mean() for n in ("restored", "base"))
    assert restored < base

    done = run("strip", out, "-o", tmp_path / "plain.jpg")
    assert done.exit_code == 0 and f"{found['inlay']['payload_bytes']} bytes were taken out" in done.stdout
    assert (tmp_path / "plain.jpg").read_bytes() == inlaid.strip(out.read_bytes())
    assert "no inlay" in run("strip", tmp_path / "plain.jpg", "-o", tmp_path / "again.jpg").stdout
    assert "inlay     none" in run("info", tmp_path / "plain.jpg").stdout


def test_bases_and_tunings(run, tmp_path, carrier):
    carrier.original.save(tmp_path / "photo.png")

    def encoded(*options):
        done = run("encode", tmp_path / "photo.png", "-o", tmp_path / "out.jpg", "-q", "40.5", "-e", 1, "--json", *options)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout), inlaid.strip((tmp_path / "out.jpg").read_bytes())

    for options, settings in (
        ((), {"base": "trellis"}),
        (("--tune", "psnr"), {"base": "trellis", "tune": "psnr"}),
        (("--base", "turbo"), {"base": "turbo"}),
        (("--no-progressive",), {"base": "trellis", "progressive": False}),
    ):
        report, base = encoded(*options, "--legacy-loss", 0)
        assert base == jpeg.codec.encode(carrier.original, 40.5, settings)
        assert report["psnr_without_loop_db"] is None
    report, _ = encoded("--base", "turbo")
    assert 0 <= report["psnr_without_loop_db"] - report["psnr_base_db"] <= 0.3
    done = run("encode", tmp_path / "photo.png", "-o", tmp_path / "out.jpg", "-e", 1, "--base", "turbo", "--preset", "large")
    assert "dB for the plain picture" in done.stdout
    for wrong in (("--base", "x"), ("--tune", "x"), ("--legacy-loss", "-1"), ("--legacy-loss", "21"), ("-q", "0.5"), ("-q", "101")):
        assert run("encode", tmp_path / "photo.png", "-o", tmp_path / "out.jpg", *wrong).exit_code == 2
    done = run("encode", tmp_path / "photo.png", "-o", tmp_path / "out.jp2", "--base", "turbo")
    assert done.exit_code == 2 and "--base does not apply to jpeg2000" in done.stderr
    done = run("encode", tmp_path / "photo.png", "-o", tmp_path / "out.jpg", "--no-optimize")
    assert done.exit_code == 1 and "photo.png" in done.stderr and "need the base turbo" in done.stderr


def test_attach(run, tmp_path, carrier):
    (tmp_path / "base.jpg").write_bytes(carrier.base)
    carrier.original.save(tmp_path / "master.tif")
    out = tmp_path / "out.jpg"
    arguments = ("attach", tmp_path / "base.jpg", "--original", tmp_path / "master.tif", "-o", out, "-e", 2, "--json")
    report = json.loads(run(*arguments).stdout)
    assert inlaid.strip(out.read_bytes()) == carrier.base
    assert report["command"] == "attach" and report["base_bytes"] == len(carrier.base)
    assert report["file_bytes"] == report["base_bytes"] + report["payload_bytes"] == out.stat().st_size
    assert report["gain_db"] == pytest.approx(report["psnr_db"] - report["psnr_base_db"], abs=2e-4)
    assert report["gain_db"] > 0.5 and report["seconds"] > 0


def test_streams(carrier):
    encoded = subprocess_run("encode", "-", "-o", "-", "-q", 40, "-e", 2, "--json", input=file_of(carrier.original))
    assert encoded.returncode == 0
    report = json.loads(encoded.stderr)
    assert report["file_bytes"] == len(encoded.stdout)
    decoded = subprocess_run("decode", "-", "-o", "-", input=encoded.stdout)
    assert decoded.stdout.startswith(b"\x89PNG") and decoded.stderr == b""
    stripped = subprocess_run("strip", "-", "-o", "-", input=encoded.stdout)
    assert stripped.stdout == inlaid.strip(encoded.stdout) and b"taken out" in stripped.stderr
    assert json.loads(subprocess_run("info", "-", "--json", input=encoded.stdout).stdout)["inlay"] is not None


def test_streams_of_attach(run, tmp_path, carrier):
    carrier.original.save(tmp_path / "master.png")
    done = run("attach", "-", "--original", tmp_path / "master.png", "-o", "-", "-e", 1, input=carrier.data)
    assert done.exit_code == 0 and inlaid.strip(done.stdout_bytes) == carrier.base
    done = run("attach", "-", "--original", "-", "-o", "-", input=carrier.data)
    assert done.exit_code == 2 and "only one of" in done.stderr


# ------------------------------------------------------------------------------------------------ kinds of pictures

KINDS = {
    "gray": textured(40, 32).convert("L"),
    "sixteen": Image.fromarray((np.arange(32 * 40).reshape(32, 40) * 50).astype(np.uint16)),
    "palette": textured(40, 32).quantize(16),
    "alpha": Image.merge("RGBA", (*textured(40, 32).split(), Image.linear_gradient("L").resize((40, 32)))),
    "bilevel": textured(40, 32).convert("1"),
    "one": Image.new("RGB", (1, 1), "red"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_input(kind, run, tmp_path):
    KINDS[kind].save(tmp_path / "in.png")
    done = run("encode", tmp_path / "in.png", "-o", tmp_path / "out.jpg", "-e", 1, "--json")
    assert done.exit_code == 0
    assert Image.open(tmp_path / "out.jpg").size == KINDS[kind].size
    assert (kind == "alpha") == ("transparent pixels were laid on white" in json.loads(done.stdout)["notes"])


@pytest.mark.parametrize("suffix", ["tif", "webp", "ppm", "bmp", "gif", "jpg"])
def test_formats_of_input(suffix, run, tmp_path):
    textured(40, 32).save(tmp_path / f"in.{suffix}")
    assert run("encode", tmp_path / f"in.{suffix}", "-o", tmp_path / "out.jpg", "-e", 1).exit_code == 0
    assert Image.open(tmp_path / "out.jpg").size == (40, 32)


def test_orientation_and_metadata_of_encode(run, tmp_path):
    tags = exif(orientation=6, make="camera")
    textured(40, 32).save(tmp_path / "in.jpg", exif=tags, icc_profile=SRGB, quality=95)
    assert run("encode", tmp_path / "in.jpg", "-o", tmp_path / "out.jpg", "-e", 1).exit_code == 0
    with Image.open(tmp_path / "out.jpg") as out:
        assert out.size == (32, 40) and out.getexif().get(ORIENTATION, 1) == 1
        assert out.getexif()[MAKE] == "camera" and out.info["icc_profile"] == SRGB


def test_cmyk(run, tmp_path):
    image = textured(40, 32).convert("CMYK")
    image.save(tmp_path / "cmyk.tif")
    image.save(tmp_path / "cmyk.jpg")
    done = run("encode", tmp_path / "cmyk.tif", "-o", tmp_path / "out.jpg", "-e", 1)
    assert done.exit_code == 0 and "no inlay" in done.stdout and "CMYK" in done.stdout
    arguments = ("attach", tmp_path / "cmyk.jpg", "--original", tmp_path / "cmyk.tif", "-o", tmp_path / "out.jpg")
    report = json.loads(run(*arguments, "--json").stdout)
    assert "CMYK" in report["reason"] and report["psnr_db"] is report["gain_db"] is None
    assert (tmp_path / "out.jpg").read_bytes() == (tmp_path / "cmyk.jpg").read_bytes()
    assert run("decode", tmp_path / "cmyk.jpg", "-o", tmp_path / "out.png").exit_code == 0
    assert Image.open(tmp_path / "out.png").mode == "RGB"


def test_nothing_to_gain(run, tmp_path):
    Image.new("L", (64, 64), 128).save(tmp_path / "flat.png")
    arguments = ("encode", tmp_path / "flat.png", "-o", tmp_path / "flat.jpg", "-e", 2)
    done = run(*arguments)
    assert "no inlay" in done.stdout and "inf" in done.stdout
    report = json.loads(run(*arguments, "--json").stdout)
    assert report["payload_bytes"] == 0 and report["psnr_db"] is None and report["gain_db"] == 0
    assert "Infinity" not in done.stdout


# ------------------------------------------------------------------------------------------------ what decode keeps


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "avif", "jpg"])
def test_decode_keeps_metadata(suffix, run, tmp_path):
    base = file_of(textured(40, 32), "JPEG", exif=exif(orientation=6, make="camera"), icc_profile=SRGB, xmp=XMP)
    (tmp_path / "in.jpg").write_bytes(base)
    out = tmp_path / f"out.{suffix}"
    done = run("decode", tmp_path / "in.jpg", "-o", out)
    assert done.exit_code == 0 and "there is no inlay" in done.stderr and done.stderr.count("\n") == 1
    with Image.open(out) as opened:
        assert opened.info["icc_profile"] == SRGB
        assert opened.getexif()[MAKE] == "camera" and opened.getexif()[ORIENTATION] == 6
        opened.load()
        kept = opened.info.get("xmp") or opened.info.get("XML:com.adobe.xmp")
        assert (kept.encode() if isinstance(kept, str) else kept) == XMP
        if suffix in ("png", "webp"):
            assert np.array_equal(np.asarray(opened), jpeg.codec.decode_image(base))


def test_decode_turns_where_exif_has_no_place(run, tmp_path):
    base = file_of(textured(40, 32), "JPEG", exif=exif(orientation=6))
    (tmp_path / "in.jpg").write_bytes(base)
    assert run("decode", tmp_path / "in.jpg", "-o", tmp_path / "out.ppm").exit_code == 0
    assert np.array_equal(pixels(tmp_path / "out.ppm"), np.rot90(jpeg.codec.decode_image(base), -1))


def test_decode_drops_a_profile_of_another_kind(run, tmp_path):
    profile = bytes(16) + b"CMYK" + bytes(108)
    (tmp_path / "in.jpg").write_bytes(file_of(textured(40, 32).convert("CMYK"), "JPEG", icc_profile=profile))
    done = run("decode", tmp_path / "in.jpg", "-o", tmp_path / "out.png")
    assert done.exit_code == 0 and "ICC profile" in done.stderr
    assert "icc_profile" not in Image.open(tmp_path / "out.png").info


def test_decode_survives_damaged_metadata(run, tmp_path):
    (tmp_path / "in.jpg").write_bytes(file_of(textured(40, 32), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\xff" + bytes(9)))
    for suffix in ("png", "tif", "bmp", "webp"):
        assert run("decode", tmp_path / "in.jpg", "-o", tmp_path / f"out.{suffix}").exit_code == 0


def stale(carrier):
    turned = carrier.original.transpose(Image.Transpose.ROTATE_180)
    return jpeg.container.embed(file_of(turned, "JPEG", quality=40), jpeg.container.extract(carrier.data))


def damaged(carrier):
    payload = jpeg.container.extract(carrier.data)
    return jpeg.container.embed(carrier.base, payload[:20])


@pytest.mark.parametrize("change", [stale, damaged])
def test_unusable_inlay(change, run, tmp_path, carrier):
    data = change(carrier)
    (tmp_path / "in.jpg").write_bytes(data)
    done = run("decode", tmp_path / "in.jpg", "-o", tmp_path / "out.png")
    assert done.exit_code == 0 and done.stderr.startswith(f"inlaid: {tmp_path / 'in.jpg'}: ")
    assert done.stderr.count("\n") == 1 and "the base is shown" in done.stderr
    assert np.array_equal(pixels(tmp_path / "out.png"), jpeg.codec.decode_image(data))
    assert json.loads(run("info", tmp_path / "in.jpg", "--json").stdout)["inlay"]["state"] == change.__name__
    assert change.__name__ in run("info", tmp_path / "in.jpg").stdout
    quiet = run("decode", tmp_path / "in.jpg", "-o", tmp_path / "out.png", "--base")
    assert quiet.stderr == ""


# ------------------------------------------------------------------------------------------------ failures

PRETRAIN = ("pretrain", "--images", ".", "--quality", "10", "20", "-o", "p.json")
FAILURES = {
    "missing": (("encode", "nowhere.png", "-o", "out.jpg"), 1, "nowhere.png: No such file"),
    "missing info": (("info", "nowhere.jpg"), 1, "nowhere.jpg: No such file"),
    "missing original": (("attach", "photo.jpg", "--original", "nowhere.png", "-o", "out.jpg"), 1, "nowhere.png: "),
    "folder as input": (("decode", ".", "-o", "out.png"), 1, ".: "),
    "empty": (("encode", "empty", "-o", "out.jpg"), 1, "empty: it is empty"),
    "empty decode": (("decode", "empty", "-o", "out.png"), 1, "empty: it is empty"),
    "no picture": (("encode", "text.txt", "-o", "out.jpg"), 1, "text.txt: not a picture: it begins with 68 65 6c 6c 6f"),
    "no jpeg": (("decode", "photo.png", "-o", "out.png"), 1, "photo.png: not a JPEG or JPEG2000 file: it begins with 89 50 4e 47"),
    "no jpeg to strip": (("strip", "photo.png", "-o", "out.jpg"), 1, "photo.png: not a JPEG or JPEG2000 file"),
    "no jpeg to attach": (("attach", "photo.png", "--original", "photo.png", "-o", "out.jpg"), 1, "photo.png: not a JPEG"),
    "cut picture": (("encode", "cut.png", "-o", "out.jpg"), 1, "cut.png: cannot decode the picture"),
    "other size": (("attach", "photo.jpg", "--original", "photo.png", "-o", "out.jpg"), 1, "photo.jpg: the original has 48x40"),
    "folder as output": (("decode", "photo.jpg", "-o", "."), 2, ".: Pillow writes no such format"),
    "folder.jpg as output": (("strip", "photo.jpg", "-o", "folder.jpg"), 1, "folder.jpg: it is a folder"),
    "no folder": (("encode", "photo.png", "-o", "none/out.jpg"), 1, "none/out.jpg: the folder "),
    "too large": (("decode", "photo.jpg", "-o", "out.png", "--max-pixels", "100"), 1, "photo.jpg: 160x128 pixels, at most 100"),
    "unknown format": (("decode", "photo.jpg", "-o", "out.xyz"), 2, "out.xyz: Pillow writes no such format"),
    "wrong format": (("encode", "photo.png", "-o", "out.png"), 2, "out.png: a JPEG or JPEG2000 file is written"),
    "quality": (("encode", "photo.png", "-o", "out.jpg", "-q", "0"), 2, "0 is not in the range"),
    "effort": (("encode", "photo.png", "-o", "out.jpg", "-e", "10"), 2, "10 is not in the range"),
    "preset": (("encode", "photo.png", "-o", "out.jpg", "--preset", "none"), 2, "'none' is not one of default, large, best, paper"),
    "no output": (("encode", "photo.png"), 2, "Missing option '-o'"),
    "no command": (("enkode", "photo.png"), 2, "No such command 'enkode'"),
    "gif": (("decode", "photo.jpg", "-o", "out.mpg"), 2, "out.mpg"),
    "demo without a picture": (("demo", "--image", "nowhere.png", "-o", "demo"), 1, "nowhere.png: No such file"),
    "demo in no folder": (("demo", "--image", "photo.png", "-o", "none/demo"), 1, "none/demo: No such file"),
    "pretrain without a folder": (("pretrain", "--images", "none", "--quality", "10", "20", "-o", "p.json"), 1, "none: "),
    "pretrain without images": (("pretrain", "--images", "folder.jpg", "--quality", "10", "20", "-o", "p.json"), 1, "folder.jpg: "),
    "pretrain qualities": (("pretrain", "--images", ".", "--quality", "20", "10", "-o", "p.json"), 2, "20 is more than 10"),
    "pretrain start": ((*PRETRAIN, "--start", "text.txt"), 1, "text.txt: not a prior"),
    "pretrain checkpoint": ((*PRETRAIN, "--checkpoint", "text.txt"), 1, "text.txt: not the state"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name, run, png, jpg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    (tmp_path / "text.txt").write_text("hello, world")
    (tmp_path / "cut.png").write_bytes(png.read_bytes()[:200])
    (tmp_path / "folder.jpg").mkdir()
    before = {path.name for path in tmp_path.iterdir()}
    arguments, code, message = FAILURES[name]
    done = run(*arguments)
    assert done.exit_code == code and done.stdout == "" and message in done.stderr
    if code == 1:
        assert done.stderr.startswith(f"inlaid: {message}") and done.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == before


def test_failure_in_a_process_has_no_traceback(tmp_path):
    done = subprocess_run("decode", tmp_path / "nowhere.jpg", "-o", tmp_path / "out.png")
    assert done.returncode == 1 and done.stdout == b""
    assert done.stderr.decode() == f"inlaid: {tmp_path / 'nowhere.jpg'}: No such file or directory\n"
    done = subprocess_run("encode", "-", "-o", "-", input=b"hello")
    assert done.returncode == 1 and done.stderr.startswith(b"inlaid: standard input: not a picture")


@pytest.mark.parametrize("cut", [4, 30, 200, 700, -700])
def test_truncated_file(cut, run, jpg, tmp_path, carrier):
    jpg.write_bytes(carrier.data[:cut])
    for arguments in (("decode", jpg, "-o", tmp_path / "out.png"), ("info", jpg), ("strip", jpg, "-o", tmp_path / "out.jpg")):
        done = run(*arguments)
        assert done.exit_code in (0, 1)
        if done.exit_code == 1:
            assert done.stderr.startswith(f"inlaid: {jpg}: ") and done.stderr.count("\n") == 1


def test_existing_output_survives_a_failure(run, png, tmp_path, monkeypatch):
    out = tmp_path / "out.jpg"
    out.write_bytes(b"what was there before")
    names = set(tmp_path.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    done = run("encode", png, "-o", out, "-e", 1)
    assert done.exit_code == 1 and done.stderr == f"inlaid: {out}: No space left on device\n"
    assert out.read_bytes() == b"what was there before" and set(tmp_path.iterdir()) == names
    monkeypatch.undo()
    assert run("encode", png, "-o", out, "-e", 1).exit_code == 0
    assert set(tmp_path.iterdir()) == names and out.read_bytes()[:2] == b"\xff\xd8"


def test_interrupted(run, png, tmp_path, monkeypatch):
    from inlaid.encoding import encoder

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(encoder, "encode", interrupted)
    done = run("encode", png, "-o", tmp_path / "out.jpg")
    assert done.exit_code == 130 and "interrupted" in done.stderr
    assert list(tmp_path.iterdir()) == [png]


def hear_interrupts():
    """Lets the process receive SIGINT, which background jobs of a shell and their children ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_interrupted_in_a_process(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-m", "inlaid", "decode", str(tmp_path / "pipe"), "-o", str(tmp_path / "out.png")]
    settings = {"stderr": subprocess.PIPE, "cwd": tmp_path, "preexec_fn": hear_interrupts}
    with subprocess.Popen(command, **settings) as process, (tmp_path / "pipe").open("wb"):
        process.send_signal(signal.SIGINT)  # it has opened the pipe, and waits
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and b"Traceback" not in errors
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


def test_a_reader_that_goes_away(jpg):
    command = [sys.executable, "-m", "inlaid", "decode", str(jpg), "-o", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert errors == b"inlaid: standard output: Broken pipe\n" and process.returncode == 1


# ------------------------------------------------------------------------------------------------ output files


def test_input_is_output(run, jpg, tmp_path, carrier):
    assert run("strip", jpg, "-o", jpg).exit_code == 0
    assert jpg.read_bytes() == carrier.base
    carrier.original.save(tmp_path / "master.png")
    done = run("attach", jpg, "--original", tmp_path / "master.png", "-o", jpg, "-e", 2)
    assert done.exit_code == 0 and inlaid.info(jpg.read_bytes())["inlay"]["state"] == "matches"


def test_permissions_and_links(run, jpg, tmp_path, carrier):
    real, link = tmp_path / "real.jpg", tmp_path / "link.jpg"
    real.touch()
    real.chmod(0o604)
    link.symlink_to(real.name)
    assert run("strip", jpg, "-o", link).exit_code == 0
    assert link.is_symlink() and real.read_bytes() == carrier.base and real.stat().st_mode & 0o777 == 0o604
    old = os.umask(0o027)
    try:
        assert run("strip", jpg, "-o", tmp_path / "new.jpg").exit_code == 0
    finally:
        os.umask(old)
    assert (tmp_path / "new.jpg").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anything")
def test_unwritable_output(run, jpg, tmp_path):
    (tmp_path / "out.jpg").touch(0o444)
    done = run("strip", jpg, "-o", tmp_path / "out.jpg")
    assert done.exit_code == 1 and "may not be written" in done.stderr


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="no /dev here")
def test_devices_stay(jpg, carrier):
    assert subprocess_run("strip", jpg, "-o", "/dev/null").returncode == 0
    assert not Path("/dev/null").is_file()
    assert subprocess_run("strip", jpg, "-o", "/dev/stdout").stdout.startswith(carrier.base)


# ------------------------------------------------------------------------------------------------ the surroundings


def installed(name):
    """Whether the command's module and what it imports are here."""
    if name not in LAZY:
        return True
    try:
        return importlib.util.find_spec(LAZY[name].target.split(":")[0]) is not None
    except ImportError:
        return False


def test_the_commands_are_these():
    assert set(main.list_commands(None)) == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help(name, run):
    if not installed(name):
        pytest.skip(f"{LAZY[name].target} is not there")
    done = run(name, "--help")
    assert done.exit_code == 0 and done.stdout.startswith(f"Usage: inlaid {name} ")
    assert "Example" in done.stdout
    overview = run("--help").stdout
    assert f"\n  {name} " in overview


def test_version(run):
    assert run("--version").stdout == f"inlaid, version {inlaid.__version__}\n"


def test_a_lazy_command_that_is_not_installed(run, monkeypatch):
    monkeypatch.setitem(main.lazy, "bench", Lazy("inlaid.nowhere:bench", "", "bench"))
    done = run("bench")
    assert done.exit_code == 1 and done.stderr.startswith("inlaid: bench: ") and "pip install 'inlaid[bench]'" in done.stderr


def loaded_by(statement, names):
    """Which of these modules a statement loads in a fresh interpreter."""
    code = f"import sys; {statement}; print(*(m for m in {names!r} if m in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_start_up_is_light():
    assert loaded_by("import inlaid.cli.main", ("numpy", "PIL", "rich", "inlaid.encoding.encoder")) == []
    frameworks = ("torch", "jax", "scipy", "skimage", "click", "rich", "matplotlib", "numba")
    assert loaded_by("import inlaid, inlaid.encoding.encoder, inlaid.decoder", frameworks) == []
    overview = "from click.testing import CliRunner; from inlaid.cli.main import main; CliRunner().invoke(main, ['--help'])"
    assert loaded_by(overview, ("numpy", "PIL", "rich", *(lazy.target.split(":")[0] for lazy in LAZY.values()))) == []


def test_progress_only_on_a_terminal_and_after_a_second(monkeypatch):
    with messages.Progress("work") as progress:
        progress.terminal = False
        progress.begun -= 10
        progress(1, 10)
        assert progress.bar is None
        progress.terminal = True
        progress.begun += 10
        progress(2, 10)
        assert progress.bar is None
        progress.begun -= 2
        progress(3, 10)
        assert progress.bar is not None
    assert progress.bar.finished is False and not progress.bar.live.is_started


@pytest.mark.parametrize("name", ["generate_commands", "generate_man", "generate_priors"])
def test_generated_pages_are_current(name):
    path = Path(__file__).parents[1] / "docs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.render(), f"run python docs/{name}.py"


def test_the_man_page_is_sound(tmp_path):
    page = Path(__file__).parents[1] / "docs" / "inlaid.1"
    done = subprocess.run([program("groff"), "-man", "-Tascii", "-ww", page], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr
    shown = re.sub(r".\x08|\x1b\[\d+m", "", done.stdout)
    assert all(f"INLAID {name.upper()}\n" in shown for name in COMMANDS) and "-o photo.jpg -q 40" in shown


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("inlaid de", ["plain,decode", "plain,demo"]),
        ("inlaid decode --th", ["plain,--threads"]),
        ("inlaid decode pho", ["file,pho"]),
        ("inlaid attach old.jpg --original ma", ["file,ma"]),
        ("inlaid strip a.jpg -o b", ["file,b"]),
    ],
)
def test_shells_complete(words, expected):
    given = {"_INLAID_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run([sys.executable, "-m", "inlaid"], env=os.environ | given, capture_output=True, text=True)
    assert done.stdout.splitlines() == expected and not done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell):
    """As README has them: the script calls `inlaid` again."""
    done = subprocess.run([sys.executable, "-m", "inlaid"], env=os.environ | {"_INLAID_COMPLETE": f"{shell}_source"}, capture_output=True)
    assert done.returncode == 0 and f"_INLAID_COMPLETE={shell}_complete".encode() in done.stdout


# ------------------------------------------------------------------------------------------------ demo and pretrain


DEMO = {"original.png", "before-after.png", "results.json"}
DEMO |= {f"q{q}{kind}" for q in (20, 40, 60, 80) for kind in (".jpg", "-restored.png", "-psnr.jpg")}


def test_demo(run, png, tmp_path):
    out = tmp_path / "demo"
    done = run("demo", "--image", png, "-o", out, "-e", 1)
    assert done.exit_code == 0 and done.stdout.count("photo.png, 48x40") == 2 and "before-after.png" in done.stdout
    for word in ("same SSIMULACRA2", "same PSNR of RGB", "JPEG", "WebP", "inlay", "plain", "restored", " %"):
        assert word in done.stdout
    assert max(map(len, done.stdout.replace(str(out), "").splitlines())) <= 100
    assert {path.name for path in out.iterdir()} == DEMO
    results = json.loads((out / "results.json").read_text())
    assert results["psnr_of"] == "RGB" and results["notes"] == []
    assert [(row["tune"], row["quality"]) for row in results["rows"]] == [(t, q) for t in ("looks", "psnr") for q in (20, 40, 60, 80)]
    for row in results["rows"]:
        file = out / f"q{row['quality']}{'-psnr' if row['tune'] == 'psnr' else ''}.jpg"
        assert file.stat().st_size == row["file_bytes"] > row["payload_bytes"]
        assert set(row["peer_bytes"]) >= {"jpeg", "webp"}
        assert row["payload_bytes"] or row["psnr_db"] == row["psnr_plain_db"]


def test_demo_of_a_gray_picture_too_small_for_ssimulacra2(run, tmp_path):
    textured(48, 7).convert("L").save(tmp_path / "gray.png")
    done = run("demo", "--image", tmp_path / "gray.png", "-o", tmp_path / "demo", "-e", 1)
    assert done.exit_code == 0 and "same PSNR of luma" in done.stdout and "too small for it" in done.stdout


def test_demo_without_the_libraries_that_compare(run, png, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "avif" and check(name))
    done = run("demo", "--image", png, "-o", tmp_path / "demo", "-e", 1)
    assert done.exit_code == 0 and "SSIMULACRA2 is left out: it needs pip install 'inlaid[demo]'" in done.stdout
    assert "AVIF is left out: this Pillow was built without avif" in done.stdout and "looks:" not in done.stdout
    rows = json.loads((tmp_path / "demo" / "results.json").read_text())["rows"]
    assert [set(row["peer_bytes"]) for row in rows] == [set()] * 4 + [{"jpeg", "webp"}] * 4
    assert rows[0]["ssimulacra2"] is None


def test_the_bytes_of_a_peer_against_ours():
    from inlaid.cli.demo_rows import against

    assert (against(15200, 10000), against(5000, 10000), against(9990, 10000)) == ("15,200\n+52 %", "5,000\n-50 %", "9,990\n+0 %")
    assert against(None, 10000) == "-"


def test_the_crop_that_shows_most():
    from inlaid.cli.before_after import best_crop

    image = textured(96, 80).convert("L")
    better = image.copy()
    worse = image.point(lambda v: 255 - v)
    better.paste(worse, (0, 0))
    better.paste(image.crop((64, 0, 96, 80)), (64, 0))
    assert best_crop(image, worse, better) == (0, 0, 96, 80)


def test_demo_without_the_photograph(run, monkeypatch, tmp_path):
    from inlaid.cli import demo

    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda _: None)
    done = run("demo", "-o", tmp_path / "demo")
    assert done.exit_code == 1 and "pip install 'inlaid[demo]'" in done.stderr and "--image PHOTO" in done.stderr


def test_the_photograph():
    pytest.importorskip("skimage")
    from inlaid.cli.demo import photograph

    assert photograph().samples.size == (600, 400)


def test_pretrain(run, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        textured(96, 88, seed=len(folder)).save(tmp_path / folder / "a.png")
    common = ("pretrain", "--images", tmp_path / "one", tmp_path / "two", "--codec", "jpeg", "--quality", 10, 20)
    common += ("--channels", 2, "--layers", 1, "--steps", 3, "--pictures", 1, "--seed", 7)
    out, state = tmp_path / "prior.json", tmp_path / "state.npz"
    done = run(*common, "-o", out, "--checkpoint", state)
    assert done.exit_code == 0 and "training" in done.stderr and not state.exists()
    prior = json.loads(out.read_text())
    assert prior["codec"] == "jpeg" and prior["quality"] == [10, 20] and prior["network"]["channels"] == 2
    kept = prior["provenance"]
    assert kept["images"] == 2 and kept["steps"] == 3 and kept["seed"] == 7 and kept["gain_db_every_2000_steps"]
    assert kept["command"].startswith("inlaid pretrain --images one two --codec jpeg --quality 10 20 --channels 2")
    assert str(tmp_path) not in out.read_text() and kept["folders"] == ["one", "two"]

    done = run(*common, "-o", tmp_path / "next.json", "--start", out)
    assert done.exit_code == 0 and json.loads((tmp_path / "next.json").read_text())["provenance"]["start"] == "prior.json"
    done = run(*common, "-o", tmp_path / "next.json", "--start", out, "--layers", 2)
    assert done.exit_code == 2 and "another network cannot begin with it" in done.stderr
    for plot, code in (("history.png", 2), ("none/history.svg", 1)):
        assert run(*common, "-o", out, "--plot", tmp_path / plot).exit_code == code
    out.write_text(json.dumps(prior | {"values": prior["values"][:-1]}))
    done = run(*common, "-o", tmp_path / "next.json", "--start", out)
    assert done.exit_code == 1 and "prior.json: not a prior; expected a file that inlaid pretrain wrote" in done.stderr


def test_pretrain_by_the_papers_recipe_starts_before_the_norm_was_folded(run, tmp_path):
    """From a prior of its own recipe it goes on where that training ended, from another prior at its values."""
    (tmp_path / "one").mkdir()
    textured(270, 262).save(tmp_path / "one" / "a.png")
    common = ("pretrain", "--images", tmp_path / "one", "--quality", 10, 20, "--channels", 2, "--layers", 1, "--pictures", 1)
    still = ("--recipe", "paper", "--steps", 1, "--learning-rate", 1e-9)
    for name, how in (("papers", ("--recipe", "paper", "--steps", 2)), ("best", ("--steps", 2))):
        assert run(*common, *how, "-o", tmp_path / f"{name}.json").exit_code == 0
        assert run(*common, *still, "--start", tmp_path / f"{name}.json", "-o", tmp_path / "next.json").exit_code == 0
        before, after = (json.loads((tmp_path / f"{n}.json").read_text()) for n in (name, "next"))
        expected = before["normed"] if name == "papers" else np.array(before["values"]) / 4096
        assert after["normed"] == pytest.approx(list(expected), abs=1e-5)


@pytest.mark.parametrize("recipe", ["best", "paper"])
def test_pretrain_resumes(run, tmp_path, monkeypatch, recipe):
    from inlaid.pretraining import recipes

    (tmp_path / "one").mkdir()
    textured(270, 262).save(tmp_path / "one" / "a.png")
    common = (
        "pretrain",
        "--images",
        tmp_path / "one",
        "--quality",
        10,
        20,
        "--channels",
        2,
        "--layers",
        1,
        "--pictures",
        1,
        "--threads",
        1,
        "--recipe",
        recipe,
    )
    monkeypatch.setattr(recipes.RECIPES[recipe], "every", 2)
    monkeypatch.setattr(recipes.Best, "FIRST_TURN", 1)
    assert run(*common, "--steps", 4, "-o", tmp_path / "straight.json").exit_code == 0

    calls = []

    def interrupted(*arguments, **named):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return gradient(*arguments, **named)

    module, name = recipes, "gradient" if recipe == "best" else "normed_gradient"
    gradient = getattr(module, name)
    with monkeypatch.context() as patched:
        patched.setattr(module, name, interrupted)
        done = run(*common, "--steps", 4, "-o", tmp_path / "resumed.json", "--checkpoint", tmp_path / "state.npz")
    assert done.exit_code == 130 and (tmp_path / "state.npz").exists() and not (tmp_path / "resumed.json").exists()
    for other in (("--steps", 5), ("--steps", 4, "--seed", 1), ("--steps", 4, "--learning-rate", 0.02)):
        done = run(*common, *other, "-o", tmp_path / "resumed.json", "--checkpoint", tmp_path / "state.npz")
        assert done.exit_code == 1 and "state.npz: not the state of this training; expected one of the same pictures" in done.stderr
    assert run(*common, "--steps", 4, "-o", tmp_path / "resumed.json", "--checkpoint", tmp_path / "state.npz").exit_code == 0
    straight, resumed = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("straight", "resumed"))
    assert straight["values"] == resumed["values"]
    assert straight.get("normed") == resumed.get("normed")


def test_pretrain_draws_its_history(run, tmp_path):
    (tmp_path / "one").mkdir()
    textured(96, 88).save(tmp_path / "one" / "a.png")
    network = ("--channels", 2, "--layers", 1, "--pictures", 1)
    plot = tmp_path / "history.svg"
    done = run(
        "pretrain", "--images", tmp_path / "one", "--quality", 10, 20, *network, "--steps", 3, "--plot", plot, "-o", tmp_path / "p.json"
    )
    assert done.exit_code == 0
    assert "mean gain over the base, dB" in plot.read_text() and "jpeg, quality 10 to 20" in plot.read_text()


def test_decode_with_damaged_exif(run, tmp_path):
    """The output holds no EXIF, so the decoder must read the orientation."""
    picture = textured(96, 88)
    picture.info["exif"] = b"Exif\0\0garbage"
    for name, format, quality in (("a.jp2", "jpeg2000", 60), ("a.jpg", "jpeg", 60)):
        (tmp_path / name).write_bytes(by_name(format).codec.encode(picture, quality, {}))
        done = run("decode", tmp_path / name, "-o", tmp_path / "out.ppm")
        assert done.exit_code == 0 and (tmp_path / "out.ppm").exists()


def test_jpeg2000_from_and_to_files(run, tmp_path):
    textured(160, 120).save(tmp_path / "in.png")
    done = run("encode", tmp_path / "in.png", "-o", tmp_path / "out.jp2", "--rate", "1", "-e", "1", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["base_bytes"] <= 1.02 * 160 * 120 / 8
    assert "JPEG2000, 160x120" in run("info", tmp_path / "out.jp2").stdout
    assert run("attach", tmp_path / "out.jp2", "--original", tmp_path / "in.png", "-o", tmp_path / "b.jp2", "-e", "1").exit_code == 0
    assert run("decode", tmp_path / "b.jp2", "-o", tmp_path / "b.png").exit_code == 0
    assert run("strip", tmp_path / "b.jp2", "-o", tmp_path / "plain.jp2").exit_code == 0
    for wrong, says in (
        (("out.jp2", "--rate", "1", "--psnr", "30"), "at most one of"),
        (("out.jp2", "--progressive"), "--progressive does not apply to jpeg2000"),
        (("out.jpg", "--rate", "1"), "--rate does not apply to jpeg"),
        (("out.jp2", "--rate", "0"), "0 is not in the range"),
        (("out.jp2", "--format", "jpeg"), "expected a name in .jpg"),
        (("out.jp2", "--format", "webp"), "unknown format 'webp'"),
    ):
        done = run("encode", tmp_path / "in.png", "-o", tmp_path / wrong[0], *wrong[1:])
        assert done.exit_code == 2 and says in done.stderr
