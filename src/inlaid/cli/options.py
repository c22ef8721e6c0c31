"""Arguments and options that several commands share, and the values that they are bundled into."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click

from .messages import STREAM

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Fitting:
    """How a network is fitted: the values of `fitting_options`."""

    effort: int
    preset: str | None
    seed: int
    threads: int | None


@dataclass(frozen=True)
class Limits:
    """What a picture may take: the values of `limit_options`."""

    max_pixels: int | None
    max_memory: int | None  # bytes


@dataclass(frozen=True)
class Targets:
    """What the finished file has to meet: the values of `target_options`, of which one at most is given."""

    target_size: int | None  # bytes
    target_bpp: float | None
    target_psnr: float | None  # dB
    target_ssimulacra2: float | None


class PresetName(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click alone
    """The name of a preset.  With `measured`, also the name of an ablation, which only the bench has.

    The names are looked up when they are needed, since the presets import numpy.
    """

    name = "preset"

    def __init__(self, measured: bool = False) -> None:
        """`measured`: accept ablations too."""
        self.measured = measured

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The names, as click writes choices."""
        return f"[{'|'.join(self._names())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself; usage error if there is no such preset."""
        if value not in self._names():
            self.fail(f"{value!r} is not one of {', '.join(self._names())}", param, ctx)
        return str(value)

    def _names(self) -> list[str]:
        from ..encoding.presets import ABLATIONS, PRESETS

        if not self.measured:
            return list(PRESETS)
        from ..bench.wiener import NAME

        return [*PRESETS, *ABLATIONS, NAME]


class Bytes(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click alone
    """A number of bytes: 500M, 2G, 1.5G or plain digits; K, M and G are powers of 1000."""

    name = "size"
    units: ClassVar = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes; usage error if `value` is not one above 0."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", value.strip().upper())
        if not found or not (number := int(float(found[1]) * self.units[found[2]])):
            self.fail(f"{value!r}; expected a number of bytes above 0, as in 500M or 2G", param, ctx)
        return number


def file_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What a shell completes an argument with: names of files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def source(metavar: str = "IN") -> Callable[[Command], Command]:
    """The argument for the input."""
    return click.argument("source", metavar=metavar, shell_complete=file_names)


def output(metavar: str) -> Callable[[Command], Command]:
    """The option for the output."""
    text = "The file to write; - for standard output."
    return click.option("-o", "--output", metavar=metavar, required=True, callback=_stream_name, shell_complete=file_names, help=text)


def _stream_name(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """`-` for every name of standard output: opened a second time, it would be written from the beginning again."""
    return STREAM if value in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1") else value


as_json = click.option("--json", "as_json", is_flag=True, help="Report as one JSON object.")

threads_option = click.option(
    "--threads", type=click.IntRange(1), metavar="N", help="Number of threads.  [default: one for each processor core]"
)


def limit_options(command: Command) -> Command:
    """Options that limit what a picture may take; the command receives them as `limits`, one `Limits`."""
    command = _bundled("limits", Limits, command)
    for option in (
        click.option(
            "--max-memory",
            type=Bytes(),
            metavar="SIZE",
            help="Refuse a picture that would take more memory than SIZE bytes, as in 500M or 2G.  [default: no limit]",
        ),
        click.option(
            "--max-pixels",
            type=click.IntRange(1),
            metavar="N",
            help="Refuse a picture of more than N pixels, before it is decoded.  [default: no limit]",
        ),
    ):
        command = option(command)
    return command


def target_options(command: Command) -> Command:
    """Options that say what the finished file has to meet; the command receives them as `targets`, one `Targets`."""
    command = _bundled("targets", Targets, command)
    for option in (
        click.option(
            "--target-ssimulacra2",
            type=click.FloatRange(max=100, max_open=True),
            metavar="SCORE",
            help="The least SSIMULACRA2 of the restored picture, in place of -q.  It is at most 0.5 above.  "
            "It needs pip install 'inlaid[looks]'.",
        ),
        click.option(
            "--target-psnr",
            type=click.FloatRange(0, 100, min_open=True),
            metavar="DB",
            help="The least PSNR of the restored luma, in place of -q.  It is at most 0.05 dB above.",
        ),
        click.option(
            "--target-bpp",
            type=click.FloatRange(0, min_open=True),
            metavar="BPP",
            help="As --target-size, in bits a pixel.",
        ),
        click.option(
            "--target-size",
            type=Bytes(),
            metavar="SIZE",
            help="The most bytes of the whole file, as in 200k, in place of -q.  Metadata and inlay count.  At most 1 % is left free.  "
            "Where base and inlay change in larger steps, the nearest smaller file is written.",
        ),
    ):
        command = option(command)
    return command


def fitting_options(command: Command) -> Command:
    """Options of every command that fits a network; the command receives them as `fitting`, one `Fitting`."""
    return threads_option(_fit_options(_bundled("fitting", Fitting, command)))


def one_thread_fitting_options(command: Command) -> Command:
    """The same of a command that fits in many processes: each fits with one thread."""
    bundled = _bundled("fitting", Fitting, command)

    @wraps(bundled)
    def call(*arguments: Any, **options: Any) -> Any:
        return bundled(*arguments, threads=1, **options)

    return _fit_options(call)  # type: ignore[return-value]  # it takes other keywords; only click calls it


def _fit_options(command: Command) -> Command:
    for option in (
        click.option(
            "--seed",
            type=click.IntRange(0),
            metavar="N",
            default=0,
            show_default=True,
            help="Seed of the random numbers.  The same seed and number of threads give the same file on the same kind of machine.",
        ),
        click.option(
            "--preset",
            type=PresetName(),
            help="The network, and how it is fitted.  default: the paper's network of 378 weights, fitted by our method.  "
            "large: a network of 1888 weights, slower to decode.  best: fits both networks and keeps the better one.  "
            "paper: the paper's network, fitted by the paper's method.  [default: default]",
        ),
        click.option(
            "-e",
            "--effort",
            type=click.IntRange(1, 9),
            metavar="1..9",
            default=5,
            show_default=True,
            help="How long to fit.  1 takes a shipped prior as it is.  From 2 on, each step takes about twice as long as the one before.  "
            "From 6 on, areas of the picture may get parameters of their own, which takes as long again or longer.  "
            "From 7 on, the fit ends early when it hardly gains any more.",
        ),
    ):
        command = option(command)
    return command


def _bundled(name: str, kind: type[Any], command: Command) -> Command:
    """`command` with the options named like the fields of `kind` passed as one argument `name`."""
    names = [field.name for field in fields(kind)]

    @wraps(command)
    def call(*arguments: Any, **options: Any) -> Any:
        return command(*arguments, **{name: kind(**{each: options.pop(each) for each in names})}, **options)

    return call  # type: ignore[return-value]  # it takes other keywords; only click calls it
