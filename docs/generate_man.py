"""Write docs/inlaid.1, the man page, from the help of the commands: `python docs/generate_man.py`.  A test checks that it is current."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from inlaid.cli.main import main

PAGE = Path(__file__).with_name("inlaid.1")


def render() -> str:
    """The page, in the language of man(7)."""
    top = click.Context(main, info_name="inlaid")
    lines = [
        r".\" Written by docs/generate_man.py; change the help texts, not this page.",
        '.TH INLAID 1 "" "inlaid" "User Commands"',
        ".SH NAME",
        r"inlaid \- JPEG and JPEG 2000 files that carry a tiny neural network, which makes them look better",
        ".SH SYNOPSIS",
        r".B inlaid",
        escaped(" ".join(main.collect_usage_pieces(top))),
        ".SH DESCRIPTION",
        *text(main),
    ]
    for name in main.list_commands(top):
        command = main.get_command(top, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=top)
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        lines += [f'.SH "INLAID {name.upper()}"', f".B {escaped(usage)}", *text(command), *options(command, context)]
    lines += [".SH SEE ALSO", r"cjpeg(1), djpeg(1), exiftool(1)"]
    return "\n".join(lines) + "\n"


def text(command: click.Command) -> Iterator[str]:
    """The help of a command.  Lines that click does not wrap stay as they are."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield ".PP"
        if paragraph.startswith("\b\n"):  # click's mark for lines that are not wrapped
            yield from (".nf", *map(escaped, paragraph.splitlines()[1:]), ".fi")
        else:
            yield escaped(" ".join(paragraph.replace("`", "").split()))


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """The options of a command."""
    for option in command.params:
        if isinstance(option, click.Option) and (record := option.get_help_record(context)):
            names, meaning = (" ".join(part.split()) for part in record)
            yield from (".TP", f".B {escaped(names)}", escaped(meaning.replace("`", "")) or r"\&")


def escaped(line: str) -> str:
    """`line` as troff prints it: hyphens can be copied, and no line is taken for a request."""
    line = line.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^(?=[.'])", r"\\&", line)


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
