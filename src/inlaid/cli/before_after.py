"""The demo's picture: enlarged crops of the original, a plain JPEG and the restored picture, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CROP_PX, SCALE = (160, 120), 3  # width and height of a crop; each of its pixels is shown as SCALE x SCALE
GAP_PX, LABEL_PX, FONT_PX = 8, 26, 16


@dataclass(frozen=True)
class Strip:
    """One row of the picture, for one quality."""

    plain: Image.Image
    restored: Image.Image
    plain_label: str
    restored_label: str


def before_after(original: Image.Image, strips: Iterable[Strip]) -> Image.Image:
    """An RGB image of one row for each strip: original | plain | restored, each the same crop."""
    strips = list(strips)
    box = best_crop(original, strips[0].plain, strips[0].restored)
    width, height = (box[2] - box[0]) * SCALE, (box[3] - box[1]) * SCALE
    sheet = Image.new("RGB", (3 * width + 4 * GAP_PX, len(strips) * (height + LABEL_PX + GAP_PX) + GAP_PX), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_PX)
    for row, strip in enumerate(strips):
        top = GAP_PX + row * (height + LABEL_PX + GAP_PX)
        cells = ((original, "original"), (strip.plain, strip.plain_label), (strip.restored, strip.restored_label))
        for column, (picture, label) in enumerate(cells):
            left = GAP_PX + column * (width + GAP_PX)
            draw.text((left, top), label, "black", font)
            crop = picture.convert("RGB").crop(box).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(crop, (left, top + LABEL_PX))
    return sheet


def best_crop(original: Image.Image, plain: Image.Image, restored: Image.Image) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) in which the squared error of the luma falls most from `plain` to `restored`.

    The sum over every box comes from the summed-area table of the differences (Crow 1984).
    """
    target, before, after = (np.asarray(p.convert("L"), np.float64) for p in (original, plain, restored))
    sums = np.pad(((before - target) ** 2 - (after - target) ** 2).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    width, height = (min(a, b) for a, b in zip(CROP_PX, original.size, strict=True))
    gains = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(gains.argmax()), gains.shape)
    return int(left), int(top), int(left) + width, int(top) + height
