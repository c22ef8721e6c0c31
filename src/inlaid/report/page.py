"""A report as a list of blocks, written as Markdown with figures in files, or as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from .plots import Series


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 to 4."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Grid:
    """A table.  The first column is text, the others are numbers.  Rows whose index is in `strong` are emphasised."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Notes:
    """A list of remarks."""

    items: Sequence[str]


@dataclass(frozen=True)
class Drawing:
    """Curves over bits a pixel; `name` is the name of the file, `y` the label of the vertical axis."""

    name: str
    title: str
    series: Sequence[Series]
    y: str


@dataclass(frozen=True)
class Picture:
    """A PNG picture; `name` is the name of the file."""

    name: str
    png: bytes
    caption: str


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side."""

    items: Sequence[Picture]


@dataclass(frozen=True)
class Folded:
    """Blocks under a title, hidden in HTML until the title is clicked."""

    title: str
    blocks: Sequence[Block]


Block = Heading | Text | Grid | Notes | Drawing | Pictures | Folded


def file_name(text: str) -> str:
    """`text` with every character that a file name should not have replaced by `_`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text)


# ------------------------------------------------------------------------------------------------ Markdown


def markdown(blocks: Sequence[Block], files: Mapping[str, str] | None = None) -> str:
    """A Markdown page.  files: the paths of drawings and pictures by name; those without a path are left out."""
    return "\n\n".join(part for block in blocks if (part := _markdown(block, files or {}))) + "\n"


def _markdown(block: Block, files: Mapping[str, str]) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Grid(head, rows, strong):
            bold = [[f"**{cell}**" if i in strong and cell else cell for cell in row] for i, row in enumerate(rows)]
            return "\n".join([_row(head), "|---" + "|---:" * (len(head) - 1) + "|", *map(_row, bold)])
        case Notes(items):
            return "\n".join(f"- {item}" for item in items)
        case Drawing(name, title, _, y):
            return f"![{title}: {y}]({files[name]})" if name in files else ""
        case Pictures(items):
            shown = [p for p in items if p.name in files]
            if not shown:
                return ""
            captions, images = (p.caption.replace("\n", "<br>") for p in shown), (f"![{p.name}]({files[p.name]})" for p in shown)
            return "\n".join([_row(captions), "|---" * len(shown) + "|", _row(images)])
        case Folded(title, inner):
            return "\n\n".join([f"### {title}", *(part for each in inner if (part := _markdown(each, files)))])


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


# ------------------------------------------------------------------------------------------------ HTML


def html(title: str, blocks: Sequence[Block], svgs: Mapping[str, str]) -> str:
    """One HTML page.  svgs: the drawings by name; those without an SVG are left out."""
    body = "\n".join(_html(block, svgs) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _html(block: Block, svgs: Mapping[str, str]) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Grid(head, rows, strong):
            top = "".join(f"<th>{_inline(cell)}</th>" for cell in head)
            lines = "\n".join(
                f"<tr{' class=strong' if i in strong else ''}>{''.join(f'<td>{_inline(str(cell))}</td>' for cell in row)}</tr>"
                for i, row in enumerate(rows)
            )
            return f"<div class=wide><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table></div>"
        case Notes(items):
            return f"<ul class=notes>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>"
        case Drawing(name):
            return f"<figure class=drawing>{svgs[name]}</figure>" if name in svgs else ""
        case Pictures(items):
            return f"<div class=pictures>{''.join(map(_picture, items))}</div>"
        case Folded(title, inner):
            parts = "\n".join(_html(each, svgs) for each in inner)
            return f"<details><summary>{_inline(title)}</summary>\n{parts}\n</details>"


def _picture(picture: Picture) -> str:
    lines = picture.caption.split("\n")
    caption = "<br>".join([f"<b>{escape(lines[0])}</b>", *map(escape, lines[1:])])
    data = base64.b64encode(picture.png).decode()
    return f'<figure><img alt="{escape(lines[0])}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'


def _inline(text: str) -> str:
    """Text as HTML.  Markdown's `code` and *emphasis* are kept."""
    return re.sub(r"\*(\w[^*]*)\*", r"<em>\1</em>", re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text)))


_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #5c6670; --line: #d9dee3; --page: #fff; --band: #f4f6f8; --mark: #e7f2ff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dfe4ea; --soft: #97a3af; --line: #343b43; --page: #14171a; --band: #1c2126; --mark: #17293d; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; margin: 1rem 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { max-width: 46rem; margin: .5rem 0; }
code { font-size: .9em; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; min-width: 4.5rem; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td:first-child { min-width: 9rem; white-space: normal; }
tr.strong td { font-weight: 600; background: var(--mark); }
.notes { color: var(--soft); font-size: .875rem; padding-left: 1.2rem; max-width: 46rem; }
figure { margin: 0; }
.drawing { max-width: 38rem; margin: 1rem 0; }
.drawing svg { width: 100%; height: auto; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 1rem; margin: 1rem 0; }
.pictures img { width: 100%; display: block; image-rendering: pixelated; }
figcaption { font-size: .8rem; color: var(--soft); margin-top: .3rem; }
figcaption b { color: var(--ink); }
details { margin: .5rem 0; padding: .4rem .8rem; background: var(--band); border-radius: 6px; }
summary { cursor: pointer; font-weight: 600; }
"""
