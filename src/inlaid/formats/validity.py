"""What an inlay breaks in a file: signatures, and offsets into the file.

The MPF index is not among them: `jpeg.edits.splice` corrects it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ..metadata import tags
from .jp2.boxes import EXIF_UUID, UUID, XMP_UUID, top_boxes
from .jpeg.segments import APP1, APP11, head

_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_STARTS = (0, 6, 8, 10, 12, 16, 18)  # where a maker note's directory begins: behind the maker's name, if it has one
_JPEG = b"\xff\xd8\xff"


def invalidated(data: bytes) -> tuple[str, ...]:
    """Sentences on what of `data`, a JPEG or JP2 file, no longer holds in the same file with an inlay."""
    found: list[str] = []
    if any(b"c2pa" in part for part in _signed_parts(data)):
        found.append("the file is signed (C2PA): the signature does not hold for the file with the inlay; sign it again")
    elif any(b"dcterms:provenance" in packet for packet in _packets(data)):
        found.append("the XMP names a C2PA manifest elsewhere: it does not hold for the file with the inlay; sign it again")
    if any(_points_outside(data, block, at) for block, at in _exif_blocks(data)):
        found.append(
            "the EXIF points at data outside itself (a maker's preview): these places do not move with the inlay, and no longer lead there"
        )
    if data[-12:-8] in (b"AXS!", b"AXS*"):
        found.append("the file ends in an AFCP trailer, which counts places from the beginning of the file: they are wrong with the inlay")
    return tuple(found)


def _signed_parts(data: bytes) -> Iterator[bytes]:
    """What may hold a C2PA manifest."""
    if data.startswith(_JPEG[:2]):
        yield from (s.body(data) for s in head(data) if s.marker == APP11 and s.body(data).startswith(b"JP"))
    else:
        yield from (each.content(data) for each in top_boxes(data) if each.type == b"jumb")
        yield from (b"c2pa" for each in top_boxes(data) if each.type == UUID and data.startswith(_C2PA_UUID, each.body))


def _packets(data: bytes) -> Iterator[bytes]:
    if data.startswith(_JPEG[:2]):
        yield from (s.body(data) for s in head(data) if s.marker == APP1 and s.body(data).startswith(b"http://ns.adobe.com/x"))
    else:
        yield from (each.content(data) for each in top_boxes(data) if each.type == UUID and data.startswith(XMP_UUID, each.body))


def _exif_blocks(data: bytes) -> Iterator[tuple[tags.Block, int]]:
    """Each EXIF block that can be read, and where it begins."""
    if data.startswith(_JPEG[:2]):
        places = [(s.offset + 4, s.end) for s in head(data) if s.marker == APP1 and data.startswith(tags.PREFIX, s.offset + 4)]
    else:
        places = [(b.body + 16, b.end) for b in top_boxes(data) if b.type == UUID and data.startswith(EXIF_UUID, b.body)]
    for start, end in places:
        block = tags.parse(data[start:end])
        if isinstance(block, tags.Block):
            yield block, end - len(block.data)


def _points_outside(data: bytes, block: tags.Block, at: int) -> bool:
    """Whether a tag of the block at byte `at`, or of its maker note, has its value, or a JPEG file, behind the block."""
    end = at + len(block.data)
    places = [(block.order, each.offset, 0) for each in block.directories.values()]
    below = block.directories.get("Exif")
    if below and (note := below.find(tags.MAKER_NOTE)):
        places += [(order, note.place + start, note.place) for order in "<>" for start in _STARTS if start + 6 < note.size]
    for order, start, origin in places:
        for kind, count, value in _tags(block.data, order, start):
            counted = {value, at + value, at + origin + value}  # from the file's, the block's or the note's beginning
            if tags.SIZES[kind] * count > 4:
                if end <= at + value < len(data):
                    return True
            elif kind in (4, 13) and any(place >= end and data.startswith(_JPEG, place) for place in counted):
                return True
    return False


def _tags(data: bytes, order: str, start: int) -> list[tuple[int, int, int]]:
    """Type, count, and value or its place, of the tags of a directory at `start`; none if there seems to be no directory."""
    (claimed,) = struct.unpack_from(order + "H", data, start)
    found = [struct.unpack_from(order + "HHII", data, start + 2 + 12 * k) for k in range(min(claimed, (len(data) - start - 2) // 12))]
    if len(found) < claimed or any(kind not in tags.SIZES for _, kind, _, _ in found):
        return []
    return [tag[1:] for tag in found]
