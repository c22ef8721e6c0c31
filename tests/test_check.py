"""`inlaid info --check`: files whose inlay is not well are named, and no others."""

import json
from pathlib import Path

import pytest
from support.batches import SETTINGS, lines, make_tree

import inlaid
from inlaid.formats import by_name


@pytest.fixture
def web(run, tmp_path, monkeypatch):
    """A folder that a batch made, with a file of each kind."""
    monkeypatch.chdir(tmp_path)
    make_tree("photos", 24)
    assert run("batch", "photos", "web", *SETTINGS, "-j", 2).exit_code == 0
    assert all(line["payload_bytes"] for line in lines("web/inlaid-manifest.jsonl").values())
    return Path("web")


def break_some(web):
    """Break files; returns their states."""
    whole = (web / "5.jpg").read_bytes()
    other = inlaid.strip((web / "2.jpg").read_bytes())
    payload = by_name("jpeg").container.extract(whole)
    (web / "2.jpg").write_bytes(by_name("jpeg").container.embed(other, payload))
    damaged = bytearray(whole)
    damaged[whole.index(payload) + 2] ^= 255
    (web / "5.jpg").write_bytes(damaged)
    (web / "8.jpg").write_bytes(inlaid.strip((web / "8.jpg").read_bytes()))
    (web / "sub" / "0.jpg").unlink()
    (web / "sub" / "3.jpg").write_bytes(b"hello")
    (web / "new.jpg").write_bytes(other)  # a file without an inlay, of which the manifest knows nothing
    (web / "notes.txt").write_text("hello")
    names = {"2.jpg": "stale", "5.jpg": "damaged", "8.jpg": "dropped", "sub/0.jpg": "missing", "sub/3.jpg": "unreadable"}
    return {str(web / name): state for name, state in names.items()}


def test_nothing_is_said_where_all_is_well(web, run):
    done = run("info", "--check", "web")
    assert (done.exit_code, done.output) == (0, "")


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_not_well_is_named(web, run, jobs):
    wrong = break_some(web)
    done = run("info", "--check", "web", "-j", jobs)
    told = dict(line.split(": ")[:2] for line in done.stdout.splitlines())
    assert done.exit_code == 1 and told == wrong and done.stderr == "inlaid: 5 of 25 files are not well\n"

    done = run("info", "--check", "web", "--json", "-j", jobs)
    found = {line["file"]: line["state"] for line in map(json.loads, done.stdout.splitlines())}
    assert done.exit_code == 1 and len(found) == 25 and found.items() >= wrong.items()
    assert {state for name, state in found.items() if name not in wrong} == {"matches", "plain"}
    assert found["web/new.jpg"] == "plain"


def test_without_a_manifest_nothing_is_missed(web, run):
    break_some(web)
    (web / "inlaid-manifest.jsonl").rename("m.jsonl")
    states = {line.split(": ")[1] for line in run("info", "--check", "web").stdout.splitlines()}
    assert states == {"stale", "damaged", "unreadable"}
    states = {line.split(": ")[1] for line in run("info", "--check", "web", "--manifest", "m.jsonl").stdout.splitlines()}
    assert states == {"stale", "damaged", "unreadable", "dropped", "missing"}


def test_files_and_folders(web, run):
    break_some(web)
    done = run("info", "--check", "web/sub/deep", "web/11.jpg", "web/8.jpg")
    assert (done.exit_code, done.output) == (0, "")
    done = run("info", "--check", "web/11.jpg", "web/2.jpg", "none.jpg")
    assert done.exit_code == 1 and [line.split(": ")[:2] for line in done.stdout.splitlines()] == [
        ["web/2.jpg", "stale"],
        ["none.jpg", "unreadable"],
    ]
    done = run("info", "--check", "web/11.jpg", "--max-pixels", 10)
    assert done.exit_code == 1 and "48x40 pixels, at most 10 are allowed" in done.stdout


@pytest.mark.parametrize("arguments", [("a.jpg", "b.jpg"), ("a.jpg", "-j", 2), ("--check",)])
def test_wrong_usage(arguments, run):
    assert run("info", *arguments).exit_code == 2
