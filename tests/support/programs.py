"""Other people's programs, run by the tests."""

import shutil
import subprocess

import pytest


def program(*names):
    """The first of these programs that is installed; skips the test if none is."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"{names[0]} is not installed")


def output(*command, data=b""):
    """What it writes when it reads `data`."""
    done = subprocess.run(command, input=data, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
