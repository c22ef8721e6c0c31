"""The bench: its numbers are right, and a run resumes without reusing lines of anything that has changed."""

import base64
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from inlaid import decoder, formats
from inlaid.bench import evaluate, measurement, metrics, peers, provenance, runs, speed, wiener
from inlaid.bench.settings import Detail, Settings, at_points
from inlaid.cli.main import main
from inlaid.encoding import encoder
from inlaid.encoding.distortion import mse, psnr_db
from inlaid.errors import InlayError
from inlaid.report import tables as report
from inlaid.threads import default_threads

QUALITIES = (10, 20, 30, 40)
DATA = Path(__file__).parents[2] / "shared" / "data"


def picture(seed: int, side: int = 96) -> np.ndarray:
    """Stripes at many angles and a little noise, which ring in a JPEG base of low quality."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, : side + 16] / 8
    stripes = sum(np.sign(np.sin(x * np.cos(a) + y * np.sin(a) + p)) for a, p in rng.uniform(0, 6, (4, 2)))
    plane = 128 + 18 * stripes + 20 * np.sin(x / 5) + rng.normal(0, 2, x.shape)
    return np.clip(plane, 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of two pictures, one gray and one in colour."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    Image.fromarray(picture(1)).save(folder / "gray.png")
    colour = np.stack([picture(2), picture(2)[::-1], picture(3)], -1)
    Image.fromarray(colour).save(folder / "colour.png")
    return folder


def measured(folder: Path, run: Path, **settings) -> evaluate.Summary:
    return evaluate.bench([folder], at_points(Settings(effort=1, **settings), {"quality": QUALITIES}), run, jobs=1)


def options_of(settings: Settings) -> dict:
    """What the encoder is told of the settings; `test_bench_colour` checks it."""
    return settings.base_options() | settings.fit_options()


# ------------------------------------------------------------------------------------------------ bench


def test_a_line_says_what_the_file_gives(folder: Path) -> None:
    """All numbers of a line are computed here again, without the bench."""
    rgb = np.asarray(Image.open(folder / "colour.png"))
    luma = np.asarray(Image.fromarray(rgb).convert("YCbCr"))[..., 0]
    plain = formats.by_name("jpeg").codec.encode(Image.fromarray(luma), 20, {"optimize": False})
    file = encoder.encode(luma, quality=20, effort=1, threads=1, **options_of(Settings())).data
    line = measurement.measure(folder / "colour.png", Settings(quality=20, effort=1))
    assert (line["image"], line["set"], line["quality"]) == ("colour.png", "tiny", 20)
    assert (line["width"], line["height"]) == (112, 96)
    assert (line["plain_bytes"], line["file_bytes"]) == (len(plain), len(file))
    assert line["payload_bytes"] == len(file) - len(plain)
    assert line["psnr_plain_db"] == pytest.approx(psnr_db(mse(decoder.decode(plain).pixels, luma)), abs=1e-6)
    assert line["psnr_db"] == pytest.approx(psnr_db(mse(decoder.decode(file).pixels, luma)), abs=1e-6)
    assert line["gain_db"] == pytest.approx(line["psnr_db"] - line["psnr_plain_db"], abs=1e-5)
    assert (line["prior"] is None) == (line["payload_bytes"] == 0)
    assert set(line) == {"image", *runs.KEY, *runs.MEASURED}
    assert json.loads(json.dumps(line, allow_nan=False)) == line


def test_the_base_is_the_anchor_asked_for(folder: Path) -> None:
    sizes = {
        name: measurement.measure(folder / "gray.png", Settings(quality=20, effort=1, **{name: True} if name else {}))["plain_bytes"]
        for name in ("", "optimize", "progressive")
    }
    assert len(set(sizes.values())) == 3
    assert sizes["optimize"] < sizes[""]


def test_encoder_is_not_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file on another base than the anchor is an error, not a measurement."""
    honest = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda image, **kw: honest(image, **{**kw, "quality": kw["quality"] + 1}))
    with pytest.raises(InlayError, match="not the plain base"):
        measurement.measure(folder / "gray.png", Settings(quality=20, effort=1))


def test_resume(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run.jsonl"
    first = measured(folder, run)
    assert (first.measured, first.reused, first.skipped, first.failed) == (8, 0, {}, {})
    assert len(run.read_text().splitlines()) == 8
    whole = run.read_bytes()
    assert measured(folder, run) == evaluate.Summary(reused=8)
    assert run.read_bytes() == whole

    # Another setting is measured, and both stay.
    other = evaluate.bench([folder], [Settings(quality=20, effort=1, optimize=True)], run, jobs=1)
    assert (other.measured, other.reused) == (2, 0)
    assert measured(folder, run).reused == 8

    # A changed picture is measured again, and only it.
    Image.fromarray(picture(7)).save(folder / "gray.png")
    again = measured(folder, run)
    assert (again.measured, again.reused) == (4, 4)

    # The last line was cut off: it is measured again, and the file is whole.
    run.write_bytes(run.read_bytes()[:-40])
    again = measured(folder, run)
    assert (again.measured, again.reused) == (1, 7)
    assert len(runs.read_lines(run)) == 8 + 2 + 4
    assert run.read_bytes().endswith(b"}\n")


def test_changed_code_is_measured_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run.jsonl"
    settings = [Settings(quality=20, effort=1)]
    evaluate.bench([folder], settings, run, jobs=1)
    monkeypatch.setattr(measurement, "code", lambda: "another")
    assert evaluate.bench([folder], settings, run, jobs=1).measured == 2


def test_edges_cannot_change_a_measurement() -> None:
    """The digest of the code covers every module that measuring imports."""
    script = (
        "import sys, inlaid.bench.evaluate; print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('inlaid.') and m.__file__))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    covered = {str(path) for path in provenance.modules()}
    assert covered >= set(loaded) and any(file.endswith("encoder.py") for file in loaded)
    left_out = {path.relative_to(provenance.PACKAGE).as_posix() for path in provenance.PACKAGE.rglob("*.py") if str(path) not in covered}
    assert {"__main__.py", "bench/speed.py", "cli/main.py", "report/page.py"} <= left_out
    assert not any(name.startswith(("encoding/", "formats/", "priors/")) for name in left_out)


SOURCE = '''"""A module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .a import A

LEVELS = (1, 2)  # why


class Thing:
    """A class."""

    size = 3


def double(x: float) -> float:
    """Twice x."""
    from .b import names
    return x * 2
'''
SAME = {
    "reworded docstrings": SOURCE.replace('"""A module."""', '"""Another text."""').replace('"""Twice x."""', '"""Double."""'),
    "no docstring": SOURCE.replace('    """A class."""\n\n', ""),
    "reworded comment": SOURCE.replace("# why", "# because"),
    "other imports": SOURCE.replace("from .a import A", "from ..elsewhere import A").replace("    from .b import names\n", ""),
    "another layout": SOURCE.replace("(1, 2)", "(\n    1,\n    2,\n)").replace("x * 2", "(x*2)"),
}
OTHER = {
    "a constant": SOURCE.replace("(1, 2)", "(1, 3)"),
    "a name": SOURCE.replace("LEVELS", "STEPS"),
    "an operation": SOURCE.replace("x * 2", "x + 2"),
    "an attribute": SOURCE.replace("    size = 3", "    size = 3\n    depth = 1"),
}
PRIORS = {1: ["best", "jpeg", {"channels": 6}, [1, 2], [0, 0], [3, 4]]}


def digest(*sources: str, priors: dict = PRIORS, versions: dict | None = None, library: bytes = b"kernel") -> str:
    return provenance.digest_of(sources, priors, versions or {"numpy": "2"}, library)


@pytest.mark.parametrize("change", SAME)
def test_the_digest_survives_what_changes_no_measurement(change: str) -> None:
    assert SAME[change] != SOURCE
    assert digest(SAME[change], "x = 1") == digest(SOURCE, "x = 1")


@pytest.mark.parametrize("change", OTHER)
def test_the_digest_follows_the_code(change: str) -> None:
    assert digest(OTHER[change], "x = 1") != digest(SOURCE, "x = 1")


def test_the_digest_follows_numbers_versions_and_kernel() -> None:
    found = [digest(SOURCE), digest(SOURCE, versions={"numpy": "3"}), digest(SOURCE, library=b"another"), digest(SOURCE, "x = 1")]
    for place, value in ((0, "paper"), (1, "jpeg2000"), (2, {"channels": 7}), (3, [1, 3]), (4, [0, 1]), (5, [3, 5])):
        fields = [*PRIORS[1][:place], value, *PRIORS[1][place + 1 :]]
        found.append(digest(SOURCE, priors={1: fields}))
    found.append(digest(SOURCE, priors={2: PRIORS[1]}))
    assert len(set(found)) == len(found)


def test_the_code_of_the_package_survives_moves_and_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the package itself: files are copied, moved and changed, and its digest is taken."""
    package = tmp_path / "inlaid"
    shutil.copytree(provenance.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))

    def code() -> str:
        provenance.code.cache_clear()
        return provenance.code()

    try:
        before = code()
        monkeypatch.setattr(provenance, "PACKAGE", package)
        assert code() == before
        (package / "payload.py").rename(package / "formats" / "payload_moved.py")
        network = package / "network.py"
        network.write_text('"""Another docstring."""\n# and a comment\n' + network.read_text("utf-8").partition('"""\n')[2], "utf-8")
        (package / "cli" / "main.py").write_text("changed = 1", "utf-8")
        assert code() == before
        network.write_text(network.read_text("utf-8") + "\nCHANGED = 1\n", "utf-8")
        assert code() != before
    finally:
        provenance.code.cache_clear()


def test_the_digest_covers_the_priors_numbers_and_not_their_story(monkeypatch: pytest.MonkeyPatch) -> None:
    stored, before = provenance.priors.stored(19), provenance.prior_fields(19)
    assert before[1:] == [stored[field] for field in ("codec", "network", "values", "exponents", "spreads", "normed")]
    assert provenance.prior_fields(1)[-1] is None
    told = {**stored, "provenance": {**stored["provenance"], "command": "another", "images": 7}}
    monkeypatch.setattr(provenance.priors, "stored", lambda number: told)
    assert provenance.prior_fields(19) == before
    monkeypatch.setattr(provenance.priors, "stored", lambda number: {**stored, "values": [0, *stored["values"][1:]]})
    assert provenance.prior_fields(19) != before


def test_run_file_of_another_kind_is_left_alone(folder: Path, tmp_path: Path) -> None:
    for content in (b"not\nlines\n", b'{"a": 1}\n{"b": 2}\n', b"no newline", b"\xff\xd8\xff\xe0"):
        run = tmp_path / "run.jsonl"
        run.write_bytes(content)
        with pytest.raises(InlayError, match=r"line 1, is not a measurement"):
            measured(folder, run)
        assert run.read_bytes() == content


def test_broken_files_are_skipped(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run.jsonl"
    (folder / "notes.txt").write_text("not a picture")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes((folder / "gray.png").read_bytes()[:2000])
    Image.fromarray(np.zeros((4, 4), np.float32)).save(folder / "float.tif")
    (folder / "below").mkdir()
    arguments = ["bench", "--images", str(folder), "-e", "1", "--quality", "10,30", "-j", "1", "-o", str(run)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "4 measured, 0 already in the file; 4 files skipped" in result.output
    for name in ("notes.txt", "empty.png", "cut.png", "float.tif"):
        assert result.output.count(f"{name}: skipped, ") == 1
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert "0 measured, 4 already in the file; 4 files skipped" in result.output


def test_nothing_to_measure_fails(folder: Path, tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    broken.mkdir()
    (broken / "a.png").write_text("no")
    (twin := tmp_path / "other" / "tiny").mkdir(parents=True)
    run = ["-e", "1", "-o", str(tmp_path / "run.jsonl")]
    for images, message in (
        ([empty], "no files in"),
        ([broken], "nothing could be measured"),
        ([folder, twin], "rename one"),
    ):
        result = CliRunner().invoke(main, ["bench", "--images", *map(str, images), *run])
        assert result.exit_code == 1
        assert message in result.output
    for wrong, message in (
        (["--quality", "0,10"], "'0,10'; expected numbers from 1 to 100"),
        (["--quality", "ten"], "'ten'; expected numbers from 1 to 100"),
        (["--rate", "0"], "'0'; expected bits a pixel, above 0"),
        (["--rate", "0.5,nan"], "'0.5,nan'; expected bits a pixel"),
        (["--rate", "0.5", "--quality", "10"], "expected at most one of --quality, --rate and the targets"),
        (["--codec", "gif"], "'gif' is not one of"),
        (["--crop", "gray.png:1,2,3"], "'gray.png:1,2,3'; expected FILE:x,y,width,height"),
        (["--preset", "none"], "'none' is not one of"),
        (["--images", str(tmp_path / "nowhere")], "does not exist"),
        (["--speed"], "expected one of --images and --speed"),
    ):
        result = CliRunner().invoke(main, ["bench", "--images", str(folder), *run, *wrong])
        assert result.exit_code == 2, result.output
        assert message in " ".join(result.output.replace("│", "").split())
    assert CliRunner().invoke(main, ["bench", *run]).exit_code == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(quality=None), "nothing given; expected one of quality, rate_bpp"),
        (Settings(quality=20, rate_bpp=0.5), "quality and rate_bpp given; expected one of"),
        (Settings(quality=0), "quality 0, expected 1 to 100"),
        (Settings("jpeg2000", None, rate_bpp=-1.0), "rate -1.0, expected more than 0"),
        (Settings(quality=None, rate_bpp=0.5), "rate_bpp 0.5: jpeg has no such option; expected a quality"),
        (Settings("webp", None, rate_bpp=0.5), "rate_bpp 0.5: webp has no such option"),
        (Settings("jpeg2000", optimize=True), "optimize True: jpeg2000 has no such option"),
        (Settings("gif"), "unknown format 'gif'"),
        (Settings(preset="none"), "no preset 'none'"),
    ],
)
def test_settings_that_cannot_be_measured(folder: Path, tmp_path: Path, settings: Settings, message: str) -> None:
    with pytest.raises(InlayError, match=message):
        evaluate.bench([folder], [settings], tmp_path / "run.jsonl")
    assert not (tmp_path / "run.jsonl").exists()


# ------------------------------------------------------------------------------------------------ JPEG 2000, peers


def test_a_rate(folder: Path) -> None:
    luma = np.asarray(Image.open(folder / "gray.png"))
    plain = formats.by_name("jpeg2000").codec.encode(Image.fromarray(luma), None, {"rate_bpp": 1.0})
    line = measurement.measure(folder / "gray.png", Settings("jpeg2000", None, effort=1, rate_bpp=1.0))
    assert (line["codec"], line["quality"], line["rate_bpp"]) == ("jpeg2000", None, 1.0)
    assert line["plain_bytes"] == len(plain)
    assert line["psnr_plain_db"] == pytest.approx(psnr_db(mse(decoder.decode(plain).pixels, luma)), abs=1e-6)
    assert "OpenJPEG" in line["versions"]
    by_quality = measurement.measure(folder / "gray.png", Settings("jpeg2000", 20, effort=1))
    assert (by_quality["quality"], by_quality["rate_bpp"]) == (20, None)
    assert runs.key(line) != runs.key(by_quality)


def test_a_linear_filter(folder: Path) -> None:
    luma = np.asarray(Image.open(folder / "gray.png"))
    line = measurement.measure(folder / "gray.png", Settings("jpeg", 10, "wiener", effort=5))
    assert (line["preset"], line["effort"], line["prior"], line["network"]) == ("wiener", 0, None, None)
    assert line["payload_bytes"] == line["file_bytes"] - line["plain_bytes"] == 10 + wiener.PAYLOAD_BYTES
    base = formats.by_name("jpeg").codec.decode(formats.by_name("jpeg").codec.encode(Image.fromarray(luma), 10, {"optimize": False})).luma
    restored = wiener.restored(base, luma)
    assert line["gain_db"] == pytest.approx(psnr_db(mse(restored, luma)) - psnr_db(mse(base, luma)), abs=1e-6)
    assert line["gain_db"] > 0.1


def test_the_linear_filter_is_found() -> None:
    """For an original that is the filtered base, the filter is found; only rounding is left."""
    base = np.random.default_rng(0).integers(0, 256, (90, 80), dtype=np.uint8)
    padded = np.pad(base.astype(float), 1, mode="edge")
    blurred = sum(padded[y : y + 90, x : x + 80] for y in range(3) for x in range(3)) / 9
    original = np.rint(blurred).astype(np.uint8)
    assert mse(wiener.restored(base, original), original) < 0.5 < 100 < mse(base, original)


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (64, 64)])
def test_a_linear_filter_of_anything(shape: tuple[int, int]) -> None:
    flat = np.full(shape, 77, np.uint8)
    assert np.array_equal(wiener.restored(flat, flat), flat)
    assert np.array_equal(wiener.restored(flat, flat + np.uint8(3)), flat + np.uint8(3))  # the constant


@pytest.mark.parametrize("name", peers.NAMES)
def test_a_peer(folder: Path, name: str) -> None:
    pytest.importorskip({"jxl": "pillow_jxl", "mozjpeg": "pyvips", "jpegli": "ajpegli"}.get(name, "PIL"))
    luma = np.asarray(Image.open(folder / "gray.png"))
    line = measurement.measure(folder / "gray.png", Settings(name, 40))
    file = peers.encode(name, luma, 40)
    assert (line["plain_bytes"], line["file_bytes"], line["payload_bytes"]) == (len(file), len(file), 0)
    decoded = peers.decode(name, file)
    assert decoded.shape == luma.shape and decoded.dtype == np.uint8
    assert line["psnr_db"] == line["psnr_plain_db"] == pytest.approx(psnr_db(mse(decoded, luma)), abs=1e-6)
    assert line["psnr_db"] > 22
    assert (line["preset"], line["effort"], line["network"], line["prior"]) == ("none", 0, None, None)
    assert peers.library(name) in line["code"]
    assert set(line) == {"image", *runs.KEY, *runs.MEASURED}
    sizes = [len(peers.encode(name, luma, quality)) for quality in peers.QUALITIES[name]]
    assert sizes == sorted(set(sizes))


def test_a_peer_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in (("jxl", "pillow_jxl"), ("mozjpeg", "pyvips"), ("jpegli", "ajpegli")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(InlayError, match=rf"{name} needs .*: pip install 'inlaid\[bench\]'"):
            Settings(name, 50).check()
    monkeypatch.setattr(peers.features, "check", lambda name: False)
    with pytest.raises(InlayError, match="without avif"):
        Settings("avif", 50).check()


def test_all_codecs_in_one_command(folder: Path, tmp_path: Path) -> None:
    """Each codec has its own points.  A peer is measured once for all presets."""
    run = tmp_path / "run.jsonl"
    arguments = ["bench", "--images", str(folder), "--codec", "jpeg", "--codec", "webp", "--codec", "jpeg2000", "-e", "1", "-j", "1"]
    result = CliRunner().invoke(main, [*arguments, "--preset", "default", "--preset", "paper", "-o", str(run)])
    assert result.exit_code == 0, result.output
    lines = runs.read_lines(run)
    assert len(lines) == 2 * (2 * 4 + 5 + 2 * 5)
    assert {line["rate_bpp"] for line in lines if line["codec"] == "jpeg2000"} == {0.2, 0.3, 0.5, 0.7, 1.0}
    result = CliRunner().invoke(main, [*arguments, "-o", str(run)])
    assert f"0 measured, {2 * (4 + 5 + 5)} already in the file" in result.output


# ------------------------------------------------------------------------------------------------ what else a line holds


def test_metrics_and_crops_are_added(folder: Path, tmp_path: Path) -> None:
    """A line is reused only if it has all that is asked for, and keeps what it has when more is asked for."""
    run, box = tmp_path / "run.jsonl", (8, 16, 24, 32)
    settings = [Settings(quality=20, effort=1)]
    evaluate.bench([folder], settings, run, jobs=1)
    assert evaluate.bench([folder], settings, run, jobs=1, detail=Detail("all")).measured == 2
    assert evaluate.bench([folder], settings, run, jobs=1).reused == 2
    again = evaluate.bench([folder], settings, run, jobs=1, crops={"gray.png": box})
    assert (again.measured, again.reused) == (1, 1)
    assert evaluate.bench([folder], settings, run, jobs=1, detail=Detail("all"), crops={"gray.png": box}).reused == 2

    _, plain, _, _, line = runs.read_lines(run)
    assert plain["ssim"] is None and plain["crop"] is None
    luma = np.asarray(Image.open(folder / "gray.png"))
    file = encoder.encode(luma, quality=20, effort=1, threads=1, **options_of(Settings())).data
    base = formats.by_name("jpeg").container.strip(file)
    pixels = {"original": luma, "plain": decoder.decode(base).pixels, "restored": decoder.decode(file).pixels}
    assert line["ssim"] == pytest.approx(metrics.ssim(luma, pixels["restored"]), abs=1e-6)
    assert line["ssim_plain"] == pytest.approx(metrics.ssim(luma, pixels["plain"]), abs=1e-6)
    assert line["ssimulacra2"] == pytest.approx(metrics.ssimulacra2(luma, pixels["restored"]), abs=1e-6)
    assert line["ms_ssim"] is None  # 96 rows are too few
    assert (line["psnr_db"], line["file_bytes"]) == (plain["psnr_db"], plain["file_bytes"])
    for name, expected in pixels.items():
        kept = np.asarray(Image.open(io.BytesIO(base64.b64decode(line["crop"][name]))))
        assert np.array_equal(kept, expected[16:48, 8:32])


def test_crops_that_do_not_fit(folder: Path, tmp_path: Path) -> None:
    settings, run = [Settings(quality=20, effort=1)], tmp_path / "run.jsonl"
    with pytest.raises(InlayError, match=r"no file nobody\.png"):
        evaluate.bench([folder], settings, run, jobs=1, crops={"nobody.png": (0, 0, 8, 8)})
    summary = evaluate.bench([folder], settings, run, jobs=1, crops={"gray.png": (100, 0, 16, 16)})
    assert summary.measured == 1
    assert "exceeds the picture's 112x96 pixels" in summary.skipped[folder / "gray.png"]


def test_lines_of_before_are_read(tmp_path: Path) -> None:
    for stored in (Path(__file__).parents[1] / "docs" / "runs").glob("*-tables.jsonl"):
        lines = runs.read_lines(stored)
        assert lines and all(line["crop"] is None or line["crop"]["box"] for line in lines)
        assert all((line["quality"] is None) != (line["rate_bpp"] is None) for line in lines)


def test_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are lines of their own kind among the measurements.  The paper's network is timed too."""
    monkeypatch.setattr(speed, "SIZES_PX", ((64, 48),))
    monkeypatch.setattr(speed, "REPEATS", 1)
    run = tmp_path / "run.jsonl"
    assert CliRunner().invoke(main, ["bench", "--speed", "-o", str(run)]).exit_code == 0
    lines = runs.read_speeds(run)
    assert runs.read_lines(run) == runs.recover(run) == []
    assert {line["threads"] for line in lines} == {1, default_threads()}
    first = lines[0]
    assert (first["network"]["weights"], first["network"]["macs_per_pixel"], first["width"], first["height"]) == (378, 378, 64, 48)
    assert all(0 < line["restore_s"] < 10 and 0 < line["decode_s"] < 10 for line in lines)
    run.write_text(json.dumps({name: value for name, value in first.items() if name != "restore_s"}) + "\n")
    with pytest.raises(InlayError, match="line 1, is not a measurement"):
        runs.read_speeds(run)


def test_on_a_real_photograph(tmp_path: Path) -> None:
    source = DATA / "kodak" / "kodim23.png"
    if not source.exists():
        pytest.skip(f"needs {source}, which is not part of the repository")
    folder = tmp_path / "photograph"
    folder.mkdir()
    (folder / source.name).symlink_to(source)
    run = tmp_path / "run.jsonl"
    measured(folder, run)
    for each in runs.read_lines(run):
        assert each["set"] == "photograph"
        assert each["psnr_db"] >= each["psnr_plain_db"]
    (table,) = report.results([run]).tables
    assert table.sets[0].per_image.bd_rate_percent < -3  # the shipped prior alone, no fitting
