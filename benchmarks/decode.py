"""Restoring the luma of a JPEG file (`kernel.restore`: base pixels to restored pixels, one thread) beside libjpeg-turbo, which decodes
the same file (by Pillow). Times are the shortest of alternating runs, each after an untimed call. First it is verified that the compiled
kernel gives the bytes of the reference on every path that this processor can run.

The share of the peak is the useful multiply-accumulates a second, divided by those of a loop that uses registers alone (`peak`) and
alternates with the other runs. Useful are those of the restored pixels, not those of halos. "At the peak" is the time of a kernel that
would only multiply and add, as fast as that loop. libjpeg's time grows with the bits of the file; the time of restoring does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import numpy as np
from common import Column, Line, at_least, at_most, decode_by_pillow, jpeg_of, originals, prior_for, shortest_ms, synthetic, verify
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
CROP = 256  # side in pixels of the part that is verified, and of the smaller picture
QUALITIES, FEW_QUALITIES = (20, 50, 75, 90, 95), (20, 90)  # the second for the larger network
MANY = 5  # times as many repeats as asked for, since these calls are short


def measure(arguments: argparse.Namespace) -> Iterator[Line]:
    """Yield a line for each network, size and quality."""
    name, original = next(originals(arguments.images))
    small = np.ascontiguousarray(original[:CROP, :CROP]) if min(original.shape) > CROP else synthetic(CROP, CROP)
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
            ms = shortest_ms(MANY * arguments.repeats, calls)
            ratio, gmacs = ms["restore"] / ms["libjpeg"], network.macs_per_pixel * base.size / ms["restore"] / 1e6
            height, width = base.shape
            required = {}
            if default and plane is small:
                required = at_most(restore_ms=1)
            elif default:
                required = at_most(times_libjpeg=2) | at_least(share_of_peak=0.35)
            share = spin.share(gmacs, max)
            yield {
                "what": f"{network.weights} weights, {width}x{height}, q {quality}",
                "picture": name,
                "weights": network.weights,
                "width": width,
                "height": height,
                "quality": quality,
                "threads": 1,
                "repeats": MANY * arguments.repeats,
                "restore_ms": ms["restore"],
                "libjpeg_ms": ms["libjpeg"],
                "times_libjpeg": ratio,
                "gmacs": gmacs,
                "share_of_peak": share,
                "times_at_peak": share and ratio * share,
                "required": required,
            }
