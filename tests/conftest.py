"""Pictures and files that several tests need."""

import os
from io import BytesIO
from types import SimpleNamespace

# Before numpy is loaded, and for the programs that tests start: on a busy machine the threads of its linear algebra, which wait for one
# another at every little product, cost far more than they bring.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image


def textured(width, height, seed=0):
    """An RGB picture of stripes and a disc, of the kind that an inlay restores well."""
    y, x = np.mgrid[:height, :width].astype(float)
    upper = np.sin(y / 40) > 0
    stripes = np.where(upper, 40 * np.sign(np.sin(x / 5 + y / 9)), 30 * np.sign(np.sin((x - y) / 7)))
    disc = 40 * (np.hypot(x - width / 2, y - height / 2) < min(width, height) / 4)
    planes = [128 + a * stripes + b * np.sin(x / 60) + disc for a, b in ((1, 12), (0.8, 30), (0.6, 54))]
    noise = np.random.default_rng(seed).normal(0, 2, (height, width, 1))
    return Image.fromarray(np.clip(np.stack(planes, axis=2) + noise, 0, 255).astype(np.uint8))


def file_of(image, format="PNG", **settings):
    """The bytes of a picture file."""
    out = BytesIO()
    image.save(out, format, **settings)
    return out.getvalue()


@pytest.fixture(scope="session")
def carrier():
    """A file with an inlay: `original` (an image), `data`, and `base`, the data without it."""
    import inlaid
    from inlaid.encoding import encoder

    original = textured(160, 128)
    encoded = encoder.encode(original, quality=40, effort=2)
    assert encoded.payload is not None, encoded.reason
    return SimpleNamespace(original=original, data=encoded.data, base=inlaid.strip(encoded.data))


@pytest.fixture
def run():
    """Runs `inlaid` with these arguments in this process; the result has exit_code, stdout, stderr, stdout_bytes."""
    from inlaid.cli.main import main

    def run(*arguments, input=None):
        result = CliRunner().invoke(main, [str(a) for a in arguments], input=input, prog_name="inlaid")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception  # a traceback is never an answer
        return result

    return run
