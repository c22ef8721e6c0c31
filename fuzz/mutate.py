"""Inputs: a seed, changed in one to four places by the mutations of its kind of file.

Number `index` of a campaign is always the same.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from . import jp2_mutations, jpeg_mutations, noise, original_mutations, payload_mutations
from .seeds import GOLDEN, Seeds

KINDS = {"structure": 45, "payload": 25, "noise": 12, "splice": 6, "original": 12}  # in 100
GOLDEN_SHARE = 0.01  # larger than the other seeds: 1 % of the inputs takes 10 % of the time
MOST_BYTES = 1 << 16


class Input(NamedTuple):
    """kind: one of KINDS.  data: a damaged JPEG or JP2 file, or (`original`) a picture to encode."""

    kind: str
    data: bytes


def made(seed: str, index: int, seeds: Seeds) -> Input:
    """Input number `index` of the campaign with this seed."""
    rng = Random(f"{seed}/{index}")
    kind = rng.choices([*KINDS], [*KINDS.values()])[0]
    if kind == "original":
        data = rng.choice(seeds.originals)
    else:
        own = len(seeds.files) - len(GOLDEN)
        data = seeds.files[rng.randrange(own, len(seeds.files)) if rng.random() < GOLDEN_SHARE else rng.randrange(own)]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        data = changed(rng, kind, data, seeds)
    return Input(kind, data)


def changed(rng: Random, kind: str, data: bytes, seeds: Seeds) -> bytes:
    """`data`, changed in one place."""
    if kind == "original":
        new = original_mutations.mutated(rng, data, rng.choice(seeds.originals))
    elif kind == "payload" and rng.random() < 0.9:
        new = payload_mutations.mutated(rng, data, seeds.payloads)
    elif kind == "splice":
        new = noise.spliced(rng, data, rng.choice(seeds.files))
    elif kind == "noise":
        new = rng.choice((noise.damaged, noise.any_field))(rng, data)
    else:
        mutations = jpeg_mutations if data.startswith(b"\xff\xd8") else jp2_mutations
        new = mutations.mutated(rng, data, rng.choice(seeds.files))
    return new[:MOST_BYTES]
