"""Write docs/commands.md from the help of the commands: `python docs/generate_commands.py`.  A test checks that the page is current."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from inlaid.cli.main import main

PAGE = Path(__file__).with_name("commands.md")


def render() -> str:
    """The page.  It does not depend on the version of click or the width of the terminal."""
    top = click.Context(main, info_name="inlaid")
    parts = [
        "# Commands\n\n<!-- Written by docs/generate_commands.py; change the help texts, not this page. -->\n",
        section(top, main),
    ]
    for name in main.list_commands(top):
        command = main.get_command(top, name)
        assert command is not None
        parts.append(f"\n## inlaid {name}\n\n" + section(click.Context(command, info_name=name, parent=top), command))
    return "".join(parts)


def section(context: click.Context, command: click.Command) -> str:
    """The usage, text and options of a command."""
    out = [f"```\n{' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n```\n"]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):  # click's mark for lines that are not wrapped
            lines = paragraph.splitlines()[1:]
            heading = [] if lines[0].startswith(" ") else [lines.pop(0) + "\n"]
            out += [*heading, "```\n" + inspect.cleandoc("\n".join(lines)) + "\n```\n"]
        else:
            out.append(" ".join(paragraph.split()) + "\n")
    options = [p for p in command.params if isinstance(p, click.Option)]
    rows = [record for option in options if (record := option.get_help_record(context))]
    if rows and not isinstance(command, click.Group):
        out.append("| option | |\n|---|---|\n" + "".join(f"| `{cell(names)}` | {cell(text)} |\n" for names, text in rows))
    return "\n".join(out)


def cell(text: str) -> str:
    """`text` for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
