"""`python -m inlay` is the command `inlay`."""

from .cli import main

main(prog_name="inlay")
