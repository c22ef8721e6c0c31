"""The bench: its numbers are right, a run resumes and never takes over what has changed, the report repeats what the lines say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from inlay import decoder, encoder, evaluate, formats, metrics, report, runs
from inlay.cli import main
from inlay.errors import InlayError
from inlay.evaluate import Settings
from inlay.metrics import Curve

QUALITIES = (10, 20, 30, 40)
DATA = Path(__file__).parents[2] / "shared" / "data"


def picture(seed: int, side: int = 96) -> np.ndarray:
    """Stripes at many angles under a soft light, and a little noise: what a JPEG base at low quality makes ringing of."""
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
    return evaluate.bench([folder], evaluate.at_qualities(Settings(effort=1, **settings), QUALITIES), run, jobs=1)


# ------------------------------------------------------------------------------------------------ metrics


def test_psnr_by_hand() -> None:
    a = np.array([[0, 255], [10, 20]], np.uint8)
    b = np.array([[255, 255], [12, 20]], np.uint8)
    assert metrics.mse(a, b) == (255**2 + 4) / 4
    assert metrics.psnr_db(a, b) == pytest.approx(10 * np.log10(65025 * 4 / 65029))
    assert metrics.psnr_db(a, a) == float("inf")
    for wrong in (a[:1], a.astype(np.int16), a[None]):
        with pytest.raises(ValueError, match="expected uint8 arrays of one shape"):
            metrics.mse(a, wrong)


def test_bjontegaard_by_hand() -> None:
    anchor = Curve([0.2, 0.35, 0.5, 0.7], [27.0, 29.5, 31.0, 32.2])
    assert metrics.bd_rate(anchor, anchor) == metrics.bd_psnr(anchor, anchor) == 0
    cheaper = Curve([0.8 * r for r in anchor.bpp], anchor.psnr_db)
    assert metrics.bd_rate(anchor, cheaper) == pytest.approx(-20)
    assert metrics.bd_rate(cheaper, anchor) == pytest.approx(25)
    better = Curve(anchor.bpp, [p + 1.25 for p in anchor.psnr_db])
    assert metrics.bd_psnr(anchor, better) == pytest.approx(1.25)
    # A straight line of 6 dB a factor of 2, one dB higher: 2^(-1/6) of the rate.
    line = Curve([1, 2, 4, 8], [20, 26, 32, 38])
    above = Curve([1, 2, 4, 8], [21, 27, 33, 39])
    assert metrics.bd_rate(line, above) == pytest.approx(100 * (2 ** (-1 / 6) - 1))


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (Curve([1, 2, 3, 4], [30, 31, 31, 32]), "does not rise"),
        (Curve([1, 2, 2, 4], [30, 31, 32, 33]), "does not rise"),
        (Curve([1, 2, 3, 4], [30, 31, 32, np.inf]), "not a finite number"),
        (Curve([1, 2, 3, 4], [60, 61, 62, 63]), "no common range"),
        (Curve([1], [30]), "two points or more"),
        (Curve([1, 2], [30]), "two points or more"),
    ],
)
def test_bjontegaard_refuses(test: Curve, message: str) -> None:
    with pytest.raises(InlayError, match=message):
        metrics.bd_rate(Curve([1, 2, 3, 4], [30, 32, 33, 34]), test)


def test_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    with pytest.raises(InlayError, match=r"pip install 'inlay\[bench\]'"):
        metrics.bd_rate(Curve([1, 2], [1, 2]), Curve([1, 2], [1, 2]))


# ------------------------------------------------------------------------------------------------ bench


def test_a_line_says_what_the_file_gives(folder: Path) -> None:
    """Everything in the line is computed here once more, without the bench."""
    rgb = np.asarray(Image.open(folder / "colour.png"))
    luma = np.asarray(Image.fromarray(rgb).convert("YCbCr"))[..., 0]
    plain = formats.by_name("jpeg").encode_base(Image.fromarray(luma), 20, {"optimize": False})
    file = encoder.encode(luma, quality=20, effort=1, optimize=False, threads=1).data
    line = evaluate.measure(folder / "colour.png", Settings(quality=20, effort=1))
    assert (line["image"], line["set"], line["quality"]) == ("colour.png", "tiny", 20)
    assert (line["width"], line["height"]) == (112, 96)
    assert (line["plain_bytes"], line["file_bytes"]) == (len(plain), len(file))
    assert line["payload_bytes"] == len(file) - len(plain)
    assert line["psnr_plain_db"] == pytest.approx(metrics.psnr_db(decoder.decode(plain).pixels, luma), abs=1e-6)
    assert line["psnr_db"] == pytest.approx(metrics.psnr_db(decoder.decode(file).pixels, luma), abs=1e-6)
    assert line["gain_db"] == pytest.approx(line["psnr_db"] - line["psnr_plain_db"], abs=1e-5)
    assert (line["prior"] is None) == (line["payload_bytes"] == 0)
    assert set(line) == {"image", *runs.KEY, *runs.MEASURED}
    assert json.loads(json.dumps(line, allow_nan=False)) == line


def test_the_base_is_the_anchor_asked_for(folder: Path) -> None:
    sizes = {
        name: evaluate.measure(folder / "gray.png", Settings(quality=20, effort=1, **{name: True} if name else {}))["plain_bytes"]
        for name in ("", "optimize", "progressive")
    }
    assert len(set(sizes.values())) == 3
    assert sizes["optimize"] < sizes[""]


def test_encoder_is_not_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file on another base than the anchor is an error, not a measurement."""
    honest = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda image, **kw: honest(image, **{**kw, "quality": kw["quality"] + 1}))
    with pytest.raises(InlayError, match="not the plain base"):
        evaluate.measure(folder / "gray.png", Settings(quality=20, effort=1))


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
    monkeypatch.setattr(evaluate, "code", lambda: "another")
    assert evaluate.bench([folder], settings, run, jobs=1).measured == 2


def test_edges_cannot_change_a_measurement() -> None:
    """What the digest of the code leaves out is not imported by what measures."""
    script = "import sys, inlay.evaluate; print(*(m for m in sys.modules if m.startswith('inlay.')))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {f"inlay.{edge}" for edge in evaluate.EDGES} & set(loaded)
    assert "inlay.encoder" in loaded


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
    assert "4 measured, 0 were there; 4 files skipped" in result.output
    for name in ("notes.txt", "empty.png", "cut.png", "float.tif"):
        assert result.output.count(f"{name}: skipped, ") == 1
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert "0 measured, 4 were there; 4 files skipped" in result.output


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
    for wrong in (["--quality", "0,10"], ["--quality", "ten"], ["--preset", "none"], ["--images", str(tmp_path / "nowhere")]):
        assert CliRunner().invoke(main, ["bench", "--images", str(folder), *run, *wrong]).exit_code == 2


# ------------------------------------------------------------------------------------------------ report


def line(image: str, quality: int, plain: tuple[int, float], inlay: tuple[int, float], **more) -> dict:
    """A line as the bench writes it; (bytes, PSNR) without and with an inlay, of a picture of 100 x 80 pixels."""
    return {
        "image": image, "set": "kodak", "sha256": image, **Settings(quality=quality).__dict__, "threads": 1, "code": "c",
        "width": 100, "height": 80, "plain_bytes": plain[0], "file_bytes": inlay[0], "payload_bytes": inlay[0] - plain[0],
        "psnr_plain_db": plain[1], "psnr_db": inlay[1], "gain_db": None, "reason": "", "prior": 1,
        "network": {"channels": 6, "layers": 3, "weights": 378, "biases": 24}, "encode_s": 1.0, "decode_s": 0.1,
        "versions": {"inlay": "0"}, "machine": "one", **more,
    }  # fmt: skip


PLAIN = {"a": [(300, 27.0), (480, 29.1), (600, 30.4), (710, 31.2)], "b": [(500, 25.0), (820, 27.3), (1050, 28.5), (1240, 29.4)]}
GAIN_DB = {"a": 1.0, "b": 0.5}


def stored(**more) -> list[dict]:
    return [
        line(image, q, point, (point[0] + 100, point[1] + GAIN_DB[image]), **more)
        for image, points in PLAIN.items()
        for q, point in zip(QUALITIES, points, strict=True)
    ]


def write(run: Path, lines: list[dict]) -> Path:
    run.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return run


def direct(points: list[tuple[int, float]], gain_db: float) -> tuple[float, float]:
    """BD-rate and BD-PSNR of 100 bytes and `gain_db` more, by the package itself."""
    import bjontegaard

    size, psnr = np.array(points).T
    curves = (8 * size / 8000, psnr, 8 * (size + 100) / 8000, psnr + gain_db)
    return tuple(f(*curves, method="akima", min_overlap=0) for f in (bjontegaard.bd_rate, bjontegaard.bd_psnr))


def test_report_equals_a_direct_computation(tmp_path: Path) -> None:
    live1 = [each for each in stored(set="LIVE1") if each["image"] == "a"]
    (table,) = report.tables([write(tmp_path / "1.jsonl", stored()), write(tmp_path / "2.jsonl", live1)])
    by_image = {image: direct(points, GAIN_DB[image]) for image, points in PLAIN.items()}
    kodak, live = table.sets
    assert (kodak.name, kodak.images, live.name, live.images) == ("kodak", 2, "LIVE1", 1)
    expected = np.mean(list(by_image.values()), 0)
    assert (kodak.per_image.bd_rate_percent, kodak.per_image.bd_psnr_db) == pytest.approx(tuple(expected))
    curve = direct(np.mean(list(PLAIN.values()), 0), 0.75)
    assert (kodak.average_curve.bd_rate_percent, kodak.average_curve.bd_psnr_db) == pytest.approx(curve)
    assert live.per_image == live.average_curve
    weighted = table.average("per_image")
    assert weighted.bd_rate_percent == pytest.approx((2 * by_image["a"][0] + by_image["b"][0]) / 3)
    assert table.average("average_curve").bd_psnr_db == pytest.approx((2 * curve[1] + by_image["a"][1]) / 3)
    assert [p.bpp for p in kodak.points] == pytest.approx([(PLAIN["a"][i][0] + PLAIN["b"][i][0] + 200) / 2000 for i in range(4)])
    page = report.markdown([table])
    assert f"| kodak | 2 | {expected[0]:.2f} % | {expected[1]:+.3f} dB |" in page
    assert "| -17.05 % | +0.998 dB |" in page  # the paper's
    assert "| -15.27 % | +0.906 dB |" in page
    assert "-16.18" not in page  # its average is over three sets
    assert "378 weights and 24 biases" in page


def test_the_papers_averages_are_weighted() -> None:
    images = {"live1": 29, "kodak": 24, "classic5": 5}
    for codec, average in report.PAPER_AVERAGE.items():
        for column in (0, 1):
            mean = sum(n * report.PAPER[codec][name][column] for name, n in images.items()) / 58
            assert mean == pytest.approx(average[column], abs=0.006)


def test_report_leaves_out_and_says_so(tmp_path: Path) -> None:
    lines = stored()
    lines += [line("half", q, (300, 20.0 + q), (310, 20.1 + q)) for q in QUALITIES[:2]]
    lines += [line("exact", q, (300 + q, None), (300 + q, None)) for q in QUALITIES]
    lines += [line("two", q, (300 + q, 20.0 + q), (300 + q, 20.1 + q), sha256=str(q)) for q in QUALITIES]
    lines += [line("falls", q, (300 + q, 60.0 - q), (300 + q, 60.1 - q)) for q in QUALITIES]
    before = [{**each, "psnr_db": 1.0, "code": "old"} for each in stored()[:1]]
    (table,) = report.tables([write(tmp_path / "run.jsonl", before + lines)])
    notes = "\n".join(table.notes)
    assert "Not used: 1 older lines" in notes
    for image, reason in (
        ("half", "every quality"),
        ("exact", "infinite"),
        ("two", "different pictures"),
        ("falls", "does not rise"),
    ):
        assert any(image in note and reason in note for note in table.notes), image
    assert "versions of the code" not in notes
    assert table.sets[0].per_image == report.tables([write(tmp_path / "good.jsonl", stored())])[0].sets[0].per_image
    mixed = report.tables([write(tmp_path / "mixed.jsonl", [*stored()[1:], *before])])
    assert "2 versions of the code" in "\n".join(mixed[0].notes)


def test_report_command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From pictures to a page, and the page again without the pictures; settings are not mixed."""
    run, out = tmp_path / "run.jsonl", tmp_path / "out"
    for optimize in (False, True):
        measured(folder, run, optimize=optimize)
    for path in folder.iterdir():
        path.unlink()
    runner = CliRunner()
    printed = runner.invoke(main, ["report", str(run)])
    assert printed.exit_code == 0
    result = runner.invoke(main, ["report", str(run), "-o", str(out)])
    assert result.exit_code == 0, result.output
    page = (out / "results.md").read_text()
    assert page.startswith(printed.stdout)
    assert page.count("\n## ") == 2
    assert "default Huffman tables" in page and "optimised Huffman tables" in page
    assert (out / "rd-tiny.svg").read_bytes().startswith(b"<?xml")
    again = tmp_path / "again"
    runner.invoke(main, ["report", str(run), "-o", str(again)])
    assert (again / "rd-tiny.svg").read_bytes() == (out / "rd-tiny.svg").read_bytes()

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = runner.invoke(main, ["report", str(run), "-o", str(again)])
    assert result.exit_code == 0
    assert "no figures: " in result.output
    result = runner.invoke(main, ["report", str(write(tmp_path / "none.jsonl", []))])
    assert result.exit_code == 1
    assert "no measurement" in result.output


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
    (table,) = report.tables([run])
    assert table.sets[0].per_image.bd_rate_percent < -3  # the shipped prior alone, no fitting
