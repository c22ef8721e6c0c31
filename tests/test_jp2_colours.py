"""Components of JPEG 2000 files: every kind is shown right, or refused with what was found.

The files are made of Pillow's codestreams and our own boxes.  OpenJPEG's program and imagecodecs are second opinions where installed.
"""

import contextlib
import itertools
import struct
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageCms
from support import format_decoder as page
from support.jp2_files import CODESTREAM, SIGNATURE, box
from support.pictures import coloured, file_of, texture
from support.programs import program

import inlaid
from inlaid.errors import FormatError, InlayError, UnsupportedError
from inlaid.formats import jp2

RGB = coloured(48, 32, seed=3)
ALPHA = np.linspace(0, 255, 48 * 32).reshape(32, 48).astype(np.uint8)
ALPHA[:, :9], ALPHA[:, 40:] = 0, 255
RGBA = np.dstack([RGB, ALPHA])
GRAY = texture(48, 32, seed=4)
SRGB, GRAYSCALE, SYCC, CMYK = 16, 17, 18, 12
ANY = 65535


def components(pixels):
    """The lossless codestream of an array of 1 to 4 components of 8 bits, or one of 16, without a component transform."""
    return file_of(np.ascontiguousarray(pixels), "JPEG2000", irreversible=False, mct=0, no_jp2=True)


def of_depths(planes, depths):
    """The codestream of components of these depths in bits (below 0: signed), with the levels in `planes` (H, W, n).

    No encoder at hand writes them.  So samples of 8 or 16 bits are written that differ from the middle of their range as much as the levels
    do from theirs, and then the depths in the header are changed.
    """
    middles = [0 if bits < 0 else 1 << (bits - 1) for bits in depths]
    wide = max(map(abs, depths)) > 8
    samples = planes.astype(int) - middles + (32768 if wide else 128)
    data = bytearray(components(samples.astype(np.uint16 if wide else np.uint8).squeeze()))
    for k, bits in enumerate(depths):
        assert data[42 + 3 * k] == (15 if wide else 7)
        data[42 + 3 * k] = abs(bits) - 1 | (0x80 if bits < 0 else 0)
    return bytes(data)


def jp2_file(stream, space=None, *added, icc=None, size=None):
    """A JP2 file of a codestream, with a colour space and more boxes in its header."""
    width, height = size or struct.unpack_from(">II", stream, 8)
    count = int.from_bytes(stream[40:42], "big")
    inner = [(b"ihdr", struct.pack(">IIHBBBB", height, width, count, stream[42], 7, 0, 0))]
    if space is not None:
        inner.append((b"colr", b"\1\0\0" + struct.pack(">I", space)))
    if icc is not None:
        inner.append((b"colr", b"\2\0\0" + icc))
    header = b"".join(box(*each) for each in (*inner, *added))
    boxes = [(b"ftyp", b"jp2 \0\0\0\0jp2 "), (b"jp2h", header), (b"jp2c", stream)]
    return SIGNATURE + b"".join(box(*each) for each in boxes)


def cdef(*channels):
    """A channel definition box: (number, type, association) of each channel."""
    return b"cdef", struct.pack(f">H{3 * len(channels)}H", len(channels), *itertools.chain(*channels))


def palette(entries, depths, mapping):
    """A palette box and its mapping box.

    entries: rows of values.  depths: bits of each column.  mapping: (component, use, column) of each channel.
    """
    body = struct.pack(">HB", len(entries), len(depths)) + bytes(bits - 1 for bits in depths)
    for row in entries:
        body += b"".join(int(value).to_bytes((bits + 7) // 8, "big") for value, bits in zip(row, depths, strict=True))
    return (b"pclr", body), (b"cmap", b"".join(struct.pack(">HBB", *each) for each in mapping))


def on_white(pixels, alpha, premultiplied=False):
    """Pixels laid on white, computed in floats and rounded."""
    pixels, alpha = pixels.astype(float), alpha.astype(float)[..., None] if pixels.ndim == 3 else alpha.astype(float)
    return np.rint((pixels if premultiplied else pixels * alpha / 255) + 255 - alpha).clip(0, 255)


def scaled(levels, bits):
    """Levels of so many bits (below 0: signed) scaled to 8 bits and rounded."""
    levels = levels.astype(float) + (1 << (-bits - 1) if bits < 0 else 0)
    return np.floor(levels * 255 / ((1 << abs(bits)) - 1) + 0.5)


def page_agrees(data):
    """Checks that the decoder written from FORMAT.md alone excludes the files that have an obstacle."""
    if data.startswith(SIGNATURE):
        assert (page.read_boxes(data)[1] is None) == (jp2.container.obstacle(data) is not None)


def is_shown(data, expected, tolerance=0):
    """Checks that the file is shown as `expected`, and that FORMAT.md and the program agree on whether it takes an inlay."""
    page_agrees(data)
    expected = np.asarray(expected)
    image = jp2.codec.decode_image(data)
    assert image.mode == ("L" if expected.ndim == 2 else "RGB") and not image.info
    assert np.abs(np.asarray(image).astype(int) - expected).max() <= tolerance
    assert np.array_equal(inlaid.decode(data), image)
    return True


def second(data, tmp_path):
    """What opj_decompress decodes: (H, W, channels), 8 bits; or its message."""
    decompress = program("opj_decompress")
    name = "a.j2k" if data.startswith(CODESTREAM) else "a.jp2"
    (tmp_path / name).write_bytes(data)
    done = subprocess.run([decompress, "-i", name, "-o", "a.png"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    if done.returncode or not (tmp_path / "a.png").exists():
        return done.stdout + done.stderr
    return np.atleast_3d(np.asarray(Image.open(tmp_path / "a.png")))


def refused(data, *words, error=UnsupportedError):
    """Checks that all decoders refuse the file with these words, and that functions without pixels accept it."""
    for decode in (jp2.codec.decode_image, jp2.codec.decode_original, inlaid.decode):
        with pytest.raises(error, match=".*".join(words)):
            decode(data)
    assert jp2.container.describe(data)["width"] and jp2.container.strip(data) == data
    page_agrees(data)
    assert jp2.container.obstacle(data)
    with pytest.raises(UnsupportedError, match="cannot carry an inlay"):
        jp2.container.embed(data, b"payload")
    return True


# ------------------------------------------------------------------------------------------------ channel definitions

ORDERS = list(itertools.permutations((1, 2, 3)))


@pytest.mark.parametrize("order", ORDERS)
def test_colours_in_any_order(order, tmp_path):
    """Component k is colour order[k].  The box may list the components in any order."""
    stored = np.dstack([RGB[..., colour - 1] for colour in order])
    for listed in ((0, 1, 2), (2, 0, 1)):
        data = jp2_file(components(stored), SRGB, cdef(*[(k, 0, order[k]) for k in listed]))
        assert is_shown(data, RGB)
        assert np.array_equal(second(data, tmp_path), RGB)
    assert (jp2.container.obstacle(data) is None) == (order == (1, 2, 3))
    if order != (1, 2, 3):
        assert "another order" in jp2.container.obstacle(data)
        with pytest.raises(UnsupportedError, match="another order"):
            jp2.container.embed(data, b"payload")
        attached = inlaid.attach(data, RGB, effort=1)
        assert attached == data


@pytest.mark.parametrize("association", [0, ANY])
def test_a_colour_that_goes_with_no_number_keeps_its_place(association):
    assert is_shown(jp2_file(components(GRAY), GRAYSCALE, cdef((0, 0, association))), GRAY)
    assert is_shown(jp2_file(components(RGB), SRGB, cdef(*[(k, 0, association) for k in range(3)])), RGB)


def stored_alpha(pixels, place):
    """The components with alpha, the last one, moved to `place`; and the component of each colour."""
    order = list(range(pixels.shape[2] - 1))
    order.insert(place, pixels.shape[2] - 1)
    return pixels[..., order], [order.index(colour) for colour in range(pixels.shape[2] - 1)]


@pytest.mark.parametrize(
    ("colours", "place"),
    [(RGB, place) for place in range(4)] + [(GRAY, place) for place in range(2)],
    ids=lambda value: value if isinstance(value, int) else "gray" if value.ndim == 2 else "RGB",
)
@pytest.mark.parametrize("association", [0, 1, ANY])
@pytest.mark.parametrize("kind", [1, 2, ANY])
def test_alpha_anywhere(colours, place, kind, association, tmp_path):
    count = np.atleast_3d(colours).shape[2]
    if kind == 2:  # no colour above its opacity
        colours = np.minimum(colours, ALPHA[..., None] if count == 3 else ALPHA)
    stored, places = stored_alpha(np.dstack([colours, ALPHA]), place)
    definition = cdef(*[(at, 0, k + 1) for k, at in enumerate(places)], (place, kind, association))
    data = jp2_file(components(stored), SRGB if count == 3 else GRAYSCALE, definition)
    assert f"{count + 1} components" in jp2.container.obstacle(data)
    if place == count:  # elsewhere the program writes its components in an order of its own
        assert np.array_equal(second(data, tmp_path)[..., :count], np.atleast_3d(colours))
    if kind == ANY or association == ANY:  # which is no alpha
        assert is_shown(data, colours)
        assert np.array_equal(jp2.codec.decode_original(data), colours)
    elif association == 1 and count == 3:
        assert refused(data, "opacity of colour 1 alone")
    else:
        white = on_white(colours, ALPHA, premultiplied=kind == 2)
        assert is_shown(data, white, tolerance=2 - kind)
        original = np.asarray(jp2.codec.decode_original(data))
        assert np.array_equal(original[..., -1], ALPHA)
        assert np.abs(on_white(original[..., :-1].squeeze(), ALPHA) - white).max() <= 1
        if kind == 1:
            assert np.array_equal(original[..., :-1].squeeze(), colours)


@pytest.mark.parametrize("colours", [RGB, GRAY], ids=["RGB", "gray"])
def test_alpha_that_is_not_defined(colours, tmp_path):
    """As all viewers take it."""
    pixels = np.dstack([colours, ALPHA])
    stream = components(pixels)
    for data in (stream, jp2_file(stream, SRGB if colours.ndim == 3 else GRAYSCALE), jp2_file(stream)):
        assert is_shown(data, on_white(colours, ALPHA), tolerance=1)
        assert np.array_equal(jp2.codec.decode_original(data), pixels)
        assert np.array_equal(second(data, tmp_path), pixels)


def test_extreme_opacities_are_exact():
    for alpha, expected in ((0, np.full_like(RGB, 255)), (255, RGB)):
        pixels = np.dstack([RGB, np.full_like(ALPHA, alpha)])
        assert is_shown(jp2_file(components(pixels), SRGB, cdef((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0))), expected)


@pytest.mark.parametrize(
    ("channels", "error", "words"),
    [
        ([(0, 0, 1), (1, 0, 1), (2, 0, 3)], FormatError, "channels 0 and 1 as colour 1"),
        ([(0, 0, 1), (1, 0, 2), (3, 0, 3)], FormatError, "defines channel 3; expected 0 to 2"),
        ([(0, 0, 1), (1, 0, 2)], UnsupportedError, "3 channels in colour space 16, of which 2 are colours"),
        ([(0, 0, 1), (1, 0, 2), (2, 0, 4)], UnsupportedError, "3 are colours"),
        ([(0, 1, 0), (1, 2, 0), (2, 0, 1)], UnsupportedError, "1 are colours and 2 opacities"),
        ([(0, 1, 0), (1, 1, 0), (2, 1, 0)], UnsupportedError, "0 are colours and 3 opacities"),
    ],
)
def test_definitions_without_meaning_are_refused(channels, error, words):
    assert refused(jp2_file(components(RGB), SRGB, cdef(*channels)), words, error=error)


def test_definitions_that_are_cut_off():
    kind, body = cdef((0, 0, 3), (1, 0, 2), (2, 0, 1))
    for length in range(len(body)):
        with pytest.raises(InlayError) if 8 <= length < 20 else contextlib.nullcontext():
            jp2.codec.decode_image(jp2_file(components(RGB), SRGB, (kind, body[:length])))


# ------------------------------------------------------------------------------------------------ depths


@pytest.mark.parametrize("bits", [*range(1, 17), *range(-16, -1)])
def test_gray_of_every_depth(bits, tmp_path):
    low = -(1 << (-bits - 1)) if bits < 0 else 0
    levels = low + np.arange(48 * 32).reshape(32, 48) * ((1 << abs(bits)) - 1) // (48 * 32 - 1)
    stream = of_depths(levels[..., None], [bits])
    for data in (stream, jp2_file(stream, GRAYSCALE)):
        assert is_shown(data, scaled(levels, bits))
    assert jp2.container.obstacle(data) == (None if bits == 8 else f"{'signed ' if bits < 0 else ''}{abs(bits)}-bit components")
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs is not installed")
    assert np.array_equal(imagecodecs.jpeg2k_decode(data), levels)


@pytest.mark.parametrize(
    "depths", [*[(bits,) * 3 for bits in (1, 2, 4, 7, 8, -8, -5)], (5, 6, 5), (8, -8, -8), (1, 8, 3), (8, 8, 8, 1), (4, 4, 4, -4)]
)
def test_colours_of_every_depth(depths):
    low = [-(1 << (-bits - 1)) if bits < 0 else 0 for bits in depths]
    levels = np.dstack(
        [k + (plane >> (8 - abs(bits))) for k, plane, bits in zip(low, RGBA.astype(int).transpose(2, 0, 1), depths, strict=False)]
    )
    shown = np.dstack([scaled(levels[..., k], bits) for k, bits in enumerate(depths)])
    expected = shown if len(depths) == 3 else on_white(shown[..., :3], shown[..., 3])
    stream = of_depths(levels, depths)
    for data in (stream, jp2_file(stream, SRGB)):
        assert is_shown(data, expected, tolerance=len(depths) - 3)
        assert np.array_equal(jp2.codec.decode_original(data), shown)


@pytest.mark.parametrize("bits", [9, 10, 12, 16])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_several_components_of_more_than_8_bits_are_refused(bits, channels):
    """Pillow cuts them to 8 bits, and makes white black."""
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs is not installed")
    pixels = (RGBA[..., :channels].astype(np.uint16) << (bits - 8)) + 1
    data = imagecodecs.jpeg2k_encode(np.ascontiguousarray(pixels), bitspersample=bits, reversible=True)
    assert refused(data, f"{channels} components of {bits} bits")


def test_more_bits_and_components_than_any_viewer_has():
    five = bytearray(components(RGBA))
    five[40:42], five[4:6] = b"\0\5", b"\0\x35"  # SIZ, one component longer
    five[54:54] = b"\7\1\1"
    assert refused(bytes(five), "5 components; expected at most 4")
    deep = bytearray(components(GRAY))
    deep[42] = 37
    assert refused(bytes(deep), "1 component of 38 bits; expected at most 8, or 16 of a single one")


# ------------------------------------------------------------------------------------------------ palettes

COLOURS = np.random.default_rng(2).integers(0, 256, (256, 4))
THREE = [(0, 1, 0), (0, 1, 1), (0, 1, 2)]


def test_palette(tmp_path):
    data = jp2_file(components(GRAY), SRGB, *palette(COLOURS[:, :3], [8, 8, 8], THREE))
    assert is_shown(data, COLOURS[GRAY][..., :3])
    assert jp2.container.obstacle(data) == "a palette"
    assert np.array_equal(second(data, tmp_path), COLOURS[GRAY][..., :3])


@pytest.mark.parametrize("bits", [1, 2, 4, 7, 10])
@pytest.mark.parametrize("depths", [[8, 8, 8], [4, 5, 6], [10, 12, 38]])
def test_palette_of_any_depth(bits, depths):
    entries = np.random.default_rng(bits).integers(0, 1 << np.array(depths), (1 << bits, 3))
    index = np.arange(48 * 32).reshape(32, 48) % (1 << bits)
    data = jp2_file(of_depths(index[..., None], [bits]), SRGB, *palette(entries, depths, THREE))
    assert is_shown(data, np.dstack([scaled(entries[index][..., k], depths[k]) for k in range(3)]))


def test_palette_with_alpha_and_in_another_order(tmp_path):
    four = [*THREE, (0, 1, 3)]
    white = on_white(COLOURS[GRAY][..., :3], COLOURS[GRAY][..., 3])
    for added in ([], [cdef((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0))]):
        assert is_shown(jp2_file(components(GRAY), SRGB, *palette(COLOURS, [8] * 4, four), *added), white, tolerance=1)
    swapped = cdef((0, 0, 3), (1, 0, 2), (2, 0, 1))
    data = jp2_file(components(GRAY), SRGB, *palette(COLOURS[:, :3], [8] * 3, THREE), swapped)
    assert is_shown(data, COLOURS[GRAY][..., 2::-1])
    assert np.array_equal(second(data, tmp_path), COLOURS[GRAY][..., 2::-1])
    columns = jp2_file(components(GRAY), SRGB, *palette(COLOURS[:, :3], [8] * 3, THREE[::-1]))
    assert is_shown(columns, COLOURS[GRAY][..., 2::-1])


def test_palette_beside_a_component_of_its_own(tmp_path):
    """The palette's index, and an alpha channel that is used directly."""
    stream = components(np.dstack([GRAY, ALPHA]))
    data = jp2_file(stream, SRGB, *palette(COLOURS[:, :3], [8] * 3, [*THREE, (1, 0, 0)]), cdef((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0)))
    assert is_shown(data, on_white(COLOURS[GRAY][..., :3], ALPHA), tolerance=1)


def test_palette_that_is_too_short_ends_in_its_last_colour(tmp_path):
    data = jp2_file(components(GRAY), SRGB, *palette(COLOURS[:100, :3], [8] * 3, THREE))
    expected = COLOURS[np.minimum(GRAY, 99)][..., :3]
    assert is_shown(data, expected)
    assert np.array_equal(second(data, tmp_path), expected)


def test_gray_palette():
    assert is_shown(jp2_file(components(GRAY), GRAYSCALE, *palette(COLOURS[:, :1], [8], THREE[:1])), COLOURS[GRAY][..., 0])


def test_damaged_palettes_are_refused():
    (kind, body), mapping = palette(COLOURS[:, :3], [8] * 3, THREE)
    signed, deep = body[:3] + b"\x87" + body[4:], body[:3] + b"\x7f" + body[4:] + bytes(256 * 15)
    for damaged, use, error, words in (
        (body[:-1], mapping, FormatError, "palette is damaged"),
        (body[:2], mapping, FormatError, "palette is damaged"),
        (body, (b"cmap", b""), FormatError, "makes 0 channels"),
        (body, (b"cmap", mapping[1] * 10), FormatError, "makes 30 channels"),
        (body, (b"cmap", mapping[1][:-1]), FormatError, "palette is damaged"),
        (body, (b"cmap", struct.pack(">HBB", 0, 1, 3)), FormatError, "palette is damaged"),
        (body, (b"cmap", struct.pack(">HBB", 1, 1, 0)), FormatError, "palette is damaged"),
        (b"\0\0" + body[2:], mapping, FormatError, "palette is damaged"),
        (signed, mapping, UnsupportedError, "signed values"),
        (deep, mapping, FormatError, "128 bits; expected at most 38"),
    ):
        assert refused(jp2_file(components(GRAY), SRGB, (kind, damaged), use), words, error=error)


# ------------------------------------------------------------------------------------------------ colour spaces

YCC = np.asarray(Image.fromarray(RGB).convert("YCbCr"))


def from_ycc(planes):
    """RGB by the formula of JFIF, sYCC and FORMAT.md, rounded."""
    luma, blue, red = planes.astype(float).transpose(2, 0, 1) - [[[0]], [[128]], [[128]]]
    return np.rint(np.dstack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue])).clip(0, 255)


def profile(signature):
    """An ICC profile that has a sound header and nothing else."""
    return bytes(16) + signature + bytes(16) + b"acsp" + bytes(88)


def test_sycc(tmp_path):
    data = jp2_file(components(YCC), SYCC)
    assert is_shown(data, from_ycc(YCC))
    assert "sYCC" in jp2.container.obstacle(data)
    assert np.abs(second(data, tmp_path) - from_ycc(YCC)).max() <= 2  # it cuts
    swapped = jp2_file(components(YCC[..., ::-1]), SYCC, cdef((0, 0, 3), (1, 0, 2), (2, 0, 1)))
    assert is_shown(swapped, from_ycc(YCC))
    signed = of_depths(YCC.astype(int) - (0, 128, 128), [8, -8, -8])
    assert is_shown(jp2_file(signed, SYCC), from_ycc(YCC))
    assert is_shown(jp2_file(components(np.dstack([YCC, ALPHA])), SYCC), on_white(from_ycc(YCC), ALPHA), tolerance=1)
    assert refused(
        jp2_file(components(np.dstack([YCC, ALPHA])), SYCC, cdef((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 2, 0))), "multiplied by their opacity"
    )


@pytest.mark.parametrize("space", [{"space": CMYK}, {"icc": profile(b"CMYK")}])
def test_cmyk(space):
    pixels = np.asarray(Image.fromarray(RGB).convert("CMYK"))
    data = jp2_file(components(pixels), **{"space": None} | space)
    assert is_shown(data, RGB, tolerance=1)
    assert jp2.codec.decode_original(data).mode == "CMYK"
    assert np.array_equal(jp2.codec.decode_original(data), pixels)


def test_icc_profiles_of_the_usual_kinds():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for icc in (srgb, b"", b"damaged"):
        data = jp2_file(components(RGB), icc=icc)
        assert is_shown(data, RGB) and jp2.container.obstacle(data) is None
        assert jp2.container.describe(data)["metadata"] == ["ICC"]
    assert is_shown(jp2_file(components(GRAY), icc=profile(b"GRAY")), GRAY)
    assert is_shown(jp2_file(components(GRAY)), GRAY)


@pytest.mark.parametrize(
    ("pixels", "space", "words"),
    [
        *((RGB, {"space": number}, f"colour space {number}") for number in (0, 1, 3, 4, 9, 11, 13, 14, 15, 19, 20, 21, 24, 99)),
        (GRAY, {"space": 0}, "colour space 0"),
        (RGB, {"space": GRAYSCALE}, "3 channels in colour space 17, of which 1"),
        (RGB, {"space": CMYK}, "3 channels in colour space 12, of which 3"),
        (RGB, {"icc": profile(b"Lab ")}, "an ICC profile of Lab colour"),
        (RGB, {"icc": profile(b"GRAY")}, "3 channels in an ICC profile of GRAY colour"),
        (GRAY, {"icc": profile(b"XYZ ")}, "an ICC profile of XYZ colour"),
    ],
)
def test_other_spaces_are_refused_by_name(pixels, space, words):
    assert refused(jp2_file(components(pixels), **{"space": None} | space), words)


def test_the_first_space_counts():
    other = b"colr", b"\1\0\0" + struct.pack(">I", 14)
    assert is_shown(jp2_file(components(RGB), SRGB, other), RGB)
    assert jp2.container.obstacle(jp2_file(components(RGB), SRGB, other)) == "colour space 14"


# ------------------------------------------------------------------------------------------------ subsampling


def subsampled(planes, steps, tmp_path, *switches):
    """The codestream that opj_compress makes of planes of several sizes.  The first has the size of the picture."""
    height, width = planes[0].shape
    (tmp_path / "a.raw").write_bytes(b"".join(plane.tobytes() for plane in planes))
    form = f"{width},{height},{len(planes)},8,u@" + ":".join(f"{across}x{down}" for across, down in steps)
    command = [program("opj_compress"), "-i", "a.raw", "-F", form, "-mct", "0", "-n", "1", *switches, "-o", "a.j2k"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return (tmp_path / "a.j2k").read_bytes()


STEPS = [(2, 2), (2, 1), (1, 2), (4, 1)]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("switches", [[], ["-t", "16,16"], ["-t", "20,12"]], ids=str)
def test_subsampled_sycc(step, switches, tmp_path):
    across, down = step
    chroma = [np.ascontiguousarray(YCC[::down, ::across, k]) for k in (1, 2)]
    whole = np.dstack([YCC[..., 0], *(plane.repeat(down, 0).repeat(across, 1) for plane in chroma)])
    expected = from_ycc(whole)
    stream = subsampled([YCC[..., 0], *chroma], [(1, 1), step, step], tmp_path, *switches)
    for data in (stream, jp2_file(stream, SYCC)):
        assert is_shown(data, expected)
    assert jp2.container.obstacle(data) == "subsampled components"
    if step in STEPS[:2]:  # the others it refuses
        assert np.abs(second(data, tmp_path) - expected).max() <= 2  # it cuts


def test_subsampled_rgb(tmp_path):
    blue = np.ascontiguousarray(RGB[::2, ::2, 2])
    data = jp2_file(subsampled([RGB[..., 0], RGB[..., 1], blue], [(1, 1), (1, 1), (2, 2)], tmp_path), SRGB)
    assert is_shown(data, np.dstack([RGB[..., :2], blue.repeat(2, 0).repeat(2, 1)]))


@pytest.mark.parametrize(("size", "switches"), [((31, 48), []), ((32, 47), []), ((32, 48), ["-t", "17,16"]), ((32, 48), ["-d", "1,0"])])
def test_grids_that_do_not_fit_are_refused(size, switches, tmp_path):
    """Pillow takes the rows of such chroma to be shorter than they are."""
    height, width = size
    luma, chroma = np.ascontiguousarray(YCC[:height, :width, 0]), np.ascontiguousarray(YCC[:height:2, :width:2, 1])
    stream = subsampled([luma, chroma, chroma], [(1, 1), (2, 2), (2, 2)], tmp_path, *switches)
    assert refused(stream, "subsampled components on a grid")
    assert refused(jp2_file(stream, SYCC, size=(width, height)), "subsampled components on a grid")


def test_a_picture_of_one_subsampled_component_is_refused():
    stream = bytearray(components(GRAY))
    stream[43:45] = b"\2\2"
    assert refused(bytes(stream), "subsampled components")


def test_any_header_is_shown_or_refused():
    """Bytes changed at random before the codestream, in files of every kind."""
    of_palette = palette(COLOURS, [8, 8, 12, 4], [*THREE, (0, 1, 3)])
    definitions = cdef((0, 0, 3), (1, 0, 2), (2, 0, 1), (3, 1, 0))
    files = [
        jp2_file(components(GRAY), SRGB, *of_palette, definitions),
        jp2_file(components(RGBA), SYCC, definitions),
        jp2_file(components(RGBA), CMYK, cdef((3, 0, 1))),
        jp2_file(of_depths(GRAY[..., None] * 16, [12]), icc=profile(b"GRAY")),
    ]
    rng, shown = np.random.default_rng(11), 0
    for number in range(3000):
        data = bytearray(files[number % len(files)])
        for at in rng.integers(32, data.index(b"jp2c") + 60, rng.integers(1, 5)):
            data[at] = rng.choice([0, 1, 2, 3, 4, 8, 16, 18, 127, 128, 255, rng.integers(256)])
        with contextlib.suppress(InlayError):
            image = inlaid.decode(bytes(data), max_pixels=10**6)
            assert image.dtype == np.uint8
            shown += 1
        with contextlib.suppress(InlayError):
            inlaid.info(bytes(data), max_pixels=10**6)
    assert 300 < shown < 2700
