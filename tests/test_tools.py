"""What docs/tools.md says of other tools is what they do here."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("generate_tools", ROOT / "docs" / "generate_tools.py")
generate_tools = sys.modules["generate_tools"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate_tools)
PAGE = (ROOT / "docs" / "tools.md").read_text("utf-8")


@pytest.fixture(scope="module")
def photo():
    return generate_tools.photo()


@pytest.mark.parametrize("case", generate_tools.CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def test_what_a_tool_does(case, photo):
    key, _, command = case
    tool = generate_tools.TOOLS[key]
    found = generate_tools.installed(tool)
    if found is None:
        pytest.skip(f"{tool.name} is not installed")
    *_, inlay, version = generate_tools.known()[tuple(generate_tools.names(*case))]
    if (here := tool.version_of(found)) != version:
        pytest.skip(f"{tool.name} {here} is installed; the page is of {version}")
    assert generate_tools.state_after(tool, found, command, photo) == inlay


def test_the_page_has_every_case():
    assert list(generate_tools.known()) == [tuple(generate_tools.names(*case)) for case in generate_tools.CASES]
    assert PAGE.startswith(generate_tools.INTRODUCTION)


def test_a_tool_that_fails_is_no_result(photo):
    tool = generate_tools.Tool("false", ("false",))
    with pytest.raises(RuntimeError, match="photo"):
        generate_tools.state_after(tool, "false", "{} photo.jpg", photo)
