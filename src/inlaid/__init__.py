"""inlaid: JPEG and JPEG 2000 files that carry a tiny neural network, fitted to the picture, which makes them look better.

data = inlaid.encode(image, quality=40)  # a JPEG file that every viewer opens
pixels = inlaid.decode(data)  # the restored picture
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from .errors import FormatError, InlayError, InlayWarning, LimitError, UnsupportedError
from .threads import uncut

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from .arrays import Pixels

__all__ = [
    "FormatError",
    "InlayError",
    "InlayWarning",
    "LimitError",
    "UnsupportedError",
    "attach",
    "decode",
    "decode_image",
    "encode",
    "info",
    "pack",
    "register",
    "strip",
    "unpack",
    "unregister",
]
__version__ = "0.1.0"

# Each function imports what it needs, so that `inlaid --help` does not wait for numpy and Pillow.


def encode(
    image: Image.Image | NDArray[np.generic],
    *,
    format: str = "jpeg",
    quality: float | None = None,
    target_bytes: int | None = None,
    target_bpp: float | None = None,
    target_psnr_db: float | None = None,
    target_ssimulacra2: float | None = None,
    effort: int = 5,
    preset: str | None = None,
    base: str | None = None,
    tune: str | None = None,
    legacy_loss_db: float | None = None,
    subsampling: str | None = None,
    progressive: bool | None = None,
    optimize: bool | None = None,
    rate_bpp: float | None = None,
    psnr_db: float | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> bytes:
    """A base file of `image` with an inlay inside, or the plain base file where an inlay does not pay.

    image: a Pillow image, or an array (H, W), (H, W, 3) or (H, W, 4) of uint8 or uint16.  Alpha is laid on white, the EXIF orientation
    is applied, ICC, EXIF and XMP are kept.
    format: "jpeg" or "jpeg2000".
    quality: of the base codec, 1..100; 75 if nothing else says how good.
    target_bytes, target_bpp: in place of the quality, the most bytes of the whole file, or bits a pixel.  It has at most 1 % less, where
    base and inlay can be cut so finely.
    target_psnr_db, target_ssimulacra2: in place of the quality, the least quality of the restored picture: PSNR of the luma, or
    SSIMULACRA2 of the colours (which needs the `looks` extra).
    rate_bpp, psnr_db: for JPEG 2000, in place of the quality: bits a pixel, or a PSNR in dB.
    effort: 1 (the shipped prior as it is) to 9.
    preset: a network and its priors; `inlaid encode --help` lists them.
    base: the encoder of a JPEG base, "trellis" (ours, the default) or "turbo" (libjpeg-turbo).
    tune: what a trellis base is best at for its bytes, "looks" (SSIMULACRA2, the default) or "psnr".
    legacy_loss_db: how much worse the plain picture may get, in PSNR, for a better restored one; 0.3 by default.
    subsampling: of a JPEG base, "444", "422" or "420" (the default).
    progressive: of a JPEG base; by default the smaller file of trellis, a baseline file of turbo.
    optimize: Huffman tables made for the picture (the default) or the standard's, of a turbo base.
    seed: the same seed and number of threads give the same file on the same kind of machine.
    threads: all processors by default.

    Raises `InlayError`.
    """
    with uncut():
        from .encoding import encoder

    return encoder.encode(
        image,
        format=format,
        quality=quality,
        target_bytes=target_bytes,
        target_bpp=target_bpp,
        target_psnr_db=target_psnr_db,
        target_ssimulacra2=target_ssimulacra2,
        effort=effort,
        preset=preset,
        base=base,
        tune=tune,
        legacy_loss_db=legacy_loss_db,
        subsampling=subsampling,
        progressive=progressive,
        optimize=optimize,
        rate_bpp=rate_bpp,
        psnr_db=psnr_db,
        seed=seed,
        threads=threads,
    ).data


def attach(
    base: bytes,
    original: Image.Image | NDArray[np.generic],
    *,
    effort: int = 5,
    preset: str | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> bytes:
    """`base` with an inlay that brings it nearer to `original`; without one where none pays or can apply (CMYK, 12 bits).

    base: a JPEG or JP2 file of any encoder.  Every byte of it is kept, but for an earlier inlay, which is taken out.
    original: the picture that the base was made from, at the same size, upright or turned as the base is stored.  Its colours are
    converted to the base's colour space.

    The other options are those of `encode`.  Raises `InlayError`.
    """
    with uncut():
        from .encoding import encoder

    return encoder.attach(base, original, effort=effort, preset=preset, seed=seed, threads=threads).data


def decode(
    data: bytes,
    *,
    base: bool = False,
    max_pixels: int | None = None,
    max_memory: int | None = None,
    threads: int | None = None,
) -> Pixels:
    """The restored picture, (H, W) or (H, W, 3); with `base`, the picture that other viewers show.

    A file without an inlay gives its base.  So does one whose inlay is unusable (it belongs to another picture, is damaged, or has
    another version), with an `InlayWarning`.
    max_pixels, max_memory (bytes): `LimitError` for a picture that needs more, before it is decoded.

    Raises `InlayError`.
    """
    with uncut():
        from .formats.base import pixels

    return pixels(_decoded(data, base, max_pixels, max_memory, threads))


def decode_image(
    data: bytes,
    *,
    base: bool = False,
    max_pixels: int | None = None,
    max_memory: int | None = None,
    threads: int | None = None,
) -> Image.Image:
    """As `decode`, but a Pillow image, L or RGB.  It takes half the memory: the pixels stay where Pillow decoded them."""
    return _decoded(data, base, max_pixels, max_memory, threads)


def _decoded(data: bytes, base: bool, max_pixels: int | None, max_memory: int | None, threads: int | None) -> Image.Image:
    with uncut():
        from . import decoder

    decoded = decoder.decode(data, base_only=base, max_pixels=max_pixels, max_memory=max_memory, threads=threads)
    if decoded.state not in ("restored", "plain"):
        warnings.warn(decoded.reason, InlayWarning, stacklevel=3)
    return decoded.image


def strip(data: bytes) -> bytes:
    """The base file, byte for byte as it was before the inlay.  Raises `InlayError`."""
    with uncut():
        from . import formats

    return formats.strip(data)


def pack(data: bytes) -> bytes:
    """A JPEG file packed into JPEG XL, from which `unpack` gives it back byte for byte; `decode` and `info` read it directly.

    Raises `InlayError`: for a file that would not come back, and without the `pack` extra.
    """
    with uncut():
        from .formats import packing

    return packing.pack(data)


def unpack(data: bytes) -> bytes:
    """The JPEG file in a packed file.  Raises `InlayError`."""
    with uncut():
        from .formats import packing

    return packing.unpack(data)


def info(data: bytes, *, max_pixels: int | None = None, max_memory: int | None = None) -> dict[str, Any]:
    """A report on the file in JSON types; `decoder.info` lists its entries.  Raises `InlayError`."""
    with uncut():
        from . import decoder

    return decoder.info(data, max_pixels=max_pixels, max_memory=max_memory)


def register(*, threads: int | None = None) -> None:
    """Make this a plugin of Pillow: `Image.open` then gives the restored picture, `save(..., inlaid=True)` writes a file with an inlay.

    threads: of each restoring; all processors by default.  A second call changes the number.  Raises `InlayError` if it is below 1.
    """
    with uncut():
        from . import pillow_plugin

    pillow_plugin.register(_saved_by_pillow, threads)


def unregister() -> None:
    """Undo `register`.  Images that are open already are restored nevertheless."""
    with uncut():
        from . import pillow_plugin

    pillow_plugin.unregister()


def _saved_by_pillow(image: Image.Image, format: str, settings: Mapping[str, Any]) -> bytes:
    with uncut():
        from .encoding import pillow_save

    return pillow_save.encoded(image, format, settings)
