"""The shipped priors: pre-trained parameters, a part of the format (FORMAT.md, section 3).

Each is a JSON file in this folder, `NNN-name.json`.  A payload names its prior by the number NNN.  A released file never changes, and its
number is never given to another.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedError
from ..network import Network
from ..parameters import Prior

_FOLDER = Path(__file__).parent


@cache
def files() -> dict[int, str]:
    """The files' names, by number."""
    names = sorted(f.name for f in _FOLDER.glob("*.json"))
    return {int(name[:3]): name for name in names}


@cache
def stored(number: int) -> dict[str, Any]:
    """The content of a prior's file: "codec", "network", "values", "exponents", "spreads", "provenance", and where
    it was trained with instance norm, "normed".

    UnsupportedError for an unknown number.
    """
    if number not in files():
        known = f"it has 1 to {max(files())}" if files() else "it has none"
        raise UnsupportedError(f"the inlay builds on prior {number}, which this version does not have ({known})")
    parsed: dict[str, Any] = json.loads((_FOLDER / files()[number]).read_text("utf-8"))
    return parsed


def recipe_of(number: int) -> str:
    """The recipe that trained a prior, by its name in `pretraining.recipes.RECIPES`."""
    recipe: str = stored(number)["provenance"].get("recipe", "best")  # the oldest files do not name it, and are all "best"
    return recipe


def normed_start(number: int) -> NDArray[np.float32] | None:
    """Where fits with instance norm begin: the parameters before the norm was folded into the prior's.

    None for a prior that was trained without the norm.
    """
    normed = stored(number).get("normed")
    return None if normed is None else np.array(normed, np.float32)


def network_of(number: int) -> Network:
    """The network of a prior; UnsupportedError for an unknown number."""
    return Network(**stored(number)["network"])


@cache
def prior(number: int) -> Prior:
    """The prior of that number; UnsupportedError for an unknown one."""
    values, exponents, spreads = (np.array(stored(number)[key], np.int64) for key in ("values", "exponents", "spreads"))
    return Prior(number, network_of(number), values, exponents, spreads)


def candidates(codec: str, network: Network, recipe: str = "best") -> list[Prior]:
    """The priors for a base codec and a network, trained by a recipe, in order of their numbers."""
    wanted = (codec, network, recipe)
    return [prior(n) for n in files() if (stored(n)["codec"], network_of(n), recipe_of(n)) == wanted]
