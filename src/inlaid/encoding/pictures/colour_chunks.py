"""The chunks that describe the colours of a PNG file in numbers: cICP, sRGB, cHRM and gAMA (W3C PNG, third edition, 4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import icc
from .icc import Curve, Primaries

# By code point: ITU-T H.273, tables 2 and 3.
_PRIMARIES = {
    1: icc.SRGB,
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_CURVES = {
    **dict.fromkeys((1, 6, 14, 15), icc.BT709_CURVE),
    4: Curve(2.2),
    5: Curve(2.8),
    8: Curve(1.0),
    13: icc.SRGB_CURVE,
}
_HDR = {16: "PQ", 18: "HLG"}
_GAMMA_OF_SRGB, _NEAR = 1 / 2.2, 0.01  # files of sRGB pixels have this gamma, up to so much


@dataclass(frozen=True)
class Colours:
    """The colour space of pixels, and the one that they are encoded in.

    source, target: ICC profiles, None for sRGB.  The target has the source's primaries, and sRGB's curve, which suits 8 bits.
    note: a sentence on the conversion.
    refused: the source cannot be converted, so the pixels cannot be compared with a base.
    """

    source: bytes | None = None
    target: bytes | None = None
    note: str | None = None
    refused: bool = False


@dataclass(frozen=True)
class ColourChunks:
    """The content of these chunks, None for those that a file does not have.

    code_points: of cICP: primaries, transfer function, matrix, full range.
    srgb: the file has the chunk sRGB.
    gamma: of gAMA: the exponent from light to samples, 1 / 2.2 for pixels like sRGB's.
    chromaticity: of cHRM: x and y of white, red, green, blue.
    """

    code_points: tuple[int, ...] | None = None
    srgb: bool = False
    gamma: float | None = None
    chromaticity: tuple[float, ...] | None = None

    def colours(self, *, gray: bool) -> Colours:
        """The colours that they describe; the first of cICP, sRGB, and gAMA with cHRM decides."""
        try:
            if self.code_points is not None:
                return _of_code_points(self.code_points, gray)
            return Colours() if self.srgb else self._of_numbers(gray)
        except (ValueError, TypeError) as error:
            return Colours(note=f"the file's description of its colours is damaged ({error}); they were taken for sRGB")

    def _of_numbers(self, gray: bool) -> Colours:
        primaries, curve, found = icc.SRGB, icc.SRGB_CURVE, []
        if self.gamma is not None and abs(self.gamma - _GAMMA_OF_SRGB) > _NEAR:
            if not 0.01 < self.gamma < 100:
                raise ValueError(f"a gamma of {self.gamma:g}, expected 0.01 to 100")
            curve = Curve(1 / self.gamma)
            found.append(f"gamma of {self.gamma:g} (gAMA)")
        if self.chromaticity is not None and not gray:
            white, red, green, blue = zip(self.chromaticity[::2], self.chromaticity[1::2], strict=True)
            given = Primaries(red, green, blue, white)
            if not given.is_srgb():
                primaries = given
                found.append("primaries (cHRM)")
        return _made(primaries, curve, gray, " and ".join(found))


def of_info(info: dict[Any, Any]) -> ColourChunks:
    """The chunks in the `info` of an image that Pillow read; it drops cICP."""
    return ColourChunks(None, "srgb" in info, info.get("gamma"), info.get("chromaticity"))


def _of_code_points(points: tuple[int, ...], gray: bool) -> Colours:
    primaries, transfer, matrix, full_range = points
    listed = "/".join(map(str, points))
    if primaries not in _PRIMARIES or transfer not in _CURVES or matrix or not full_range:
        kind = f"{_HDR[transfer]}, " if transfer in _HDR else ""
        return Colours(note=f"the picture's colours ({kind}cICP {listed}) cannot be converted; they were taken for sRGB", refused=True)
    return _made(_PRIMARIES[primaries], _CURVES[transfer], gray, f"colours (cICP {listed})")


def _made(primaries: Primaries, curve: Curve, gray: bool, description: str) -> Colours:
    if curve == icc.SRGB_CURVE and (gray or primaries.is_srgb()):
        return Colours()
    note = f"the pixels were converted from the picture's {description}"
    if gray:
        return Colours(icc.gray_profile(curve), None, f"{note} to sRGB")
    source = icc.colour_profile(primaries, curve)
    if primaries.is_srgb():
        return Colours(source, None, f"{note} to sRGB")
    return Colours(source, icc.colour_profile(primaries, icc.SRGB_CURVE), f"{note} to an ICC profile of these primaries")
