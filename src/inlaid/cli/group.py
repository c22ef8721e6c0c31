"""The group of the commands: it loads them when they are used, and whatever happens in them ends in one line and an exit code.

Errors: a failure is 1, wrong usage click's 2, Ctrl-C 130.  Nothing here imports numpy, Pillow or rich (`tests/test_cli.py` watches).
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import click

from ..errors import InlayError
from . import streams
from .messages import STREAM, Failure, Interrupted, about, in_words


class Lazy(NamedTuple):
    """A command that is imported when it is used: `module:attribute`, its line in the overview, the extra it may need."""

    target: str
    help: str
    extra: str | None = None


class Command(click.Command):
    """A command whose --help can fail as other output does."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the arguments; --help and --version print now."""
        with about(STREAM, streams.OUTPUT):
            return super().make_context(*args, **extra)


class LazyGroup(Command, click.Group):
    """A group whose `lazy` commands are imported when used, and whose errors end as this module's docstring says."""

    command_class = Command

    def __init__(self, *args: Any, lazy: dict[str, Lazy] | None = None, **kwargs: Any) -> None:
        """Lazy: the commands by name, listed behind the others."""
        super().__init__(*args, **kwargs)
        self.lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were declared."""
        return [*self.commands, *self.lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command; a `Failure` if what it needs is not installed."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        target, _, extra = self.lazy[cmd_name]
        module, attribute = target.split(":")
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        except ImportError as error:
            hint = f"; pip install 'inlaid[{extra}]' brings what it needs" if extra else ""
            raise Failure(f"{cmd_name}: {error}{hint}") from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, without importing anything."""
        lines = {name: command.get_short_help_str(limit=100) for name, command in self.commands.items()}
        lines |= {name: lazy.help for name, lazy in self.lazy.items()}
        with formatter.section("Commands"):
            formatter.write_dl(list(lines.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As click has it, but standard streams that are closed, full or broken end no worse than other failures."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        streams.prepare()
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra) or 0
        except click.ClickException as error:
            code = error.exit_code
            with suppress(OSError):
                error.show(sys.stderr)
        lost = streams.close()
        sys.exit(code or lost)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _one_line(), warnings.catch_warnings():
            if not sys.warnoptions:  # Pillow's doubts about metadata and sizes are for programmers
                warnings.simplefilter("ignore")
            return super().invoke(ctx)


@contextmanager
def _one_line() -> Iterator[None]:
    """An error that nobody tied to a file still ends in one line."""
    try:
        yield
    except KeyboardInterrupt as error:
        streams.note("")  # behind the terminal's ^C
        raise Interrupted("interrupted") from error
    except (InlayError, OSError, MemoryError) as error:
        place = getattr(error, "filename", None)
        raise Failure(f"{place}: {in_words(error)}" if place else in_words(error)) from error
