"""EXIF blocks of every shape: broken tags are removed, sound ones stay in their place, and nothing raises."""

import io
import itertools
import json
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2
from support.exif_blocks import DIRECTORIES, TYPES, block, camera, values, with_odd_tag
from support.pictures import file_of, textured
from support.programs import output, program

from inlaid.encoding.pictures import tiff_tags
from inlaid.encoding.pictures.raw_profiles import exif_of_info
from inlaid.metadata import exif, tags

ORDERS = pytest.mark.parametrize("order", "<>")


def sane(data):
    """Checks all functions on any bytes.  Returns the mended block."""
    turn = exif.orientation(data)
    assert turn in range(1, 9)
    turned = exif.upright(data)
    assert exif.orientation(turned) == 1 and len(turned) == len(data)
    assert sum(a != b for a, b in zip(data, turned, strict=True)) <= 4
    assert turned == data or turn != 1
    exif.resolution(data)
    mended, notes = exif.mended(data)
    assert bool(notes) == bool(exif.damage(data)) and all("EXIF is damaged" in note for note in notes)
    if mended:
        assert exif.damage(mended) is None and exif.mended(mended) == (mended, ())
    if not notes:
        assert mended == data
    return mended


@ORDERS
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0", b"Exif\0\0Exif\0\0"])
def test_a_sound_block(order, prefix):
    data = block(order, prefix=prefix)
    assert sane(data) == data
    assert exif.orientation(data) == 6
    assert exif.resolution(data) == (300, 300)
    with Image.open(io.BytesIO(file_of(textured(16, 8), "JPEG", exif=block(order)))) as opened:
        assert opened.getexif()[0x010F] == "Maker" and opened.getexif().get_ifd(ExifTags.IFD.Interop)[1] == "R98"


@ORDERS
@pytest.mark.parametrize("where", DIRECTORIES)
def test_every_type_in_every_place(order, where):
    """One odd tag is removed if it is broken.  All others keep their bytes, and the orientation stays."""
    known = {
        "IFD0": [0x0100, 0x010F, 0x0111, 0x0112, 0x011A, 0x0128, 0x0132, 0x02BC, 0x8769, 0x8825, 0x9C9B],
        "Exif": [0x829A, 0x9003, 0x927C, 0x9286, 0xA005, 0xA432],
        "GPS": [0, 1, 2, 29],
        "Interop": [1, 2, 0x1001],
        "IFD1": [0x0103, 0x011A, 0x0201, 0x0202],
    }[where]
    shapes = [(0, b""), (1, b"\1\2\3\4"), (1, bytes(range(1, 9))), (3, bytes(range(48))), (1 << 31, b"\0\0\1\0"), (9, b"\xff\xff\xff\xf0")]
    sound = values(block(order))
    broken = 0
    for tag, kind, (count, value) in itertools.product(known, TYPES, shapes):
        data = with_odd_tag(order, where, tag, kind, count, value)
        mended = sane(data)
        kept = values(mended)
        lost = {key for key in sound if key not in kept}
        below = {"Exif": {"Exif", "Interop"}, "GPS": {"GPS"}, "Interop": {"Interop"}}
        gone = below.get({0x8769: "Exif", 0x8825: "GPS", 0xA005: "Interop"}.get(tag), set())
        assert lost <= {key for key in sound if key == (where, tag) or key[0] in gone}, (tag, kind, count)
        for key in sound.keys() & kept.keys() - {(where, tag)} - {k for k in sound if k[0] in gone}:
            pointer = key[1] in (0x8769, 0x8825, 0xA005)
            assert pointer or kept[key] == sound[key]
        if tag != 0x0112:
            assert exif.orientation(data) == exif.orientation(mended) == 6
        broken += mended != data
    assert broken > len(known) * 20


@ORDERS
def test_what_a_maker_note_points_at_stays(order):
    """With a broken tag before it, the note keeps its bytes and its place."""
    whole = values(block(order))
    data = with_odd_tag(order, "IFD0", 0x0100, 99, 1, b"abcd")
    mended = exif.mended(data)[0]
    place = data.index(b"note: see")
    assert mended.index(b"note: see") == place and len(mended) == len(data)
    assert values(mended) | {("IFD0", 0x8769): 0, ("IFD0", 0x8825): 0, ("Exif", 0xA005): 0} == whole | {
        ("IFD0", 0x8769): 0, ("IFD0", 0x8825): 0, ("Exif", 0xA005): 0,
    }  # fmt: skip


@ORDERS
def test_truncation_at_every_byte(order):
    data = block(order)
    first = 6 + 8 + 2 + 24
    for length in range(len(data)):
        mended = sane(data[:length])
        assert exif.orientation(data[:length]) == (6 if length >= first else 1)
        assert exif.orientation(mended) == exif.orientation(data[:length])
        assert exif.damage(data[:length]) is not None
    for at in range(len(data)):
        for new in (b"\0", b"\xff", bytes([data[at] ^ 1])):
            sane(data[:at] + new + data[at + 1 :])


@ORDERS
def test_loops_and_overlapping_directories(order):
    offsets = range(0, 400, 3)
    for number, where in ((0x8769, "IFD0"), (0x8825, "IFD0"), (0xA005, "Exif")):
        for offset in (*offsets, 0xFFFFFFFF):
            sane(with_odd_tag(order, where, number, 4, 1, struct.pack(order + "I", offset)))
    data = bytearray(block(order))
    end = 6 + 8 + 2 + 12 * 7
    for offset in (8, *offsets):
        data[end : end + 4] = struct.pack(order + "I", offset)
        sane(bytes(data))


@ORDERS
def test_a_link_that_leads_to_no_directory_goes_and_a_tag_of_number_0_stays(order):
    rows_of = camera(order)
    rows_of["IFD0"].insert(0, (0, 3, 1, b"\1\1"))
    data, end, gone = bytearray(block(order, rows_of)), 6 + 8 + 2 + 12 * 8, 0
    for offset in range(1, 400):
        data[end : end + 4] = struct.pack(order + "I", offset)
        directories = tags.parse(bytes(data)).directories
        first = directories["IFD0"]
        assert first.find(0) and first.next == (offset if "IFD1" in directories else 0)
        gone += first.next == 0
    assert 0 < gone < 399


@given(st.binary(max_size=200), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0\2\0"]))
def test_any_bytes(data, start):
    sane(start + data)


def test_the_orientation_as_readers_take_it():
    for order, kind, code in itertools.product("<>", (3, 4, 8, 9), (1,)):
        size = {3: "H", 4: "I", 8: "h", 9: "i"}[kind]
        for turn in range(10):
            data = with_odd_tag(order, "IFD0", 0x0112, kind, code, struct.pack(order + size, turn))
            assert exif.orientation(data) == (turn if 1 <= turn <= 8 else 1)
    assert exif.orientation(with_odd_tag("<", "IFD0", 0x0112, 2, 1, b"6")) == 1


@pytest.mark.parametrize("turn", range(1, 9))
def test_upright_turns_as_pillow_does(turn):
    picture = textured(20, 12)
    data = file_of(picture, "PNG", exif=block(rows_of=camera("<", turn)))
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    ours = picture.transpose(exif.UPRIGHT[turn]) if turn != 1 else picture
    assert np.array_equal(np.asarray(ours), expected)


def test_exiftool_agrees_on_a_mended_block(tmp_path):
    tool = program("exiftool")
    for order in "<>":
        data = with_odd_tag(order, "Exif", 0x9286, 99, 4, b"abcd")
        for name, content in (("sound", block(order)), ("mended", exif.mended(data)[0])):
            (tmp_path / name).write_bytes(file_of(textured(16, 8), "JPEG", exif=content))
        groups = ("-validate", "-warning", "-IFD0:all", "-ExifIFD:all", "-GPS:all", "-InteropIFD:all")
        found = [json.loads(output(tool, "-j", "-G1", "-a", *groups, tmp_path / name)) for name in ("sound", "mended")]
        for each in found:
            each[0].pop("SourceFile")
        assert found[0] == found[1] and found[0][0]["ExifIFD:LensModel"] == "RF24-70"


# ------------------------------------------------------------------------------------------------ PNG


@pytest.mark.parametrize("kind", ["exif", "APP1"])
@pytest.mark.parametrize("length", [0, 6])  # ImageMagick writes the right length, other programs a wrong one
def test_raw_profiles_of_png(kind, length):
    data = block()
    lines = "\n".join(data.hex()[i : i + 72] for i in range(0, 2 * len(data), 72))
    info = {f"Raw profile type {kind}": f"\n{'exif' if kind == 'exif' else 'generic profile'}\n{len(data) - length:8}\n{lines}\n"}
    assert exif_of_info(info) == data
    assert exif_of_info(info | {"exif": b"its own"}) == b"its own"


@pytest.mark.parametrize("text", ["", "\nexif\n", "\nexif\n  4\nzz", "\nexif\n  4\n00112233", "\nexif\n -4\n", b"\xff", None, 7])
def test_no_raw_profile(text):
    assert exif_of_info({"Raw profile type exif": text}) == b""


# ------------------------------------------------------------------------------------------------ TIFF


def tiff(order="<", **settings):
    """A TIFF file with a camera's tags."""
    directory = ImageFileDirectory_v2(prefix={"<": b"II", ">": b"MM"}[order])
    directory[0x010F], directory[0x0110], directory[0x9C9B] = "Maker", "M\xf6del".encode("latin-1"), b"t\0i\0"
    directory.tagtype[0x0110] = 2
    directory[0x0112] = 6
    directory[0x8769] = {
        0x829A: IFDRational(1, 250), 0x9003: "2024:01:02 03:04:05", 0x9204: IFDRational(0, 1), 0x927C: b"a maker's note",
        0xA432: tuple(IFDRational(a, b) for a, b in ((24, 1), (70, 1), (0, 0), (0, 0))), 0xA434: "RF24-70", 0xA005: {1: "R98"},
    }  # fmt: skip
    directory[0x8825] = {1: "N", 2: tuple(map(IFDRational, (48, 8, 15)))}
    return file_of(textured(20, 12), "TIFF", tiffinfo=directory, dpi=(300, 300), **settings)


@pytest.mark.parametrize("loaded", [False, True])
def test_exif_of_a_tiff_file(loaded):
    """Read from the bytes while the file is open (Pillow wrote two tags with odd types), and from Pillow when it is closed."""
    image = Image.open(io.BytesIO(tiff()))
    image.fp.seek(3)
    if loaded:
        image.load()
    data, notes = tiff_tags.exif_of(image)
    assert loaded or image.fp.tell() == 3
    assert notes == () and exif.damage(data) is None and exif.orientation(data) == 1
    found = values(data)
    numbers = {number for name, number in found if name == "IFD0"}
    assert numbers == {0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x8769, 0x8825, 0x9C9B}
    assert found["IFD0", 0x0110] == (2, "M\xf6del\0".encode("latin-1"))
    assert found["Exif", 0x829A] == (5, struct.pack("<II", 1, 250)) and found["Exif", 0x9204] == (
        10 if loaded else 5,
        struct.pack("<ii", 0, 1),
    )
    assert found["Exif", 0x927C] == (7 if loaded else 1, b"a maker's note") and found["Interop", 1] == (2, b"R98\0")
    assert found["GPS", 2][1] == struct.pack("<6I", 48, 1, 8, 1, 15, 1)
    assert exif.resolution(data) == (300, 300)
    assert found["Exif", 0xA432][0] == 5 and Fraction(*struct.unpack_from("<II", found["Exif", 0xA432][1])) == 24


def test_exiftool_reads_the_same_in_the_tiff_and_of_it(tmp_path):
    tool = program("exiftool")
    (tmp_path / "a.tif").write_bytes(tiff())
    data, _ = tiff_tags.exif_of(Image.open(tmp_path / "a.tif"))
    (tmp_path / "b.jpg").write_bytes(file_of(textured(16, 8), "JPEG", exif=data))
    groups = ("-ExifIFD:all", "-GPS:all", "-InteropIFD:all", "-IFD0:Make", "-IFD0:Model", "-IFD0:XPTitle", "-IFD0:XResolution")
    first, second = (json.loads(output(tool, "-j", "-a", "-G1", *groups, tmp_path / name))[0] for name in ("a.tif", "b.jpg"))
    first.pop("SourceFile"), second.pop("SourceFile")
    assert first == second and len(first) >= 12


@pytest.mark.filterwarnings("ignore")
def test_broken_tags_of_a_tiff_file_take_none_along():
    """Each entry of each directory is given every type, and a value beyond the file."""
    whole = tiff()
    image = Image.open(io.BytesIO(whole))
    expected = values(tiff_tags.exif_of(image)[0])
    starts = [struct.unpack_from("<I", whole, 4)[0], image.tag_v2[0x8769], image.tag_v2[0x8825]]
    seen = 0
    for start in starts:
        (count,) = struct.unpack_from("<H", whole, start)
        for entry, kind, size in itertools.product(range(start + 2, start + 2 + 12 * count, 12), TYPES, (None, 0, 1 << 31)):
            data = bytearray(whole)
            (number,) = struct.unpack_from("<H", data, entry)
            struct.pack_into("<H", data, entry + 2, kind)
            if size is not None:
                struct.pack_into("<I", data, entry + 4, size)
            try:
                opened = Image.open(io.BytesIO(bytes(data)))
            except Exception:  # the picture itself cannot be opened
                assert start == starts[0]
                continue
            block, notes = tiff_tags.exif_of(opened)
            assert exif.damage(block) is None if block else number
            found = values(block) if block else {}
            missing = {key for key in expected if key not in found and key[1] != number}
            assert not missing or number in (0x8769, 0x8825, 0xA005) or notes, (hex(number), kind, size, missing)
            seen += 1
    assert seen > 500


def test_a_picture_that_is_no_tiff_has_none():
    assert tiff_tags.exif_of(textured(8, 8)) == (b"", ())
    assert tiff_tags.exif_of(Image.open(io.BytesIO(file_of(textured(8, 8), "PNG")))) == (b"", ())
