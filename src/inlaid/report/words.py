"""The settings of a line or a table in words.  Equal words stand for files that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..bench.peers import NAMES as PEERS
from ..bench.runs import BEFORE

Configuration = Mapping[str, Any]


def base(c: Configuration, knob: str) -> str:
    """The base codec and its options, or the peer."""
    if c["codec"] != "jpeg":
        return str(c["codec"]) + (" by quality" if knob == "quality" and c["codec"] not in PEERS else "")
    if c["base"] == "trellis":
        scans = {None: "", True: ", progressive", False: ", baseline"}[c["progressive"]]
        words = f"jpeg, trellis{scans}, for {c['tune']}"
    else:
        tables = "optimised Huffman tables" if c["optimize"] or c["progressive"] else "default Huffman tables"
        words = f"jpeg, {'progressive' if c['progressive'] else 'baseline'}, {tables}"
    return words + (f", {':'.join(c['subsampling'])}" if c["subsampling"] else "")


def inlay(c: Configuration) -> str:
    """How the inlay was fitted, and the base for it."""
    words = f"preset {c['preset']}"
    words += f", effort {c['effort']}" if c["effort"] else ""
    words += f", seed {c['seed']}" if c["seed"] else ""
    words += f", for {c['tune']}" if c["tune"] != BEFORE["tune"] and c["base"] != "trellis" else ""
    return words + (f", loop of {c['legacy_loss_db']:g} dB" if c["legacy_loss_db"] else "")


def is_of_the_paper(c: Configuration) -> bool:
    """True for what the paper's tables and figures have counterparts of: the luma, and a base that was made for itself."""
    return c["base"] != "trellis" and not c["colour"] and all(c[name] == value for name, value in BEFORE.items())
