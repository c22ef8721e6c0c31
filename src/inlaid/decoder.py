"""From a file's bytes to the restored picture, and to a report on what is inside.

A file without an inlay, or with one that cannot be used, gives its base: whoever reads it is told, but sees a picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import formats, kernel, parameters, payload, priors
from .errors import FormatError, LimitError, UnsupportedError
from .formats import Base, Format
from .network import Network, check_bounds
from .parameters import Sets
from .payload import Payload
from .threads import parallel

Pixels = NDArray[np.uint8]


WORK_BYTES = 96 << 20  # for bands, and for what every program takes


@dataclass(frozen=True)
class Decoded:
    """An L or RGB image, with nothing in its `info`, and what became of the inlay.

    state: `restored`; `plain`, there is no inlay; `stale`, it belongs to another picture; `damaged`; or `unsupported`.  In all but the
    first the pixels are the base's.  reason: a sentence for the reader.
    """

    image: Image.Image
    state: str
    reason: str

    @property
    def pixels(self) -> Pixels:
        """(H, W) or (H, W, 3)."""
        return formats.pixels(self.image)


def decode(
    data: bytes, *, base_only: bool = False, max_pixels: int | None = None, max_memory: int | None = None, threads: int | None = None
) -> Decoded:
    """The restored picture, or the base with `base_only`.

    max_memory: bytes.  FormatError, UnsupportedError or LimitError where not even the base can be decoded.
    """
    module = formats.by_content(data)
    check_limits(module, data, max_pixels, max_memory)
    if base_only:
        return Decoded(module.decode_image(data), "plain", "the base was asked for")
    opened = _open(module, data)
    if isinstance(opened, _Unusable):
        return Decoded(module.decode_image(data), opened.state, opened.reason)
    if not opened.payload.fingerprint.matches(opened.base.luma_bands()):
        del opened  # its picture is as large as the one that follows
        return Decoded(module.decode_image(data), "stale", STALE)
    return Decoded(_restored_in_place(opened.base, opened.payload.network, opened.sets, threads), "restored", "the picture was restored")


STALE = "the inlay belongs to another picture (the file was changed after it was made); the base is shown"


def integer_parameters(found: Payload, shape: tuple[int, int]) -> Sets:
    """The parameters in the payload of a picture of shape (H, W), safe for the kernel; FormatError if they are not."""
    prior = priors.prior(found.prior) if found.prior else parameters.blank_prior(found.network)
    return parameters.decode(prior, found.coded, shape, check=check_bounds)


def restore(network: Network, sets: Sets, luma: Pixels, *, threads: int | None = None) -> Pixels:
    """The restored luma (H, W): at every pixel by the set that holds in its area (FORMAT.md, section 6)."""
    return _restored(network, sets, luma, 0, 0, luma.shape[0], threads)


def _margin_px(network: Network) -> int:
    """What the network sees around a part of the picture, in whole blocks, for networks that look at the place within them."""
    return -(-network.halo_px // 8) * 8


def _restored_in_place(base: Base, network: Network, sets: Sets, threads: int | None) -> Image.Image:
    """The restored picture, in the memory of the base (FORMAT.md, sections 6 and 7)."""
    margin, (height, width) = _margin_px(network), base.shape
    above = base.luma_of(base.rows(0, 0))  # the base's rows that the last band has overwritten, as far as the next one sees
    for top, bottom in formats.bands(height, width, sets.areas.side_px if sets.areas else 8):
        pixels = base.rows(top, min(bottom + margin, height))
        first, luma = top - len(above), np.concatenate([above, base.luma_of(pixels)])
        restored = _restored(network, sets, luma, first, top, bottom, threads)
        coloured = recoloured(base.model, pixels[: bottom - top], luma[top - first : bottom - first], restored)
        base.image.paste(Image.fromarray(coloured), (0, top))
        above = luma[max(0, bottom - margin - first) : bottom - first].copy()
    return base.image


def _restored(network: Network, sets: Sets, luma: Pixels, first: int, top: int, bottom: int, threads: int | None) -> Pixels:
    """Rows [top, bottom) of the picture, restored; `luma` is its rows from `first` on, as far down as the network sees."""
    if sets.areas is None:
        return kernel.restore(network, sets.parameters[0], luma, threads=threads)[top - first : bottom - first]
    width, side, numbers = luma.shape[1], sets.areas.side_px, sets.areas.numbers
    out, margin = np.empty((bottom - top, width), np.uint8), _margin_px(network)

    def fill(task: tuple[int, int, int, int]) -> None:
        """Columns `begin` to `end` of a row of squares, by one set, with what the network sees around them; its squares are kept."""
        row, begin, end, number = task
        upper, lower, left, right = row * side, min((row + 1) * side, bottom), begin * side, min(end * side, width)
        y, x = max(first, upper - margin), max(0, left - margin)
        part = np.ascontiguousarray(luma[y - first : lower + margin - first, x : right + margin])
        restored = kernel.restore(network, sets.parameters[number], part, threads=1)
        for column in range(begin, end):
            if numbers[row, column] == number:
                start, stop = column * side, min((column + 1) * side, width)
                out[upper - top : lower - top, start:stop] = restored[upper - y : lower - y, start - x : stop - x]

    parallel(fill, _tasks(numbers, range(top // side, -(-bottom // side)), side, margin), threads)
    return out


def _tasks(numbers: NDArray[np.uint8], rows: range, side_px: int, margin_px: int) -> Iterator[tuple[int, int, int, int]]:
    """(row, first column, column behind the last, set) of what to restore: each run of squares, or each set's whole row if that is less."""
    for row in rows:
        line = numbers[row]
        ends = [*(np.flatnonzero(np.diff(line)) + 1).tolist(), len(line)]
        runs = [(row, first, last, int(line[first])) for first, last in zip([0, *ends], ends, strict=False)]
        whole = [(row, 0, len(line), number) for number in sorted(set(line.tolist()))]
        yield from min(runs, whole, key=lambda tasks: sum((last - first) * side_px + 2 * margin_px for _, first, last, _ in tasks))


def recoloured(model: str, pixels: Pixels, luma: Pixels, restored: Pixels) -> Pixels:
    """The picture (H, W) or (H, W, 3) of base pixels whose luma (H, W) was replaced (FORMAT.md, section 7)."""
    if model == "gray":
        return restored
    if model == "ycbcr":
        return kernel.rgb(restored, pixels)
    change = restored.astype(np.int16) - luma
    return np.clip(pixels + change[..., None], 0, 255).astype(np.uint8)


def check_limits(module: Format, data: bytes, max_pixels: int | None, max_memory: int | None = None) -> None:
    """LimitError, before anything is decoded, if the picture has more than `max_pixels`, or takes more than `max_memory` bytes."""
    if max_pixels is not None:
        size = module.describe(data)
        if size["width"] * size["height"] > max_pixels:
            raise LimitError(f"{size['width']}x{size['height']} pixels, at most {max_pixels} are allowed")
    if max_memory is not None and (needed := module.decoding_bytes(data) + WORK_BYTES) > max_memory:
        raise LimitError(f"decoding takes about {needed / 1e6:.0f} MB of memory, at most {max_memory / 1e6:.0f} MB are allowed")


@dataclass(frozen=True)
class _Opened:
    base: Base
    payload: Payload
    sets: Sets


@dataclass(frozen=True)
class _Unusable:
    state: str
    reason: str


def _open(module: Format, data: bytes) -> _Opened | _Unusable:
    """The inlay, ready for the kernel, or why there is none: the checks of FORMAT.md, section 2, but for the fingerprint."""
    raw = module.extract(data)
    if raw is None:
        return _Unusable("plain", "there is no inlay in this file")
    if obstacle := module.obstacle(data):
        return _Unusable("unsupported", f"an inlay cannot apply to this file ({obstacle}); the base is shown")
    try:
        found = payload.read(raw, priors.network_of)
        base = module.decode_base(data)  # first, for the map of areas is as long as the picture is large
        return _Opened(base, found, integer_parameters(found, base.shape))
    except FormatError as error:
        return _Unusable("damaged", f"{error}; the base is shown")
    except UnsupportedError as error:
        return _Unusable("unsupported", f"{error}; the base is shown")


def info(data: bytes, *, max_pixels: int | None = None, max_memory: int | None = None) -> dict[str, Any]:
    """What is inside: the base as its format describes it, and the inlay if there is one (JSON types only).

    Keys: format, file_bytes, base_bytes, base {...}, inlay: None or {state, reason, payload_bytes, ...}.  `state` is `matches` for an
    inlay that belongs to the picture, else as in `Decoded`.
    """
    module = formats.by_content(data)
    check_limits(module, data, max_pixels, max_memory)
    opened = _open(module, data)
    base_bytes = len(module.strip(data))
    report: dict[str, Any] = {"format": module.NAME, "file_bytes": len(data), "base_bytes": base_bytes}
    report |= {"base": module.describe(data), "inlay": None}
    if isinstance(opened, _Unusable):
        if opened.state != "plain":
            report["inlay"] = {"state": opened.state, "reason": opened.reason, "payload_bytes": len(data) - base_bytes}
        return report
    found = opened.payload
    matches = found.fingerprint.matches(opened.base.luma_bands())
    report["inlay"] = {
        "state": "matches" if matches else "stale",
        "reason": "the inlay belongs to this picture" if matches else STALE,
        "payload_bytes": len(data) - base_bytes,
        "gain_db": round(found.gain_db, 2),
        "prior": found.prior,
        "coded_bytes": len(found.coded),
        "parameter_sets": len(opened.sets.parameters),
        "network": describe_network(found.network),
    }
    return report


def describe_network(network: Network) -> dict[str, Any]:
    """A network in JSON types."""
    return {
        "channels": network.channels,
        "layers": network.layers,
        "kernel": network.kernel,
        "dilations": list(network.dilations),
        "inputs": network.inputs,
        "weights": network.weights,
        "biases": network.size - network.weights,
        "macs_per_pixel": network.macs_per_pixel,
        "receptive_field_px": network.receptive_field_px,
    }
