"""What a measurement hangs on: the code, the libraries and the machine (docs/design.md, How results are measured)."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from functools import cache
from pathlib import Path

import numpy as np
import PIL
from PIL import features

from .. import __version__, native
from ..threads import default_threads

# Modules that encoding, decoding and measuring never import: a change to them leaves the lines that are there good.
EDGES = ("__main__", "bench.speed", "cli", "pretraining", "report")


@cache
def code() -> str:
    """A digest of all that can change a measurement: inlaid's source, priors and kernel, and the libraries below."""
    digest = hashlib.sha256(json.dumps(versions(), sort_keys=True).encode())
    package = Path(__file__).parent
    sources = [p for p in package.rglob("*.py") if p.relative_to(package).as_posix() not in {f"{e}.py" for e in EDGES}]
    for path in (*sorted(sources), *sorted(package.rglob("*.json"))):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    digest.update(native.library_path().read_bytes())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Of everything that a result hangs on."""
    return {
        "inlaid": __version__,
        "kernel": os.environ.get("INLAID_PATH") or native.paths()[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "Pillow": PIL.__version__,
        "libjpeg-turbo": features.version("libjpeg_turbo") or "none",
        "OpenJPEG": features.version("jpg_2000") or "none",
    }


@cache
def machine() -> str:
    """The processor's name and how many of them this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line)
        name = next(found, name)
    return f"{name}, {default_threads()} cores"
