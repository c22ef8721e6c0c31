"""What must hold for any bytes: a picture or an InlayError, in little time and memory, and calls that agree with one another."""

from __future__ import annotations

import json
import os
import re
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

import inlaid
from inlaid import decoder, formats, native, payload, priors, restoration
from inlaid.errors import InlayError, InlayWarning
from inlaid.formats.jp2.container import IDENTIFIER as BOX
from inlaid.formats.jpeg.container import IDENTIFIER as SEGMENT

from .seeds import picture

T = TypeVar("T")
HANG_S = 2.0  # processor time of a call, because other programs may be busy; the campaign sees a call that waits for ever
MAX_PIXELS = 1 << 20  # the limit given to decoding; large networks take a second for that many
MOST_ATTACHED_PX = 1 << 14  # `attach` is not tried on a larger base: it would only take longer
SPARE_BYTES, BYTES_A_PIXEL = 100 << 20, 40  # of JPEG 2000 in colour, which takes most, with the copies that are compared here
BAD = ("stale", "damaged", "unsupported")
PACKAGE = str(Path(inlaid.__file__).parent)


class Fault(Exception):
    """Something that must hold does not hold."""


def require(held: bool, message: str) -> None:
    """Fault unless it held."""
    if not held:
        raise Fault(message)


def attempt(work: Callable[[], T]) -> T | InlayError:
    """The result, or the InlayError with a message.  Other exceptions pass.  Fault if the call takes too long three times."""
    for turn in range(3):
        begun, result = time.process_time(), _result(work)
        if time.process_time() - begun <= HANG_S:
            return result
        if turn == 2:
            raise Fault(f"{getattr(work, '__name__', work)} takes {time.process_time() - begun:.1f} s")
    raise AssertionError


def _result(work: Callable[[], T]) -> T | InlayError:
    try:
        return work()
    except InlayError as error:
        require(bool(str(error)) and "\n" not in str(error), f"the message {str(error)!r}")
        return error


@contextmanager
def quiet(told: list[Any]) -> Iterator[None]:
    """Collects InlayWarnings in `told`.  Fault for any other warning that inlaid's code causes; warnings of other packages are ignored."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    for each in found:
        if issubclass(each.category, InlayWarning):
            told.append(each)
        elif str(each.filename).startswith(PACKAGE):
            raise Fault(f"{each.category.__name__}: {each.message} ({Path(each.filename).name}:{each.lineno})")


def any_file(data: bytes, counts: Counter[str], *, attach: bool = True) -> int:
    """Checks a file that is decoded and counts the outcome of each call.  Returns the number of pixels, 0 without a picture."""
    told: list[Any] = []
    with quiet(told):
        pixels = attempt(lambda: inlaid.decode(data, max_pixels=MAX_PIXELS, threads=1))
    require(len(told) <= 1, f"{len(told)} warnings: {[str(each.message) for each in told]}")
    with quiet([]):
        base = attempt(lambda: inlaid.decode(data, base=True, max_pixels=MAX_PIXELS, threads=1))
        report = attempt(lambda: inlaid.info(data, max_pixels=MAX_PIXELS))
        stripped = attempt(lambda: inlaid.strip(data))
        require(type(pixels) is type(base), f"decode: {_name(pixels)}, of the base: {_name(base)}")
        if isinstance(stripped, bytes):
            _strip(data, stripped)
            below = attempt(lambda: inlaid.decode(stripped, max_pixels=MAX_PIXELS, threads=1))
            require(_alike(base, below), f"the base is {_name(base)}, of the stripped file {_name(below)}")
            _embed(data, stripped)
        else:
            require(isinstance(base, InlayError), f"strip: {stripped}, but decode gives a picture")
        state = _report(report, stripped, pixels, base, bool(told))
        counts.update((f"decode: {state or _name(pixels)}", f"info: {state or _name(report)}", f"strip: {_name(stripped)}"))
        if state == "restored":
            _paths(data)
        if isinstance(report, InlayError) or not isinstance(stripped, bytes):
            return 0
        width, height = report["base"]["width"], report["base"]["height"]
        if attach and 0 < width * height <= MOST_ATTACHED_PX:
            counts[f"attach: {_attach(data, stripped, picture(width, height))}"] += 1
    return width * height if not isinstance(pixels, InlayError) or width * height <= MAX_PIXELS else 0


def remember_parameters() -> None:
    """Makes reading parameters remember its last result: all calls for one input read the same payload, which takes most of their time."""
    read, last = decoder.integer_parameters, dict[Any, Any]()

    def remembered(found: payload.Payload, shape: tuple[int, int]) -> Any:
        if (found, shape) not in last:
            value = read(found, shape)
            last.clear()
            last[found, shape] = value
        return last[found, shape]

    decoder.integer_parameters = remembered


def _name(result: Any) -> str:
    return type(result).__name__ if isinstance(result, Exception) else "done"


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, InlayError) or isinstance(b, InlayError):
        return type(a) is type(b)
    return bool(np.array_equal(a, b))


def _report(report: Any, stripped: Any, pixels: Any, base: Any, warned: bool) -> str:
    """The state of the inlay, "" without a picture.  Fault where the calls contradict one another."""
    if isinstance(report, InlayError):
        require(isinstance(pixels, InlayError), f"info: {report}, but decode gives a picture")
        return ""
    json.dumps(report)
    require(isinstance(stripped, bytes) and report["base_bytes"] == len(stripped), "info and strip have other numbers of bytes")
    if isinstance(pixels, InlayError):
        return ""
    said, size = report["base"], (report["base"]["height"], report["base"]["width"])
    require(pixels.dtype == np.uint8, f"pixels of {pixels.dtype}")
    # The base codec decides between gray and colour.  A file that cannot carry an inlay may be shown as either.
    require(pixels.shape[:2] == size and pixels.shape[2:] in ((), (3,)), f"{pixels.shape} of a {said['width']}x{said['height']} picture")
    state = report["inlay"] and report["inlay"]["state"]
    require(state in (None, "matches", *BAD), f"the state {state!r}")
    require(warned == (state in BAD), f"state {state}, {'with' if warned else 'without'} a warning")
    require(state == "matches" or np.array_equal(pixels, base), f"state {state}, but not the base's pixels")
    return {None: "plain", "matches": "restored"}.get(state, state)


def _strip(data: bytes, stripped: bytes) -> None:
    require(inlaid.strip(stripped) == stripped, "strip of a stripped file changes it")
    require(formats.by_content(stripped).container.extract(stripped) is None, "there is a payload in the stripped file")
    require(removed_whole(data, stripped), "strip takes more, or less, than whole segments of ours")


def removed_whole(data: bytes, stripped: bytes) -> bool:
    """True if `stripped` is `data` without some whole segments or boxes of ours.  The numbers in an MPF index may differ."""
    return _is_without_ours(data, stripped) or (b"MPF\0" in data and _is_without_ours(_blotted(data), _blotted(stripped)))


def _is_without_ours(data: bytes, stripped: bytes) -> bool:
    """`removed_whole` for files without an MPF index."""
    # (place up to which both agree, bytes removed before it).  What looks like a segment of ours may be none and stay.
    ways = {(0, 0)}
    most = len(data) - len(stripped)
    for start, end in _ours(data):
        agree = [gone for at, gone in ways if at <= start and data[at:start] == stripped[at - gone : start - gone]]
        ways |= {(end, gone + end - start) for gone in agree if gone + end - start <= most}
        ways = set(sorted(ways, key=lambda way: way[1])[-40:])
    return any(data[at:] == stripped[at - gone :] for at, gone in ways)


_ENDS = 8  # most bytes FF at the end of a segment in the check of strip
_SEGMENT = re.compile(rb"(?=\xff\xe9(..)" + re.escape(SEGMENT) + rb")", re.DOTALL)
_BOX = re.compile(rb"(?=(....)uuid(........)?" + re.escape(BOX) + rb")", re.DOTALL)
_MPF = re.compile(rb"\xff\xe2(..)MPF\0", re.DOTALL)


def _ours(data: bytes) -> Iterator[tuple[int, int]]:
    """The places of what looks like a segment or box of ours."""
    if data.startswith(b"\xff\xd8"):
        for found in _SEGMENT.finditer(data):
            end = found.start() + 2 + int.from_bytes(found[1], "big")
            # With the fill bytes before it, except a few that are the end of another segment.
            first = len(data[: found.start()].rstrip(b"\xff"))
            for start in (*range(first, min(first + _ENDS, found.start())), found.start()):
                yield start, end
        return
    for found in _BOX.finditer(data):
        length = int.from_bytes(found[2] if found[2] else found[1], "big")
        yield found.start(), found.start() + length if length else len(data)


def _blotted(data: bytes) -> bytes:
    """`data` with zeros in place of MPF indices."""
    out = bytearray(data)
    for found in _MPF.finditer(data):
        end = min(len(out), found.start() + 2 + int.from_bytes(found[1], "big"))
        out[found.end() : end] = bytes(max(0, end - found.end()))
    return bytes(out)


def _embed(data: bytes, stripped: bytes) -> None:
    """Checks that `embed` refuses, or that `extract` and `strip` undo it."""
    module, put = formats.by_content(data), bytes(range(40))
    result = attempt(lambda: module.container.embed(data, put))
    if not isinstance(result, InlayError):
        require(module.container.extract(result) == put, "the payload does not come back")
        require(module.container.strip(result) == stripped, "the base does not come back from embedding")


def _paths(data: bytes) -> None:
    """Checks that another kernel path, chosen by the bytes, restores the same luma."""
    module = formats.by_content(data)
    luma, found = module.codec.decode_luma(data), payload.read(module.container.extract(data) or b"", priors.network_of)
    sets = decoder.integer_parameters(found, (luma.shape[0], luma.shape[1]))
    here, before = restoration.restore(found.network, sets, luma, threads=1), os.environ.get("INLAID_PATH")
    other = native.paths()[zlib.crc32(data) % len(native.paths())]
    os.environ["INLAID_PATH"] = other
    there = restoration.restore(found.network, sets, luma, threads=1)
    os.environ.pop("INLAID_PATH")
    os.environ.update({"INLAID_PATH": before} if before else {})
    require(np.array_equal(here, there), f"the paths {before} and {other} restore different pictures")


def _attach(data: bytes, stripped: bytes, original: Image.Image) -> str:
    result = attempt(lambda: inlaid.attach(data, original, effort=1, threads=1))
    if isinstance(result, InlayError):
        return _name(result)
    if result == stripped:
        return "plain"
    require(inlaid.strip(result) == stripped, "attach changes the base")
    _used(result)
    return "inlay"


def _used(data: bytes) -> None:
    """Checks that the new inlay is used."""
    told: list[Any] = []
    with quiet(told):
        inlaid.decode(data, threads=1)
        state = (inlaid.info(data)["inlay"] or {"state": "plain"})["state"]
    require(not told and state in ("matches", "plain"), f"what was just made is {state}: {[str(each.message) for each in told]}")


@cache
def _base(format: str, width: int, height: int) -> bytes:
    return formats.by_name(format).codec.encode(picture(width, height), 30, {})


def any_original(data: bytes, counts: Counter[str]) -> int:
    """Checks `encode` and `attach` with a picture of any format.  Returns its number of pixels."""
    format = ("jpeg", "jpeg2000")[zlib.crc32(data) & 1]
    with quiet([]):
        try:
            width, height = Image.open(BytesIO(data)).size
        except Exception:  # an error of Pillow's, which the caller meets on opening
            counts["encode: not a picture"] += 1
            return 0
        if width * height > MOST_ATTACHED_PX:
            counts["encode: too large"] += 1
            return 0
        made = attempt(lambda: inlaid.encode(Image.open(BytesIO(data)), format=format, quality=30, effort=1, threads=1))
        counts[f"encode: {_name(made)}"] += 1
        if isinstance(made, bytes):
            _used(made)
        base = _base(format, width, height)
        result = attempt(lambda: inlaid.attach(base, Image.open(BytesIO(data)), effort=1, threads=1))
        counts[f"attach to a plain base: {_name(result)}"] += 1
        require(isinstance(result, InlayError) or inlaid.strip(result) == base, "attach changes the base")
    return width * height
