"""Fixtures that several tests need; `support/` has the functions."""

import os
import signal
from types import SimpleNamespace

# Set before numpy is imported, and inherited by the programs that the tests start.  On a busy machine the threads of OpenBLAS wait for one
# another at every small product, and cost more time than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from click.testing import CliRunner
from hypothesis import settings
from support.pictures import textured

settings.register_profile("any machine", deadline=None)  # a busy machine takes longer, which is no fault
settings.load_profile("any machine")
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # started by a script in the background; the programs of the tests would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header():
    """Says which kernel paths this machine tests."""
    from inlaid import native

    return f"kernel paths: {', '.join(native.paths())}"


@pytest.fixture(scope="session")
def carrier():
    """A file with an inlay: `original` (an image), `data` (its bytes), and `base` (its bytes without the inlay)."""
    import inlaid
    from inlaid.encoding import encoder

    original = textured(160, 128)
    encoded = encoder.encode(original, quality=40, effort=2)
    assert encoded.payload is not None, encoded.reason
    return SimpleNamespace(original=original, data=encoded.data, base=inlaid.strip(encoded.data))


@pytest.fixture
def run():
    """Runs `inlaid` in this process.  The result has exit_code, stdout, stderr and stdout_bytes."""
    from inlaid.cli.main import main

    def run(*arguments, input=None):
        result = CliRunner().invoke(main, [str(a) for a in arguments], input=input, prog_name="inlaid")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception  # the command must never end in a traceback
        return result

    return run
