"""Originals: samples of every kind are read right or refused, transparency is laid on white, and the caller's picture stays unchanged."""

import io
import itertools
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError
from support.pictures import coloured, texture
from support.png_files import chunk, png_of

from inlaid.encoding import pictures
from inlaid.errors import InlayError, UnsupportedError

GRAY, COLOUR = texture(40, 24, seed=3), coloured(40, 24, seed=3)
ALPHA = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (24, 1))


def prepared(picture):
    """The prepared pixels, and the notes."""
    image, notes = pictures.prepare(picture)
    return np.asarray(image), notes


def opened(data):
    return prepared(pictures.open_picture(data))


def deepened(samples, bits):
    """8-bit samples as samples of `bits` bits, with random digits below the eighth."""
    if bits <= 8:
        return samples >> (8 - bits)
    noise = np.random.default_rng(0).integers(0, 1 << (bits - 8), samples.shape)
    return (samples.astype(np.uint16) << (bits - 8)) | noise.astype(np.uint16)


def rounded(samples, bits):
    """Samples of `bits` bits as 8-bit samples, rounded to nearest."""
    full = (1 << bits) - 1
    return np.floor(samples.astype(np.float64) * 255 / full + 0.5).astype(np.uint8)


def on_white(colours, alpha, full):
    """Rounded 8-bit samples of straight alpha, computed in floats."""
    part = alpha[..., None].astype(np.float64) / full if colours.ndim == 3 else alpha / full
    return np.floor((colours * part + full * (1 - part)) * 255 / full + 0.5)


# ------------------------------------------------------------------------------------------------ PNG


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("kind", [0, 2, 4, 6])
def test_png_of_every_depth(kind, bits):
    if kind and bits < 8:
        pytest.skip("there is no such PNG")
    colours = deepened(COLOUR if kind & 2 else GRAY, bits)
    if kind & 4:
        alpha = deepened(ALPHA, bits)
        data, expected = png_of(np.dstack([colours, alpha]), bits, kind), on_white(colours, alpha, (1 << bits) - 1)
    else:
        data, expected = png_of(colours, bits, kind), rounded(colours, bits)
    for source in (pictures.open_picture(data), Image.open(io.BytesIO(data))):
        found, notes = prepared(source)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= (1 if kind & 4 else 0)
        assert ("transparent pixels were laid on white" in notes) == bool(kind & 4)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("kind", [0, 2])
def test_png_with_a_transparent_colour(kind, bits):
    if kind and bits < 8:
        pytest.skip("there is no such PNG")
    colours = deepened(COLOUR if kind else GRAY, bits)
    colours[4:9, 5:9] = colours[0, 0]
    key = np.atleast_1d(colours[0, 0]).astype(int).tolist()
    hidden = (colours == colours[0, 0]).all(axis=2) if kind else colours == colours[0, 0]
    expected = rounded(colours, bits)
    expected[hidden] = 255
    data = png_of(colours, bits, kind, (b"tRNS", struct.pack(f">{len(key)}H", *key)))
    found, notes = opened(data)
    assert np.array_equal(found, expected)
    assert "transparent pixels were laid on white" in notes
    if bits != 2 and bits != 4:  # a decoded image no longer has it
        image = Image.open(io.BytesIO(data))
        image.load()
        found, _ = prepared(image)
        assert np.array_equal(found[hidden], np.full_like(found[hidden], 255))


def test_a_palette_with_alpha():
    palette = bytes(range(48))
    indices = (GRAY >> 4).astype(np.uint8)
    found, notes = opened(png_of(indices, 4, 3, (b"PLTE", palette), (b"tRNS", bytes([0, 255, 128]))))
    colours = np.frombuffer(palette, np.uint8).reshape(16, 3)
    alpha = np.array([0, 255, 128] + 13 * [255], np.float64)[:, None] / 255
    expected = colours * alpha + 255 * (1 - alpha)
    assert np.abs(found - expected[indices]).max() <= 1
    assert "transparent pixels were laid on white" in notes


def test_interlaced_png_of_16_bits():
    """Adam7 with 16 bits, which is decoded twice."""
    colours = deepened(COLOUR, 16)
    height, width = colours.shape[:2]
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    raw = b""
    for y, x, rows, columns in passes:
        part = np.ascontiguousarray(colours[y::rows, x::columns]).astype(">u2")
        raw += b"".join(b"\0" + line.tobytes() for line in part)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 1)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    found, _ = opened(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    assert np.array_equal(found, rounded(colours, 16))


# ------------------------------------------------------------------------------------------------ TIFF


def tiff_of(samples, **settings):
    tifffile = pytest.importorskip("tifffile")
    out = io.BytesIO()
    tifffile.imwrite(out, samples, metadata=None, **settings)
    return out.getvalue()


def tiff_by_hand(samples, bits, photometric, extra=()):
    """A little-endian TIFF file of one strip of packed samples, highest bit first, each row beginning with a byte."""
    height, width = samples.shape[:2]
    flat = samples.reshape(height, -1).astype(np.uint32)
    digits = ((flat[..., None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8)
    pixels = np.packbits(digits.reshape(height, -1), axis=1).tobytes() if bits != 16 else flat.astype("<u2").tobytes()
    channels = flat.shape[1] // width
    lists = {258: [bits] * channels, 338: list(extra)}
    tags = {256: width, 257: height, 258: 0, 259: 1, 262: photometric, 273: 0, 277: channels, 278: height, 279: len(pixels), 338: 0}
    tags = {tag: value for tag, value in tags.items() if tag != 338 or extra}
    begin = 8 + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, value in sorted(tags.items()):
        many = lists.get(tag, [begin + 64 if tag == 273 else value])
        if len(many) * 2 > 4:
            entries += struct.pack("<HHII", tag, 3, len(many), begin + len(values))
            values += struct.pack(f"<{len(many)}H", *many)
        elif tag in (273, 279):
            entries += struct.pack("<HHII", tag, 4, 1, *many)
        else:
            entries += struct.pack("<HHI", tag, 3, len(many)) + struct.pack(f"<{len(many)}H", *many).ljust(4, b"\0")
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + values.ljust(64, b"\0") + pixels


@pytest.mark.parametrize("helped", [True, False], ids=["tifffile", "pillow"])
@pytest.mark.parametrize("photometric", [0, 1, 2, 5])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
def test_tiff_of_every_depth_is_right_or_refused(bits, photometric, helped, monkeypatch):
    if helped:
        pytest.importorskip("tifffile")
    else:
        monkeypatch.setitem(sys.modules, "tifffile", None)
    colours = deepened(GRAY if photometric < 2 else COLOUR, bits)
    if photometric == 5:
        colours = np.dstack([colours, deepened(ALPHA, bits)])
    expected = rounded(colours, bits)
    try:
        found, _ = opened(tiff_by_hand(colours, bits, photometric))
    except UnsupportedError:
        assert bits not in (8, 16) and (bits, photometric) not in ((1, 0), (1, 1))  # Pillow decodes these right
        assert not (helped and bits in (10, 12, 14))  # tifffile decodes these
        return
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - (255 - expected if photometric == 0 else expected)).max() <= (1 if bits < 8 else 0)


LAYOUTS = {  # options of tifffile's writer
    None: {"rowsperstrip": 7},
    "deflate": {"compression": "deflate", "rowsperstrip": 7},
    "lzw": {"compression": "lzw", "rowsperstrip": 7},
    "tiles": {"compression": "deflate", "tile": (16, 16)},
    "predictor": {"compression": "deflate", "predictor": True},
}


def tiff_cases():
    kinds = {
        "gray": ("minisblack", None), "white": ("miniswhite", None), "rgb": ("rgb", None), "cmyk": ("separated", None),
        "rgba": ("rgb", "unassalpha"), "rgb_a": ("rgb", "assocalpha"), "rgbx": ("rgb", "unspecified"),
        "ga": ("minisblack", "unassalpha"), "g_a": ("minisblack", "assocalpha"),
    }  # fmt: skip
    for kind, bits, order, planar, layout in itertools.product(kinds, (8, 16), "<>", ("contig", "separate"), LAYOUTS):
        if planar == "separate" and kind in ("gray", "white"):
            continue
        yield pytest.param(*kinds[kind], bits, order, planar, layout, id=f"{kind}-{bits}-{order}-{planar}-{layout}")


@pytest.mark.parametrize("helped", [True, False], ids=["tifffile", "pillow"])
@pytest.mark.parametrize(("photometric", "extra", "bits", "order", "planar", "layout"), list(tiff_cases()))
def test_tiff_is_right_or_refused(photometric, extra, bits, order, planar, layout, helped, monkeypatch):
    """Every kind, with tifffile and without it, gives the exact picture or an error that names what was found."""
    colours = deepened(COLOUR if photometric in ("rgb", "separated") else GRAY, bits)
    full = (1 << bits) - 1
    if photometric == "separated":
        colours = np.dstack([colours, deepened(ALPHA, bits)])
    samples, expected = colours, rounded(colours, bits).astype(np.float64)
    if photometric == "miniswhite":
        expected = 255 - expected
    if extra:
        alpha = deepened(ALPHA, bits)
        straight = on_white(colours, alpha, full)
        if extra == "assocalpha":
            colours = (colours.astype(np.float64) * (alpha[..., None] if colours.ndim == 3 else alpha) / full).round().astype(colours.dtype)
        samples, expected = np.dstack([colours, alpha]), expected if extra == "unspecified" else straight
    if planar == "separate":
        samples = np.moveaxis(samples, -1, 0)
    settings = {"photometric": photometric, "byteorder": order} | LAYOUTS[layout]
    if samples.ndim == 3:
        settings["planarconfig"] = planar
    if extra:
        settings["extrasamples"] = [extra]
    try:
        data = tiff_of(samples, **settings)
    except (ValueError, TypeError, NotImplementedError) as error:
        pytest.skip(f"tifffile does not write it: {error}")
    if not helped:
        monkeypatch.setitem(sys.modules, "tifffile", None)
    try:
        found, _ = opened(data)
    except UnsupportedError as error:
        assert not helped or "; tifffile: " in str(error)
        assert helped or "pip install 'inlaid[tiff]'" in str(error)
        return
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= (2 if extra in ("assocalpha", "unassalpha") and bits == 8 else 1)


# ------------------------------------------------------------------------------------------------ metadata


def exif_of(orientation):
    return b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 1, orientation) + bytes(4)


SOUND = {
    b"eXIf": exif_of(6),
    b"iTXt": b"XML:com.adobe.xmp\0\0\0\0\0<x/>",
    b"pHYs": struct.pack(">IIB", 11811, 11811, 1),
}


def other_chunks():
    """Chunks of every kind that is read, damaged in many ways."""
    packed = zlib.compress(b"x" * 99)
    bodies = [b"", b"\0", b"a", b"a\0", b"\0\0\0\0", b"a\0\0" + packed[:-3], b"a\0\7" + packed, b"a" * 99 + b"\0\0" + packed, bytes(40)]
    bodies += [
        name + tail
        for name in (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
        for tail in (b"", b"\0", b"\1\0x", b"\n\n", b"\0" + packed[:9])
    ]
    for kind in (
        b"iCCP",
        b"eXIf",
        b"tEXt",
        b"zTXt",
        b"iTXt",
        b"pHYs",
        b"gAMA",
        b"cHRM",
        b"cICP",
        b"sRGB",
        b"sBIT",
        b"bKGD",
        b"hIST",
        b"acTL",
        b"fcTL",
    ):
        for body in bodies:
            yield kind, body


@pytest.mark.parametrize("at", [0, 3])
def test_a_damaged_chunk_takes_nothing_along(at):
    """The pixels and the other items are read, wherever the damaged chunk stands."""
    sound = list(SOUND.items())
    for kind, body in other_chunks():
        if kind in SOUND:
            continue
        data = png_of(COLOUR, 8, 2, *sound[:at], (kind, body), *sound[at:])
        image, _ = pictures.prepare(pictures.open_picture(data))
        assert image.size == COLOUR.shape[:2], (kind, body)  # turned upright
        if kind not in (b"gAMA", b"cHRM", b"cICP"):  # a damaged one of these can still be valid
            assert np.array_equal(np.asarray(image), np.rot90(COLOUR, -1)), (kind, body)
        assert image.info["xmp"] == b"<x/>" and image.info["dpi"] == pytest.approx((300, 300), abs=0.01), (kind, body)


def test_a_damaged_item_is_noted():
    for kind, body in ((b"iCCP", b"a\0\0" + zlib.compress(b"x" * 99)[:-3]), (b"pHYs", b"\0"), (b"zTXt", b"Raw profile type exif\0\0x")):
        _, notes = opened(png_of(COLOUR, 8, 2, (kind, body)))
        assert len(notes) == 1 and kind.decode() in notes[0], (kind, notes)


def test_a_wrong_checksum_is_noted():
    data = bytearray(png_of(COLOUR, 8, 2, (b"eXIf", exif_of(1))))
    data[data.index(b"eXIf") + 6] ^= 1
    found, notes = opened(bytes(data))
    assert np.array_equal(found, COLOUR)
    assert notes == ("the eXIf chunk is damaged (wrong checksum) and was left out",)


def test_truncated_files_are_refused_in_one_way():
    """A cut file of any format is an InlayError, or gives the picture."""
    for format in ("PNG", "TIFF", "GIF", "WEBP", "JPEG", "BMP", "PPM", "JPEG2000"):
        file = io.BytesIO()
        Image.fromarray(COLOUR).save(file, format)
        whole = file.getvalue()
        for end in range(0, len(whole), max(1, len(whole) // 60)):
            try:
                image, _ = pictures.prepare(pictures.open_picture(whole[:end]))
            except (InlayError, UnidentifiedImageError):
                continue
            assert image.size == (40, 24), (format, end)


def test_a_bomb_in_a_chunk_is_left_out():
    """A gigabyte of zeros, compressed to a megabyte, is not unpacked."""
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    found, notes = opened(png_of(COLOUR, 8, 2, (b"iCCP", b"a\0\0" + bomb)))
    assert np.array_equal(found, COLOUR)
    assert len(notes) == 1 and "more than" in notes[0]


@pytest.mark.parametrize("maxval", [255, 1023, 4095, 65535])
@pytest.mark.parametrize("samples", [GRAY, COLOUR], ids=["gray", "colour"])
def test_pnm_of_every_depth(samples, maxval):
    deep = (samples.astype(np.uint32) * maxval // 255).astype(">u2" if maxval > 255 else np.uint8)
    head = f"P{6 if samples.ndim == 3 else 5} {samples.shape[1]} {samples.shape[0]} {maxval}\n".encode()
    found, _ = opened(head + deep.tobytes())
    assert np.abs(found - deep.astype(float) * 255 / maxval).max() < 0.51  # rounded, not cut


def test_sgi_of_16_bits_is_refused():
    file = io.BytesIO()
    Image.fromarray(COLOUR).save(file, "SGI", bpc=2)
    with pytest.raises(UnsupportedError, match="16 bits a sample"):
        pictures.open_picture(file.getvalue())


def test_arrays():
    for shape, expected in (((24, 40), "L"), ((24, 40, 1), "L"), ((24, 40, 3), "RGB")):
        for kind in (np.uint8, np.uint16):
            image, _ = pictures.prepare(np.zeros(shape, kind))
            assert (image.mode, image.size) == (expected, (40, 24))
    for wrong in (np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)):
        with pytest.raises(UnsupportedError, match="an array of shape"):
            pictures.prepare(wrong)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F"]
)
def test_every_mode_of_an_image_is_taken_or_refused(mode):
    image = Image.new(mode, (7, 5))
    if mode == "F":
        with pytest.raises(UnsupportedError, match="floating-point"):
            pictures.prepare(image)
        return
    found, _ = pictures.prepare(image)
    assert found.mode in ("L", "RGB", "CMYK") and found.size == (7, 5)
    if mode in ("LA", "La", "RGBA", "RGBa", "PA"):  # only the white below is seen
        assert set(np.asarray(found).ravel()) == {255}
