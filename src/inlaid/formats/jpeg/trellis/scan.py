"""From levels to the bits of a scan, by the kernel: the symbols are counted, then written."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from ....arrays import Integers
from ....native import address, function
from .huffman import Table
from .planes import Component

BLOCK = 64  # coefficients
KINDS, DC, AC, SYMBOLS = 2, 0, 1, 256
Levels = NDArray[np.int16]  # (down, across, BLOCK), in zigzag order


class _Described(ctypes.Structure):
    """Mirrors `component` in src/kernel/scan.c."""

    _fields_ = [("levels", ctypes.c_void_p)] + [(name, ctypes.c_int32) for name in ("across", "down", "h", "v", "kind")]


def symbols(components: list[Component], levels: list[Levels]) -> Integers:
    """How often each symbol occurs in the scan, (KINDS, 2, SYMBOLS): of DC and AC."""
    counts = np.zeros((KINDS, 2, SYMBOLS), np.int64)
    _walk(components, levels, address(counts), None, None, np.empty(0, np.uint8))
    return counts


def scan(components: list[Component], levels: list[Levels], tables: list[list[Table]]) -> bytes:
    """The scan's bytes.  tables: by kind, of DC and AC."""
    both = [[table.codes() for table in of_kind] for of_kind in tables]
    codes = np.ascontiguousarray([[c for c, _ in of_kind] for of_kind in both], np.uint16)
    sizes = np.ascontiguousarray([[s for _, s in of_kind] for of_kind in both], np.uint8)
    out = np.empty(sum(each.size for each in levels) // 4, np.uint8)  # two bits a coefficient: most files need fewer
    need = _walk(components, levels, None, address(codes), address(sizes), out)
    if need > out.size:
        out = np.empty(need, np.uint8)
        _walk(components, levels, None, address(codes), address(sizes), out)
    return out[:need].tobytes()


def _walk(
    components: list[Component],
    levels: list[Levels],
    counts: ctypes.c_void_p | None,
    codes: ctypes.c_void_p | None,
    sizes: ctypes.c_void_p | None,
    out: NDArray[np.uint8],
) -> int:
    """The bytes that the scan has."""
    described = (_Described * len(components))(
        *(_Described(each.ctypes.data, c.across, c.down, c.h, c.v, c.kind) for c, each in zip(components, levels, strict=True))
    )
    run = function("inlaid_scan", None)
    run.restype = ctypes.c_int64
    return int(run(ctypes.byref(described), len(components), counts, codes, sizes, address(out), ctypes.c_int64(out.size)))
