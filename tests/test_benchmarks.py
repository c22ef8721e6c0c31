"""The benchmarks run, and their page agrees with their stored lines."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.pictures import textured

ROOT = Path(__file__).parents[1]
STORED = ROOT / "docs" / "benchmarks.jsonl"


def benchmark(output, *arguments):
    """The standard output of the benchmarks."""
    command = [sys.executable, ROOT / "benchmarks" / "run.py", "-o", output, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cheap_sections(tmp_path):
    sections = ["peak", "decode"] if shutil.which("cc") else ["decode"]
    printed = benchmark(tmp_path / "b", "--only", *sections, "--repeats", "1", "--seconds", "0.01")
    lines = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert {line["benchmark"] for line in lines} == set(sections)
    for line in lines:
        assert line["what"] in printed and line["machine"] and line["versions"]["kernel"] and line["threads"] >= 1
    restored = [line for line in lines if line["benchmark"] == "decode"]
    assert {line["weights"] for line in restored} == {378, 1888} and all(line["times_libjpeg"] > 0 for line in restored)
    assert all((line["share_of_peak"] is None) == ("peak" not in sections) for line in restored)


@pytest.mark.slow
def test_every_section_runs(tmp_path):
    (tmp_path / "set").mkdir()
    textured(64, 48).save(tmp_path / "set" / "a.png")
    small = (
        "--images",
        tmp_path / "set",
        "--largest",
        "0.1",
        "--pictures",
        "2",
        "--repeats",
        "1",
        "--seconds",
        "0.01",
        "--no-compile",
        "--files",
        "10",
    )
    benchmark(tmp_path / "b", *small)
    found = {json.loads(line)["benchmark"] for line in (tmp_path / "b.jsonl").read_text().splitlines()}
    assert found >= {"decode", "threads", "fit", "convergence", "commands", "plugin", "memory", "batch"}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="it asks for the memory as POSIX has it")
def test_a_batch_with_nothing_to_do(tmp_path):
    """Hardly any memory for a file: 20,000 files, where the page has 100,000."""
    benchmark(tmp_path / "b", "--only", "batch", "--pictures", "2", "--files", "20000", "--repeats", "1")
    _, line = (json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines())
    assert line["ms_a_file"] > 0 and line["growth_mb"] < 20


def test_page_shows_the_latest_run_and_what_it_misses(tmp_path):
    run = {
        "benchmark": "commands",
        "machine": "a machine",
        "versions": {"inlay": "0"},
        "load": 0.0,
        "threads": 2,
        "ms": 3.0,
        "beside_ms": 2.0,
        "more_ms": 1.0,
    }
    required = {"times": ["at most", 1.5]}
    lines = [
        run | {"what": "an old one", "time": "1", "times": 9.0},
        run | {"what": "a fast one", "time": "2", "times": 1.2, "required": required},
        run | {"what": "a slow one", "time": "2", "times": 1.6, "required": required},
    ]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    benchmark(tmp_path / "b", "--only")
    page = (tmp_path / "b.md").read_text()
    assert "an old one" not in page and "## commands" in page and "a machine" in page
    assert "| a fast one | 3 | 2 | 1 | 1.20 | times at most 1.50: met |" in page
    assert "1 of 2 required numbers are met" in page and "- commands, a slow one: times at most 1.50: **NOT met**" in page


@pytest.mark.skipif(not STORED.exists(), reason="nothing is measured yet")
def test_page_is_current(tmp_path):
    shutil.copy(STORED, tmp_path)
    benchmark(tmp_path / "benchmarks", "--only")
    written = STORED.with_suffix(".md").read_text("utf-8")
    assert written == (tmp_path / "benchmarks.md").read_text("utf-8"), "run python benchmarks/run.py --only"
