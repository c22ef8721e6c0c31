"""What the default run leaves out: exhaustive cases, which `pytest -m slow` and .ci/run run."""

import pytest


def slow(*values, **settings):
    """A parameter of a test that is left to the slow run."""
    return pytest.param(*values, marks=pytest.mark.slow, **settings)


def first(values, count=1):
    """Parameters of which the first `count` belong to the default run, and the others to the slow run."""
    values = list(values)
    return [*values[:count], *map(slow, values[count:])]
