"""A base and the original that it stands for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image

from ..arrays import Pixels
from ..formats import Format
from . import pictures
from .distortion import mse
from .rate_slope import Sample, sample


@dataclass(frozen=True)
class Base:
    """A base file and the picture that it stands for, as planes of luma (H, W); `sample` is the part that is encoded again."""

    format: Format
    data: bytes
    luma: Pixels
    original: Pixels
    sample: Sample
    mse: float

    @classmethod
    def of(cls, format: Format, data: bytes, luma: Pixels, image: Image.Image) -> Base:
        """The base file `data` of `image`, which is an L or RGB image as the base stores it; luma: the decoded base's."""
        original = pictures.luma(image)
        return cls(format, data, luma, original, sample(image, original=original, base=luma), mse(luma, original))

    def cost(self, mse_per_byte: float) -> float:
        """D + lambda * R, without an inlay."""
        return self.mse + mse_per_byte * len(self.data)

    def made_as(self, data: bytes) -> Base:
        """Another base file of the same original.  Its `sample` stays that of this one."""
        luma = self.format.codec.decode_luma(data)
        return replace(self, data=data, luma=luma, mse=mse(luma, self.original))
