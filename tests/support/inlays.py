"""Payloads made by hand, and files that carry them."""

import binascii

import numpy as np

from inlaid import formats, parameters, payload
from inlaid.fingerprint import fingerprint

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
    name = formats.by_content(base).NAME
    found = payload.Payload(0, network, 0.0, fingerprint(CODECS[name].decode(base).luma), parameters.encode_sets(prior, levels, sets.areas))
    return CONTAINERS[name].embed(base, payload.write(found))
