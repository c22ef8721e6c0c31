"""Payloads made by hand, and files that carry them."""

import binascii

import numpy as np

from inlaid import formats, parameters, payload
from inlaid.fingerprint import fingerprint
from inlaid.parameters import Areas, Sets

from .every_format import CODECS, CONTAINERS

STEP = 4  # of the parameters below: 2^-10, the finest that the blank prior takes
COARSENESS = -4


def sealed(body):
    """A payload of these bytes: their CRC stands behind them."""
    return body + binascii.crc_hqx(body, 0).to_bytes(2, "big")


def carrying(base, network, sets):
    """The file `base` with this network and these parameters (`parameters.Sets`, multiples of STEP), without a prior."""
    prior = parameters.blank_prior(network)
    first, *others = (each.astype(np.int64) // STEP for each in sets.parameters)
    levels = [(first, COARSENESS), *((each - first, COARSENESS) for each in others)]
    name = formats.by_content(base).name
    found = payload.Payload(0, network, 0.0, fingerprint(CODECS[name].decode(base).luma), parameters.encode_sets(prior, levels, sets.areas))
    return CONTAINERS[name].embed(base, payload.write(found))


def random_sets(shape, network, side_px, seed):
    """Two sets of random parameters for a picture of shape (H, W), in areas of side_px; one set where side_px is None."""
    rng = np.random.default_rng(seed)
    areas = Areas(side_px, rng.integers(0, 2, Areas.squares(shape, side_px)).astype(np.uint8)) if side_px else None
    return Sets(tuple(STEP * rng.integers(-375, 376, network.size).astype(np.int16) for _ in range(2 if areas else 1)), areas)
