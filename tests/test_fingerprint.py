"""The fingerprint matches after another decoder's rounding, and does not match another picture."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support import format_decoder as page
from support.pictures import coloured, jpeg_of, texture
from support.programs import output, program

from inlaid import fingerprint as module
from inlaid import native
from inlaid.fingerprint import SUMS, Fingerprint, fingerprint, signed_sums, unit_size
from inlaid.formats import jpeg

SIZES = [(64, 64), (97, 131), (320, 240)]
sizes = pytest.mark.parametrize(("width", "height"), SIZES)


@cache
def luma(width, height, quality, seed=0):
    return jpeg.codec.decode(jpeg_of(coloured(width, height, seed), quality=quality)).luma


def signs(width, height):
    """FORMAT.md's signs of columns and rows, (12, width) and (12, height)."""
    return page.signs(np.arange(width) ^ 0x9E3779B9), page.signs(np.arange(height) ^ 0x7F4A7C15)


def moved(picture, change):
    return np.clip(picture.astype(int) + change, 0, 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------------ as in FORMAT.md


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 1), (8, 8), (31, 57), (300, 5)])
def test_the_sums_are_those_of_format_md(shape):
    picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    expected = page.signed_sums(picture)
    assert signed_sums(picture).tolist() == expected
    found = fingerprint(picture)
    u = unit_size(found.unit)
    assert list(found.sums) == [(s + u // 2) // u % 16 for s in expected]
    # U: the smallest that is at least half the root of the number of pixels that differ from their left neighbour.
    active = sum(int(picture[y, x] != picture[y, x - 1]) for y in range(shape[0]) for x in range(1, shape[1]))
    assert u >= active**0.5 / 2
    assert all(unit_size(code) < active**0.5 / 2 for code in range(found.unit))


@settings(max_examples=150)
@given(st.integers(0, 255), st.lists(st.integers(0, 15), min_size=12, max_size=12), st.integers(0, 1 << 32), st.booleans())
def test_matching_is_that_of_format_md(unit, sums, seed, near):
    """Any unit and sums, among them the picture's own and some close to them."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (12, 9), dtype=np.uint8)
    s = page.signed_sums(picture)
    if near:
        u = unit_size(unit)
        sums = [(v + u // 2) // u % 16 for v in s]
        for k in rng.integers(0, 12, int(rng.integers(0, 24))):
            sums[k] = (sums[k] + int(rng.choice([-1, 1]))) % 16
    assert Fingerprint(unit, tuple(sums)).matches(picture) == page.belongs(picture, unit, sums)


def test_units():
    units = [unit_size(code) for code in range(256)]
    assert units == sorted(units)
    assert units[0] == 1
    assert units[255] == 63488
    # No step is larger than a sixteenth, or 1, so a unit near any wanted size exists.
    assert all(b - a <= max(1, a / 16) for a, b in pairwise(units))


@pytest.mark.parametrize("height", [1, 3])
def test_the_widest_picture_is_summed_exactly(height):
    """One picture makes a partial sum as large as possible."""
    white = np.full((height, 65500), 255, np.uint8)
    columns, rows = signs(65500, height)
    aligned = np.where(columns[0] > 0, 255, 0).astype(np.uint8)[None].repeat(height, 0)
    noise = np.random.default_rng(2).integers(0, 256, white.shape, dtype=np.uint8)
    for picture in (white, aligned, 255 - aligned, noise):
        expected = ((picture.astype(np.int64) @ columns.T) * rows.T).sum(0)
        assert np.array_equal(signed_sums(picture), expected)


def test_the_widest_picture_is_summed_exactly_whatever_the_signs(monkeypatch):
    """With all signs 1, a row sums to 255 * 65,500 = 16,702,500.  Odd sums show that nothing was rounded."""
    monkeypatch.setattr(module, "signs", lambda count, salt, first=0: np.ones((SUMS, count), np.int8))
    picture = np.full((2, 65500), 255, np.uint8)
    assert signed_sums(picture).tolist() == [2 * 16_702_500] * 12
    picture[1, 65499] = 254
    assert signed_sums(picture).tolist() == [2 * 16_702_500 - 1] * 12


@pytest.mark.parametrize("path", native.paths())
@pytest.mark.parametrize("shape", [(1, 1), (2, 255), (3, 256), (127, 257), (128, 31), (129, 513), (256, 40)])
def test_every_path_sums_the_same(path, shape):
    """Around the sizes of the kernel's strips; white pixels make its partial sums as large as possible."""
    for picture in (np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8), np.full(shape, 255, np.uint8)):
        assert signed_sums(picture, path=path).tolist() == page.signed_sums(picture)


def test_a_tall_picture_is_summed_exactly():
    """More rows than one band, up to the tallest JPEG file."""
    picture = np.random.default_rng(3).integers(0, 256, (65500, 7), dtype=np.uint8)
    columns, rows = signs(7, 65500)
    expected = np.einsum("yx,kx,ky->k", picture.astype(np.int64), columns, rows)
    assert np.array_equal(signed_sums(picture), expected)


# ------------------------------------------------------------------------------------------------ the same picture


@sizes
@pytest.mark.parametrize("quality", [5, 10, 30, 75, 95])
def test_the_picture_itself(width, height, quality):
    picture = luma(width, height, quality)
    found = fingerprint(picture)
    assert found.matches(picture)
    assert found.matches(np.asfortranarray(picture))
    assert found == fingerprint(picture.copy())
    assert 0 <= found.unit <= 255
    assert len(found.sums) == SUMS
    assert all(0 <= v < 16 for v in found.sums)


@pytest.mark.parametrize("picture", [np.zeros((1, 1)), np.full((8, 8), 255), np.full((1, 500), 128), np.eye(40) * 255])
def test_the_picture_itself_where_it_is_tiny_or_flat(picture):
    picture = picture.astype(np.uint8)
    assert fingerprint(picture).matches(picture)


@sizes
@pytest.mark.parametrize("seed", range(10))
def test_one_grey_level_on_a_tenth_of_the_pixels(width, height, seed):
    picture, rng = luma(width, height, 20, seed), np.random.default_rng(seed)
    noise = rng.choice([-1, 1], picture.shape) * (rng.random(picture.shape) < 0.1)
    assert fingerprint(picture).matches(moved(picture, noise))


@sizes
@pytest.mark.parametrize("quality", [10, 30, 75, 95])
def test_a_float_decoder(width, height, quality):
    data = jpeg_of(coloured(width, height), quality=quality)
    shown = output(program("djpeg"), "-dct", "float", "-grayscale", "-pnm", data=data)
    other = np.frombuffer(shown.split(b"\n", 3)[3], np.uint8).reshape(height, width)
    picture = jpeg.codec.decode(data).luma
    assert (picture != other).mean() > 0.002  # the decoders do differ
    assert fingerprint(picture).matches(other)


@sizes
@pytest.mark.parametrize("option", ["-optimize", "-progressive"])
def test_a_lossless_transcode(width, height, option):
    data = jpeg_of(coloured(width, height), quality=30)
    transcoded = output(program("jpegtran"), "-copy", "all", option, data=data)
    assert transcoded != data
    other = jpeg.codec.decode(transcoded).luma
    assert fingerprint(jpeg.codec.decode(data).luma).matches(other)


# ------------------------------------------------------------------------------------------------ another picture


def resized(picture, factor):
    """The picture scaled down, and up again to the same size."""
    image = Image.fromarray(picture)
    small = image.resize((int(image.width * factor), int(image.height * factor)), Image.Resampling.BICUBIC)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))


OTHERS = {
    "flipped left to right": lambda p: p[:, ::-1],
    "flipped top to bottom": lambda p: p[::-1],
    "turned by 180 degrees": lambda p: p[::-1, ::-1],
    "turned by 90 degrees": lambda p: p.T[::-1],
    "transposed": lambda p: p.T,
    "a row less": lambda p: p[:-1],
    "a column less": lambda p: p[:, :-1],
    "a block less": lambda p: p[8:, 8:],
    "two blocks less at the far end": lambda p: p[:-16, :-16],
    "shifted by a pixel": lambda p: np.roll(p, 1, 1),
    "half its size": lambda p: np.asarray(Image.fromarray(p).reduce(2)),
    "twice its size": lambda p: p.repeat(2, 0).repeat(2, 1),
    "scaled down and up": lambda p: resized(p, 0.75),
    "brighter by 8": lambda p: moved(p, 8),
    "darker by 8": lambda p: moved(p, -8),
    "contrast up by a tenth": lambda p: moved(p, (p.astype(int) - 128) // 10),
    "negative": lambda p: 255 - p,
    "one corner retouched": lambda p: np.where(np.add.outer(np.arange(p.shape[0]), np.arange(p.shape[1])) < sum(p.shape) // 4, 90, p),
}


@sizes
@pytest.mark.parametrize("name", OTHERS)
def test_another_picture(width, height, name):
    for seed in range(3):
        picture = luma(width, height, 20, seed)
        other = np.ascontiguousarray(OTHERS[name](picture)).astype(np.uint8)
        assert not fingerprint(picture).matches(other)


def test_another_picture_of_the_same_size():
    pictures = [luma(96, 72, 20, seed) for seed in range(25)]
    for i, picture in enumerate(pictures):
        found = fingerprint(picture)
        assert [j for j, other in enumerate(pictures) if found.matches(other)] == [i]


@pytest.mark.parametrize(
    ("before", "after"), [(10, 5), (10, 11), (10, 15), (20, 15), (20, 25), (30, 20), (30, 40), (40, 30), (75, 60), (75, 90)]
)
@sizes
def test_encoded_again_at_another_quality(width, height, before, after):
    first = jpeg_of(coloured(width, height), quality=before)
    second = jpeg_of(np.asarray(jpeg.codec.decode_image(first)), quality=after)
    assert not fingerprint(jpeg.codec.decode(first).luma).matches(jpeg.codec.decode(second).luma)


def test_the_tolerance_is_between_a_third_of_a_grey_level_and_one_and_a_half():
    """Encoded again, a picture is the same if its active pixels change by less (rms), and another if by more."""
    same = other = 0
    for seed, before in enumerate((5, 15, 30, 50, 75, 90, 95)):
        first = jpeg_of(texture(200, 150, seed), quality=before)
        picture = jpeg.codec.decode(first).luma
        active = int((picture[:, 1:] != picture[:, :-1]).sum())
        for after in range(max(1, before - 10), min(100, before + 10) + 1):
            again = jpeg.codec.decode(jpeg_of(np.asarray(jpeg.codec.decode_image(first)), quality=after)).luma
            change = (((again.astype(float) - picture) ** 2).sum() / active) ** 0.5
            if change < 0.33:
                same += 1
                assert fingerprint(picture).matches(again), (before, after, change)
            elif change > 1.5:
                other += 1
                assert not fingerprint(picture).matches(again), (before, after, change)
    assert same >= 10
    assert other >= 60
