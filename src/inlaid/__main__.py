"""`python -m inlaid` runs the command `inlaid`."""

from .cli.main import main

main(prog_name="inlaid")
