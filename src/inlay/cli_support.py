"""What the commands share: files and streams, errors as one line, progress, and a group that loads its commands when used.

Errors: a failure is one line `inlay: FILE: message` on stderr and exit code 1, wrong usage is click's exit code 2, Ctrl-C is 130.
Start-up: nothing here imports numpy, Pillow or rich before it is needed (`tests/test_cli.py` watches).
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import click

from .errors import FormatError, InlayError

if TYPE_CHECKING:
    from PIL import Image
    from rich.progress import Progress as RichProgress

STREAM = "-"
BAR_AFTER_S = 1.0
Command = TypeVar("Command", bound=Callable[..., Any])


# ------------------------------------------------------------------------------------------------ errors


class Failure(click.ClickException):
    """An error on one line; exit code 1."""

    def show(self, file: Any = None) -> None:
        """Print it to stderr."""
        tell(self.message)


def tell(message: str) -> None:
    """One line on stderr."""
    click.echo(f"inlay: {' '.join(message.splitlines())}", err=True)


@contextmanager
def about(name: str, stream: str = "standard input") -> Iterator[None]:
    """Errors that arise here are about the file `name` (about `stream` where that is `-`)."""
    try:
        yield
    except BrokenPipeError:  # whoever read our output has gone: click ends quietly
        raise
    except (InlayError, OSError, MemoryError) as error:
        raise Failure(f"{stream if name == STREAM else name}: {in_words(error)}") from error


def in_words(error: BaseException) -> str:
    """What is wrong, without the file's name."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


# ------------------------------------------------------------------------------------------------ files and streams


def read(name: str) -> bytes:
    """The bytes of a file, or of standard input."""
    with about(name):
        data: bytes = sys.stdin.buffer.read() if name == STREAM else Path(name).read_bytes()
        if not data:
            raise FormatError("it is empty; expected a picture")
    return data


def open_picture(name: str, check: Callable[[Image.Image], None] | None = None) -> Image.Image:
    """A picture of any kind that Pillow reads, its pixels loaded; `check` may refuse it before that."""
    from io import BytesIO

    from PIL import Image, UnidentifiedImageError

    from . import formats

    data = read(name)
    with about(name):
        try:
            picture = Image.open(BytesIO(data))
            if check is not None:
                check(picture)
            picture.load()
            if picture.format == "JPEG2000":  # of which Pillow reads no metadata
                picture.info.update(formats.by_content(data).metadata(data).items)
        except UnidentifiedImageError as error:
            raise FormatError(
                f"not a picture: it begins with {data[:8].hex(' ')}; expected PNG, JPEG, TIFF, WebP, PPM or another "
                "format that Pillow reads"
            ) from error
        except (MemoryError, InlayError):
            raise
        except Exception as error:  # Pillow raises nearly anything for damaged bytes
            raise FormatError(f"cannot decode the picture: {in_words(error)}") from error
    return picture


def check_output(name: str) -> None:
    """Fails now, not after minutes of work, if `write` could not write there."""
    if name == STREAM:
        return
    path = Path(name)
    with about(name):
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder; expected the name of a file")
        if path.exists():
            if not os.access(path, os.W_OK):
                raise PermissionError(0, "it is there already, and may not be written")
            return
        folder = _target(path).parent
        if not folder.is_dir():
            raise FileNotFoundError(0, f"the folder {folder} does not exist")


def check_names(**names: str) -> None:
    """A usage error if more than one input is standard input."""
    if sum(name == STREAM for name in names.values()) > 1:
        raise click.UsageError(f"only one of {' and '.join(names)} can be standard input")


def write(name: str, data: bytes) -> None:
    """All of `data` under that name, or what was there before."""
    with writing(name) as file:
        file.write(data)


@contextmanager
def writing(name: str) -> Iterator[IO[bytes]]:
    """A file to write and to seek in, which gets its name when all is written: a temporary one in the same folder until then."""
    with about(name, "standard output"):
        path = Path(name)
        if name == STREAM or (path.exists() and not path.is_file()):  # a stream, a device or a pipe cannot be replaced
            with tempfile.TemporaryFile() as temporary:
                yield temporary
                temporary.seek(0)
                if name == STREAM:
                    shutil.copyfileobj(temporary, sys.stdout.buffer)
                    sys.stdout.buffer.flush()
                else:
                    with path.open("wb") as out:
                        shutil.copyfileobj(temporary, out)
            return
        path = _target(path)
        beside = path.with_name(f".inlay-{os.urandom(6).hex()}.tmp")
        try:
            with beside.open("xb+") as out:
                if path.exists():
                    _copy_permissions(path, beside)
                yield out
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _target(path: Path) -> Path:
    """Where a symbolic link leads; it stays a link."""
    return Path(os.path.realpath(path))


def _copy_permissions(source: Path, target: Path) -> None:
    with suppress(OSError):  # as far as the system lets us
        shutil.copymode(source, target)
        if hasattr(os, "chown"):
            os.chown(target, source.stat().st_uid, source.stat().st_gid)


# ------------------------------------------------------------------------------------------------ what is told


class Progress:
    """A bar on stderr for work that goes on for over a second; none where stderr is not a terminal.

    Call it with the steps done and the steps in all; use it as a context.
    """

    def __init__(self, what: str) -> None:
        """What: a word for the work."""
        self.what, self.begun = what, time.monotonic()
        self.terminal = sys.stderr.isatty()
        self.bar: RichProgress | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` steps are made."""
        if self.bar is None:
            if not self.terminal or done >= total or time.monotonic() - self.begun < BAR_AFTER_S:
                return
            from rich.console import Console
            from rich.progress import Progress as RichProgress

            self.bar = RichProgress(console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task(self.what)
            self.bar.start()
        self.bar.update(self.task, completed=done, total=total)

    def __enter__(self) -> Progress:
        """Itself; nothing is shown yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()


def report(fields: dict[str, Any], text: str, *, as_json: bool, output: str = "") -> None:
    """`fields` as one JSON object, or `text`; on stderr where standard output carries the picture."""
    click.echo(to_json(fields) if as_json else text, err=output == STREAM)


def to_json(value: Any) -> str:
    """`value` on one line.  JSON has no infinity: null stands for it."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ------------------------------------------------------------------------------------------------ commands


class Lazy(NamedTuple):
    """A command that is imported when it is used: `module:attribute`, its line in the overview, the extra it may need."""

    target: str
    help: str
    extra: str | None = None


class LazyGroup(click.Group):
    """A group whose `lazy` commands are imported when used, and whose errors end as this module's docstring says."""

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
            hint = f"; pip install 'inlay[{extra}]' brings what it needs" if extra else ""
            raise Failure(f"{cmd_name}: {error}{hint}") from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, without importing anything."""
        lines = {name: command.get_short_help_str(limit=100) for name, command in self.commands.items()}
        lines |= {name: lazy.help for name, lazy in self.lazy.items()}
        with formatter.section("Commands"):
            formatter.write_dl(list(lines.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error that nobody tied to a file still ends in one line."""
        try:
            with warnings.catch_warnings():
                if not sys.warnoptions:  # Pillow's doubts about metadata and sizes are for programmers
                    warnings.simplefilter("ignore")
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)
            tell("interrupted")
            ctx.exit(130)
        except BrokenPipeError:
            raise
        except (InlayError, OSError, MemoryError) as error:
            place = getattr(error, "filename", None)
            raise Failure(f"{place}: {in_words(error)}" if place else in_words(error)) from error


class PresetName(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click alone
    """The name of a preset; what they are called is looked up when it is needed.  With `measured`, also of what the bench alone has."""

    name = "preset"

    def __init__(self, measured: bool = False) -> None:
        """measured: of the bench."""
        self.measured = measured

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The choice, as click writes choices."""
        return f"[{'|'.join(self._names())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself; a usage error if there is no such preset."""
        if value not in self._names():
            self.fail(f"{value!r} is not one of {', '.join(self._names())}", param, ctx)
        return str(value)

    def _names(self) -> list[str]:
        from .presets import ABLATIONS, PRESETS

        if not self.measured:
            return list(PRESETS)
        from .wiener import NAME

        return [*PRESETS, *ABLATIONS, NAME]


class Bytes(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click alone
    """A number of bytes: 500M, 2G, 1.5G or plain."""

    name = "size"
    units: ClassVar = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; a usage error if it is none."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", value.strip().upper())
        if not found or not (number := int(float(found[1]) * self.units[found[2]])):
            self.fail(f"{value!r}; expected a number of bytes above 0, as in 500M or 2G", param, ctx)
        return number


threads_option = click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads to compute with; all cores if left out.")


def limit_options(command: Command) -> Command:
    """The options that bound what a picture may ask for."""
    for option in (
        click.option("--max-memory", type=Bytes(), metavar="SIZE", help="Refuse pictures that would take more memory, as in 500M or 2G."),
        click.option("--max-pixels", type=click.IntRange(1), metavar="N", help="Refuse larger pictures before decoding anything."),
    ):
        command = option(command)
    return command


def fitting_options(command: Command) -> Command:
    """The options of all commands that fit a network to a picture."""
    for option in (
        threads_option,
        click.option(
            "--seed",
            type=click.IntRange(0),
            metavar="N",
            default=0,
            show_default=True,
            help="Of the random numbers; the same seed gives the same file on the same kind of machine.",
        ),
        click.option(
            "--preset",
            type=PresetName(),
            help="Which network is fitted, and how: default, the paper's network, as measures best for it; large, five times the weights; "
            "best, the better one of both; paper, as the paper has it.  [default: default]",
        ),
        click.option(
            "-e",
            "--effort",
            type=click.IntRange(1, 9),
            metavar="1..9",
            default=5,
            show_default=True,
            help="Time for gain: 1 takes a shipped network as it is, each step from 2 on about twice as long; "
            "from 6 on also with areas of the picture that have parameters of their own, which takes as long again or more; "
            "from 7 on it ends earlier where going on hardly gains.",
        ),
    ):
        command = option(command)
    return command
