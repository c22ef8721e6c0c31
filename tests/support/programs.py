"""Other people's programs, run by the tests."""

import shutil
import subprocess

import pytest


def program(*names):
    """The path of the first of these programs that is installed.  Skips the test if none is."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"{names[0]} is not installed")


def output(*command, data=b""):
    """The standard output of a command that is given `data`.  It must succeed."""
    done = subprocess.run(command, input=data, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
