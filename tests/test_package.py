"""What the wheel says of itself.  `check_wheel.py` looks at one that is installed; `.ci/wheel` makes it."""

import re
import tomllib
from pathlib import Path

from check_wheel import REQUIRED

import inlaid

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]


def test_the_core_requires_few_packages():
    assert {re.match(r"[\w-]+", line)[0].lower() for line in PROJECT["dependencies"]} == REQUIRED


def test_the_version_stands_once():
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    source = ROOT / PYPROJECT["tool"]["scikit-build"]["metadata"]["version"]["input"]
    assert source.read_text("utf-8").count(f'\n__version__ = "{inlaid.__version__}"\n') == 1


def test_release_wheels_are_tried():
    assert (ROOT / PYPROJECT["tool"]["cibuildwheel"]["test-command"].rpartition("{project}/")[2]).is_file()
