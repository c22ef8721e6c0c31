"""What README and the pages show works: shell lines, Python examples and their output, links, measured sizes."""

import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from test_architecture import MAY_IMPORT

import inlaid

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page):
    """(language, text) of each fenced block."""
    return FENCE.findall((ROOT / page).read_text("utf-8"))


def run_python(fenced):
    """Runs the Python blocks one after another, and compares what each prints with the text block behind it, if there is one."""
    namespace, compared = {"__name__": "page"}, 0
    for (language, source), (kind, expected) in zip(fenced, [*fenced[1:], ("", "")], strict=True):
        if language == "python":
            with redirect_stdout(StringIO()) as printed:
                exec(compile(source, "page", "exec"), namespace)
            assert printed.getvalue() == (expected if kind == "text" else ""), source
            compared += kind == "text"
    return compared


@pytest.fixture
def folder(tmp_path, monkeypatch, carrier):
    """The working folder of the examples, with the files that they read."""
    monkeypatch.chdir(tmp_path)
    carrier.original.save("photo.png")
    carrier.original.save("master.tif")
    carrier.original.save("old.jpg", quality=30)
    return tmp_path


def test_python_page(folder):
    assert run_python(blocks("docs/python.md")) >= 10


def test_serving_page(folder):
    assert run_python(blocks("docs/serving.md")) == 1
    assert inlaid.info(Path("small.jpg").read_bytes())["base"]["width"] == 80


def test_python_of_the_readme(folder, carrier):
    (example,) = [source for language, source in blocks("README.md") if language == "python"]
    try:
        run_python([("python", f"from PIL import Image\nimage = Image.open('photo.png')\n{example}")])
        assert inlaid.info(Path("photo.jpg").read_bytes())["inlay"]["state"] == "matches"
    finally:
        inlaid.unregister()


def test_wrong_output_is_found():
    with pytest.raises(AssertionError):
        run_python([("python", "print(1)\n"), ("text", "2\n")])


def test_shell_lines_of_the_readme(folder):
    """Those on pictures; `.ci/run` runs the test command, and the demo has tests of its own."""
    (lines,) = [text for language, text in blocks("README.md") if language == "sh" and "inlaid encode photo" in text]
    command = folder / "bin" / "inlaid"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m inlaid "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["sh", "-e", "-c", lines], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    plain, photo = (Path(name).read_bytes() for name in ("plain.jpg", "photo.jpg"))
    assert plain == inlaid.strip(photo) != photo
    assert inlaid.strip(Path("new.jpg").read_bytes()) == Path("old.jpg").read_bytes()


def test_the_ground_plan_is_the_one_that_is_checked():
    rows = re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|$", (ROOT / "docs/design.md").read_text("utf-8"), re.MULTILINE)
    assert {folder: set(re.findall(r"\w+", allowed)) for folder, allowed in rows} == MAY_IMPORT


def test_the_bytes_of_an_inlay_are_those_measured():
    lines = [json.loads(line) for run in (ROOT / "docs/runs").glob("*.jsonl") for line in run.read_text("utf-8").splitlines()]
    added = [line["payload_bytes"] for line in lines if line.get("payload_bytes")]
    assert f"({min(added)} to {max(added)} in [docs/runs]" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_pages_show_how_the_slow_tests_run(page):
    (command,) = re.findall(r"python -m (pytest -m slow.*)", (ROOT / ".ci/run").read_text("utf-8"))
    assert f"`{command}`" in " ".join((ROOT / page).read_text("utf-8").split())


def test_what_to_change_is_one_step_from_the_readme():
    (table,) = re.findall(r"^\| to change .*?^$", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    targets = [re.findall(r"\]\(([^)#]+)", row) for row in table.splitlines()[2:]]
    assert len(targets) >= 5 and all(row and all((ROOT / target).is_file() for target in row) for row in targets)


def headings(page):
    """What links behind a # may name."""
    found = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text("utf-8"))):
        path, _, heading = target.partition("#")
        found = page if not path else page.parent / path
        assert path.startswith("https:") or found.exists(), target
        assert not heading or heading in headings(found), target
