"""What a measurement depends on: the code, the versions of the libraries, and the machine.

Stored lines hold a digest of the code (`code`).  It changes with everything that can change a measurement, and with nothing else: a
moved module, a reworded comment or docstring, and a new layout of the lines give the same digest.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import features

from .. import __version__, native, priors
from ..threads import default_threads

PACKAGE = Path(__file__).parents[1]
# Folders and modules that encoding, decoding and measuring pictures never import.  A change in them leaves the stored lines valid.
EDGES = ("__main__", "bench.speed", "cli", "pretraining", "report")
# The fields of a prior's file that decoding and fitting use.
PRIOR_FIELDS = ("codec", "network", "values", "exponents", "spreads", "normed")


@cache
def code() -> str:
    """A digest of everything that can change a measurement: inlaid's modules, priors and kernel, and the versions of the libraries."""
    library = native.library_path().read_bytes()
    sources = (path.read_text("utf-8") for path in modules())
    return digest_of(sources, {number: prior_fields(number) for number in priors.files()}, versions(), library)


def digest_of(sources: Iterable[str], numbers: Mapping[int, Any], versions: Mapping[str, str], library: bytes) -> str:
    """16 hexadecimal digits for modules, given by their source in any order, priors by number, versions, and the kernel's binary."""
    parts = sorted(hashlib.sha256(syntax_of(source).encode()).hexdigest() for source in sources)
    parts += [json.dumps(each, sort_keys=True) for each in (numbers, versions)]
    parts.append(hashlib.sha256(library).hexdigest())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def syntax_of(source: str) -> str:
    """A module's syntax tree as text, without positions, docstrings and imports: the same for every layout of the same code."""
    return _dumped(ast.parse(source))


def _dumped(value: object) -> str:
    if isinstance(value, ast.AST):
        return f"{type(value).__name__}({','.join([_dumped(getattr(value, field)) for field in value._fields])})"
    if isinstance(value, list):
        return f"[{','.join([_dumped(each) for each in value if not _is_inert(each)])}]"
    return repr(value)


def _is_inert(item: object) -> bool:
    """True for statements that compute nothing: imports, `if TYPE_CHECKING:` with more of them, and docstrings."""
    match item:
        case ast.Import() | ast.ImportFrom() | ast.If(test=ast.Name("TYPE_CHECKING")) | ast.Expr(ast.Constant(str())):
            return True
    return False


def modules() -> list[Path]:
    """The files of all modules that can change a measurement."""
    return [path for path in PACKAGE.rglob("*.py") if not _is_edge(path)]


def _is_edge(path: Path) -> bool:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return any(parts[: edge.count(".") + 1] == tuple(edge.split(".")) for edge in EDGES)


def prior_fields(number: int) -> list[Any]:
    """What decoding and fitting use of a prior.  Its provenance and its band are left out."""
    stored = priors.stored(number)
    return [priors.recipe_of(number), *(stored.get(field) for field in PRIOR_FIELDS)]


def versions() -> dict[str, str]:
    """The versions of everything that a measurement depends on."""
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
    """The processor's name, and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line)
        name = next(found, name)
    return f"{name}, {default_threads()} cores"
