"""`attach` names the parts of a file that a change makes invalid."""

import struct

import pytest
from support.exif_blocks import block, camera
from support.jp2_files import box
from support.jpeg_files import VARIANTS, segment, two_images
from support.pictures import file_of, textured

from inlaid.encoding import encoder
from inlaid.formats import jp2, jpeg
from inlaid.formats.validity import invalidated

PICTURE = textured(160, 128)
JPEG = file_of(PICTURE, "JPEG", quality=20)
JP2 = jp2.codec.encode(PICTURE, 20, {})
PREVIEW = file_of(textured(16, 16), "JPEG")
SIGNED, AFCP, OUTSIDE = "signed (C2PA)", "AFCP trailer", "points at data outside itself"
C2PA = b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\3c2pa\0"


def inserted(*parts):
    return JPEG[:20] + b"".join(parts) + JPEG[20:]


def with_preview(order="<", header=b"", counted="block", far=0):
    """A file whose maker note holds the place of a preview behind the image, counted from the EXIF block or from the file."""

    def made(place):
        note = header + struct.pack(order + "H", 2) + struct.pack(order + "HHI4s", 1, 2, 4, b"abc\0")
        note += struct.pack(order + "HHII", 0x88, 4, 1, place) + bytes(4)
        rows = camera(order)
        rows["Exif"] = [row for row in rows["Exif"] if row[0] != 0x927C] + [(0x927C, 7, len(note), note)]
        return inserted(segment(0xE1, block(order, rows)))

    place = len(made(0)) - (30 if counted == "block" else 0) + far
    return made(place) + PREVIEW


def boxed(kind, body):
    at = JP2.index(b"jp2c") - 4
    return JP2[:at] + box(kind, body) + JP2[at:]


FILES = {
    "C2PA": (inserted(segment(0xEB, C2PA)), SIGNED),
    "remote C2PA": (inserted(segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x dcterms:provenance="a"/>')), "C2PA manifest elsewhere"),
    "AFCP": (JPEG + bytes(20) + b"AXS!" + bytes(8), AFCP),
    "AFCP, other order": (JPEG + b"AXS*" + bytes(8), AFCP),
    "preview": (with_preview(), OUTSIDE),
    "preview, big-endian": (with_preview(">", b"OLYMP\0\1\0"), OUTSIDE),
    "preview, by the file": (with_preview("<", b"SONY DSC \0\0\0", "file"), OUTSIDE),
    "C2PA in JP2": (boxed(b"jumb", C2PA[12:]), SIGNED),
    "C2PA uuid in JP2": (boxed(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481")), SIGNED),
}  # fmt: skip
SOUND = {
    "plain": JPEG,
    "jp2": JP2,
    "EXIF": inserted(segment(0xE1, block())),
    "JUMBF without a signature": inserted(segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x10jumb" + bytes(8))),
    "two images": two_images("<")[0],
    "AXS elsewhere": JPEG + b"AXS!" + bytes(20),
    "a number in a maker note": with_preview(far=7),
    "EXIF in JP2": jp2.container.with_metadata(JP2, {"exif": block()}),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_change_makes_invalid(name):
    data, said = FILES[name]
    (note,) = invalidated(data)
    assert said in note


@pytest.mark.parametrize("name", [*SOUND, *VARIANTS])
def test_what_stays_valid(name):
    assert invalidated(SOUND[name] if name in SOUND else VARIANTS[name]()) == ()


def test_any_damage_of_the_metadata():
    for name in ("preview", "preview, big-endian", "C2PA in JP2"):
        data = FILES[name][0]
        for at in range(20, 500):
            changed = bytearray(data)
            changed[at] ^= 0xFF
            try:
                (jpeg if data.startswith(b"\xff\xd8") else jp2).describe(bytes(changed))
            except Exception:  # attach would refuse the file
                continue
            invalidated(bytes(changed))


def test_attach_says_it():
    for name in ("C2PA", "AFCP", "C2PA in JP2"):
        data, said = FILES[name]
        encoded = encoder.attach(data, PICTURE, effort=1)
        assert encoded.payload is not None, encoded.reason
        assert sum(said in note for note in encoded.notes) == 1
        assert encoder.attach(data, _base_of(data), effort=1).notes == (), "without an inlay all holds"


def _base_of(data):
    return (jpeg if data.startswith(b"\xff\xd8") else jp2).codec.decode_image(data)
