"""What `inlaid batch` does to a file: bytes in, bytes out.  They run in other processes, with one thread each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from typing import Any, ClassVar

from PIL import Image, UnidentifiedImageError

from .. import decoder, formats
from ..batch.work import Made
from ..encoding import encoder, pictures
from ..encoding.alignment import Place
from ..encoding.limits import check_limits
from ..errors import FormatError
from ..formats import packing
from . import export, signatures
from .options import Fitting

Image.init()  # all formats, also those that `preinit` leaves out
CARRIERS = formats.extensions() | {packing.EXTENSION}  # a packed file gets an error where its JPEG file is expected
PICTURES = frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN)


@dataclass(frozen=True)
class Encode:
    """A picture to a file with an inlay.  `targets` are those of `encoder.encode`, `options` the base codec's and the legacy loss."""

    format: str
    quality: float | None
    targets: dict[str, Any]
    options: dict[str, Any]
    fitting: Fitting
    max_pixels: int | None

    @property
    def settings(self) -> dict[str, Any]:
        """As `Action` says."""
        return {"action": "encode"} | {name: value for name, value in asdict(self).items() if name != "max_pixels"}

    def __call__(self, data: bytes, master: bytes | None, max_memory: int | None) -> Made:
        """As `Action` says."""
        scored = "target_ssimulacra2" in self.targets

        def check(extent: pictures.Extent) -> None:
            check_limits(extent, self.format, self.fitting.preset, self.max_pixels, max_memory, scored)
            export.check(self.format.upper(), (extent.width, extent.height), "L" if extent.gray else "RGB")

        same = {"format": self.format, "quality": self.quality, **self.targets, **self.options, **asdict(self.fitting)}
        return _made(encoder.encode(_opened(data, check), **same))


@dataclass(frozen=True)
class Attach:
    """An inlay for a file, by its master."""

    fitting: Fitting
    max_pixels: int | None

    @property
    def settings(self) -> dict[str, Any]:
        """As `Action` says."""
        return {"action": "attach", "fitting": asdict(self.fitting)}

    def __call__(self, data: bytes, master: bytes | None, max_memory: int | None) -> Made:
        """As `Action` says."""
        found = formats.by_content(data)
        applies = not found.container.obstacle(data)
        space = Place.of(found, data).space if applies else None
        limits: dict[str, Any] = {"preset": self.fitting.preset, "max_pixels": self.max_pixels, "max_memory": max_memory}
        try:
            picture = _opened(master or b"", partial(check_limits, format=found.name, **limits))
            original, notes = pictures.prepare(picture, target=space) if applies else (picture, ())
        except FormatError as error:
            raise FormatError(f"its master: {error}") from error
        return _made(encoder.attach(data, original, **asdict(self.fitting)), notes)


@dataclass(frozen=True)
class Decode:
    """The restored picture in a format of Pillow's."""

    format: str
    max_pixels: int | None

    @property
    def settings(self) -> dict[str, Any]:
        """As `Action` says."""
        return {"action": "decode", "format": self.format}

    def __call__(self, data: bytes, master: bytes | None, max_memory: int | None) -> Made:
        """As `Action` says."""
        data = decoder.unpacked(data, self.max_pixels, max_memory)
        notes = export.check(self.format, *export.size_and_mode(data))
        decoded = decoder.decode(data, max_pixels=self.max_pixels, max_memory=max_memory, threads=1)
        file = BytesIO()
        notes += export.write(decoded.image, data, self.format, file)
        if decoded.state != "restored":
            notes = (decoded.reason, *notes)
        return Made(file.getvalue(), notes=notes)


@dataclass(frozen=True)
class Strip:
    """The base file."""

    settings: ClassVar = {"action": "strip"}

    def __call__(self, data: bytes, master: bytes | None, max_memory: int | None) -> Made:
        """As `Action` says."""
        return Made(formats.strip(data))


@dataclass(frozen=True)
class Pack:
    """A JPEG file packed into JPEG XL."""

    settings: ClassVar = {"action": "pack"}
    max_pixels: int | None

    def __call__(self, data: bytes, master: bytes | None, max_memory: int | None) -> Made:
        """As `Action` says."""
        return Made(decoder.pack(data, self.max_pixels, max_memory), _payload_bytes(data))


@dataclass(frozen=True)
class Unpack:
    """The JPEG file in a packed file."""

    settings: ClassVar = {"action": "unpack"}
    max_pixels: int | None

    def __call__(self, data: bytes, master: bytes | None, max_memory: int | None) -> Made:
        """As `Action` says."""
        unpacked = decoder.unpack(data, self.max_pixels, max_memory)
        return Made(unpacked, _payload_bytes(unpacked))


def _payload_bytes(data: bytes) -> int:
    """The bytes of the inlay in a JPEG file, so that `inlaid info --check` misses it where it is lost."""
    return len(data) - len(formats.strip(data))


def _opened(data: bytes, check: pictures.Check) -> pictures.Picture:
    if not data:
        raise FormatError("it is empty; expected a picture")
    try:
        return pictures.open_picture(data, check)
    except UnidentifiedImageError as error:
        raise FormatError(signatures.unreadable(data)) from error


def _made(encoded: encoder.Encoded, notes: tuple[str, ...] = ()) -> Made:
    before, after = encoded.psnr_base_db, encoded.psnr_db
    gain_db = None if before is None or after is None else after - before if after != before else 0.0  # both may be infinite
    notes = (*notes, *encoded.notes, *(() if encoded.payload else (encoded.reason,)))
    return Made(encoded.data, encoded.payload_bytes, gain_db and round(gain_db, 4), notes)
