"""How alike two pictures look: SSIMULACRA2."""

from __future__ import annotations

import io
from importlib import import_module

from PIL import Image

from ..arrays import Pixels
from ..errors import InlayError
from ..threads import uncut

SMALLEST_PX = 8  # the smallest side of a picture that has an SSIMULACRA2
SCORE_BYTES = 540  # measured peak memory of it, bytes a pixel


def ssimulacra2(original: Pixels, pixels: Pixels) -> float:
    """SSIMULACRA2 of two uint8, (H, W) as gray sRGB or (H, W, 3): 100 equal, 70 high quality, 50 medium, 10 very low.

    It is not symmetric.  InlayError without the `looks` extra.
    """
    try:
        with uncut():
            function = import_module("ssimulacra2").compute_ssimulacra2
    except ImportError as error:
        raise InlayError(f"SSIMULACRA2 needs {error.name or 'ssimulacra2'}: pip install 'inlaid[looks]'") from error
    files = []
    for plane in (original, pixels):
        Image.fromarray(plane).save(file := io.BytesIO(), "PPM")
        files.append(file)
    return float(function(*files))
