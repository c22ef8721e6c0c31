"""What is particular to JPEG 2000: the place of the payload's box, what cannot carry one, damage, and other readers."""

import contextlib
import io
import struct

import numpy as np
import pytest
from PIL import Image
from support.jp2_files import COLOUR, EXIF, FILES, GRAY, OBSTACLES, SRGB, XMP, box, boxes, claiming, in_header, saved, split, with_boxes
from support.pictures import coloured, psnr, texture
from support.programs import output, program
from support.selection import first

import inlaid
from inlaid import payload, priors
from inlaid.encoding import encoder, pictures
from inlaid.errors import FormatError, InlayError, LimitError, UnsupportedError
from inlaid.fingerprint import fingerprint
from inlaid.formats import Metadata, jp2

PAYLOAD = bytes(range(256)) * 2
files = pytest.mark.parametrize("data", FILES.values(), ids=FILES)


# ------------------------------------------------------------------------------------------------ boxes


def test_a_codestream_that_is_cut_off_carries_a_payload_and_is_not_decoded():
    with pytest.raises(FormatError, match="cannot decode"):
        jp2.codec.decode(jp2.container.embed(FILES["cut off"], PAYLOAD))


def test_the_box_stands_before_the_header_box():
    """The codestream stays next to the header box."""
    kinds = [b.type for b in boxes(jp2.container.embed(FILES["boxes"], PAYLOAD))]
    assert kinds == [b"jP  ", b"ftyp", b"uuid", b"jp2h", b"xml ", b"uuid", b"uuid", b"uuid", b"jp2c"]
    between = with_boxes(FILES["gray"], (b"xml ", b"<a/>"), (b"jp2h", b""))  # not allowed: the first one counts
    kinds = [b.type for b in boxes(jp2.container.embed(between, PAYLOAD))]
    assert kinds == [b"jP  ", b"ftyp", b"uuid", b"jp2h", b"xml ", b"jp2h", b"jp2c"]


def test_without_a_header_box_it_stands_before_the_codestream():
    """The standard requires the header box, but the picture can be decoded without it."""
    head, stream = split(FILES["gray"])
    start = next(b.offset for b in boxes(head) if b.type == b"jp2h")
    for behind in (b"", box(b"jp2h", b"")):
        data = head[:start] + box(b"jp2c", stream) + behind
        made = jp2.container.embed(data, PAYLOAD)
        assert [b.type for b in boxes(made)][:4] == [b"jP  ", b"ftyp", b"uuid", b"jp2c"]
        assert jp2.container.strip(made) == data and jp2.container.extract(made) == PAYLOAD
        assert np.array_equal(jp2.codec.decode_image(made), jp2.codec.decode_image(FILES["gray"]))


def test_a_box_anywhere_before_the_codestream_is_ours():
    """An earlier version put it elsewhere, and other programs may."""
    for data in (FILES["boxes"], FILES["gray"]):
        ours = box(b"uuid", jp2.container.IDENTIFIER + PAYLOAD)
        for each in boxes(data)[1:]:
            made = data[: each.offset] + ours + data[each.offset :]
            assert jp2.container.extract(made) == PAYLOAD and jp2.container.strip(made) == data
            assert jp2.container.embed(made, b"another") == jp2.container.embed(data, b"another")
            assert np.array_equal(jp2.codec.decode_image(made), jp2.codec.decode_image(data))


def test_pillow_still_finds_the_comment():
    data = saved(COLOUR, comment=b"made by hand")
    for file in (data, jp2.container.embed(data, PAYLOAD)):
        assert Image.open(io.BytesIO(file)).info["comment"] == b"made by hand"


def test_boxes_behind_the_codestream_are_not_ours():
    data = FILES["gray"] + box(b"uuid", jp2.container.IDENTIFIER + PAYLOAD)
    assert jp2.container.extract(data) is None and jp2.container.strip(data) == data


def test_describe():
    found = jp2.container.describe(FILES["reversible, tiles"])
    assert found["wavelet"] == "5/3" and found["tile"] == [64, 64] and found["layers"] == 2 and found["components"] == 3
    found = jp2.container.describe(jp2.container.embed(FILES["boxes"], PAYLOAD))
    assert found["metadata"] == ["XML", "EXIF", "XMP", "GeoJP2"]
    assert (found["width"], found["height"], found["wavelet"]) == (160, 120, "9/7")


# ------------------------------------------------------------------------------------------------ what cannot carry one


@pytest.mark.parametrize("reason", OBSTACLES)
def test_what_cannot_be_restored_takes_no_payload(reason):
    with pytest.raises(UnsupportedError, match="cannot carry an inlay"):
        jp2.container.embed(OBSTACLES[reason], PAYLOAD)


def test_what_cannot_be_restored_is_shown():
    for reason in ("a bare codestream", "alpha", "2 components", "16-bit"):
        described = jp2.container.describe(OBSTACLES[reason])
        assert inlaid.decode(OBSTACLES[reason]).shape[:2] == (described["height"], described["width"])
    assert np.array_equal(inlaid.decode(OBSTACLES["a bare codestream"]), inlaid.decode(FILES["gray"]))
    assert psnr(inlaid.decode(OBSTACLES["16-bit"]), GRAY) > 25


# ------------------------------------------------------------------------------------------------ encoding


@pytest.mark.parametrize("pixels", [GRAY, COLOUR, texture(9, 7), texture(1, 1)], ids=str)
@pytest.mark.parametrize("knob", [{"rate_bpp": 0.5}, {"psnr_db": 32.0}, {"quality": 30}])
def test_encode_base(pixels, knob):
    quality = knob.get("quality")
    data = jp2.codec.encode(Image.fromarray(pixels), quality, {} if quality else knob)
    found = jp2.container.describe(data)
    assert (found["height"], found["width"]) == pixels.shape[:2]
    assert found["model"] == ("gray" if pixels.ndim == 2 else "rgb")
    if pixels.size > 1000:
        if "rate_bpp" in knob:
            assert 8 * len(data) <= 0.52 * found["width"] * found["height"]
        else:
            assert psnr(np.asarray(jp2.codec.decode_image(data)), pixels) == pytest.approx(32, abs=0.7)


@pytest.mark.parametrize(
    ("quality", "options", "says"),
    [
        (None, {}, "one of quality"),
        (30, {"rate_bpp": 1.0}, "one of quality"),
        (None, {"rate_bpp": 0.0}, "rate 0.0"),
        (None, {"rate_bpp": float("nan")}, "rate nan"),
        (None, {"psnr_db": -1}, "PSNR -1"),
        (30, {"progressive": True}, "progressive"),
    ],
)
def test_encode_base_refuses(quality, options, says):
    with pytest.raises(UnsupportedError, match=says):
        jp2.codec.encode(Image.fromarray(GRAY), quality, options)


def test_metadata_is_described():
    image = Image.fromarray(COLOUR)
    image.info |= {"icc_profile": SRGB, "exif": EXIF.tobytes(), "xmp": XMP}
    data = jp2.codec.encode(image, 40, {})
    assert jp2.container.describe(data)["metadata"] == ["ICC", "EXIF", "XMP"]
    assert jp2.container.obstacle(data) is None
    assert jp2.container.metadata(FILES["gray"]) == jp2.container.metadata(OBSTACLES["a bare codestream"]) == Metadata({})


def test_requantised_keeps_wavelet_and_tiles():
    for data, pixels in ((FILES["gray"], GRAY), (FILES["colour"], COLOUR), (FILES["reversible, tiles"], COLOUR)):
        image = Image.fromarray(pixels)
        same, finer = jp2.codec.encoded_like(data, image, 1.0), jp2.codec.encoded_like(data, image, 0.5)
        assert len(same) == pytest.approx(len(data), rel=0.12)
        assert len(finer) == pytest.approx(2 * len(same), rel=0.1)
        assert jp2.container.describe(same)["wavelet"] == jp2.container.describe(data)["wavelet"]
        assert jp2.container.describe(same)["tile"] == jp2.container.describe(data)["tile"]
        assert psnr(np.asarray(jp2.codec.decode_image(finer)), pixels) > psnr(np.asarray(jp2.codec.decode_image(same)), pixels)


def test_requantised_where_a_last_tile_is_small():
    """OpenJPEG would end the process: five decompositions leave nothing of the tile's 4 columns."""
    data = bytearray(saved(coloured(64, 64), tile_size=(60, 64), num_resolutions=2))
    data[data.index(b"\xff\x52") + 9] = 5  # as other encoders write it
    assert jp2.container.describe(jp2.codec.encoded_like(bytes(data), Image.fromarray(coloured(64, 64)), 1.0))["tile"] == [60, 64]


# ------------------------------------------------------------------------------------------------ end to end


@pytest.fixture(scope="module")
def carrier():
    """A gray and a colour file with an inlay that pays, and their originals."""
    found = {}
    for name, pixels in (("gray", texture(320, 240, seed=4)), ("colour", coloured(320, 240, seed=5))):
        encoded = encoder.encode(pixels, format="jpeg2000", rate_bpp=1.5, effort=3, legacy_loss_db=0)
        assert encoded.payload is not None, encoded.reason
        found[name] = (encoded, pixels)
    return found


@pytest.mark.parametrize("name", ["gray", "colour"])
def test_end_to_end(carrier, name):
    encoded, original = carrier[name]
    restored, base = inlaid.decode(encoded.data), inlaid.decode(encoded.data, base=True)
    assert np.array_equal(base, np.asarray(Image.open(io.BytesIO(encoded.data))))
    luma = [pictures.luma(Image.fromarray(pixels)) for pixels in (restored, base, original)]
    assert psnr(luma[0], luma[2]) > psnr(luma[1], luma[2]) + 0.05
    assert encoded.psnr_db > encoded.psnr_base_db + 0.05
    assert inlaid.strip(encoded.data) == jp2.codec.encode(Image.fromarray(original), None, {"rate_bpp": 1.5})
    info = inlaid.info(encoded.data)
    assert info["format"] == "jpeg2000" and info["inlay"]["state"] == "matches"
    again = inlaid.attach(inlaid.strip(encoded.data), original, effort=3)
    assert again == encoded.data


def test_another_picture_is_stale(carrier):
    encoded, original = carrier["gray"]
    other = jp2.container.embed(saved(np.ascontiguousarray(original[::-1])), jp2.container.extract(encoded.data))
    with pytest.warns(inlaid.InlayWarning, match="another picture"):
        inlaid.decode(other)


# ------------------------------------------------------------------------------------------------ damage


def test_truncated_anywhere(carrier):
    data = carrier["gray"][0].data
    for cut in [*range(0, len(data) - len(split(data)[1]) + 60), *range(len(data) - 300, len(data), 50)]:
        for call in (inlaid.decode, inlaid.info, inlaid.strip):
            with contextlib.suppress(InlayError):
                call(data[:cut])


@pytest.mark.filterwarnings("ignore::inlaid.InlayWarning")
@pytest.mark.parametrize("count", first([100, 600]))
def test_flipped_bytes(count, carrier):
    data, rng = carrier["gray"][0].data, np.random.default_rng(7)
    header = len(data) - len(split(data)[1]) + 120
    for _ in range(count):
        damaged = bytearray(data)
        for at in rng.integers(0, header if rng.random() < 0.8 else len(data), rng.integers(1, 4)):
            damaged[at] = rng.integers(256)
        with contextlib.suppress(InlayError):
            inlaid.decode(bytes(damaged), max_pixels=10**6)
            inlaid.info(bytes(damaged), max_pixels=10**6)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (FILES["gray"][:40], "ends within a box|no codestream|length"),
        (split(FILES["gray"])[0], "no codestream"),
        (with_boxes(FILES["gray"], (b"xml ", b""))[:90], "codestream|length|box"),
        (FILES["gray"].replace(b"\xff\x51", b"\xff\x52"), "begins with"),
        (split(FILES["gray"])[1][:30], "cut off"),
        (b"\xff\x4f\xff\x51", "header"),
    ],
)
def test_damaged_headers(data, says):
    with pytest.raises(FormatError, match=says):
        jp2.container.describe(data)


def test_a_huge_picture_is_refused_before_it_is_decoded():
    head, stream = split(FILES["gray"])
    huge = head + box(b"jp2c", stream[:8] + struct.pack(">II", 1 << 20, 1 << 20) + stream[16:])
    with pytest.raises(LimitError, match="1048576x1048576"):
        inlaid.decode(huge)


def with_inlay(data, coded):
    """`data` with a payload of prior 6 that has these coded bytes."""
    made = payload.Payload(6, priors.network_of(6), 0.0, fingerprint(np.zeros((8, 8), np.uint8)), coded)
    return jp2.container.embed(data, payload.write(made))


def test_a_huge_picture_with_a_map_of_areas_is_refused_too():
    """One coded byte claims several sets; the map would have 10^15 squares."""
    head, stream = split(with_inlay(FILES["gray"], b"\x80"))
    huge = head + box(b"jp2c", stream[:8] + struct.pack(">II", (1 << 31) - 1, (1 << 31) - 1) + stream[16:])
    for call in (inlaid.decode, inlaid.info):
        with pytest.raises(LimitError, match="2147483647x2147483647"):
            call(huge)


def test_a_box_that_contradicts_the_codestream():
    """Pillow would allocate the size in the last ihdr box."""
    larger = struct.pack(">IIHBBBB", 20000, 20000, 1, 7, 7, 0, 0)
    twice = in_header(FILES["gray"], lambda inner: [*inner, (b"ihdr", larger)])
    coloured = in_header(FILES["gray"], lambda inner: [(k, b[:8] + b"\0\3" + b[10:] if k == b"ihdr" else b) for k, b in inner])
    for data in (twice, coloured):
        with pytest.raises(FormatError):
            jp2.codec.decode(data)
    with pytest.raises(FormatError, match="20000x20000"):
        inlaid.decode(twice)


def test_odd_boxes():
    empty_colour = in_header(FILES["gray"], lambda inner: [*inner, (b"colr", b"")])
    assert jp2.container.metadata(empty_colour) == Metadata({})
    at_the_end = FILES["gray"] + box(b"jp2h", box(b"colr", b""))
    assert jp2.container.metadata(at_the_end) == Metadata({})
    for tail in (b"\0\0\0", b"\0\0\0\1xml ", b"\xff" * 20):  # damage behind the codestream does no harm
        data = FILES["gray"] + tail
        assert np.array_equal(inlaid.decode(data), inlaid.decode(FILES["gray"]))
        assert jp2.container.strip(jp2.container.embed(data, PAYLOAD)) == data
        assert jp2.container.describe(data) == jp2.container.describe(FILES["gray"])


def test_many_boxes_of_ours():
    many = with_boxes(FILES["gray"], *[(b"uuid", jp2.container.IDENTIFIER + b"x")] * 5000)
    assert jp2.container.strip(many) == FILES["gray"]
    assert jp2.container.extract(many) == b"x" * 5000


def test_attach_where_openjpeg_would_not_write_such_a_file():
    """Six resolutions of an 8x8 picture, as other encoders write them."""
    data = bytearray(saved(texture(8, 8), num_resolutions=4))
    at = data.index(b"\xff\x52")
    data[at + 9] = 5  # decompositions; the picture may not decode then, but only an InlayError may follow
    with contextlib.suppress(InlayError):
        assert jp2.codec.encoded_like(bytes(data), Image.fromarray(texture(8, 8)), 1.0)
    small = saved(texture(8, 8), num_resolutions=4)
    assert encoder.attach(small, texture(8, 8)).base_bytes == len(small)


# ------------------------------------------------------------------------------------------------ other people's readers


@pytest.mark.parametrize("name", ["gray", "colour"])
def test_opj_decompress(carrier, name, tmp_path):
    (tmp_path / "a.jp2").write_bytes(carrier[name][0].data)
    output(program("opj_decompress"), "-i", tmp_path / "a.jp2", "-o", tmp_path / "a.png")
    shown = np.asarray(Image.open(tmp_path / "a.png")).astype(int)
    assert np.abs(shown - inlaid.decode(carrier[name][0].data, base=True)).max() <= 1  # another build may round otherwise


@pytest.mark.parametrize("name", ["gray", "colour"])
def test_jpylyzer_says_it_is_valid(carrier, name, tmp_path):
    jpylyzer = pytest.importorskip("jpylyzer.jpylyzer", reason="jpylyzer is not installed")
    image = Image.fromarray(carrier[name][1])
    image.info |= {"exif": EXIF.tobytes(), "xmp": XMP} | ({"icc_profile": SRGB} if name == "colour" else {})
    for data in (carrier[name][0].data, jp2.container.embed(jp2.codec.encode(image, 40, {}), PAYLOAD)):
        (tmp_path / "a.jp2").write_bytes(data)
        found = jpylyzer.checkOneFile(str(tmp_path / "a.jp2"))
        assert found.findtext("isValid") == "True", found.find("tests")


def test_glymur_reads_all_boxes(carrier, tmp_path):
    glymur = pytest.importorskip("glymur", reason="glymur is not installed")
    (tmp_path / "a.jp2").write_bytes(carrier["colour"][0].data)
    kinds = [box.box_id for box in glymur.Jp2k(tmp_path / "a.jp2").box]
    assert kinds == ["jP  ", "ftyp", "uuid", "jp2h", "jp2c"]


@pytest.mark.parametrize(
    "settings", [{"tile_size": (16, 16)}, {"precinct_size": (32, 32), "num_resolutions": 3}, {"codeblock_size": (4, 4)}]
)
def test_many_tiles_and_packets_that_are_there_are_decoded(settings):
    data = saved(texture(320, 240), **settings)
    assert jp2.codec.decode_image(data).size == (320, 240)


def test_tiles_and_packets_that_cannot_be_there_are_refused_before_memory_is_taken():
    head, stream = split(saved(GRAY, num_resolutions=1))
    tiles = head + box(b"jp2c", stream[:24] + bytes((0, 0, 0, 1)) * 2 + stream[32:])
    assert GRAY.size > 1000
    with pytest.raises(FormatError, match=f"{GRAY.size} tiles need at least {14 * GRAY.size} bytes"):
        jp2.codec.decode_image(tiles)
    style = stream.index(b"\xff\x52")
    end = style + 2 + int.from_bytes(stream[style + 2 : style + 4], "big")
    precincts = bytearray(stream[style:end] + b"\0")  # a coding style with precincts of 1x1 at the only resolution
    precincts[3], precincts[4] = precincts[3] + 1, precincts[4] | 1
    part = stream.index(b"\xff\x90") + 12
    for changed in (
        stream[:style] + bytes(precincts) + stream[end:],  # in the main header
        stream[:part] + bytes(precincts) + stream[part:],  # in the header of a tile
    ):
        large = claiming(head + box(b"jp2c", changed), 3000, 3000)  # in tiles of 160x120
        with pytest.raises(FormatError, match="9120000 packets need at least as many bytes"):
            jp2.codec.decode_image(large)
    assert jp2.codec.decode_image(head + box(b"jp2c", stream)).size == GRAY.shape[::-1]
