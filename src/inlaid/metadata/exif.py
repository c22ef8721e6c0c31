"""EXIF blocks: read, checked, and mended in place, so that every offset in a block stays right.

A block is a small TIFF file (TIFF 6.0; CIPA DC-008), with or without "Exif\\0\\0" before it.  No bytes make these functions raise.
"""

from __future__ import annotations

import struct

from PIL import Image

from .tags import INTEGERS, ORIENTATION, RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION, Block, parse

# Tags of a TIFF file that say how its pixels are stored, or hold other metadata; the others are EXIF.
STRUCTURAL = frozenset[int]().union(
    (*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297),  # size, samples, strips, pages
    (301, *range(317, 326), *range(330, 352), 559),  # transfer function, predictor, colours, tiles, further directories, inks, tables
    (*range(400, 406), *range(433, 436), *range(512, 533), *range(32995, 32999), 33421, 33422),  # fax, JPEG, SGI, colour filter array
    (700, 34377, 34675, 37724, 42112, 42113),  # XMP, Photoshop's resources, ICC, Photoshop's layers, GDAL
    (*range(50706, 51200), 52525, 52526, 52530),  # DNG
)
# What turns a stored picture upright, by its orientation.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def damage(exif: bytes) -> str | None:
    """A phrase that says what is damaged; None for an intact block."""
    block = parse(exif)
    return block if isinstance(block, str) else next(iter(block.faults), None)


def mended(exif: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The block without its broken tags, everything else at the same offset, and notes; empty if it cannot be read."""
    block = parse(exif)
    if isinstance(block, str):
        return b"", (f"the EXIF is damaged and was left out: {block}",)
    faults = block.faults
    if not faults:
        return exif, ()
    prefix = exif[: len(exif) - len(block.data)]
    for _ in range(len(block.directories)):  # again, because a mended directory may break another one that shares bytes with it
        data = bytearray(block.data)
        for each in block.directories.values():
            if each.faults:
                entries = b"".join(block.data[tag.entry : tag.entry + 12] for tag in each.tags)
                new = struct.pack(block.order + "H", len(each.tags)) + entries + struct.pack(block.order + "I", each.next)
                data[each.offset : each.offset + each.length] = new.ljust(each.length, b"\0")
        again = parse(bytes(data))
        if isinstance(again, str):
            break
        block = again
        if not block.faults:
            return prefix + block.data, (f"the EXIF is damaged; left out: {listed(faults)}",)
    return b"", ("the EXIF is damaged and was left out: its directories overlap",)


def listed(faults: list[str]) -> str:
    """The first three, and the number of the others."""
    return ", ".join(faults[:3]) + (f" and {len(faults) - 3} more" if len(faults) > 3 else "")


def orientation(exif: bytes) -> int:
    """The orientation of the stored pixels, 1 to 8; 1 where the block has none."""
    block = parse(exif)
    if isinstance(block, str):
        return 1
    value = block.integer(block.directories["IFD0"].find(ORIENTATION))
    return value if value in UPRIGHT else 1


def upright(exif: bytes) -> bytes:
    """The block with its orientation, if it has one, set to 1."""
    if orientation(exif) == 1:
        return exif
    block = parse(exif)
    assert isinstance(block, Block)
    tag = block.directories["IFD0"].find(ORIENTATION)
    assert tag is not None
    data = bytearray(exif)
    struct.pack_into(block.order + INTEGERS[tag.type], data, len(exif) - len(block.data) + tag.place, 1)
    return bytes(data)


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Pixels an inch, across and down; None where the block does not give both."""
    block = parse(exif)
    if isinstance(block, str):
        return None
    tags = block.directories["IFD0"]
    per_inch = {None: 1.0, 2: 1.0, 3: 2.54}.get(block.integer(tags.find(RESOLUTION_UNIT)))
    values = []
    for number in (X_RESOLUTION, Y_RESOLUTION):
        tag = tags.find(number)
        if per_inch is not None and tag is not None and tag.type == 5 and tag.values == 1:
            numerator, denominator = struct.unpack_from(block.order + "II", block.data, tag.place)
            values.append(per_inch * numerator / denominator if denominator else 0.0)
    return (values[0], values[1]) if len(values) == 2 and min(values) > 0 else None
