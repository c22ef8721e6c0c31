"""What is particular to JPEG: segments, extra bytes, MPF, colour models, quantisation tables.  test_formats.py has what all formats do."""

import io
import itertools
import struct
import subprocess
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from support.every_format import failures
from support.jpeg_files import (
    BASE,
    EXIF,
    OBSTACLES,
    PAYLOAD,
    SMALL_PICTURE,
    VARIANTS,
    XMP,
    components,
    header,
    marker_at,
    mpf,
    picture,
    replaced,
    rotated_422,
    saved,
    segment,
    segments,
    two_images,
    with_frame_marker,
    with_metadata,
    with_sof,
    without_jfif,
)  # fmt: skip
from support.programs import output, program

from inlaid.errors import FormatError, InlayError, LimitError, UnsupportedError
from inlaid.formats import Metadata, by_content, jpeg
from inlaid.formats.jpeg.edits import Edit, splice
from inlaid.formats.jpeg.segments import head, walk


def tables(data):
    """The quantisation tables, by number."""
    return JpegImageFile(io.BytesIO(data)).quantization


def entries(data):
    """((size, place of the first byte), ...) of the images of the MPF index in `data`."""
    index = next(s for s in segments(data) if s.marker == 0xE2 and s.body.startswith(b"MPF\0"))
    body = index.body[4:]
    order = "<" if body[:2] == b"II" else ">"
    rows = [struct.unpack_from(order + "IIIHH", body, 50 + 16 * k) for k in range(2)]
    return tuple((row[1], row[2] + (index.offset + 8 if row[2] else 0)) for row in rows)


variant = pytest.mark.parametrize("make", VARIANTS.values(), ids=VARIANTS.keys())


# ------------------------------------------------------------------------------------------------ the payload


@variant
def test_nothing_but_one_segment_is_added(make):
    data = make()
    embedded = jpeg.container.embed(data, PAYLOAD)
    ours = segment(0xE9, b"inlay\0" + PAYLOAD)
    assert embedded.count(ours) == 1
    rest = embedded.replace(ours, b"")
    if b"MPF\0" in data:
        (size, _), other = entries(data)
        assert entries(embedded) == ((size + len(ours), 0), (other[0], other[1] + len(ours)))
        assert sum(a != b for a, b in zip(rest, data, strict=True)) in (1, 2)  # the size of the first image
    else:
        assert rest == data


def test_place_is_behind_the_leading_app0_and_app1():
    data = with_metadata(saved(picture()))
    markers = [s.marker for s in header(jpeg.container.embed(data, PAYLOAD))]
    assert markers[:7] == [0xD8, 0xE0, 0xE1, 0xE1, 0xE1, 0xE9, 0xE2]
    assert [s.marker for s in header(jpeg.container.embed(without_jfif(saved(picture())), PAYLOAD))][:2] == [0xD8, 0xE9]


@pytest.mark.parametrize("size", [0, 1, 65526, 65527, 65528, 2 * 65527, 200_000])
def test_payload_over_several_segments(size):
    payload = np.random.default_rng(size).bytes(size)
    data = saved(picture())
    embedded = jpeg.container.embed(data, payload)
    ours = [s for s in header(embedded) if s.marker == 0xE9]
    assert len(ours) == max(1, -(-size // 65527))
    assert all(a.end == b.offset for a, b in itertools.pairwise(ours))
    assert jpeg.container.extract(embedded) == payload
    assert jpeg.container.strip(embedded) == data
    assert np.array_equal(jpeg.codec.decode_image(embedded), jpeg.codec.decode_image(data))


def test_segments_that_were_moved_apart_are_found_in_file_order():
    data = with_metadata(saved(picture()))
    at = [s.offset for s in header(data)[2:6]]
    scattered = data[: at[0]]
    for k, (start, end) in enumerate(itertools.pairwise([*at, len(data)])):
        scattered += segment(0xE9, b"inlay\0" + bytes([k])) + b"\xff" * 0 + data[start:end]
    assert jpeg.container.extract(scattered) == b"\0\1\2\3"
    assert jpeg.container.strip(scattered) == data


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([*range(0xE0, 0xF0), 0xFE]),
            st.one_of(
                st.binary(max_size=40),
                st.binary(max_size=9).map(b"inlay\0".__add__),
                st.binary(max_size=80).map(b"MPF\0II*\0\x08\0\0\0".__add__),
                st.builds(mpf, st.sampled_from("<>"), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
                st.builds(mpf, st.sampled_from("<>"), st.integers(0, 9999), st.integers(0, 9999)),
            ),
        ),
        max_size=8,
    ),
    st.binary(max_size=40),
    st.binary(max_size=40),
)
def test_any_header_round_trips(segments, payload, trailer):
    inserted = b"".join(b"\xff" * fill + segment(marker, body) for fill, marker, body in segments)
    data = BASE[:20] + inserted + BASE[20:] + trailer
    plain = jpeg.container.strip(data)
    try:
        embedded = jpeg.container.embed(data, payload)
    except UnsupportedError:
        assert b"MPF\0" in data
        return
    assert jpeg.container.extract(embedded) == payload
    assert jpeg.container.strip(embedded) == plain
    assert embedded.endswith(trailer)


# ------------------------------------------------------------------------------------------------ extra bytes before markers

EXTRA = {
    "zeros": bytes(3),
    "any": b"\x12\xd8\xd9\xda",
    "stuffed": b"\xff\0\xff\0\x11",
    "fill and stuffed": b"\xff\xff\xff\0\xff\xff",
    "like ours but for its FF": b"\xe9\0\x0binlay\0abc",
    "markers that stand alone": b"\xff\xd3\xff\x01\xff\xff\xd0",
    "many": bytes(range(255)) * 300,
}


def with_extra(data, extra, number):
    """`data` with `extra` bytes before marker `number`; SOI is number 0."""
    at = segments(data)[number].offset
    return data[:at] + extra + data[at:]


def djpeg(data):
    """The pixels that djpeg shows, or what it says where it shows none."""
    done = subprocess.run([program("djpeg"), "-dct", "int"], input=data, capture_output=True, timeout=60)
    return np.asarray(Image.open(io.BytesIO(done.stdout))) if done.returncode in (0, 2) else done.stderr.decode()  # 2 means a warning


@pytest.mark.parametrize("extra", EXTRA.values(), ids=EXTRA)
@pytest.mark.parametrize("name", ["gray", "420", "progressive", "restarts", "metadata"])
def test_extra_bytes_before_any_marker(name, extra):
    plain = VARIANTS[name]()
    shown, described = np.asarray(jpeg.codec.decode_image(plain)), jpeg.container.describe(plain)
    for number in range(1, len(segments(plain))):
        data = with_extra(plain, extra, number)
        embedded = jpeg.container.embed(data, PAYLOAD)
        assert jpeg.container.extract(data) is None
        assert jpeg.container.extract(embedded) == PAYLOAD
        assert len(embedded) == len(data) + jpeg.container.OVERHEAD_BYTES + len(PAYLOAD)
        assert jpeg.container.strip(embedded) == data
        assert jpeg.container.strip(data) == data
        for file in (data, embedded):
            assert by_content(file) is jpeg.FORMAT
            assert np.array_equal(jpeg.codec.decode_image(file), shown)
            assert np.array_equal(jpeg.codec.decode(file).image, jpeg.codec.decode(plain).image)
            assert jpeg.container.describe(file) == described
            assert jpeg.codec.encoded_like(file, picture(), 1.0) == jpeg.codec.encoded_like(plain, picture(), 1.0)


@pytest.mark.parametrize("extra", EXTRA.values(), ids=EXTRA)
@pytest.mark.parametrize("name", ["gray", "420", "progressive"])
def test_djpeg_skips_them_too(name, extra):
    plain = VARIANTS[name]()
    for number in range(1, len(segments(plain))):
        data = with_extra(plain, extra, number)
        for file in (data, jpeg.container.embed(data, PAYLOAD)):
            assert np.array_equal(djpeg(file), jpeg.codec.decode_image(file))


@pytest.mark.parametrize("extra", [b"\0\xff\xd8", b"\0\xff\x02", b"\xff\xbf", b"\xff\xc5\0\2"])
def test_what_libjpeg_takes_for_a_wrong_marker_is_refused(extra):
    data = BASE[:20] + extra + BASE[20:]
    assert isinstance(djpeg(data), str)
    with pytest.raises(InlayError):
        jpeg.codec.decode_image(data)


def test_extra_bytes_before_soi_are_refused_as_libjpeg_does():
    for extra in (b"\0", b"\xff"):
        assert not jpeg.container.detect(extra + BASE)
        with pytest.raises(FormatError, match="expected ff d8"):
            jpeg.container.describe(extra + BASE)


def test_the_segment_goes_before_extra_bytes():
    """It stands behind the leading APP0 and APP1 segments, wherever extra bytes are."""
    data = with_metadata(saved(picture()))
    ours = segment(0xE9, b"inlay\0" + PAYLOAD)
    markers = segments(data)
    for number in range(1, 6):
        extra = with_extra(data, b"\0\1\2", number)
        at = markers[4].end + (3 if number < 5 else 0)
        assert jpeg.container.embed(extra, PAYLOAD) == extra[:at] + ours + extra[at:]
    bare = with_extra(without_jfif(BASE), b"\0\1\2", 1)
    assert jpeg.container.embed(bare, PAYLOAD) == bare[:2] + ours + bare[2:]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("number", [1, 5, 6, 7, 12])
def test_mpf_index_stays_right_among_extra_bytes(order, number):
    """The size of the first image counts the extra bytes, which are given as `padding`."""
    data, second = two_images(order, len(EXTRA["any"]))
    at = len(data) - len(second) - len(EXTRA["any"])
    place = segments(data)[number].offset
    data = data[:place] + EXTRA["any"] + data[place:at] + second
    (size, _), (_, other) = entries(data)
    index = next(s for s in segments(data) if s.body.startswith(b"MPF\0")).offset
    moved = (
        len(EXTRA["any"]) if place <= index else 0
    )  # the index counts from its own place, so its offset of the second image is then too large
    assert (size, other) == (len(data) - len(second), len(data) - len(second) + moved)
    embedded = jpeg.container.embed(data, PAYLOAD)
    grown = len(embedded) - len(data)
    assert entries(embedded) == ((size + grown, 0), (len(second), other + grown))
    assert jpeg.container.strip(embedded) == data


@pytest.mark.parametrize("before", [b"", b"\xff", b"\xff\xff", b"\0", b"\0\xff", b"\xff\0", b"\xff\0\xff"])
@pytest.mark.parametrize("behind", [b"", b"\xe9\0\x0binlay\0abc", b"\xd9", b"\0", b"\xff\0"])
def test_taking_a_segment_out_makes_no_marker_of_its_neighbours(before, behind):
    data = BASE[:20] + before + segment(0xE9, b"inlay\0" + PAYLOAD) + behind + BASE[20:]
    stripped = jpeg.container.strip(data)
    assert jpeg.container.strip(stripped) == stripped
    assert [s.marker for s in segments(stripped)] == [s.marker for s in segments(BASE)]
    assert stripped in (BASE[:20] + rest + behind + BASE[20:] for rest in (before, before.rstrip(b"\xff")))
    assert np.array_equal(jpeg.codec.decode_image(data), jpeg.codec.decode_image(BASE))


# ------------------------------------------------------------------------------------------------ MPF


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("padding", [0, 13])
def test_mpf_index_stays_right(order, padding):
    data, second = two_images(order, padding)
    embedded = jpeg.container.embed(data, PAYLOAD)
    (size, start), (other_size, other_start) = entries(embedded)
    assert (size, start, other_size) == (len(embedded) - len(second), 0, len(second))
    assert embedded[other_start:] == second
    assert jpeg.container.strip(embedded) == data

    before, after = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(embedded))
    assert (before.format, after.format, after.n_frames) == ("MPO", "MPO", 2)
    for frame in range(2):
        before.seek(frame)
        after.seek(frame)
        assert np.array_equal(np.asarray(before), np.asarray(after))
    assert after.size == (40, 24)


@pytest.mark.parametrize("order", "<>")
def test_mpf_index_before_our_segment(order):
    """No tool is known to move the index there.  Its offsets count from its place, so they must change."""
    data, second = two_images(order)
    (size, _), (other_size, other_start) = entries(data)
    ours = segment(0xE9, b"inlay\0" + PAYLOAD)
    at = next(s for s in header(data) if s.marker == 0xEB).offset
    embedded = splice(data, head(data), [Edit(at, at, ours)])
    assert entries(embedded) == ((size + len(ours), 0), (other_size, other_start + len(ours)))
    assert embedded[entries(embedded)[1][1] :] == second
    assert jpeg.container.strip(embedded) == data


def test_mpf_size_beyond_32_bits():
    data = BASE[:20] + segment(0xE2, mpf("<", 2**32 - 1, 0)) + BASE[20:]
    with pytest.raises(UnsupportedError, match="32 bits"):
        jpeg.container.embed(data, PAYLOAD)


def test_mpf_index_that_describes_itself_is_refused():
    # The image table overlaps the directory, so correcting one changes the other.
    body = b"MPF\0MM\0*" + struct.pack(">IHHHII", 8, 1, 0xB002, 0, 16, 4)
    with pytest.raises(UnsupportedError, match="contradicts"):
        jpeg.container.embed(BASE[:20] + segment(0xE2, body) + BASE[20:], PAYLOAD)


@pytest.mark.parametrize(
    "body",
    [
        b"MPF\0",
        b"MPF\0II*\0\x08\0",
        b"MPF\0XX*\0\x08\0\0\0",
        b"MPF\0II*\0\xff\xff\xff\xff",
        mpf("<", 0, 0)[:20],
        mpf("<", 0, 0)[:-1],
        mpf("<", 0, 0, entries=b""),
    ],
)
def test_mpf_without_meaning_is_left_alone(body):
    data = BASE[:20] + segment(0xE2, body) + BASE[20:]
    embedded = jpeg.container.embed(data, PAYLOAD)
    assert body in embedded
    assert jpeg.container.strip(embedded) == data


def test_edits_move_positions_alike():
    data = BASE[:20] + segment(0xE2, mpf(">", 10_000, 20_000)) + BASE[20:]
    end = len(data)
    edits = [Edit(2, 20, b"longer by two bytes."), Edit(end - 9, end - 5, b""), Edit(end - 2, end - 2, b"abc")]
    expected = data[:2] + edits[0].new + data[20 : end - 9] + data[end - 5 : end - 2] + b"abc" + data[-2:]
    expected = expected.replace(mpf(">", 10_000, 20_000), mpf(">", 10_001, 19_999))
    assert splice(data, head(data), edits) == expected


# ------------------------------------------------------------------------------------------------ damage


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_file_takes_no_payload(progressive):
    """A file that ends before its first scan is not read at all."""
    plain = with_metadata(saved(SMALL_PICTURE, progressive=progressive)) + b"trailer"
    data = jpeg.container.embed(plain, PAYLOAD)
    for length in range(header(data)[-1].end):
        for function in (jpeg.container.extract, jpeg.container.strip, jpeg.container.metadata):
            with pytest.raises(FormatError):
                function(data[:length])
    for length in range(len(data) - len(b"trailer")):
        with pytest.raises(FormatError, match=r"truncated|not a JPEG"):
            jpeg.container.embed(data[:length], PAYLOAD)
    for length in range(len(data) - len(b"trailer"), len(data)):
        assert not failures("jpeg", data[:length])


@given(st.binary(max_size=200))
def test_any_bytes_behind_soi(junk):
    failures("jpeg", b"\xff\xd8\xff" + junk)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "begins with nothing"),
        (b"GIF89a", "begins with 47 49 46"),
        (b"\xff\xd8", "ends at byte 2"),
        (b"\xff\xd8" + b"no marker at all" * 9, "ends at byte 146, expected a marker behind byte 2"),
        (BASE[:-2], f"ends at byte {len(BASE) - 2}, expected a marker"),
        (BASE[:20] + b"\xff\xd8" + BASE[20:], "ff d8 ff db at byte 20"),
        (BASE[:20] + b"\0\0\xff\xd8" + BASE[20:], "ff d8 ff db at byte 22"),
        (BASE[:20] + b"\xff\x02" + BASE[20:], "ff 02 ff db at byte 20"),
        (BASE[:20] + b"\xff\xe5\0\1" + BASE[20:], "length < 2"),
        (BASE[:20] + b"\xff\xe5\xff\xff" + BASE[20:], "has no end"),
        (BASE[:20] + b"\xff\xd9", "0 frame headers"),
        (BASE[:20] + segment(0xC0, b"\x08\0\x08\0\x08\1\1\x11\0") + BASE[20:], "2 frame headers"),
        (BASE[:20] + segment(0xC0, b"\x08\0\x08\0\x08\2\1\x11\0") + b"\xff\xd9", "frame header of 9 bytes"),
        (with_sof(BASE, 3, b"\0\0"), "0 pixels wide"),
        (with_sof(BASE, 7, b"\x50"), "sampling factor"),
        (with_sof(BASE, 7, b"\x01"), "sampling factor"),
        (with_sof(BASE, 8, b"\x09"), "quantisation"),
    ],
)
def test_messages_name_the_damage(data, text):
    with pytest.raises(FormatError, match=text):
        jpeg.container.obstacle(data)
        jpeg.codec.encoded_like(data, SMALL_PICTURE, 1.0)
        jpeg.container.embed(data, PAYLOAD)


@pytest.mark.parametrize(("million", "seconds"), [(30_000, 10), pytest.param(1_000_000, 30, marks=pytest.mark.slow)])
def test_time_is_linear(million, seconds):
    """In quadratic time, each of these files would take minutes."""
    scan = header(BASE)[-1].end
    many_entries = segment(0xE2, mpf("<", 9, 9, entries=bytes(65_000)))
    hostile = [
        b"\xff\xd8" + b"\xff" * (4 * million),
        BASE[:scan] + b"\xff" * (4 * million),
        BASE[:scan] + b"\xff\0" * (2 * million),
        BASE[:scan] + b"\xff\xd0" * (2 * million),
        b"\xff\xd8" + b"\xff\xd0" * million,
        b"\xff\xd8" + segment(0xE9, b"inlay\0") * million,
        BASE[:20] + many_entries + (segment(0xE9, b"inlay\0a") + segment(0xEA)) * (million // 50) + BASE[20:],
        BASE[:-2] + segment(0xDA, b"\1\1\0\0\x3f\0") * million,
        b"\xff\xd8" + bytes(4 * million),
        b"\xff\xd8" + b"\xff\0" * (2 * million),
        b"\xff\xd8" + (bytes(100) + b"\xff" * 100 + segment(0xE9, b"inlay\0")) * (million // 50) + BASE[2:],
    ]
    begun = time.process_time()
    for data in hostile:
        failures("jpeg", data)
    assert time.process_time() - begun < seconds


def test_number_of_segments_is_limited():
    with pytest.raises(LimitError, match="more than 100000 segments"):
        jpeg.container.extract(b"\xff\xd8" + segment(0xEF) * 100_001)


def test_hostile_metadata_is_no_reason_to_refuse_the_picture():
    bad = [
        segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
        segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(60))),
        segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04"),
        segment(0xE2, b"MPF\0II*\0\x08\0\0\0\1\0\1\xb0\4\0"),
        segment(0xE2, b"ICC_PROFILE\0"),
    ]
    data = BASE[:20] + b"".join(bad) + BASE[20:]
    assert not failures("jpeg", data)
    assert np.array_equal(jpeg.codec.decode_image(data), jpeg.codec.decode_image(BASE))


# ------------------------------------------------------------------------------------------------ limits


def test_plausibility_bound():
    size = struct.pack(">HH", 8000, 8000)
    with pytest.raises(FormatError, match=r"8000x8000 pixels need at least 125000 bytes; the JPEG file has \d+ behind its header"):
        jpeg.codec.decode_image(with_sof(BASE, 1, size))
    # In 4:2:0 the first component is the large one.  Where it is the small one, it has a quarter of the blocks.
    with pytest.raises(FormatError, match="at least 31250 bytes"):
        jpeg.codec.decode_image(with_sof(with_sof(with_sof(BASE, 1, size), 7, b"\x11"), 10, b"\x22"))


def test_flat_pictures_pass_the_plausibility_bound():
    for mode, kw in itertools.product(("L", "RGB"), ({}, {"optimize": True}, {"progressive": True})):
        data = saved(Image.new(mode, (2048, 1024)), quality=1, subsampling=2 if mode == "RGB" else -1, **kw)
        assert jpeg.codec.decode_image(data).size == (2048, 1024)


def test_number_of_scans_is_limited():
    data = saved(picture(16, 16), progressive=True)
    scans = [s for s in segments(data) if s.marker == 0xDA]
    last = data[scans[-1].offset : -2]
    many = data[:-2] + last * (500 - len(scans)) + b"\xff\xd9"
    assert jpeg.codec.decode_image(many).size == (16, 16)
    with pytest.raises(LimitError, match="more than 500 scans"):
        jpeg.codec.decode_image(many[:-2] + last + b"\xff\xd9")


# ------------------------------------------------------------------------------------------------ decoding


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "cmyk"])
def test_decode_base_gives_the_decoders_own_planes(name):
    data = VARIANTS[name]()
    base = jpeg.codec.decode(data)
    reference = Image.open(io.BytesIO(data))
    if base.model == "gray":
        assert np.array_equal(base.luma, np.asarray(reference))
    elif base.model == "rgb":
        assert np.array_equal(base.luma, np.asarray(reference.convert("L")))
        assert np.array_equal(base.image, np.asarray(reference))
    else:
        # Asked for gray, libjpeg gives the luma of the inverse DCT.
        gray = Image.open(io.BytesIO(data))
        gray.draft("L", None)
        assert np.array_equal(base.luma, np.asarray(gray))
        planes = np.asarray(base.image)
        assert planes.shape == np.asarray(jpeg.codec.decode_image(data)).shape
        shown = np.asarray(Image.frombytes("YCbCr", reference.size, planes.tobytes()).convert("RGB"))
        assert np.abs(shown.astype(int) - np.asarray(reference)).max() <= 2  # Pillow's matrix rounds otherwise
    assert (base.model == "gray", base.model == "rgb") == (name.endswith("gray"), name == "rgb")
    luma = jpeg.codec.decode_luma(data)
    assert np.array_equal(luma, base.luma)
    assert luma.dtype == np.uint8 and luma.flags.c_contiguous and luma.flags.writeable


NOISE = Image.fromarray(np.random.default_rng(5).integers(0, 256, (300, 400, 3), dtype=np.uint8))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("coding", ["arithmetic", "progressive arithmetic", "arithmetic restart", "optimize", "progressive"])
def test_coded_data_of_any_length(mode, coding):
    """Arithmetic decoding cannot pause for more bytes.  By default Pillow hands over 64 kB at a time."""
    switches = {"progressive": ["-progressive"], "arithmetic": ["-arithmetic"], "optimize": ["-optimize"], "restart": ["-restart", "2"]}
    plain = saved(NOISE.convert(mode), quality=92, subsampling=2 if mode == "RGB" else -1)
    data = output(program("jpegtran"), *(switch for word in coding.split() for switch in switches[word]), data=plain)
    assert len(data) > 1 << 16
    data = data[:2] + segment(0xFE, bytes(65000)) * 3 + data[2:]
    shown = jpeg.codec.decode_image(data)
    assert np.array_equal(shown, jpeg.codec.decode_image(plain))
    assert np.array_equal(shown, djpeg(data))
    assert jpeg.container.describe(data)["progressive"] == ("progressive" in coding)
    if "arithmetic" in coding:
        assert jpeg.container.obstacle(data) == "arithmetic coding"


def test_the_buffer_of_pillow_is_left_as_it_was():
    usual = ImageFile.MAXBLOCK
    jpeg.codec.decode_image(saved(NOISE, quality=95))
    assert usual == ImageFile.MAXBLOCK


# What cannot be restored is shown right, or refused with what was found.


@pytest.mark.parametrize("transform", [None, 0, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_four_components_are_shown_as_djpeg_does(transform, progressive):
    """CMYK and YCCK, with and without an Adobe segment.  Common decoders take the samples to be inverted."""
    image = picture(mode="CMYK")
    data = saved(image, progressive=progressive)
    adobe = marker_at(data, 0xEE)
    if transform is None:
        data = data[: adobe.offset] + data[adobe.end :]
    else:
        data = replaced(data, adobe.offset + 15, bytes([transform]))
    shown = jpeg.codec.decode_image(data)
    assert np.array_equal(shown, djpeg(data))
    if transform != 2:  # with it, the same samples mean other colours
        assert np.abs(np.asarray(shown).astype(int) - np.asarray(image.convert("RGB"))).mean() < 12


@pytest.mark.parametrize("subsampling", ["444", "420"])
def test_ycck(subsampling):
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs is not installed")
    inverted = 255 - np.asarray(picture(mode="CMYK"))  # as Adobe's files hold them
    data = imagecodecs.jpeg8_encode(inverted, 95, colorspace="cmyk", outcolorspace="ycck", subsampling=subsampling)
    shown = jpeg.codec.decode_image(data)
    assert jpeg.container.obstacle(data) == "CMYK"
    assert np.array_equal(shown, djpeg(data))
    assert np.abs(np.asarray(shown).astype(int) - np.asarray(picture(mode="CMYK").convert("RGB"))).mean() < 12


@pytest.mark.parametrize(
    ("settings", "pixels", "reason"),
    [
        ({"bitspersample": 12}, np.full((24, 24, 3), 3000, np.uint16), "12-bit samples"),
        ({"bitspersample": 12}, np.full((24, 24), 3000, np.uint16), "12-bit samples"),
        ({"lossless": True}, np.full((24, 24), 30000, np.uint16), "lossless"),
        ({}, np.full((24, 24, 2), 99, np.uint8), "2 components"),
    ],
)
def test_refused_with_what_was_found(settings, pixels, reason):
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs is not installed")
    data = imagecodecs.jpeg8_encode(pixels, 90, **settings)
    assert jpeg.container.describe(data)["width"] == 24
    with pytest.raises(UnsupportedError, match=reason):
        jpeg.codec.decode_image(data)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_lossless_is_shown_exactly_or_refused(mode):
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs is not installed")
    pixels = np.asarray(picture(mode=mode))
    try:
        shown = jpeg.codec.decode_image(imagecodecs.jpeg8_encode(pixels, lossless=True))
    except UnsupportedError as error:  # of a Pillow with libjpeg-turbo before 3.0
        assert "lossless" in str(error)
    else:
        assert np.array_equal(shown, pixels)


def test_cmyk_colours_are_not_inverted():
    data = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)))
    assert np.abs(np.asarray(jpeg.codec.decode_image(data)).astype(int) - (255, 0, 0)).max() <= 3


def coloured(jfif, adobe, ids):
    """A file of the same three planes with other markers.  `adobe` is the body of its transform, None for no Adobe segment."""
    data = saved(picture(16, 16), quality=95)
    jfif_segment, sof, sos = (marker_at(data, marker) for marker in (0xE0, 0xC0, 0xDA))
    changed = bytearray(data)
    for k, identifier in enumerate(ids):
        changed[sof.offset + 10 + 3 * k] = changed[sos.offset + 5 + 2 * k] = identifier
    markers = data[jfif_segment.offset : jfif_segment.end] if jfif == "whole" else b""
    if jfif == "short":
        markers = segment(0xE0, b"JFIF\0" + bytes(8))
    if adobe is not None:
        markers += segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes(adobe))
    return bytes(changed[:2]) + markers + bytes(changed[jfif_segment.end :])


@pytest.mark.parametrize("jfif", ["whole", "short", None])
@pytest.mark.parametrize("adobe", [None, [0], [1], [2], [255], [], [0, 1, 2]])
@pytest.mark.parametrize("ids", [b"\1\2\3", b"RGB", b"rgb", b"\0\1\2", b"BGR", b"\x01\x22\x23"])
def test_colour_model_is_libjpegs(jfif, adobe, ids):
    data = coloured(jfif, adobe, ids)
    plain = saved(picture(16, 16), quality=95)
    planes = np.asarray(as_drafted(plain))
    shown = np.asarray(Image.open(io.BytesIO(data)))
    taken_for_rgb = np.array_equal(shown, planes)  # no conversion took place
    assert taken_for_rgb != np.array_equal(shown, np.asarray(Image.open(io.BytesIO(plain))))

    base = jpeg.codec.decode(data)
    assert jpeg.container.describe(data)["model"] == base.model == ("rgb" if taken_for_rgb else "ycbcr")
    if taken_for_rgb:
        assert np.array_equal(base.luma, Image.fromarray(planes).convert("L"))
    assert np.array_equal(base.image, planes)
    assert np.array_equal(jpeg.codec.decode_luma(data), base.luma)


def as_drafted(data):
    image = JpegImageFile(io.BytesIO(data))
    image.draft("YCbCr", None)
    return image


def test_both_answers_occur():
    assert jpeg.container.describe(coloured(None, [0], b"\1\2\3"))["model"] == "rgb"
    assert jpeg.container.describe(coloured(None, None, b"RGB"))["model"] == "rgb"
    assert jpeg.container.describe(coloured("whole", [0], b"RGB"))["model"] == "ycbcr"
    assert jpeg.container.describe(coloured(None, [1], b"RGB"))["model"] == "ycbcr"


# ------------------------------------------------------------------------------------------------ obstacles


@pytest.mark.parametrize("data", [with_frame_marker(0xC1), components(0x22), components(0x41, 0x11, 0x11)])
def test_unusual_frames_are_no_obstacle(data):
    assert jpeg.container.obstacle(data) is None


@pytest.mark.parametrize(("reason", "data"), OBSTACLES)
def test_what_cannot_be_restored_carries_a_payload(reason, data):
    assert jpeg.container.obstacle(data).startswith(reason)
    assert jpeg.container.extract(jpeg.container.embed(data, PAYLOAD)) == PAYLOAD


def test_what_pillow_cannot_decode_either_is_unsupported_not_damaged():
    with pytest.raises(UnsupportedError, match="12-bit"):
        jpeg.codec.decode_image(with_sof(BASE, 0, b"\x0c"))


# ------------------------------------------------------------------------------------------------ describe


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gray", {"model": "gray", "components": 1, "subsampling": "gray"}),
        ("444", {"width": 53, "height": 37, "model": "ycbcr", "components": 3, "subsampling": "4:4:4"}),
        ("422", {"subsampling": "4:2:2"}),
        ("420", {"subsampling": "4:2:0", "progressive": False, "optimized_huffman": False, "restart_interval": 0}),
        ("440", {"subsampling": "4:4:0", "width": 48, "height": 64}),
        ("progressive", {"progressive": True, "optimized_huffman": True}),
        ("optimised", {"progressive": False, "optimized_huffman": True}),
        ("restarts", {"restart_interval": 4}),
        ("rgb", {"model": "rgb", "metadata": ["Adobe"]}),
        ("cmyk", {"model": "cmyk", "components": 4, "subsampling": "1x1,1x1,1x1,1x1", "metadata": ["Adobe"]}),
        ("metadata", {"metadata": ["JFIF", "EXIF", "XMP", "ICC", "IPTC", "C2PA/JUMBF", "Adobe", "comment"]}),
        ("two images >", {"metadata": ["JFIF", "EXIF", "XMP", "ICC", "IPTC", "MPF", "C2PA/JUMBF", "Adobe", "comment"]}),
        ("no JFIF", {"metadata": []}),
    ],
)
def test_describe(name, expected):
    described = jpeg.container.describe(VARIANTS[name]())
    assert {key: described[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("factors", "text"),
    [
        ((0x41, 0x11, 0x11), "4:1:1"),
        ((0x42, 0x11, 0x11), "4:1:0"),
        ((0x22, 0x22, 0x22), "4:4:4"),
        ((0x22, 0x12, 0x12), "4:2:2"),
        ((0x22, 0x11, 0x21), "2x2,1x1,2x1"),
        ((0x11, 0x21, 0x21), "1x1,2x1,2x1"),
        ((0x14,), "gray"),
    ],
)
def test_subsampling_text(factors, text):
    assert jpeg.container.describe(components(*factors))["subsampling"] == text


# ------------------------------------------------------------------------------------------------ encoding


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("optimize", [False, True])
def test_encode_base(mode, subsampling, progressive, optimize):
    image = picture(mode=mode)
    options = {"subsampling": subsampling, "progressive": progressive, "optimize": optimize}
    data = jpeg.codec.encode(image, 60, options)
    described = jpeg.container.describe(data)
    text = {"L": "gray", "RGB": ":".join(subsampling), "CMYK": "1x1,1x1,1x1,1x1"}[mode]
    assert (described["subsampling"], described["progressive"]) == (text, progressive)
    assert described["optimized_huffman"] == (optimize or progressive)
    assert tables(data)[0] == tables(saved(image, quality=60))[0]
    shown = np.asarray(jpeg.codec.decode_image(data)).astype(int)
    target = np.asarray(image if mode == "L" else image.convert("RGB"))
    assert np.abs(shown - target).mean() < 12


def test_encode_base_defaults():
    image = picture()
    assert jpeg.codec.encode(image, 70, {}) == saved(image, subsampling=2, optimize=True)


def test_encode_base_keeps_metadata():
    image = picture()
    icc = bytes(range(256)) * 400  # two segments
    image.info.update(exif=EXIF, xmp=XMP, icc_profile=icc, comment=b"hello", dpi=(299.8, 150), jfif=1, other=object())
    info = Image.open(io.BytesIO(jpeg.codec.encode(image, 70, {"optimize": True}))).info
    kept = {key: info[key] for key in ("exif", "xmp", "icc_profile", "comment", "dpi")}
    assert kept == {"exif": EXIF, "xmp": XMP, "icc_profile": icc, "comment": b"hello", "dpi": (300, 150)}


def test_encode_base_completes_a_bare_exif():
    image = picture()
    image.info["exif"] = EXIF[6:]
    assert Image.open(io.BytesIO(jpeg.codec.encode(image, 70, {}))).getexif()[0x0112] == 6


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("dpi", [None, (), (72,), (0, 0), (1e6, 1e6), (NAN, 1), (INF, 1), ("a", "b")])
def test_encode_base_drops_a_dpi_that_means_nothing(dpi):
    image = picture()
    image.info["dpi"] = dpi
    assert jpeg.codec.encode(image, 70, {}) == jpeg.codec.encode(picture(), 70, {})


@pytest.mark.parametrize(("key", "most"), [("exif", 65533), ("xmp", 65533 - 29), ("comment", 65533), ("icc_profile", 255 * (65533 - 14))])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_metadata_larger_than_the_container_takes(key, most, options):
    image = picture()
    start = EXIF if key == "exif" else b"x"
    image.info[key] = start + bytes(most - len(start))
    assert JpegImageFile(io.BytesIO(jpeg.codec.encode(image, 70, options))).info[key] == image.info[key]
    assert jpeg.container.writable(image.info, "RGB").notes == ()
    image.info[key] += b"\0"  # an item that is too long is left out, with a note
    image.info["dpi"] = (300, 300)
    (note,) = jpeg.container.writable(image.info, "RGB").notes
    assert f"has {most + 1} bytes, a JPEG file takes at most {most}" in note
    assert jpeg.container.metadata(jpeg.codec.encode(image, 70, options)) == Metadata({"dpi": (300, 300)})


@pytest.mark.parametrize(
    ("image", "quality", "options", "text"),
    [
        (SMALL_PICTURE, 50, {"subsampling": "411"}, "subsampling '411'"),
        (SMALL_PICTURE, 50, {"trellis": True}, "trellis"),
        (Image.new("L", (65501, 1)), 50, {}, "65501x1"),
        (Image.new("L", (0, 5)), 50, {}, "0x5"),
    ],
)
def test_encode_base_refuses(image, quality, options, text):
    with pytest.raises(UnsupportedError, match=text):
        jpeg.codec.encode(image, quality, options)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{"optimize": True}, {"progressive": True}])
def test_noise_at_the_highest_quality(mode, options):
    """Pillow alone fails here ("broken data stream"), because it guesses too small a file."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    noise = 255 * np.random.default_rng(3).integers(0, 2, (600, 700, bands), dtype=np.uint8)
    image = Image.frombytes(mode, (700, 600), noise.tobytes())
    usual = ImageFile.MAXBLOCK
    data = jpeg.codec.encode(image, 100, {"subsampling": "444", **options})
    assert usual == ImageFile.MAXBLOCK
    assert len(data) > noise.size
    assert np.asarray(JpegImageFile(io.BytesIO(data))).shape[:2] == (600, 700)
    if mode != "CMYK":
        assert len(jpeg.codec.encoded_like(data, image, 1.0)) <= len(data)


# ------------------------------------------------------------------------------------------------ encoded_like


@pytest.mark.parametrize("quality", [10, 75, 100])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimize": True},
        {"progressive": True},
        {"subsampling": 0},
        {"subsampling": 1},
        {"restart_marker_rows": 1},
        {"keep_rgb": True, "subsampling": 0},
        {"keep_rgb": True, "subsampling": 0, "optimize": True},
        {"qtables": [[k + 1] * 64 for k in range(3)]},
        {"qtables": [list(range(1, 65)), list(range(65, 1, -1))], "progressive": True},
    ],
    ids=lambda value: "-".join(value) or "default",
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_requantised_by_one_is_the_base(quality, settings, mode):
    image = picture(mode=mode)
    if mode == "L":
        settings = {**settings, "subsampling": -1}
        if "qtables" in settings:
            settings["qtables"] = settings["qtables"][:1]
    data = saved(image, **{"quality": quality, "subsampling": 2, **settings})
    assert jpeg.codec.encoded_like(data, image, 1.0) == data


def test_requantised_needs_no_metadata():
    image, bare = picture(), saved(picture())
    image.info.update(comment=b"one", xmp=XMP, exif=EXIF, dpi=(300, 300), icc_profile=bytes(99))
    data = jpeg.container.embed(with_metadata(bare), PAYLOAD)
    assert jpeg.codec.encoded_like(data, image, 1.0) == bare


@pytest.mark.parametrize("factor", [0.001, 0.5, 0.95, 1.1, 3.7, 100.0])
def test_requantised_scales_every_step(factor):
    image = picture()
    data = saved(image, quality=30)
    scaled = tables(jpeg.codec.encoded_like(data, image, factor))
    for number, table in tables(data).items():
        assert scaled[number] == [min(max(int(step * factor + 0.5), 1), 255) for step in table]


def test_requantised_sizes_follow_the_factor():
    image = picture(200, 150)
    data = saved(image, quality=40, subsampling=2)
    sizes = [len(jpeg.codec.encoded_like(data, image, factor)) for factor in (0.8, 0.9, 1.0, 1.1, 1.25)]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 5


def test_requantised_that_changes_nothing():
    image = picture()
    finest = saved(image, quality=100)  # every step is 1
    assert jpeg.codec.encoded_like(finest, image, 1.4) is None
    assert jpeg.codec.encoded_like(finest, image, 0.5) is None
    assert jpeg.codec.encoded_like(finest, image, 1.0) == finest
    assert jpeg.codec.encoded_like(finest, image, 1.6) is not None
    coarsest = saved(image, quality=-1, qtables=[[255] * 64])
    assert jpeg.codec.encoded_like(coarsest, image, 1.2) is None


def test_requantised_limits_steps_to_a_byte():
    image = picture()
    data = VARIANTS["16-bit tables"]()
    assert marker_at(data, 0xDB).body[0] >> 4 == 1
    again = jpeg.codec.encoded_like(data, image, 1.0)
    assert tables(again) == {0: [min(step, 255) for step in range(250, 314)]}


def test_requantised_of_other_subsampling_and_mode():
    data = rotated_422()
    assert jpeg.container.describe(jpeg.codec.encoded_like(data, picture(48, 64), 1.0))["subsampling"] == "4:2:2"
    gray = saved(picture(mode="L"))
    assert jpeg.codec.encoded_like(gray, picture(mode="L").convert("RGB"), 1.0) == gray


# ------------------------------------------------------------------------------------------------ the header


def test_walk_covers_the_file_up_to_the_first_eoi():
    data = saved(picture(), progressive=True, restart_marker_rows=1) + b"\xff\xd8\xff\xd9"
    found = list(walk(data))
    assert (found[0].marker, found[-1].marker, found[-1].end) == (0xD8, 0xD9, len(data) - 4)
    assert [s.marker for s in found].count(0xDA) == 10  # libjpeg's simple progression
