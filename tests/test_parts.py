"""The report's section on the parts of the base, and the script that measures them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from support.pictures import coloured
from test_report import write

from inlaid.report import sections, tables

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "parts.py"


def part(name="loop", tune="psnr", **more):
    """A line of the script."""
    head = {"benchmark": "part", "name": name, "tune": tune, "differs": f"without the {name}", "pictures": 8, "bd_rate_percent": 5.3}
    return head | {"versions": {"inlaid": "0"}, "machine": "one"} | more


def page(run):
    return sections.markdown(tables.results([run]))


def test_parts_are_shown_and_the_latest_counts(tmp_path):
    lines = [part("everything", differs="everything", bd_rate_percent=0.0), part(bd_rate_percent=9.9), part()]
    text = page(write(tmp_path / "run.jsonl", [*lines, part("weights", "looks", bd_rate_percent=-0.104)]))
    assert "| files | for PSNR, by PSNR | for looks, by SSIMULACRA2 |" in text
    assert "| without the loop | +5.30 % |  |" in text and "9.9" not in text
    assert "| without the weights |  | -0.10 % |" in text
    assert "over 8 pictures" in text and "| everything |" not in text


@pytest.mark.slow
def test_the_script_measures_parts(tmp_path):
    """No part changes another's measurement: everything, measured again after the others, is the same."""
    (tmp_path / "images").mkdir()
    Image.fromarray(coloured(320, 240)).save(tmp_path / "images" / "one.png")
    run = tmp_path / "parts.jsonl"
    command = [sys.executable, SCRIPT, "--images", tmp_path / "images", "--only", "loop", "trellis", "own-priors", "-o", run]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = {(each["tune"], each["name"]): each["bd_rate_percent"] for each in map(json.loads, run.read_text().splitlines())}
    assert set(found) == {(tune, name) for tune in ("psnr", "looks") for name in ("everything", "loop", "trellis", "own-priors")}
    for (_, name), percent in found.items():
        assert percent == 0 if name == "everything" else percent > 0
    assert "### What each part brings" in page(run)
