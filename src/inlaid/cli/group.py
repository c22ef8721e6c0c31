"""The group of commands: it imports a command when it is used, and turns every failure into one line and an exit code.

Exit codes: 1 for a failure, 2 for wrong usage (click's own), 130 for Ctrl-C.  Importing this module imports neither numpy nor Pillow nor
rich, so that `inlaid --help` is quick.
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
from .messages import STREAM, Failure, Interrupted, error_prefix, error_text


class Lazy(NamedTuple):
    """A command that is imported when it is used."""

    target: str  # "module:attribute"
    help: str  # its line in the overview of the commands
    extra: str | None = None  # of the package, with what the command needs


class Command(click.Command):
    """A command whose `--help` and `--version` report a closed or full standard output as a failure."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the arguments.  `--help` and `--version` print here."""
        with error_prefix(STREAM, streams.OUTPUT):
            return super().make_context(*args, **extra)


class LazyGroup(Command, click.Group):
    """A group of commands, some of which are imported when they are used."""

    command_class = Command

    def __init__(self, *args: Any, lazy: dict[str, Lazy] | None = None, **kwargs: Any) -> None:
        """`lazy`: commands by name; they are listed after the others."""
        super().__init__(*args, **kwargs)
        self.lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order in which the commands were declared."""
        return [*self.commands, *self.lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None; `Failure` if a package that it needs is not installed."""
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
        """Write the overview.  Nothing is imported for it."""
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
        """Run a command and exit.  A standard stream that is closed, full or broken is a failure like any other."""
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
        with _failures(), warnings.catch_warnings():
            if not sys.warnoptions:  # Pillow warns of odd metadata and large pictures; that is of no use to a user
                warnings.simplefilter("ignore")
            return super().invoke(ctx)


@contextmanager
def _failures() -> Iterator[None]:
    """Turn errors that no `error_prefix` caught into a `Failure`."""
    try:
        yield
    except KeyboardInterrupt as error:
        streams.write_error_line("")  # the terminal has written ^C on this line
        raise Interrupted("interrupted") from error
    except (InlayError, OSError, MemoryError) as error:
        file = getattr(error, "filename", None)
        raise Failure(f"{file}: {error_text(error)}" if file else error_text(error)) from error
