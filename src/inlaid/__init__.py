"""inlaid: JPEG and JPEG 2000 files that carry a tiny neural network, fitted to the picture, which makes them look better.

data = inlaid.encode(image, quality=40)   # a JPEG file that every viewer opens
pixels = inlaid.decode(data)              # the restored picture
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from .errors import FormatError, InlayError, InlayWarning, LimitError, UnsupportedError
from .threads import uncut

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

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
    "strip",
]
__version__ = "0.1.0"

# Numpy, Pillow and the codec are imported by the functions that need them, so that `inlaid --help` need not wait for them.


def encode(
    image: Image.Image | NDArray[np.generic],
    *,
    format: str = "jpeg",
    quality: int | None = None,
    effort: int = 5,
    preset: str | None = None,
    subsampling: str | None = None,
    progressive: bool | None = None,
    optimize: bool | None = None,
    rate_bpp: float | None = None,
    psnr_db: float | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> bytes:
    """A base file of `image` with an inlay inside, or the plain base file where an inlay does not pay.

    image: a Pillow image, or an array (H, W), (H, W, 3) or (H, W, 4) of uint8 or uint16; alpha is laid on white.  Its ICC, EXIF and
    XMP are kept, its EXIF orientation applied.  format: "jpeg" or "jpeg2000".  quality: 1..100, the base codec's, 75 if nothing says
    how good; rate_bpp (bits a pixel) or psnr_db in its place for JPEG 2000.  effort: 1 (the shipped prior as it is) to 9.  preset:
    one of `inlaid encode --help`.  subsampling ("444", "422", "420", the default), progressive, optimize (the default): of a JPEG
    base.  The same seed gives the same file on the same kind of machine.  Raises `InlayError`.
    """
    with uncut():
        from .encoding import encoder

    of_jpeg = {"subsampling": subsampling, "progressive": progressive, "optimize": optimize}
    options: dict[str, Any] = {**of_jpeg, "rate_bpp": rate_bpp, "psnr_db": psnr_db}
    how: dict[str, Any] = {"effort": effort, "preset": preset, "seed": seed, "threads": threads}
    return encoder.encode(image, format=format, quality=quality, **how, **options).data


def attach(
    base: bytes,
    original: Image.Image | NDArray[np.generic],
    *,
    effort: int = 5,
    preset: str | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> bytes:
    """`base` with an inlay that brings it nearer to `original`; `base` unchanged where none pays or none can apply (CMYK, 12 bits).

    base: a JPEG or JP2 file of any encoder; every byte of it is kept (an earlier inlay is replaced).  original: the picture that it
    was made from, at the same size, upright or as the base is stored; its colours are converted into the base's colour space.  The rest
    as for `encode`.  Raises `InlayError`.
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
) -> NDArray[np.uint8]:
    """The restored picture, (H, W) or (H, W, 3); with `base`, the picture that other viewers show.

    Where the inlay cannot be used (it belongs to another picture, is damaged, or is of a later version) the base is returned with an
    `InlayWarning`; a file without one gives its base.  max_pixels, max_memory (bytes): `LimitError` beyond, before anything is
    decoded.  Raises `InlayError`.
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
    """As `decode`, but a Pillow image, L or RGB: of a large picture it takes half the memory, since Pillow decoded into it."""
    return _decoded(data, base, max_pixels, max_memory, threads)


def _decoded(data: bytes, base: bool, max_pixels: int | None, max_memory: int | None, threads: int | None) -> Image.Image:
    with uncut():
        from . import decoder

    decoded = decoder.decode(data, base_only=base, max_pixels=max_pixels, max_memory=max_memory, threads=threads)
    if decoded.state not in ("restored", "plain"):
        warnings.warn(decoded.reason, InlayWarning, stacklevel=3)
    return decoded.image


def strip(data: bytes) -> bytes:
    """The base file alone, byte for byte as it was before the inlay.  Raises `InlayError`."""
    with uncut():
        from . import formats

    return formats.by_content(data).container.strip(data)


def info(data: bytes, *, max_pixels: int | None = None, max_memory: int | None = None) -> dict[str, Any]:
    """What is inside, in JSON types: see `decoder.info`.  Raises `InlayError`."""
    with uncut():
        from . import decoder

    return decoder.info(data, max_pixels=max_pixels, max_memory=max_memory)
