"""The shipped priors are frozen: files with inlays decode by their numbers for ever."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from inlaid import priors

# SHA-256 of each prior's network and parameters.  A new prior adds a line; a line never changes.
LINES = (Path(__file__).parent / "golden" / "priors.sha256").read_text().splitlines()
HASHES = {number: digest for digest, number in map(str.split, LINES)}


def digest(prior):
    """SHA-256 of the numbers that decoding uses, whatever the file's layout, its provenance left out."""
    numbers = [asdict(prior.network), *([int(v) for v in array] for array in (prior.values, prior.exponents, prior.spreads))]
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()


def test_every_prior_has_a_hash_and_a_number_of_its_own():
    names = [path.name for path in Path(priors.__file__).parent.glob("*.json")]
    assert sorted(name[:3] for name in names) == sorted(HASHES)


@pytest.mark.parametrize("number", HASHES)
def test_the_numbers_are_those_that_were_released(number):
    assert digest(priors.prior(int(number))) == HASHES[number]


@pytest.mark.parametrize("field", ["values", "exponents", "spreads"])
def test_a_changed_number_is_noticed(field):
    prior = priors.prior(1)
    changed = np.array(getattr(prior, field))
    changed[-1] += 1
    assert digest(replace(prior, **{field: changed})) != HASHES["001"]


if __name__ == "__main__":  # writes the lines of priors.sha256
    for number in priors.files():
        print(f"{digest(priors.prior(number))}  {number:03}")
