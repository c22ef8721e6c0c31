"""Large pictures are decoded and encoded in bands and parts: the same result, in memory that is bounded beforehand."""

import io
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from PIL import Image
from support.inlays import carrying, random_sets
from support.pictures import coloured, halves, jpeg_of, psnr, texture
from support.selection import first

import inlaid
from inlaid import decoder, formats, reference, restoration
from inlaid.encoding import encoder, limits, rate_slope
from inlaid.encoding.pictures import Extent
from inlaid.errors import LimitError
from inlaid.network import Network

COLOUR = coloured(320, 240, seed=5)
FILES = {
    "gray": lambda: inlaid.encode(texture(200, 150, seed=1), quality=30, effort=2),
    "4:2:0": lambda: inlaid.encode(COLOUR, quality=30, effort=2),
    "progressive": lambda: inlaid.encode(COLOUR, quality=30, effort=2, progressive=True),
    "RGB": lambda: inlaid.attach(jpeg_of(COLOUR, quality=30, keep_rgb=True), COLOUR, effort=2),
    "JPEG 2000": lambda: inlaid.encode(COLOUR, format="jpeg2000", rate_bpp=0.8, effort=3),
    "areas": lambda: carrying(jpeg_of(halves(400, 300), quality=40), Network(), random_sets((300, 400), Network(), 64, 1)),
}


@cache
def made(name):
    """One of the FILES."""
    return FILES[name]()


@pytest.mark.parametrize("name", FILES)
def test_bands_give_the_same_picture(name, monkeypatch):
    data = made(name)
    assert inlaid.info(data)["inlay"]["state"] == "matches"
    expected = inlaid.decode(data)
    for most in (1, 10_000, 30_000):
        monkeypatch.setattr(formats.base, "BAND_PX", most)
        assert np.array_equal(inlaid.decode(data), expected)
        assert np.array_equal(inlaid.decode_image(data), expected)
        assert inlaid.info(data)["inlay"]["state"] == "matches"


@pytest.mark.parametrize("network", [Network(), Network(3, 3, kernel=5, dilations=(8, 8, 3), inputs=3)], ids=["small halo", "halo of 42"])
@pytest.mark.parametrize("side_px", [None, 32])
def test_bands_see_the_base_around_them(network, side_px, monkeypatch):
    """Bands of one row, which is less than the network sees: it must not see what was restored above it."""
    monkeypatch.setattr(formats.base, "BAND_PX", 1)
    base = jpeg_of(texture(75, 203, seed=3), quality=90)
    luma = inlaid.decode(base)
    sets = random_sets(luma.shape, network, side_px, 3)
    found = inlaid.decode(carrying(base, network, sets))
    if side_px is None:
        assert np.array_equal(found, reference.restore(network, sets.parameters[0], luma))
    else:
        assert np.array_equal(found, restoration.restore(network, sets, luma))
    assert (found != luma).mean() > 0.2


def test_a_stale_inlay_leaves_the_base_as_it_is():
    data = jpeg_of(texture(64, 64, seed=9), quality=30)
    moved = formats.by_name("jpeg").container.embed(data, formats.by_name("jpeg").container.extract(made("gray")))
    with pytest.warns(inlaid.InlayWarning, match="another picture"):
        assert np.array_equal(inlaid.decode_image(moved), Image.open(io.BytesIO(data)))


def test_a_part_of_a_large_picture_tells_what_a_byte_buys(monkeypatch):
    original = texture(400, 400, seed=2)
    whole = encoder.encode(original, quality=30, effort=2)
    monkeypatch.setattr(rate_slope, "SIDE_PX", 128)
    monkeypatch.setattr(rate_slope, "MOST_PX", 3 * 128**2)
    part = encoder.encode(original, quality=30, effort=2)
    assert part.payload is not None
    assert psnr(inlaid.decode(part.data), original) == pytest.approx(psnr(inlaid.decode(whole.data), original), abs=0.1)
    assert part.payload_bytes == pytest.approx(whole.payload_bytes, rel=0.3)


# ------------------------------------------------------------------------------------------------ limits


@pytest.mark.parametrize("name", FILES)
def test_limits_are_checked_before_anything_is_decoded(name, monkeypatch):
    data = made(name)
    module = formats.by_content(data)
    needed = module.codec.decoding_bytes(data) + decoder.WORK_BYTES
    assert inlaid.decode(data, max_memory=needed).size
    for function in ("decode", "decode_image", "decode_luma"):
        monkeypatch.setattr(module.codec, function, None)
    for call in (inlaid.decode, inlaid.decode_image, inlaid.info):
        with pytest.raises(LimitError, match=r"decoding takes about \d+ MB of memory, at most \d+ MB are allowed"):
            call(data, max_memory=needed - 1)


@pytest.mark.parametrize("command", ["encode", "attach", "decode", "info"])
def test_limits_of_the_commands(command, run, tmp_path):
    picture, file, out = tmp_path / "in.png", tmp_path / "in.jpg", tmp_path / "out.jpg"
    Image.fromarray(COLOUR).save(picture)
    file.write_bytes(jpeg_of(COLOUR, quality=30))
    out.write_bytes(b"as it was")
    arguments = {
        "encode": (picture, "-o", out, "-e", "1"), "attach": (file, "--original", picture, "-o", out, "-e", "1"),
        "decode": (file, "-o", out), "info": (file,),
    }[command]  # fmt: skip
    for limit in (("--max-pixels", "76799"), ("--max-memory", "50M")):
        done = run(command, *arguments, *limit)
        assert done.exit_code == 1 and "allowed" in done.stderr and out.read_bytes() == b"as it was"
        assert done.stderr.startswith(f"inlaid: {picture if command in ('encode', 'attach') else file}: ")
    done = run(command, *arguments, "--max-pixels", "76800", "--max-memory", "0.5g")
    assert done.exit_code == 0, done.stderr
    for size in ("0", "x", "-1", "1T"):
        done = run(command, *arguments, "--max-memory", size)
        assert done.exit_code == 2 and "expected a number of bytes above 0, as in 500M or 2G" in done.stderr


PEAK = """
import sys
from functools import cache
from inlaid.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""


def peak_bytes(*arguments):
    """The peak memory of the command in bytes, with the interpreter and its libraries."""
    done = subprocess.run([sys.executable, "-c", PEAK, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return 1024 * int(done.stderr.split()[-1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it needs /proc")
@pytest.mark.parametrize("kind", first(["colour", "gray", "colour, progressive", "gray, paper"]))
def test_memory_is_what_was_promised(kind, tmp_path):
    """For 8 megapixels, both stay within their estimates, and decoding within 2.5 bytes a pixel and 90 MiB beyond the picture."""
    tile = texture(512, 512, seed=4) if "gray" in kind else coloured(512, 512, seed=4)
    picture = np.tile(tile, (4, 8, 1)[: tile.ndim])
    original, file = tmp_path / "in.ppm", tmp_path / "out.jpg"
    Image.fromarray(picture).save(original)
    pixels = picture.shape[0] * picture.shape[1]
    progressive = ["--progressive"] if "progressive" in kind else []
    preset = "paper" if "paper" in kind else "default"
    encoding = peak_bytes("encode", original, "-o", file, "-e", "2", "--preset", preset, *progressive)
    assert encoding < limits.encoding_bytes(Extent(picture.shape[1], picture.shape[0], gray="gray" in kind), "jpeg", preset)
    decoding = peak_bytes("decode", file, "-o", tmp_path / "out.png")
    assert decoding < formats.by_name("jpeg").codec.decoding_bytes(file.read_bytes()) + decoder.WORK_BYTES
    if not progressive:
        assert decoding < picture.size + 2.5 * pixels + (90 << 20)
