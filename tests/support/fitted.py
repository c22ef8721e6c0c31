"""Fitted parameters that tests start from.  They stand in `fitted.json`, which was made once by

    cd tests && INLAID_PATH=avx2 python -m support.fitted

Floats are added in another order on each kernel path and with each number of threads, so a fit ends at slightly other parameters.  A test
that depends on their last digits would pass on one processor and fail on another.
"""

import json
import sys
from pathlib import Path

import numpy as np

from inlaid.encoding.fit import Problem, fit
from inlaid.encoding.floatnet import he_init
from inlaid.encoding.run import Run
from inlaid.encoding.schedule import Schedule
from inlaid.formats import jpeg
from inlaid.network import Network
from support.pictures import jpeg_of, texture

STORED = Path(__file__).with_suffix(".json")
UNIT = 1 << 16  # in the file, a parameter of 1
NETWORKS = [Network(), Network(channels=4, layers=2, dilations=(2, 1), inputs=3), Network(channels=3, layers=1, kernel=5)]


def pictures():
    """The base and the original of the fits, (64, 80) each."""
    original = texture(80, 64, seed=2)
    return jpeg.codec.decode(jpeg_of(original, quality=15)).luma, original


def fitted(network):
    """The stored parameters of one of the NETWORKS, (size,) float32."""
    return (np.array(json.loads(STORED.read_text("utf-8"))[str(network)]) / UNIT).astype(np.float32)


def make():
    base, original = pictures()
    for network in NETWORKS:
        start, schedule = he_init(network, np.random.default_rng(0)), Schedule(150, rate=0.02, batch_px=1 << 20)
        found = fit(Problem(network, base, original), start, schedule, Run(threads=1)).parameters
        yield str(network), np.rint(found.astype(np.float64) * UNIT).astype(int).tolist()


if __name__ == "__main__":
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in make())
    sys.exit(not STORED.write_text(f"{{\n{lines}\n}}\n", "utf-8"))
