"""Targets in the bench and in the report: what was asked for beside what the files have."""

import pytest
from click.testing import CliRunner
from PIL import Image
from support.pictures import coloured, texture
from test_report import line, write

from inlaid.bench import evaluate, measurement, metrics, runs
from inlaid.bench.settings import Detail, Settings, at_points
from inlaid.cli.main import main
from inlaid.encoding import encoder
from inlaid.errors import InlayError
from inlaid.report import sections, tables

OWN = {"base": "trellis", "tune": "looks", "legacy_loss_db": 0.3}


@pytest.fixture
def folder(tmp_path):
    """A set of two pictures, one gray and one in colour."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    Image.fromarray(texture()).save(folder / "gray.png")
    Image.fromarray(coloured()).save(folder / "colour.png")
    return folder


def test_a_line_of_a_target_says_what_the_file_gives(folder):
    settings = Settings(quality=None, target_bpp=0.9, effort=1, colour=True, **OWN)
    line = measurement.measure(folder / "colour.png", settings)
    file = encoder.encode(coloured(), target_bpp=0.9, effort=1, threads=1, subsampling="420", **OWN).data
    assert line["file_bytes"] == len(file)
    assert 0.99 * 0.9 <= tables.bpp(line) <= 0.9
    assert (line["target_bpp"], line["quality"]) == (0.9, None)
    assert set(line) == {"image", *runs.KEY, *runs.MEASURED}


def test_every_target_is_measured(folder):
    for target in ({"target_psnr_db": 30.0}, {"target_ssimulacra2": 60.0}):
        ((name, wanted),) = target.items()
        line = measurement.measure(folder / "gray.png", Settings(quality=None, effort=1, **OWN, **target), Detail("all"))
        found = line["psnr_db"] if name == "target_psnr_db" else line["ssimulacra2"]
        assert wanted <= found <= wanted + (0.05 if name == "target_psnr_db" else 0.5)
    assert line["ssimulacra2"] is not None and metrics.SMALLEST_PX["ssimulacra2"] <= texture().shape[0]


def test_a_target_out_of_reach_is_no_fault_of_inlaid(folder, tmp_path):
    settings = at_points(Settings(effort=1, **OWN), {"target_psnr_db": [95.0]})
    summary = evaluate.bench([folder], settings, tmp_path / "run.jsonl", jobs=1)
    assert not summary.failed and len(summary.skipped) == 2
    assert all("out of reach" in reason for reason in summary.skipped.values())


def test_settings_have_one_knob():
    with pytest.raises(InlayError, match="quality and target_bpp given; expected one of quality, rate_bpp, target_bpp"):
        Settings(target_bpp=0.5).check()
    with pytest.raises(InlayError, match="nothing given"):
        Settings(quality=None).check()
    with pytest.raises(InlayError, match="target_bpp: only files with an inlay have targets"):
        Settings(codec="webp", quality=None, target_bpp=0.5).check()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--quality", "10", "--target-bpp", "1"], "at most one of --quality, --rate and the targets"),
        (["--target-psnr", "30", "--target-bpp", "1"], "at most one of --quality, --rate and the targets"),
        (["--target-ssimulacra2", "70"], "expected --metrics all with it"),
        (["--target-psnr", "0"], "expected decibels, above 0 and at most 100"),
    ],
)
def test_wrong_usage(folder, arguments, expected):
    result = CliRunner().invoke(main, ["bench", "--images", str(folder), *arguments, "-o", str(folder / "run.jsonl")])
    assert result.exit_code == 2
    assert expected in " ".join(result.output.split())


def test_a_bench_of_targets(folder, tmp_path):
    run = tmp_path / "run.jsonl"
    options = ["--base", "trellis", "--tune", "looks", "--legacy-loss", "0.3", "-e", "1", "--colour", "--target-bpp", "0.9,1.5"]
    result = CliRunner().invoke(main, ["bench", "--images", str(folder), *options, "-o", str(run)])
    assert result.exit_code == 0, result.output
    assert {line["target_bpp"] for line in runs.read_lines(run)} == {0.9, 1.5}
    page = sections.markdown(tables.results([run]))
    assert "## Targets" in page
    assert "| bits a pixel | 0.9, 1.5 | 4 | 4 | 0 |" in page.replace("by |", "|")


def test_the_report_tells_what_was_missed(tmp_path):
    """Of 1000 bytes: one file is exact, one 1 % too large, one 3 % too small."""
    asked = 8 * 1000 / (100 * 80)  # the pixels of `line`
    lines = [line(name, None, (900, 30.0), (size, 31.0), target_bpp=asked) for name, size in (("a", 1000), ("b", 1010), ("c", 970))]
    exact = [line("a", q, (900 + q, 30.0 + q), (950 + q, 31.0 + q)) for q in (10, 20, 30, 40)]
    found = tables.results([write(tmp_path / "run.jsonl", lines + exact)])
    assert len(found.targets) == 3 and len(found.lines) == 4 and len(found.tables) == 1
    row = next(row for row in sections.markdown(found).splitlines() if "bits a pixel |" in row)
    assert [cell.strip() for cell in row.split("|")][4:8] == ["3", "1", "1", "-3.00 %"]


def test_a_quality_below_the_target_is_wrong(tmp_path):
    """Above by more than 0.05 dB is missed too, but not wrong."""
    lines = [line(name, None, (900, 29.0), (950, db), target_psnr_db=30.0) for name, db in (("a", 30.04), ("b", 29.99), ("c", 30.2))]
    row = next(row for row in sections.markdown(tables.results([write(tmp_path / "run.jsonl", lines)])).splitlines() if "PSNR, dB |" in row)
    assert [cell.strip() for cell in row.split("|")][4:8] == ["3", "1", "1", "+0.200"]
