"""The Pillow plugin: after `register`, `Image.open` gives the restored picture of a file with an inlay.

    Image.open -> Pillow's own opener -> image --[no inlay in its header]----> as Pillow alone
                                               --[an inlay]--> a class below -> load -> restored, or the base and a warning

Pillow's opener reads the header as before.  Nothing is decoded, and no file is read again, before `load`.  A JPEG file that is packed into
JPEG XL is unpacked, and then goes the same way.
"""

from __future__ import annotations

import copyreg
import struct
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any, ClassVar

from PIL import Image, ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.MpoImagePlugin import MpoImageFile

from . import decoder
from .errors import FormatError, InlayError, InlayWarning
from .formats import packing
from .formats.jp2.boxes import STREAM, UUID
from .formats.jp2.container import IDENTIFIER as JP2_IDENTIFIER
from .formats.jpeg.container import IDENTIFIER as JPEG_IDENTIFIER
from .threads import threads_of

Name = str | bytes
Encode = Callable[[Image.Image, str, Mapping[str, Any]], bytes]  # an image, Pillow's name of the format, the settings of `save`
SAVED = ("JPEG", "MPO", "JPEG2000")  # formats whose `save` heeds `inlaid=True`
PACKED = "INLAID_PACKED"  # the name of the opener of packed files among Pillow's
_MOST_BOXES = 64  # boxes of a JP2 file that are looked at: a few are usual


class RestoredFile(ImageFile.ImageFile):
    """An image of a file with an inlay.  The classes below join it with Pillow's."""

    pillows: ClassVar[type[ImageFile.ImageFile]]  # the class that Pillow gives such a file
    restoring_threads: int | None = None

    def load(self) -> Any:
        """Restore the picture, or decode the base and warn.  Pillow's errors are raised where not even the base can be decoded."""
        reason = None
        if self.tile and self.fp is not None and self._is_whole():
            self.fp.seek(self.tile[0][2])
            data = self.fp.read()
            try:
                found = decoder.restored(data, threads=self.restoring_threads)
            except InlayError as error:  # of the base, which Pillow may read nevertheless
                reason = str(error)
            else:
                reason = None if found.state == "plain" else found.reason
                if found.image is not None:
                    self._take(found.image)
                    return super().load()
        loaded = super().load()
        if reason is not None:
            name = f"{self.filename!s}: " if self.filename else ""
            warnings.warn(f"{name}{reason}; the base is shown", InlayWarning, stacklevel=2)
        return loaded

    def _is_whole(self) -> bool:
        """False where a reduced size was asked for: that is the base's."""
        return not self.decoderconfig or self.decoderconfig[0] == 1

    def _take(self, picture: Image.Image) -> None:
        """Make `picture` this image's pixels, and close the file as Pillow does after decoding."""
        self.im = (picture if picture.mode == self.mode else picture.convert(self.mode)).im  # a draft may ask for another mode
        self.tile, self.readonly = [], 0
        if self._exclusive_fp and self._close_exclusive_fp_after_loading and self.fp is not None:
            self.fp.close()
        self.fp = None

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """As an image of Pillow's own class: it is read where inlaid is not installed."""
        return copyreg._reconstructor, (self.pillows, object, None), self.__getstate__()  # type: ignore[attr-defined]  # not in typeshed


class RestoredJpegFile(RestoredFile, JpegImageFile):
    """A JPEG file with an inlay."""

    pillows = JpegImageFile


class RestoredMpoFile(RestoredFile, MpoImageFile):
    """Several JPEG pictures in a file; those with an inlay are restored."""

    pillows = MpoImageFile

    def _is_whole(self) -> bool:
        return super()._is_whole() and _jpeg_carries(self)


class RestoredJpeg2KFile(RestoredFile, Jpeg2KImageFile):
    """A JP2 file with an inlay."""

    pillows = Jpeg2KImageFile

    def _is_whole(self) -> bool:
        return callable(self.reduce) and not self.layers  # Pillow's number of halvings hides the method when it is set


def _jpeg_carries(image: Any) -> bool:
    """True if the header of the current picture of a JPEG file has an inlay.  Pillow has read it."""
    return "APP9" in image.app and any(name == "APP9" and body.startswith(JPEG_IDENTIFIER) for name, body in image.applist)


def _mpo_may_carry(image: Any) -> bool:
    return True  # a later picture may; each is looked at when it is decoded


def _jp2_carries(image: Any) -> bool:
    """True if a box before the codestream of a JP2 file is an inlay.  Pillow skips such boxes."""
    file = image.fp
    position, at = file.tell(), 0
    try:
        for _ in range(_MOST_BOXES if image.codec == "jp2" else 0):
            file.seek(at)
            head = file.read(32)
            if len(head) < 32 or head[4:8] == STREAM:
                break
            (length,) = struct.unpack_from(">I", head)
            body = 8
            if length == 1:  # the length follows, in 8 bytes
                (length,), body = struct.unpack_from(">Q", head, 8), 16
            if head[4:8] == UUID and head.startswith(JP2_IDENTIFIER, body):
                return True
            if length < body:
                break
            at += length
        return False
    finally:
        file.seek(position)


_CLASSES: dict[type[Image.Image], tuple[type[RestoredFile], Callable[[Any], bool]]] = {
    JpegImageFile: (RestoredJpegFile, _jpeg_carries),
    MpoImageFile: (RestoredMpoFile, _mpo_may_carry),
    Jpeg2KImageFile: (RestoredJpeg2KFile, _jp2_carries),
}


@dataclass(frozen=True)
class _Opener:
    """An opener of Pillow's, whose images with an inlay get a class of this module."""

    former: Callable[[IO[bytes], Name], ImageFile.ImageFile]
    threads: int | None

    def __call__(self, file: IO[bytes], filename: Name = "") -> ImageFile.ImageFile:
        image = self.former(file, filename)
        restored, carries = _CLASSES.get(type(image), (None, None))
        if restored and carries and carries(image):
            image.__class__ = restored  # as Pillow itself makes an MPO image of a JPEG image
            image.restoring_threads = self.threads  # type: ignore[attr-defined]  # of the new class
        return image


@dataclass(frozen=True)
class _PackedOpener:
    """An opener of JPEG files that are packed into JPEG XL: `jpeg` opens the file in them."""

    jpeg: _Opener

    def __call__(self, file: IO[bytes], filename: Name = "") -> ImageFile.ImageFile:
        packed = file.read()
        try:
            width, height = packing.picture_size(packed)
            if Image.MAX_IMAGE_PIXELS is not None and width * height > 2 * Image.MAX_IMAGE_PIXELS:  # as Pillow refuses it, before unpacking
                raise Image.DecompressionBombError(f"{width}x{height} pixels, at most {2 * Image.MAX_IMAGE_PIXELS} are allowed")
            data = packing.unpack(packed)
        except FormatError as error:
            raise SyntaxError(str(error)) from error  # by which Pillow goes on to other plugins
        image = self.jpeg(BytesIO(data), filename)
        if filename:  # Pillow opened it, and knows only the file that the image has
            file.close()
        return image


def _accepts_packed(prefix: bytes) -> bool | str:
    """As Pillow asks; a text says why such a file cannot be read here."""
    return packing.is_packed(prefix) and (packing.obstacle() or True)


@dataclass(frozen=True)
class _Saver:
    """A save handler of Pillow's that heeds `inlaid=True`."""

    former: Callable[[Image.Image, IO[bytes], Name], None]
    format: str
    encode: Encode

    def __call__(self, image: Image.Image, file: IO[bytes], filename: Name) -> None:
        settings: dict[str, Any] = image.encoderinfo
        if not settings.get("inlaid"):
            self.former(image, file, filename)
            return
        try:
            data = self.encode(image, self.format, settings)
        except InlayError as error:
            raise type(error)(f"{filename!s}: {error}" if filename else str(error)) from error
        file.write(data)
        file.flush()


def register(encode: Encode, threads: int | None) -> None:
    """Give Pillow's openers and save handlers to this module.  A second call changes the number of threads.

    encode: makes the file of `save(..., inlaid=True)`.  InlayError if `threads` is below 1.
    """
    threads_of(threads)
    unregister()
    openers = {}
    for name in ("JPEG", "JPEG2000"):
        former, accepts = Image.OPEN[name]
        openers[name] = _Opener(former, threads)
        Image.register_open(name, openers[name], accepts)
    Image.register_open(PACKED, _PackedOpener(openers["JPEG"]), _accepts_packed)
    Image.ID.insert(0, Image.ID.pop())  # before a plugin that shows the picture of a packed file without its inlay
    for name in SAVED:
        Image.register_save(name, _Saver(Image.SAVE[name], name, encode))


def unregister() -> None:
    """Give Pillow its own back.  Where another plugin has taken over since, that one stays."""
    if Image.OPEN.pop(PACKED, None):
        Image.ID.remove(PACKED)
    for name in SAVED:
        opener, accepts = Image.OPEN.get(name, (None, None))
        if isinstance(opener, _Opener):
            Image.register_open(name, opener.former, accepts)
        saver = Image.SAVE[name]
        if isinstance(saver, _Saver):
            Image.register_save(name, saver.former)
