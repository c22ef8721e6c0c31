"""Arguments, options and their types that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import click

from .messages import STREAM

Command = TypeVar("Command", bound=Callable[..., Any])


def source(metavar: str = "IN") -> Callable[[Command], Command]:
    """The argument for the input."""
    return click.argument("source", metavar=metavar)


def output(metavar: str) -> Callable[[Command], Command]:
    """The option for the output."""
    return click.option("-o", "--output", metavar=metavar, required=True, callback=_plain, help="The file to write; - for standard output.")


def _plain(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Standard output by its other names too: opened again as a file it would not know how far it has been written."""
    return STREAM if value in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1") else value


as_json = click.option("--json", "as_json", is_flag=True, help="Report as one JSON object.")


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
        from ..encoding.presets import ABLATIONS, PRESETS

        if not self.measured:
            return list(PRESETS)
        from ..bench.wiener import NAME

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
