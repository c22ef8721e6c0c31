"""Past findings of fuzzing stay fixed; the fuzzer makes the inputs that it claims to make, and would report a fault."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fuzz import check, minimise, mutate, seeds  # noqa: E402  # fuzz/ is no part of the package: its path is set first

FINDINGS = sorted(p for p in (ROOT / "tests" / "findings").iterdir() if p.suffix != ".md")


@pytest.mark.parametrize("path", FINDINGS, ids=lambda p: p.name)
def test_what_was_found_stays_mended(path):
    minimise.replayed(path.read_bytes())


@pytest.fixture(scope="module")
def made():
    return seeds.seeds()


def test_the_seeds_are_of_all_kinds_and_hold(made):
    counts = Counter()
    for data in made.files:
        check.any_file(data, counts, attach=False)
    for data in made.originals:
        check.any_original(data, counts)
    assert counts["decode: restored"] >= 25 and counts["decode: plain"] >= 8 and counts["decode: unsupported"] >= 1
    assert counts["encode: done"] >= 15 and not {"encode: not a picture", "encode: too large"} & set(counts)


def test_some_mutated_inputs_hold(made):
    """All outcomes occur often enough."""
    counts = Counter()
    for index in range(300):
        check.any_file(mutate.made("a test", index, made).data, counts)
    for outcome in ("restored", "plain", "stale", "damaged", "unsupported", "FormatError"):
        assert counts[f"decode: {outcome}"] >= 5, counts
    assert counts["attach: inlay"] >= 15 and counts["attach: plain"] >= 50


def test_an_input_is_the_same_again(made):
    for index in range(100):
        assert mutate.made("x", index, made) == mutate.made("x", index, made)
    assert len({mutate.made("x", index, made).data for index in range(100)}) >= 95


def removed(data, payload=b"a payload"):
    module = check.formats.by_content(data)
    plain = module.container.strip(data)
    return module.container.embed(plain, payload), plain


def test_strip_is_watched(made):
    """The check of `strip` finds a byte too many or too few, and another segment."""
    for data in made.files:
        if check.formats.by_content(data).container.obstacle(data) is None:
            with_one, plain = removed(data)
            assert check.removed_whole(with_one, plain) and check.removed_whole(plain, plain)
            assert not check.removed_whole(with_one, plain[:-1])
            assert not check.removed_whole(with_one, with_one[:-1])
            assert not check.removed_whole(with_one, plain[:2] + plain[3:])


@pytest.mark.parametrize(
    "name, broken, message",
    [
        ("decode", lambda data, **_: np.zeros((1, 1), np.uint8), "picture"),
        ("strip", lambda data: data, "there is a payload in the stripped file"),
        ("strip", lambda data: data[: len(data) // 2], "."),
        ("attach", lambda data, original, **_: data + b"\0", "attach changes the base"),
    ],
)
def test_a_broken_call_is_reported(made, monkeypatch, name, broken, message):
    data = made.files[1]
    check.any_file(data, Counter())
    monkeypatch.setattr(check.inlaid, name, broken)
    with pytest.raises((check.Fault, check.InlayError), match=message):
        check.any_file(data, Counter())


def test_a_finding_is_made_small():
    def fault_of(data):
        return "it is there" if b"X" in data else ""

    assert minimise.smallest(b"abc" * 50 + b"X" + b"def" * 50, fault_of) == b"X"


def test_a_slow_call_and_much_memory_are_reported(monkeypatch):
    monkeypatch.setattr(check, "HANG_S", -1.0)
    with pytest.raises(check.Fault, match="takes"):
        check.attempt(lambda: 1)
    if (memory := minimise.Memory()).known:
        memory.begin()
        held = np.ones(150 << 20, np.uint8)
        with pytest.raises(check.Fault, match="memory"):
            memory.check(0)
        memory.check(len(held) // 2)
