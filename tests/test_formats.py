"""What every format must do: one battery for all of them.  What is particular to a format is tested in test_jpeg.py and test_jp2.py."""

import io
import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.every_format import CODECS, CONTAINERS, DECODERS, FORMATS, PAYLOAD, SAMPLES, failures, functions
from support.exif_blocks import block
from support.jp2_files import SRGB, XMP
from support.pictures import coloured, psnr, texture

from inlaid import formats
from inlaid.encoding import encoder
from inlaid.errors import FormatError, InlayError, LimitError, UnsupportedError
from inlaid.formats import Metadata

GRAY, COLOUR = texture(96, 64, seed=1), coloured(96, 64, seed=2)
each_format = pytest.mark.parametrize("name", FORMATS)
each_file = pytest.mark.parametrize(
    ("name", "make"), [pytest.param(name, make, id=f"{name}-{kind}") for name in FORMATS for kind, make in SAMPLES[name].files.items()]
)
each_whole_file = pytest.mark.parametrize(
    ("name", "make"),
    [pytest.param(name, SAMPLES[name].files[kind], id=f"{name}-{kind}") for name in FORMATS for kind in SAMPLES[name].whole],
)
each_small_file = pytest.mark.parametrize(
    ("name", "data"), [pytest.param(name, data, id=f"{name}-{i}") for name in FORMATS for i, data in enumerate(SAMPLES[name].small)]
)
each_refused_file = pytest.mark.parametrize(
    ("name", "reason", "data"),
    [pytest.param(name, *each, id=f"{name}-{i}-{each[0]}") for name in FORMATS for i, each in enumerate(SAMPLES[name].refused)],
)


def shown(data):
    """Pillow's pixels: (H, W) or (H, W, 3)."""
    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened if opened.mode in ("L", "RGB") else opened.convert("RGB"))


# ------------------------------------------------------------------------------------------------ names


def test_the_battery_has_samples_of_every_format():
    assert set(SAMPLES) == set(FORMATS)


@each_format
def test_a_format_is_found_by_its_names(name):
    assert formats.by_name(name) is FORMATS[name]
    extensions = FORMATS[name].extensions
    assert extensions and all(formats.by_extension(each) is FORMATS[name] for each in extensions)
    assert all(each == each.lower() and each.startswith(".") for each in extensions)


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(FormatError, match=f"'gif'; expected one of {', '.join(FORMATS)}"):
        formats.by_name("gif")
    assert formats.by_extension(".gif") is None


@each_file
def test_a_file_is_recognised_by_one_format(name, make):
    data = make()
    assert formats.by_content(data) is FORMATS[name]
    assert [each for each, container in CONTAINERS.items() if container.detect(data)] == [name]


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + bytes(99), bytes(99)], ids=["nothing", "GIF", "PNG", "zeros"])
def test_other_files_are_refused_with_what_they_begin_with(data):
    begin = f"begins with {data[:3].hex(' ') or 'nothing'}"
    with pytest.raises(FormatError, match=f"not a {' or '.join(FORMATS)} file: it {begin}".replace("jpeg", "JPEG")):
        formats.by_content(data)
    for name in FORMATS:
        assert not CONTAINERS[name].detect(data)
        calls = functions(name)
        for each in ("describe", "obstacle", "embed", "encoded_like", "decoding_bytes", *DECODERS):
            with pytest.raises(FormatError, match=begin):
                calls[each](data)


# ------------------------------------------------------------------------------------------------ the payload


@each_file
@pytest.mark.parametrize("payload", [b"", b"x", PAYLOAD, np.random.default_rng(0).bytes(200_000)], ids=len)
def test_embed_extract_strip(name, make, payload):
    container, data = CONTAINERS[name], make()
    embedded = container.embed(data, payload)
    assert container.extract(data) is None
    assert container.extract(embedded) == payload
    assert container.strip(embedded) == data
    assert container.strip(data) == data
    added = len(embedded) - len(data) - len(payload)
    assert added == CONTAINERS[name].OVERHEAD_BYTES if len(payload) <= len(PAYLOAD) else added >= CONTAINERS[name].OVERHEAD_BYTES
    assert formats.by_content(embedded) is FORMATS[name]
    for each in (container.describe, container.metadata, container.obstacle):
        assert each(embedded) == each(data)


@each_file
def test_an_older_payload_is_replaced(name, make):
    container, data = CONTAINERS[name], make()
    for older, newer in ((bytes(100_000), PAYLOAD), (PAYLOAD, b"another"), (PAYLOAD, PAYLOAD)):
        assert container.embed(container.embed(data, older), newer) == container.embed(data, newer)


@each_format
@given(payload=st.binary(max_size=1500))
def test_any_payload_round_trips(name, payload):
    container, data = CONTAINERS[name], SAMPLES[name].small[0]
    embedded = container.embed(data, payload)
    assert container.extract(embedded) == payload
    assert container.strip(embedded) == data


# ------------------------------------------------------------------------------------------------ decoding


@each_whole_file
def test_the_base_is_what_a_viewer_shows_with_and_without_a_payload(name, make):
    codec, data = CODECS[name], make()
    described, pixels = CONTAINERS[name].describe(data), shown(data)
    for file in (data, CONTAINERS[name].embed(data, PAYLOAD)):
        image = codec.decode_image(file)
        assert np.array_equal(image, pixels) and image.mode in ("L", "RGB") and not image.info
        assert image.size == (described["width"], described["height"])
        original = codec.decode_original(file)
        assert original.size == image.size and original.mode in ("L", "RGB", "CMYK") and not original.info
        assert codec.decoding_bytes(file) >= len(file) + pixels.size


@each_whole_file
def test_the_decoders_agree(name, make):
    codec, data = CODECS[name], make()
    if CONTAINERS[name].obstacle(data):
        return  # see test_what_cannot_be_restored
    base, luma, described = codec.decode(data), codec.decode_luma(data), CONTAINERS[name].describe(data)
    assert base.model == described["model"] and base.shape == (described["height"], described["width"])
    assert luma.dtype == np.uint8 and luma.flags.c_contiguous and luma.flags.writeable
    assert np.array_equal(luma, base.luma)
    assert np.array_equal(base.luma_rows(0, base.shape[0]), luma)
    if base.model != "ycbcr":
        assert np.array_equal(base.image, codec.decode_image(data))


@each_whole_file
def test_description(name, make):
    data = make()
    described = CONTAINERS[name].describe(data)
    assert described.keys() >= {"width", "height", "components", "model", "metadata"}
    assert json.loads(json.dumps(described)) == described
    assert described["model"] in ("gray", "ycbcr", "rgb", "cmyk")
    assert described["components"] == {"gray": 1, "cmyk": 4}.get(described["model"], 3)
    assert all(isinstance(each, str) for each in described["metadata"])


@each_refused_file
def test_what_cannot_be_restored(name, reason, data):
    """It is described and left as it is; what needs its planes says why not."""
    container, codec = CONTAINERS[name], CODECS[name]
    assert reason in container.obstacle(data)
    described = container.describe(data)
    assert container.extract(data) is None and container.strip(data) == data
    for call in (codec.decode, codec.decode_luma, lambda data: codec.encoded_like(data, Image.new("L", (16, 16)), 1.0)):
        with pytest.raises(UnsupportedError, match=".*" + reason):
            call(data)
    if described["height"]:
        encoded = encoder.attach(data, np.zeros((described["height"], described["width"]), np.uint8))
        assert encoded.data == data and encoded.payload is None and reason in encoded.reason


@each_whole_file
def test_no_obstacle(name, make):
    data = make()
    assert CONTAINERS[name].obstacle(data) == ("CMYK" if CONTAINERS[name].describe(data)["model"] == "cmyk" else None)


# ------------------------------------------------------------------------------------------------ damage


@each_small_file
def test_every_truncation(name, data):
    """What ends within its header is refused.  Behind that, the container answers as for the whole file."""
    container, plain, known = CONTAINERS[name], data, 0
    data = container.embed(plain, PAYLOAD)
    for length in range(len(data)):
        cut = data[:length]
        failed = failures(name, cut)
        if "describe" in failed:
            assert not known and failed >= {"obstacle", "embed", "encoded_like", "decoding_bytes", *DECODERS}
            continue
        known = known or length
        assert not failed & {"detect", "obstacle", "extract", "strip", "metadata"}
        assert container.extract(cut) == PAYLOAD
        assert container.strip(cut) == plain[: length - (len(data) - len(plain))]
        assert container.describe(cut) == container.describe(data)
    assert 0 < known < len(data)
    assert not failures(name, data)


@each_small_file
def test_changed_bytes(name, data):
    """Two changes in three hit the header, where the structure is."""
    rng = np.random.default_rng(2024)
    source = CONTAINERS[name].embed(data, PAYLOAD)
    header = next(length for length in range(len(source)) if "describe" not in failures(name, source[:length]))
    for _ in range(700):
        changed = bytearray(source)
        for _ in range(rng.integers(1, 4)):
            changed[rng.integers(len(source) if rng.integers(3) == 0 else header)] = rng.integers(256)
        failures(name, bytes(changed))


@each_format
@given(junk=st.binary(max_size=200), kept=st.integers(2, 80))
def test_any_bytes_behind_a_beginning(name, junk, kept):
    failures(name, SAMPLES[name].small[0][:kept] + junk)


# ------------------------------------------------------------------------------------------------ limits


@each_format
@pytest.mark.parametrize("call", DECODERS)
def test_the_limit_of_pixels_is_pillows(name, call, monkeypatch):
    """Pillow refuses twice its MAX_IMAGE_PIXELS."""
    data, decode = SAMPLES[name].small[0], getattr(CODECS[name], call)
    for most in (128, None):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        decode(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 127)
    with pytest.raises(LimitError, match="16x16 pixels; at most 254"):
        decode(data)


@each_format
@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (8000, 8000), (1, 60_000), (60_000, 1)])
def test_a_size_that_the_bytes_cannot_hold_is_refused(name, width, height, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    data = SAMPLES[name].claiming(SAMPLES[name].small[0], width, height)
    described = CONTAINERS[name].describe(data)
    assert (described["width"], described["height"]) == (width, height)
    for call in DECODERS:
        with pytest.raises((FormatError, LimitError)):
            getattr(CODECS[name], call)(data)


# ------------------------------------------------------------------------------------------------ encoding


@each_format
@pytest.mark.parametrize("pixels", [GRAY, COLOUR, texture(9, 7), texture(1, 1)], ids=lambda pixels: str(pixels.shape))
def test_encode(name, pixels):
    container, codec, image = CONTAINERS[name], CODECS[name], Image.fromarray(pixels)
    files = [codec.encode(image, quality, {}) for quality in (20, 60, 95)]
    for data in files:
        described = container.describe(data)
        assert formats.by_content(data) is FORMATS[name] and container.obstacle(data) is None and container.extract(data) is None
        assert (described["height"], described["width"]) == pixels.shape[:2]
        assert (described["model"] == "gray") == (pixels.ndim == 2)
    if pixels.size > 1000:
        sizes, gains = [len(data) for data in files], [psnr(np.asarray(codec.decode_image(data)), pixels) for data in files]
        assert sizes == sorted(set(sizes)) and gains == sorted(set(gains)) and gains[0] > 20
    assert codec.encode(image, 60, {}) == files[1]


@each_format
@pytest.mark.parametrize(
    ("image", "quality", "options", "text"),
    [
        (Image.fromarray(GRAY), 0, {}, "quality 0"),
        (Image.fromarray(GRAY), 101, {}, "quality 101"),
        (Image.fromarray(GRAY), None, {}, "quality"),
        (Image.fromarray(GRAY), 50, {"nonsense": True}, "nonsense"),
        (Image.fromarray(COLOUR).convert("RGBA"), 50, {}, "RGBA image"),
        (Image.new("L", (0, 5)), 50, {}, "image|0x5"),
    ],
)
def test_encode_refuses(name, image, quality, options, text):
    with pytest.raises(UnsupportedError, match=text):
        CODECS[name].encode(image, quality, options)


@each_format
def test_requantised(name):
    container, codec = CONTAINERS[name], CODECS[name]
    for pixels in (GRAY, COLOUR):
        image = Image.fromarray(pixels)
        data = codec.encode(image, 40, {})
        files = [codec.encoded_like(data, image, factor) for factor in (2.0, 1.0, 0.5)]
        sizes, gains = [len(each) for each in files], [psnr(np.asarray(codec.decode_image(each)), pixels) for each in files]
        assert sizes == sorted(set(sizes)) and gains == sorted(set(gains))
        assert sizes[1] == pytest.approx(len(data), rel=0.12)
        coding = container.describe(data)
        assert all(container.describe(each) == coding for each in files)
        part = image.crop((8, 8, 56, 40))
        assert codec.decode_image(codec.encoded_like(data, part, 1.0)).size == part.size
    gray = codec.encode(Image.fromarray(GRAY), 40, {})
    assert codec.encoded_like(gray, Image.fromarray(GRAY).convert("RGB"), 1.0) == codec.encoded_like(gray, Image.fromarray(GRAY), 1.0)


@each_format
def test_requantised_needs_no_metadata_and_no_payload(name):
    image = Image.fromarray(COLOUR)
    bare = CODECS[name].encode(image, 40, {})
    image.info |= {"exif": block(), "xmp": XMP, "icc_profile": SRGB, "dpi": (300, 300)}
    full = CONTAINERS[name].embed(CODECS[name].encode(image, 40, {}), PAYLOAD)
    expected = CODECS[name].encoded_like(bare, image, 1.3)
    assert CONTAINERS[name].metadata(expected) == Metadata({})
    assert len(CODECS[name].encoded_like(full, image, 1.3)) == pytest.approx(len(expected), rel=0.02)


# ------------------------------------------------------------------------------------------------ metadata

ITEMS = {"exif": block(), "xmp": XMP, "icc_profile": SRGB, "dpi": (300.0, 300.0)}


@each_format
@pytest.mark.parametrize("kept", [names for n in range(5) for names in itertools.combinations(ITEMS, n)], ids=", ".join)
def test_metadata_goes_in_and_comes_out(name, kept):
    """Also through a payload that is put in and taken out.  The resolution may come from the EXIF block, which says 300 dpi."""
    container, image = CONTAINERS[name], Image.fromarray(COLOUR)
    image.info |= {key: ITEMS[key] for key in kept}
    before = dict(image.info)
    writable = container.writable(image.info, image.mode)
    assert writable == Metadata(image.info)
    data = CODECS[name].encode(image, 60, {})
    assert image.info == before
    embedded = container.embed(data, PAYLOAD)
    for file in (data, embedded, container.strip(embedded)):
        found = container.metadata(file)
        dpi = found.items.pop("dpi", None)
        assert found == Metadata({key: value for key, value in image.info.items() if key != "dpi"})
        assert (dpi is None) == (not {"exif", "dpi"} & set(kept)) and (dpi is None or np.allclose(dpi, 300, rtol=1e-4))


@each_format
def test_what_cannot_be_written_is_left_out_with_a_note(name):
    text = "text" if name == "jpeg2000" else {"a": 1}  # JPEG takes text for its bytes
    info = {"exif": 7, "xmp": ["x"], "icc_profile": text, "dpi": "300"}
    found = CONTAINERS[name].writable(info, "RGB")
    assert found.items == {} and len(found.notes) == 3
    image = Image.fromarray(COLOUR)
    image.info |= info
    assert CONTAINERS[name].metadata(CODECS[name].encode(image, 80, {})) == Metadata({})


@each_small_file
def test_where_the_header_can_be_read_so_can_the_metadata(name, data):
    rng = np.random.default_rng(3)
    for _ in range(500):
        changed = bytearray(data)
        changed[rng.integers(len(data))] = rng.integers(256)
        try:
            CONTAINERS[name].describe(bytes(changed))
        except InlayError:
            continue
        assert isinstance(CONTAINERS[name].metadata(bytes(changed)), Metadata)
