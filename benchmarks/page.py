"""The Markdown page of the stored lines: the latest run of each section, with the required numbers beside the measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType

from common import Line

INTRODUCTION = """# Benchmarks

<!-- Written by benchmarks/run.py from the lines beside it. -->

`python benchmarks/run.py` verifies outputs, then measures. The lines are in [{lines}]({lines}). Beside each requirement stands whether it
is met.
"""


def cells(section: ModuleType, line: Line) -> list[str]:
    """A row of a section's table: what was measured, the numbers, and the requirements."""
    numbers = [_written(section, key, line.get(key)) for key, _, _ in section.COLUMNS]
    return [line["what"], *numbers, "; ".join(text for text, _ in verdicts(section, line))]


def heads(section: ModuleType) -> list[str]:
    """The headings of `cells`."""
    return ["", *(column.head for column in section.COLUMNS), "required"]


def verdicts(section: ModuleType, line: Line) -> list[tuple[str, bool]]:
    """The requirements of a line: a text that ends in the verdict, and whether the requirement is met."""
    found = []
    head = {column.key: column.head for column in section.COLUMNS}
    for key, (word, limit) in line.get("required", {}).items():
        value = line.get(key)
        met = value is not None and (value <= limit if word == "at most" else value >= limit)
        verdict = "met" if met else "**NOT met**" if value is not None else "**NOT measured**"
        found.append((f"{head[key]} {word} {_written(section, key, limit)}: {verdict}", met))
    return found


def _written(section: ModuleType, key: str, value: float | None) -> str:
    form = next(column.form for column in section.COLUMNS if column.key == key)
    return "-" if value is None else format(value, form)


def latest(lines: Sequence[Line], section: str) -> list[Line]:
    """The lines of a section's latest run."""
    own = [line for line in lines if line["benchmark"] == section]
    return [line for line in own if line["time"] == own[-1]["time"]]


def render(lines: Sequence[Line], sections: Mapping[str, ModuleType], name: str) -> str:
    """The page; `name` is the name of the file of lines."""
    blocks, unmet, count = [], [], 0
    for title, section in sections.items():
        shown = latest(lines, title)
        if not shown:
            continue
        head = heads(section)
        rows = [head, ["---", *["---:"] * len(section.COLUMNS), "---"], *(cells(section, line) for line in shown)]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        blocks.append(f"## {title}\n\n{(section.__doc__ or '').strip()}\n\n{table}\n\n{_circumstances(shown)}\n")
        each = [(line["what"], *verdict) for line in shown for verdict in verdicts(section, line)]
        count += len(each)
        unmet += [f"- {title}, {what}: {text}" for what, text, met in each if not met]
    standing = f"{count - len(unmet)} of {count} required numbers are met." + "".join(f"\n{line}" for line in ["", *unmet] if unmet)
    return "\n".join([INTRODUCTION.format(lines=name), standing + "\n", *blocks])


def _circumstances(lines: Sequence[Line]) -> str:
    """The time, machine, threads, load and versions of a run."""
    first = lines[0]
    versions = first["versions"] | {name: version for line in lines for name, version in line["versions"].items()}
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    threads = " and ".join(str(n) for n in sorted({line["threads"] for line in lines}))
    return f"{first['time']}, {first['machine']}, threads: {threads}, load {first['load']} before; {libraries}."
