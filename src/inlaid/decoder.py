"""From a file's bytes to the restored picture, and to a report on what is inside.

A file without an inlay, or with one that cannot be used, gives its base and the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from . import formats, parameters, payload, priors
from .arrays import Pixels
from .errors import FormatError, LimitError, UnsupportedError
from .formats import Format, packing
from .formats.base import Base, pixels
from .network import Network, check_bounds
from .parameters import Sets
from .payload import Payload
from .restoration import restored_in_place

WORK_BYTES = 96 << 20  # for bands, the interpreter and its libraries


@dataclass(frozen=True)
class Decoded:
    """An L or RGB image, with nothing in its `info`, and the state of the inlay.

    state        image      the inlay
    restored     restored   was used
    plain        base       is not there
    stale        base       belongs to another picture
    damaged      base       is damaged
    unsupported  base       is of a kind that this version cannot use
    """

    image: Image.Image
    state: str
    reason: str  # a sentence

    @property
    def pixels(self) -> Pixels:
        """(H, W) or (H, W, 3)."""
        return pixels(self.image)


def decode(
    data: bytes, *, base_only: bool = False, max_pixels: int | None = None, max_memory: int | None = None, threads: int | None = None
) -> Decoded:
    """The restored picture, or the base with `base_only`; `data` may be packed.

    max_memory: bytes.  FormatError, UnsupportedError or LimitError where not even the base can be decoded.
    """
    data = unpacked(data, max_pixels, max_memory)
    found = formats.by_content(data)
    check_limits(found, data, max_pixels, max_memory)
    if base_only:
        return Decoded(found.codec.decode_image(data), "plain", "the base was asked for")
    usable = restored(data, threads=threads)
    if usable.image is not None:
        return Decoded(usable.image, usable.state, usable.reason)
    shown = "" if usable.state == "plain" else "; the base is shown"
    return Decoded(found.codec.decode_image(data), usable.state, usable.reason + shown)


@dataclass(frozen=True)
class Restored:
    """The restored image, or None; state and reason as in `Decoded`."""

    image: Image.Image | None
    state: str
    reason: str


def restored(data: bytes, *, threads: int | None = None) -> Restored:
    """The restored picture; without an image where the inlay cannot be used, or there is none.

    FormatError, UnsupportedError or LimitError where the base cannot be decoded.
    """
    opened = _open(formats.by_content(data), data)
    if isinstance(opened, _Unusable):
        return Restored(None, opened.state, opened.reason)
    if not opened.payload.fingerprint.matches(opened.base.luma_bands()):
        return Restored(None, "stale", STALE)
    image = restored_in_place(opened.base, opened.payload.network, opened.sets, threads)
    return Restored(image, "restored", "the picture was restored")


STALE = "the inlay belongs to another picture (the file was changed after it was made)"


def integer_parameters(found: Payload, shape: tuple[int, int]) -> Sets:
    """The parameters in the payload of a picture of shape (H, W), safe for the kernel; FormatError if they are not."""
    prior = priors.prior(found.prior) if found.prior else parameters.blank_prior(found.network)
    return parameters.decode(prior, found.coded, shape, check=check_bounds)


def unpacked(data: bytes, max_pixels: int | None = None, max_memory: int | None = None) -> bytes:
    """The JPEG file of a packed file (`formats.packing`), any other as it is.  LimitError if it takes more than is allowed."""
    return unpack(data, max_pixels, max_memory) if packing.is_packed(data) else data


def pack(data: bytes, max_pixels: int | None = None, max_memory: int | None = None) -> bytes:
    """The packed file of a JPEG file.  UnsupportedError if it would not come back, LimitError if it takes more than is allowed."""
    if max_pixels is not None or max_memory is not None:
        described = formats.by_content(data).container.describe(data)
        size = described["width"], described["height"]
        needed = packing.PACKING_SHARE * len(data) + packing.PACKING_BYTES * size[0] * size[1] + WORK_BYTES
        refuse_beyond("packing", size, needed, max_pixels, max_memory)
    return packing.pack(data)


def unpack(packed: bytes, max_pixels: int | None, max_memory: int | None) -> bytes:
    """The JPEG file of a packed file.  LimitError if it takes more than is allowed."""
    size = packing.picture_size(packed)
    refuse_beyond("unpacking", size, len(packed) + packing.UNPACKING_BYTES * size[0] * size[1] + WORK_BYTES, max_pixels, max_memory)
    return packing.unpack(packed)


def is_without_jpeg(data: bytes) -> bool:
    """True for a JPEG XL file that holds no JPEG file, and so no inlay.  FormatError if it is damaged."""
    return packing.is_other(data)


def check_limits(format: Format, data: bytes, max_pixels: int | None, max_memory: int | None = None) -> None:
    """LimitError if the picture has more than `max_pixels`, or its decoding takes more than `max_memory` bytes; nothing is decoded."""
    if max_pixels is None and max_memory is None:
        return
    described = format.container.describe(data)
    size = described["width"], described["height"]
    refuse_beyond("decoding", size, format.codec.decoding_bytes(data) + WORK_BYTES, max_pixels, max_memory)


def refuse_beyond(what: str, size: tuple[int, int], needed_bytes: int, max_pixels: int | None, max_memory: int | None) -> None:
    """LimitError if size (width, height) has more than `max_pixels` pixels, or `what` takes more than `max_memory` bytes."""
    if max_pixels is not None and size[0] * size[1] > max_pixels:
        raise LimitError(f"{size[0]}x{size[1]} pixels, at most {max_pixels} are allowed")
    if max_memory is not None and needed_bytes > max_memory:
        raise LimitError(f"{what} takes about {needed_bytes / 1e6:.0f} MB of memory, at most {max_memory / 1e6:.0f} MB are allowed")


@dataclass(frozen=True)
class _Opened:
    base: Base
    payload: Payload
    sets: Sets


@dataclass(frozen=True)
class _Unusable:
    state: str
    reason: str


def _open(format: Format, data: bytes) -> _Opened | _Unusable:
    """The base and its inlay, checked (FORMAT.md, section 2) but for the fingerprint; or why there is none."""
    raw = format.container.extract(data)
    if raw is None:
        return _Unusable("plain", "there is no inlay in this file")
    if obstacle := format.container.obstacle(data):
        return _Unusable("unsupported", f"an inlay cannot apply to this file ({obstacle})")
    try:
        found = payload.read(raw, priors.network_of)
        base = format.codec.decode(data)  # first: the picture's size gives the length of the map of areas
        return _Opened(base, found, integer_parameters(found, base.shape))
    except FormatError as error:
        return _Unusable("damaged", str(error))
    except UnsupportedError as error:
        return _Unusable("unsupported", str(error))


def info(data: bytes, *, max_pixels: int | None = None, max_memory: int | None = None) -> dict[str, Any]:
    """What is inside: the base as its format describes it, and the inlay if there is one (JSON types only).

    Keys: format, file_bytes, packed_bytes, base_bytes, base {...}, inlay: None or {state, reason, payload_bytes, ...}.  Of a packed file
    file_bytes are those of the JPEG in it; packed_bytes is None for other files.  `state` is `matches` for an inlay that belongs to the
    picture, else as in `Decoded`.
    """
    packed_bytes = len(data) if packing.is_packed(data) else None
    data = unpacked(data, max_pixels, max_memory)
    format = formats.by_content(data)
    check_limits(format, data, max_pixels, max_memory)
    opened = _open(format, data)
    base_bytes = len(format.container.strip(data))
    report: dict[str, Any] = {"format": format.name, "file_bytes": len(data), "packed_bytes": packed_bytes, "base_bytes": base_bytes}
    report |= {"base": format.container.describe(data), "inlay": None}
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
