"""Restoring the luma of a JPEG file (`native.restore`, base pixels to restored ones, one thread) beside libjpeg-turbo decoding that very
file (Pillow). The least of runs in turns, an untimed call before each timed one. First it is verified that the compiled kernel gives the
bytes of the reference on every path that this processor runs.

The share of the peak is the useful multiply-accumulates (those of the restored pixels, none for halos) a second by those of a loop that
touches registers alone (`peak`), which takes its turns with the others. "At the peak" is what a kernel would take that did nothing but
multiply and add, at that pace. libjpeg's time grows with the bits of the file, restoring takes the same at every quality.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import numpy as np
from common import Column, Line, at_least, at_most, decode_by_pillow, jpeg_of, least_ms, made_up, originals, prior_for, verify
from peak import Spin, compiler

from inlaid import native, reference
from inlaid.encoding import presets

COLUMNS = (
    Column("restore_ms", "restore, ms", ".2f"),
    Column("libjpeg_ms", "libjpeg, ms", ".2f"),
    Column("times_libjpeg", "times libjpeg", ".2f"),
    Column("gmacs", "GMAC/s", ".1f"),
    Column("share_of_peak", "share of peak", ".1%"),
    Column("times_at_peak", "times libjpeg at the peak", ".2f"),
)
CROP = 256  # rows and columns that are verified, and the side of the smaller picture
QUALITIES, FEW_QUALITIES = (20, 50, 75, 90, 95), (20, 90)  # the fewer for the larger network
MANY = 5  # times the repeats that are asked for: these are short


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """A line for each network, size and quality."""
    name, original = next(originals(arguments.images))
    small = np.ascontiguousarray(original[:CROP, :CROP]) if min(original.shape) > CROP else made_up(CROP, CROP)
    for network in (presets.SMALL, presets.LARGE):
        default = network == presets.SMALL
        for plane, quality in (*((original, q) for q in (QUALITIES if default else FEW_QUALITIES)), (small, QUALITIES[0])):
            data, base = jpeg_of(plane, quality)
            parameters = prior_for(network, base, plane).values.astype(np.int16)
            crop = base[:CROP, :CROP]
            expected = reference.restore(network, parameters, crop)
            for path in native.paths():
                same = np.array_equal(native.restore(network, parameters, crop, path=path), expected)
                verify(same, f"path {path} does not restore what the reference does")
            verify(np.array_equal(np.asarray(decode_by_pillow(data)), base), "libjpeg decodes another base")

            calls = {"libjpeg": partial(decode_by_pillow, data), "restore": partial(native.restore, network, parameters, base, threads=1)}
            spin = Spin("int16_macs", 1)
            if compiler():
                calls["peak"] = spin
            ms = least_ms(MANY * arguments.repeats, calls)
            ratio, gmacs = ms["restore"] / ms["libjpeg"], network.macs_per_pixel * base.size / ms["restore"] / 1e6
            height, width = base.shape
            required = {}
            if default and plane is small:
                required = at_most(restore_ms=1)
            elif default:
                required = at_most(times_libjpeg=2) | at_least(share_of_peak=0.35)
            yield {
                "what": f"{network.weights} weights, {width}x{height}, q {quality}", "picture": name, "weights": network.weights,
                "width": width, "height": height, "quality": quality, "threads": 1, "repeats": MANY * arguments.repeats,
                "restore_ms": ms["restore"], "libjpeg_ms": ms["libjpeg"], "times_libjpeg": ratio, "gmacs": gmacs,
                "share_of_peak": (part := spin.share(gmacs, max)), "times_at_peak": part and ratio * part, "required": required,
            }  # fmt: skip
