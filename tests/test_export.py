"""`decode` keeps each item of metadata that the output format can hold, and names the others in a note; which formats can be written."""

import io
import itertools
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from support.exif_blocks import TYPES, block, camera, values, with_odd_tag
from support.jp2_files import box, in_header
from support.jpeg_files import header, segment
from support.pictures import file_of, textured
from support.programs import output, program
from support.selection import first

from inlaid import formats
from inlaid.cli import export
from inlaid.encoding import encoder
from inlaid.errors import UnsupportedError
from inlaid.formats import Metadata, jp2, jpeg
from inlaid.metadata import exif, xmp

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_ICC = SRGB[:16] + b"GRAY" + SRGB[20:]
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF}><rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmp:Rating="4" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:source>%s</dc:source></rdf:Description></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
)
PACKET = (XMP % "here").encode()
PICTURE = textured(48, 32)
WITH_EXIF = ("PNG", "TIFF", "WEBP", "JPEG", "MPO", "JPEG2000", "AVIF")
LOSSLESS = ("PNG", "TIFF", "WEBP", "JPEG2000", "BMP", "PPM")
Image.init()
FORMATS = sorted({f for f in Image.registered_extensions().values() if f in Image.SAVE})


def source(picture=PICTURE, **items):
    """A JPEG file with only these items."""
    return file_of(picture, "JPEG", quality=90, **items)


def exported(data, format):
    """The exported file, and the notes."""
    out = io.BytesIO()
    notes = export.write(jpeg.codec.decode_image(data), data, format, out)
    return out.getvalue(), notes


def items_of(data):
    """{name: value} of what a file of any format holds, as Pillow, or inlaid itself, reads it."""
    if data.startswith((b"\xff\xd8", b"\0\0\0\x0cjP")):
        return formats.by_content(data).container.metadata(data).items
    if data.startswith((b"II*\0", b"MM\0*")):
        opened = Image.open(io.BytesIO(data))
        found = {"exif": data} | {key: opened.info[key] for key in ("icc_profile", "xmp", "dpi") if key in opened.info}
        return found
    info = Image.open(io.BytesIO(data)).info
    found = {key: info[key] for key in ("exif", "icc_profile", "xmp", "dpi") if key in info}
    if isinstance(found.get("xmp"), str):
        found["xmp"] = found["xmp"].encode()
    return found


def shown(data):
    """The picture as shown by a viewer that applies the orientation."""
    with Image.open(io.BytesIO(data)) as opened:
        if opened.format == "JPEG2000":  # of which Pillow reads no EXIF
            turn = exif.orientation(jp2.container.metadata(data).items.get("exif", b""))
            return opened.convert("RGB") if turn == 1 else opened.convert("RGB").transpose(exif.UPRIGHT[turn])
        return ImageOps.exif_transpose(opened).convert("RGB")


def assert_shown(data, expected, exact):
    found, expected = np.asarray(shown(data), int), np.asarray(expected, int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() <= (0 if exact else 6)


# ------------------------------------------------------------------------------------------------ what is kept


@pytest.mark.parametrize("format", WITH_EXIF)
@pytest.mark.parametrize("order", "<>")
def test_camera_metadata_survives(format, order, capfd):
    data, notes = exported(source(exif=block(order), icc_profile=SRGB, xmp=PACKET, dpi=(300, 300)), format)
    assert notes == (("the EXIF thumbnail was left out: in a TIFF file it would be a second page",) if format == "TIFF" else ())
    found = items_of(data)
    assert found["icc_profile"] == SRGB and found["xmp"] == PACKET
    if format not in ("AVIF", "WEBP"):  # there the EXIF says it
        assert np.allclose(found["dpi"], 300, rtol=0.001)
    kept, whole = values(found["exif"]), values(block(order))
    pointers = {("IFD0", 0x8769), ("IFD0", 0x8825), ("Exif", 0xA005)}
    for key in whole.keys() - pointers - {("IFD1", 0x0103)}:
        if format == "AVIF" and key[0] != "IFD0":
            assert key in kept  # Pillow, reading it, chooses types anew
        else:
            assert kept[key][1] == whole[key][1], key
    if format == "TIFF":
        assert data.index(b"note: see") == block(order).index(b"note: see") - 6, "a maker note's offsets count from here"
        assert Image.open(io.BytesIO(data)).n_frames == 1
    Image.open(io.BytesIO(data)).load()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("format", WITH_EXIF)
def test_exiftool_reads_the_camera_in_every_format(format, tmp_path):
    tool = program("exiftool")
    before = source(exif=block(rows_of=camera("<", turn=8)), icc_profile=SRGB, xmp=PACKET)
    suffix = next(s for s, f in Image.registered_extensions().items() if f == format)
    (tmp_path / "a.jpg").write_bytes(before)
    (tmp_path / f"b{suffix}").write_bytes(exported(before, format)[0])
    groups = ("-IFD0:Make", "-IFD0:Orientation", "-ExifIFD:all", "-GPS:all", "-InteropIFD:all", "-ICC_Profile:all", "-XMP:all")
    first, second = (json.loads(output(tool, "-j", "-n", "-G1", *groups, tmp_path / n))[0] for n in ("a.jpg", f"b{suffix}"))
    first.pop("SourceFile"), second.pop("SourceFile")
    if format == "AVIF":  # which says it outside EXIF
        assert second.pop("IFD0:Orientation") == 1
        assert json.loads(output(tool, "-j", "-n", "-Rotation", tmp_path / f"b{suffix}"))[0]["Rotation"] == 90
        first.pop("IFD0:Orientation")
    assert first == second and len(first) > 12


@pytest.mark.parametrize("format", [*WITH_EXIF, "BMP", "PPM"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_viewer_sees_it_turned_once(format, turn):
    before = source(exif=block(rows_of=camera("<", turn)))
    plain = jpeg.codec.decode_image(before)
    upright = plain if turn == 1 else plain.transpose(exif.UPRIGHT[turn])
    data, notes = exported(before, format)
    assert_shown(data, upright, format in LOSSLESS)
    turned = f"the picture was turned upright: {format} does not keep its orientation"
    assert (turned in notes) == (format in ("BMP", "PPM") and turn != 1)


@pytest.mark.parametrize("format", [*WITH_EXIF, "BMP"])
def test_one_broken_item_takes_none_along(format):
    broken = with_odd_tag("<", "Exif", 0xA434, 99, 8, b"\xff\xff\xff\xff")
    icc = segment(0xE2, b"ICC_PROFILE\0\1\2" + SRGB)  # of two parts
    plain = source(exif=broken, xmp=PACKET, dpi=(300, 300))
    before = plain[:20] + icc + plain[20:]
    data, notes = exported(before, format)
    assert any("0xa434 (type 99) in Exif" in note for note in notes)
    assert any("the ICC profile is damaged and was left out: its parts are 1 of 2" in note for note in notes)
    assert_shown(data, plain_upright(before), format in LOSSLESS)
    if format != "BMP":
        found = items_of(data)
        assert found["xmp"] == PACKET and ("Exif", 0x829A) in values(found["exif"])
        assert ("Exif", 0xA434) not in values(found["exif"])


def plain_upright(data):
    picture, turn = jpeg.codec.decode_image(data), exif.orientation(jpeg.container.metadata(data).items["exif"])
    return picture if turn == 1 else picture.transpose(exif.UPRIGHT[turn])


@pytest.mark.parametrize("format", [*WITH_EXIF, "PPM"])
def test_damaged_exif_that_still_tells_the_orientation(format):
    """The block is cut off within its first directory, behind the orientation.  The picture is still shown upright."""
    before = source(exif=block()[: 6 + 8 + 2 + 24])
    data, notes = exported(before, format)
    assert any("EXIF is damaged" in note for note in notes)
    assert_shown(data, plain_upright(before), format in LOSSLESS)


@pytest.mark.parametrize("format", WITH_EXIF)
def test_exif_that_cannot_be_read_is_left_out(format):
    plain = source(xmp=PACKET)
    before = plain[:20] + segment(0xE1, b"Exif\0\0garbage") + plain[20:]
    data, notes = exported(before, format)
    assert notes[0].startswith("the EXIF is damaged and was left out: it begins with 67 61 72 62 61 67 65, expected ")
    found = items_of(data)
    assert found["xmp"] == PACKET and b"garbage" not in data
    Image.open(io.BytesIO(data)).getexif()


def test_what_a_format_does_not_keep_is_named():
    before = source(exif=block(), icc_profile=SRGB, xmp=PACKET, dpi=(150, 150))
    said = {format: exported(before, format)[1][0] for format in ("PPM", "BMP", "WEBP", "GIF")}
    assert said["PPM"] == "PPM does not keep EXIF, XMP, ICC profile and resolution of this file; they were left out"
    assert said["BMP"] == "BMP does not keep EXIF, XMP and ICC profile of this file; they were left out"
    assert said["WEBP"] == "WEBP does not keep resolution of this file; it was left out"  # EXIF says 300
    assert said["GIF"].startswith("GIF does not keep ")


def test_the_profile_must_be_for_the_pixels():
    gray = source(PICTURE.convert("L"), icc_profile=GRAY_ICC)
    for format in ("PNG", "TIFF", "JPEG", "JPEG2000", "AVIF"):
        data, notes = exported(gray, format)
        assert notes == () and items_of(data)["icc_profile"] == GRAY_ICC
        data, notes = exported(source(icc_profile=GRAY_ICC), format)
        assert notes == ("the ICC profile is not for RGB and was left out",)
    assert exported(gray, "WEBP")[1] == ("the ICC profile is not for RGB and was left out",), "WebP has no gray"


# ------------------------------------------------------------------------------------------------ long items


def long_exif():
    """A file whose EXIF block is longer than a segment and goes on in a second one; and the block."""
    rows = camera("<", 6)
    rows["Exif"] = [row for row in rows["Exif"] if row[0] != 0x927C] + [(0x927C, 7, 90_000, bytes(range(250)) * 360)]
    data = block("<", rows)
    parts = segment(0xE1, data[:60_000]) + segment(0xE1, b"Exif\0\0" + data[60_000:])
    plain = source()
    return plain[:20] + parts + plain[20:], data


def test_exif_of_several_segments():
    before, whole = long_exif()
    assert jpeg.container.metadata(before) == Metadata({"exif": whole, "dpi": (300, 300)})
    for format in ("PNG", "WEBP", "JPEG2000"):
        data, notes = exported(before, format)
        assert notes == () and items_of(data)["exif"].removeprefix(b"Exif\0\0") == whole[6:]
    data, notes = exported(before, "JPEG")
    assert f"the EXIF has {len(whole)} bytes, a JPEG file takes at most 65533; it was left out" in notes
    assert_shown(data, plain_upright(before), False)
    twice = source()[:20] + segment(0xE1, block()) + segment(0xE1, block(">")) + source()[20:]
    assert jpeg.container.metadata(twice).items["exif"] == block()


BIG = (XMP % ("x" * 150_000)).encode()


def big_xmp_file():
    image = PICTURE.copy()
    image.info["xmp"] = BIG
    assert jpeg.container.writable(image.info, "RGB") == Metadata({"xmp": BIG})
    return jpeg.codec.encode(image, 80, {})


def test_extended_xmp_is_written_and_read(tmp_path):
    data = big_xmp_file()
    back = jpeg.container.metadata(data)
    assert back.notes == () and b"HasExtendedXMP" not in back.items["xmp"]
    bodies = [s.body for s in header(data) if s.marker == 0xE1]
    assert [len(body) <= 65533 for body in bodies] == [True] * 4
    assert bodies[0].startswith(b"http://ns.adobe.com/xap/1.0/\0") and b'Rating="4"' in bodies[0]
    extended = b"".join(body[75:] for body in bodies[1:])
    for at, body in zip((0, 65400, 130800), bodies[1:], strict=True):
        assert body[:35] == b"http://ns.adobe.com/xmp/extension/\0" and body[35:67].decode() == xmp.digest(extended)
        assert struct.unpack(">II", body[67:75]) == (len(extended), at)
    assert xmp.digest(extended).encode() in bodies[0]
    again, notes = exported(data, "JPEG")
    assert notes == () and jpeg.container.metadata(again).notes == ()
    for part in (b'Rating="4"', b"<dc:source>" + b"x" * 150_000 + b"<"):
        assert jpeg.container.metadata(again).items["xmp"].count(part) == back.items["xmp"].count(part) == 1
    tool = program("exiftool")
    (tmp_path / "a.jpg").write_bytes(data)
    tags = json.loads(output(tool, "-j", "-n", "-validate", "-warning", "-XMP:all", tmp_path / "a.jpg"))[0]
    assert tags["Rating"] == 4 and tags["Source"] == "x" * 150_000 and "Warning" not in tags


def test_exiv2_reads_extended_xmp(tmp_path):
    (tmp_path / "a.jpg").write_bytes(big_xmp_file())
    shown = output(program("exiv2"), "-q", "-px", tmp_path / "a.jpg")
    assert b"Xmp.xmp.Rating" in shown


def test_incomplete_extended_xmp():
    data = big_xmp_file()
    last = [s for s in header(data) if s.marker == 0xE1][-1]
    for cut in (data[: last.offset] + data[last.end :], data[: last.end - 1] + b"?" + data[last.end :]):
        back = jpeg.container.metadata(cut)
        assert back.notes == ("the extended XMP is incomplete; the main part alone is kept",)
        assert b'Rating="4"' in back.items["xmp"] and b"HasExtendedXMP" not in back.items["xmp"]
        written, notes = exported(cut, "PNG")
        assert back.notes[0] in notes and items_of(written)["xmp"] == back.items["xmp"]


def test_long_xmp_that_is_no_xml_is_dropped_and_the_rest_kept():
    image = PICTURE.copy()
    image.info |= {"xmp": b"<x:xmpmeta>" + b"a" * 70_000, "icc_profile": SRGB, "exif": block(), "dpi": (300, 300)}
    assert jpeg.container.writable(image.info, "RGB").notes == (
        "the XMP has 70011 bytes, a JPEG file takes at most 65504; it was left out",
    )
    kept = jpeg.container.metadata(jpeg.codec.encode(image, 80, {}))
    assert kept == Metadata({"icc_profile": SRGB, "exif": block(), "dpi": (300, 300)})


@pytest.mark.parametrize("module", [jpeg, jp2])
def test_items_of_a_wrong_type_are_left_out(module):
    info = {"exif": 7, "xmp": ["x"], "icc_profile": "text" if module is jp2 else {"a": 1}, "dpi": "300"}
    found = module.container.writable(info, "RGB")
    assert found.items == {} and len(found.notes) == 3
    image = PICTURE.copy()
    image.info |= info
    assert module.container.metadata(module.codec.encode(image, 80, {})) == Metadata({})


def test_encode_reports_what_it_left_out():
    image = PICTURE.copy()
    image.info |= {"exif": with_odd_tag("<", "IFD0", 0x0100, 99, 1, b"abcd", turn=1), "xmp": PACKET}
    for format in ("jpeg", "jpeg2000"):
        encoded = encoder.encode(image, format=format, quality=30, effort=1)
        assert "the EXIF is damaged; left out: 0x0100 (type 99) in IFD0" in encoded.notes
        assert formats.by_content(encoded.data).container.metadata(encoded.data).items["xmp"] == PACKET


# ------------------------------------------------------------------------------------------------ resolution


@pytest.mark.parametrize("dpi", [(72, 72), (300, 150), (96.01, 96.01), (0.6, 0.6), (2400, 1200)])
def test_resolution_of_jp2(dpi):
    image = PICTURE.copy()
    image.info["dpi"] = dpi
    data = jp2.codec.encode(image, 40, {})
    assert np.allclose(jp2.container.metadata(data).items["dpi"], dpi, rtol=1e-4)
    assert np.allclose(Image.open(io.BytesIO(data)).info["dpi"], dpi, rtol=1e-4)
    assert jp2.container.obstacle(data) is None


def test_a_damaged_resolution_box():
    plain = jp2.codec.encode(PICTURE, 40, {})
    for content in (b"", b"\0\0\0\1", box(b"resc", b"\0"), box(b"resc", bytes(10)), box(b"resc", b"\xff" * 10)):
        data = in_header(plain, lambda inner, content=content: [*inner, (b"res ", content)])
        jp2.container.metadata(data)
    assert jp2.container.metadata(plain).items == {}


def test_resolution_by_the_metre_and_by_exif():
    plain = source(dpi=(100, 50))
    at = plain.index(b"JFIF\0") + 7
    metric = plain[:at] + b"\2" + plain[at + 1 :]
    assert jpeg.container.metadata(metric).items["dpi"] == (254, 127)
    assert jpeg.container.metadata(plain[:at] + b"\0" + plain[at + 1 :]).items == {}
    assert jpeg.container.metadata(source(exif=block())).items["dpi"] == (300, 300)


def test_a_turned_picture_has_its_resolution_turned():
    before = source(exif=block(rows_of=camera("<", 6)), dpi=(300, 150))
    data, _ = exported(before, "BMP")
    assert np.allclose(Image.open(io.BytesIO(data)).info["dpi"], (150, 300), rtol=0.001)


# ------------------------------------------------------------------------------------------------ fuzz


@pytest.mark.parametrize("format", first(WITH_EXIF))
@pytest.mark.filterwarnings("ignore")  # Pillow warns of the damaged EXIF
def test_odd_tags_never_cost_the_picture_or_its_orientation(format, capfd):
    """Every type for tags that readers look at.  The file opens and is shown upright, and no library prints anything."""
    places = {"IFD0": (0x0100, 0x010F, 0x011A, 0x014A, 0x9C9B), "Exif": (0x829A, 0x9286, 0xA005), "GPS": (2,), "IFD1": (0x0201,)}
    shapes = ((0, b""), (1, b"\1\2\3\4"), (1, bytes(range(1, 9))), (3, bytes(range(48))), (1 << 31, b"\0\0\1\0"))
    plain = source()
    upright = jpeg.codec.decode_image(plain).transpose(exif.UPRIGHT[6])
    cases = [(w, t, k, s) for w, ts in places.items() for t in ts for k in TYPES for s in shapes]
    for number, (where, tag, kind, (count, value)) in enumerate(cases):
        if number % (13 if format == "AVIF" else 4) != WITH_EXIF.index(format) % 4:  # each format its share
            continue
        odd = with_odd_tag("<>"[number % 2], where, tag, kind, count, value)
        data, _ = exported(plain[:20] + segment(0xE1, odd) + plain[20:], format)
        assert_shown(data, upright, format in LOSSLESS)
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------------ formats and sizes


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_format_that_pillow_writes(format, mode):
    """The file holds the picture, or a note says why not, or it is refused."""
    picture = PICTURE.convert(mode)
    try:
        notes = export.check(format, picture.size, mode)
    except UnsupportedError as error:
        assert format in str(error)
        assert format not in ("PNG", "TIFF", "WEBP", "JPEG", "JPEG2000", "BMP", "PPM", "TGA")
        return
    data, _ = exported(source(picture), format)
    if any("does not read" in note for note in notes):
        assert format in ("PDF", "EPS") and len(data) > 500
        return
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.size == picture.size
        pixels = np.asarray(opened.convert(mode), int)
    error = np.abs(pixels - np.asarray(jpeg.codec.decode_image(source(picture)), int)).mean()
    if format in ("JPEG", "MPO", "AVIF"):
        assert error < 6 and notes == ()
    else:
        assert (error == 0) == (notes == ()), (error, notes)


@pytest.mark.parametrize("format", ["ICO", "ICNS"])
def test_icons_are_refused(format):
    for size in ((48, 32), (256, 256), (1024, 1024)):
        with pytest.raises(UnsupportedError, match=f"{format}.*would not have {size[0]}x{size[1]} pixels"):
            export.check(format, size, "RGB")


def test_palettes_are_noted():
    assert export.check("GIF", (48, 32), "RGB") == ("GIF holds at most 256 colours; the picture's were reduced to them",)
    assert export.check("GIF", (48, 32), "L") == ()


@pytest.mark.parametrize(
    ("format", "most"), [("WEBP", 16383), ("JPEG", 65500), ("MPO", 65500), ("PDF", 65500), ("AVIF", 65536), ("GIF", 65535), ("TGA", 65535)]
)
def test_limits_of_size_are_told_before(format, most, capfd):
    for size in ((most + 1, 5), (5, most + 1)):
        with pytest.raises(UnsupportedError, match=f"{size[0]}x{size[1]} pixels is too large"):
            export.check(format, size, "RGB")
    export.check(format, (most, 5), "RGB")
    assert capfd.readouterr() == ("", "")


def test_decode_refuses_before_it_decodes(run, tmp_path, monkeypatch):
    (tmp_path / "in.jpg").write_bytes(source())
    monkeypatch.setattr("inlaid.decoder.decode", None)
    done = run("decode", tmp_path / "in.jpg", "-o", tmp_path / "x.ico")
    assert done.exit_code == 1 and done.stderr.count("\n") == 1 and f"{tmp_path / 'x.ico'}: a file of format ICO" in done.stderr
    assert not (tmp_path / "x.ico").exists()


def test_decode_notes_on_the_command_line(run, tmp_path):
    (tmp_path / "in.jpg").write_bytes(source(exif=block()))
    done = run("decode", tmp_path / "in.jpg", "-o", tmp_path / "x.gif")
    assert done.exit_code == 0
    lines = done.stderr.splitlines()
    assert [line.split("in.jpg: ")[1][:20] for line in lines] == [
        "there is no inlay in", "GIF holds at most 25", "GIF does not keep EX", "the picture was turn",
    ]  # fmt: skip


def test_a_tiff_file_through_a_pipe(tmp_path):
    """Only notes appear on standard error."""
    (tmp_path / "in.jpg").write_bytes(source(exif=block(), icc_profile=SRGB))
    command = [sys.executable, "-m", "inlaid", "decode", str(tmp_path / "in.jpg"), "-o", str(tmp_path / "x.tif"), "--base"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=120)
    assert done.returncode == 0 and done.stderr.count("\n") == 1 and "thumbnail" in done.stderr
    assert Image.open(tmp_path / "x.tif").info["icc_profile"] == SRGB


def test_a_tiff_of_either_order_holds_strips_and_long_values():
    for order, size in itertools.product("<>", ((300, 700), (1, 1))):
        picture = textured(*size)
        data, _ = exported(source(picture, exif=block(order, camera(order, 1)), icc_profile=SRGB, dpi=(72, 96)), "TIFF")
        with Image.open(io.BytesIO(data)) as opened:
            assert np.array_equal(np.asarray(opened), np.asarray(jpeg.codec.decode_image(source(picture))))
            assert opened.info["dpi"] == (72, 96) and data[:2] == {"<": b"II", ">": b"MM"}[order]
