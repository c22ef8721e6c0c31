"""The report's section on the paper's own recipe, and the script that measures its readings."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.pictures import textured
from test_report import GAIN_DB, PLAIN, direct, line, stored, write

from inlaid.bench import runs
from inlaid.report import sections
from inlaid.report import tables as report

READINGS = Path(__file__).parents[1] / "benchmarks" / "readings.py"


def page(*files):
    return sections.markdown(report.results(files))


def section(text, heading):
    """The text from a heading to the next heading."""
    return text.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]


def test_the_papers_preset_beside_table_2(tmp_path):
    """The rates of both ways to count: with 100 bytes a file, and with none."""
    import bjontegaard

    def free(points, gain_db):
        size, psnr = np.array(points).T
        return bjontegaard.bd_rate(size, psnr, size, psnr + gain_db, method="akima", min_overlap=0)

    text = page(write(tmp_path / "run.jsonl", stored(preset="paper")))
    title = "### jpeg, baseline, default Huffman tables; preset paper, effort 5, beside Table II"
    counted = np.mean([direct(points, GAIN_DB[name])[0] for name, points in PLAIN.items()])
    uncounted = np.mean([free(points, GAIN_DB[name]) for name, points in PLAIN.items()])
    for heading, expected in ((title, counted), (f"{title}: payload not counted", uncounted)):
        row = next(row for row in section(text, heading).splitlines() if row.startswith("| kodak"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[2] == f"{expected:.2f} %"
        assert cells[-2:] == ["-17.05 %", "+0.998 dB"]
    assert uncounted < counted - 5


def test_other_presets_alone_make_no_section(tmp_path):
    assert "by its own recipe" not in page(write(tmp_path / "run.jsonl", stored()))


def test_the_way_from_the_papers_recipe_to_the_default(tmp_path):
    """Each step's change of the BD-rate is the difference of two presets on the same pictures."""
    gains = {"paper": 1.0, "papers-prior": 1.05, "unweighed": 1.1, "default": 1.3}
    lines = [
        line(image, 10 * (i + 1), point, (point[0] + 100, point[1] + gain), preset=preset)
        for preset, gain in gains.items()
        for image, points in PLAIN.items()
        for i, point in enumerate(points)
    ]
    rates = {name: sum(direct(points, gain)[0] for points in PLAIN.values()) / 2 for name, gain in gains.items()}
    text = section(page(write(tmp_path / "run.jsonl", lines)), "### From the paper's recipe to the default")
    assert f"has {rates['paper']:.2f} %" in text
    for before, after in pairwise(gains):
        assert f"({rates[after] - rates[before]:+.2f} points, to {rates[after]:.2f} %)" in text
    without = [each for each in lines if each["preset"] != "unweighed"]
    assert "to the default" not in page(write(tmp_path / "fewer.jsonl", without))


def reading(**more):
    """A line of a reading."""
    figures = dict(zip(runs.READ, (8, 0.7, 1.2, 200.4, -16.0, -18.0, 0.9), strict=True))
    head = {"benchmark": "reading", "name": "chosen", "codec": "jpeg", "differs": "the chosen reading", "reason": None}
    return head | {"training_steps": 10_000, "fit_steps": 200, "versions": {"inlaid": "0"}, "machine": "one"} | figures | more


def test_readings_are_shown_and_the_latest_counts(tmp_path):
    nothing = dict.fromkeys(runs.READ) | {"name": "sum", "differs": "a sum", "reason": "the parameters grew without bound at step 2"}
    uncoded = {"name": "blocks", "differs": "blocks", "payload_bytes": None, "bd_rate_percent": None, "bd_rate_uncounted_percent": None}
    lines = [reading(prior_db=0.1), reading(), reading(**nothing), reading(**uncoded), reading(codec="jpeg2000", fitted_db=0.4)]
    text = page(write(tmp_path / "run.jsonl", lines))
    table = section(text, "### Readings of the paper: jpeg, 8 pictures of BSDS500 that no reading was trained on")
    assert "| the chosen reading | 10000 | 200 | +0.700 | +1.200 | 200 | -16.00 % | -18.00 % |" in table
    assert "+0.100" not in table and "| blocks | 10000 | 200 | +0.700 | +1.200 |  |  |  |" in table
    assert "| a sum | 10000 |  |  | diverges |  |  |  |" in table and "- a sum: the parameters grew without bound at step 2." in table
    assert "+0.400" in section(text, "### Readings of the paper: jpeg2000, 8 pictures of BSDS500 that no reading was trained on")


def test_a_reading_without_figures_is_no_line(tmp_path):
    broken = reading()
    del broken["fitted_db"]
    with pytest.raises(report.InlayError, match="line 1, is not a measurement"):
        report.results([write(tmp_path / "run.jsonl", [broken])])


@pytest.mark.slow
def test_the_script_measures_readings(tmp_path):
    """One that learns, one of blocks, and one that diverges."""
    for folder, count in (("train", 2), ("test", 2)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            textured(300, 280, seed=number + 10 * (folder == "test")).save(tmp_path / folder / f"{number}.png")
    run = tmp_path / "readings.jsonl"
    few = ("--pictures", "1", "--surveyed", "1", "--most-steps", "30")
    command = [sys.executable, READINGS, "--train", tmp_path / "train", "--test", tmp_path / "test", *few, "-o", run]
    done = subprocess.run([*command, "--only", "chosen", "blocks-in-use", "sum"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = {(each["codec"], each["name"]): each for each in map(json.loads, run.read_text().splitlines())}
    assert len(lines) == 6
    for codec in ("jpeg", "jpeg2000"):
        assert lines[codec, "chosen"]["fitted_db"] > lines[codec, "chosen"]["prior_db"]
        assert lines[codec, "chosen"]["fitted_db"] != lines[codec, "blocks-in-use"]["fitted_db"]
        assert "grew without bound" in lines[codec, "sum"]["reason"]
    assert "Readings of the paper: jpeg, 1 pictures" in page(run)
