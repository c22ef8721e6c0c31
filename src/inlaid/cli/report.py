"""`inlaid report`: tables and curves from the stored lines of `inlaid bench`."""

from __future__ import annotations

from pathlib import Path

import click

from ..report import plots, sections, tables
from .group import Command
from .messages import error_prefix, print_message, print_result
from .outputs import check_output, write


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="RUN...")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder for results.md, results.html and the figures, results/.  [default: print the tables]",
)
def report(runs: tuple[Path, ...], output: Path | None) -> None:
    """Make tables and curves from the stored lines of `inlaid bench`, beside the paper's figures.

    The lines of all RUNs are taken together.  results.html is one page that needs no other file.

    \b
    Examples:
      inlaid report run.jsonl
      inlaid report run.jsonl peers.jsonl -o docs
    """
    results = tables.results(runs)
    if output is None:
        print_result(sections.markdown(results).removesuffix("\n"))
        return
    with error_prefix(str(output)):
        output.mkdir(parents=True, exist_ok=True)
    check_output(str(output / "results.md"))
    if obstacle := plots.obstacle():
        print_message(f"no figures: {obstacle}")
    files = sections.files(results, figures=not obstacle)
    for name, data in files.items():
        with error_prefix(str(output / name)):
            (output / name).parent.mkdir(exist_ok=True)
        write(str(output / name), data)
    print_result(f"{output / 'results.md'}, {output / 'results.html'} and {len(files) - 2} figures")
