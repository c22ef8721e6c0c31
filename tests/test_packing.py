"""JPEG files packed into JPEG XL: they come back byte for byte, and are read directly."""

import io
import json
import shutil
import struct
import subprocess
import sys
from pathlib import PurePath

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from support.batches import SETTINGS, files_of, lines, make_tree
from support.pictures import coloured, file_of, jpeg_of, texture, textured
from test_report import stored, write

import inlaid
from inlaid.bench import measurement, runs
from inlaid.bench.settings import Detail, Settings
from inlaid.cli.main import main
from inlaid.formats import packing
from inlaid.report import sections, tables

pytest.importorskip("imagecodecs")
FILES = {
    "inlay": lambda: inlaid.encode(coloured(), quality=30, effort=1),
    "gray": lambda: inlaid.encode(texture(), quality=30, effort=1),
    "turbo": lambda: inlaid.encode(coloured(), quality=80, effort=1, base="turbo", subsampling="422"),
    "plain": lambda: jpeg_of(coloured(), quality=75, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", comment=b"a comment"),
    "trailing": lambda: jpeg_of(coloured(), quality=75) + b"more",
}


@pytest.fixture(scope="module", params=FILES)
def pair(request):
    """A JPEG file and its packed file."""
    data = FILES[request.param]()
    return data, inlaid.pack(data)


def test_it_comes_back(pair):
    data, packed = pair
    assert inlaid.unpack(packed) == data
    assert packing.is_packed(packed) and not packing.is_packed(data)


def test_it_is_read_directly(pair):
    data, packed = pair
    assert np.array_equal(inlaid.decode(packed), inlaid.decode(data))
    assert np.array_equal(inlaid.decode(packed, base=True), inlaid.decode(data, base=True))
    of_file, of_packed = inlaid.info(data), inlaid.info(packed)
    assert of_file["packed_bytes"] is None and of_packed["packed_bytes"] == len(packed)
    assert of_packed == of_file | {"packed_bytes": len(packed)}


@pytest.mark.parametrize("size", [(8, 8), (256, 256), (257, 16), (120, 160), (1000, 750), (640, 360), (33, 513), (16, 9), (1, 1), (50, 40)])
def test_the_size_is_read_without_unpacking(size):
    """Among them are all the ways in which a header writes a size."""
    packed = packing.pack(file_of(np.zeros((size[1], size[0]), np.uint8), "JPEG"))
    assert packing.picture_size(packed) == size


def test_limits_hold_before_unpacking(monkeypatch):
    packed = inlaid.pack(jpeg_of(coloured(), quality=50))
    monkeypatch.setattr(packing, "unpack", lambda data: pytest.fail("it was unpacked"))
    with pytest.raises(inlaid.LimitError, match="160x120 pixels, at most 100 are allowed"):
        inlaid.decode(packed, max_pixels=100)
    with pytest.raises(inlaid.LimitError, match="unpacking takes about"):
        inlaid.info(packed, max_memory=1_000_000)


def test_what_cannot_come_back_is_not_packed(monkeypatch):
    Image.new("CMYK", (16, 16)).save(cmyk := io.BytesIO(), "JPEG")
    for data in (cmyk.getvalue(), b"", b"no picture", jpeg_of(coloured())[:2000]):
        with pytest.raises(inlaid.UnsupportedError, match="JPEG XL cannot pack this file"):
            inlaid.pack(data)
    import imagecodecs

    monkeypatch.setattr(imagecodecs, "jpegxl_decode_jpeg", lambda packed: b"something else")
    with pytest.raises(inlaid.UnsupportedError, match="would not give this file back byte for byte"):
        inlaid.pack(jpeg_of(coloured()))


def test_damaged_files():
    packed = inlaid.pack(inlaid.encode(texture(), quality=30, effort=1))
    for damaged in (packed[:20], packed[:-10], packed[:200], packed[:500] + bytes(40) + packed[540:]):
        for read in (inlaid.unpack, inlaid.decode, inlaid.info):
            with pytest.raises(inlaid.FormatError):
                read(damaged)


def test_cuts_and_changed_bytes(pair):
    """Every one ends in a file or in an error of inlaid."""
    packed = pair[1]
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(packed), 60).tolist():
        changed = bytearray(packed)
        changed[at] ^= 1 + int(rng.integers(255))
        for broken in (packed[:at], bytes(changed)):
            try:
                inlaid.unpack(broken)
            except inlaid.InlayError:
                continue


def test_a_jpeg_xl_file_without_a_jpeg():
    boxes = (b"JXL ", b"\r\n\x87\n"), (b"ftyp", b"jxl \0\0\0\0jxl "), (b"jxlc", b"\xff\x0a" + bytes(20))
    data = b"".join(struct.pack(">I4s", 8 + len(body), kind) + body for kind, body in boxes)
    with pytest.raises(inlaid.FormatError, match="holds no JPEG file; expected one that `inlaid pack` made"):
        inlaid.decode(data)


def test_other_functions_say_what_to_do():
    packed = inlaid.pack(jpeg_of(coloured()))
    for function in (inlaid.strip, lambda data: inlaid.attach(data, coloured())):
        with pytest.raises(inlaid.FormatError, match="a packed file; expected the JPEG file in it, which `inlaid unpack` gives"):
            function(packed)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(inlaid.InlayError, match=r"packed files need imagecodecs: pip install 'inlaid\[pack\]'"):
        inlaid.pack(jpeg_of(coloured()))


def test_the_commands(tmp_path):
    photo, packed, back, picture = (str(tmp_path / name) for name in ("photo.jpg", "photo.jxl", "back.jpg", "picture.png"))
    data = FILES["inlay"]()
    (tmp_path / "photo.jpg").write_bytes(data)
    run = CliRunner().invoke
    packing_report = run(main, ["pack", photo, "-o", packed])
    assert packing_report.exit_code == 0 and "% fewer" in packing_report.output
    assert run(main, ["unpack", packed, "-o", back]).exit_code == 0
    assert (tmp_path / "back.jpg").read_bytes() == data
    assert run(main, ["decode", packed, "-o", picture]).exit_code == 0
    assert np.array_equal(np.asarray(Image.open(picture)), inlaid.decode(data))
    assert json.loads(run(main, ["info", packed, "--json"]).output)["packed_bytes"] == (tmp_path / "photo.jxl").stat().st_size
    assert "JPEG XL" in run(main, ["info", packed]).output


def test_batches(run, tmp_path, monkeypatch):
    """A tree is packed, checked, decoded, refused by strip, and unpacked."""
    monkeypatch.chdir(tmp_path)
    make_tree("photos", 3, (96, 80))
    assert run("batch", "photos", "web", *SETTINGS, "-j", 1).exit_code == 0
    web = files_of("web")
    (tmp_path / "web" / "bad.jpg").write_bytes(b"\xff\xd8no picture")
    done = run("batch", "web", "packed", "--action", "pack", "-j", 2)
    assert done.exit_code == 1 and "inlaid: bad.jpg: " in done.stderr
    packed = files_of("packed")
    assert packed == {str(PurePath(name).with_suffix(".jxl")): inlaid.pack(data) for name, data in web.items()}
    of_web, of_packed = lines("web/inlaid-manifest.jsonl"), lines("packed/inlaid-manifest.jsonl")
    assert all(of_packed[line["output"]]["payload_bytes"] == line["payload_bytes"] > 0 for line in of_web.values())

    assert run("info", "--check", "packed").output == ""
    assert run("batch", "packed", "back", "--action", "unpack", "-j", 1).exit_code == 0
    assert files_of("back") == web and lines("back/inlaid-manifest.jsonl")["2.jxl"]["payload_bytes"] > 0
    assert run("batch", "packed", "restored", "--action", "decode", "-j", 1).exit_code == 0
    for name, data in web.items():
        assert np.array_equal(np.asarray(Image.open(tmp_path / "restored" / PurePath(name).with_suffix(".png"))), inlaid.decode(data))
    done = run("batch", "packed", "plain", "--action", "strip", "-j", 1)
    assert done.exit_code == 1 and "2.jxl: a packed file; expected the JPEG file in it, which `inlaid unpack` gives" in done.stderr

    other = packed["2.jxl"].replace(b"jbrd", b"free", 1)
    (tmp_path / "packed" / "2.jxl").write_bytes(other)
    (tmp_path / "packed" / "other.jxl").write_bytes(other)
    (tmp_path / "packed" / "sub" / "0.jxl").write_bytes(packed["sub/0.jxl"][:300])
    done = run("info", "--check", "packed", "-j", 1)
    assert done.exit_code == 1 and [line.split(": ")[:2] for line in done.stdout.splitlines()] == [
        ["packed/2.jxl", "dropped"],
        ["packed/sub/0.jxl", "unreadable"],
    ]


@pytest.mark.parametrize(("action", "what"), [("pack", "packing"), ("unpack", "unpacking")])
def test_limits_of_batches(action, what, run, tmp_path):
    data = jpeg_of(coloured())
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(data)
    (folder / "a.jxl").write_bytes(inlaid.pack(data))
    for option, reason in ((("--max-pixels", 100), "160x120 pixels, at most 100"), (("--max-memory", "1M"), f"{what} takes about ")):
        done = run("batch", folder, tmp_path / "out", "--action", action, "-j", 1, *option)
        assert done.exit_code == 1 and reason in done.stderr and not files_of(tmp_path / "out")


def test_the_page_of_a_packed_file_holds_the_jpeg_file(run, tmp_path):
    data = FILES["inlay"]()
    for name, written in (("photo.jpg", data), ("photo.jxl", inlaid.pack(data))):
        (tmp_path / name).write_bytes(written)
        assert run("compare", tmp_path / name, "-o", tmp_path / f"{name}.html").exit_code == 0
    of_file, of_packed = ((tmp_path / f"photo.{suffix}.html").read_text("utf-8") for suffix in ("jpg", "jxl"))
    assert of_packed == of_file.replace("photo.jpg", "photo.jxl")


def test_a_failure_leaves_the_output(tmp_path):
    (tmp_path / "not.jpg").write_bytes(b"no picture")
    (tmp_path / "out.jxl").write_bytes(b"before")
    for command in ("pack", "unpack"):
        result = CliRunner().invoke(main, [command, str(tmp_path / "not.jpg"), "-o", str(tmp_path / "out.jxl")])
        assert result.exit_code == 1 and "not.jpg: " in result.stderr
        assert (tmp_path / "out.jxl").read_bytes() == b"before"


@pytest.mark.skipif(not shutil.which("djxl"), reason="djxl is not installed")
def test_djxl_gives_the_same_file(pair, tmp_path):
    data, packed = pair
    (tmp_path / "a.jxl").write_bytes(packed)
    subprocess.run(["djxl", tmp_path / "a.jxl", tmp_path / "a.jpg"], check=True, capture_output=True)
    assert (tmp_path / "a.jpg").read_bytes() == data


def test_the_bench_counts_packed_files(tmp_path):
    Image.fromarray(texture()).save(tmp_path / "gray.png")
    settings = Settings(quality=20, effort=1, base="trellis", tune="psnr")
    found = measurement.measure(tmp_path / "gray.png", settings, Detail(packed=True))
    file = inlaid.encode(texture(), quality=20, effort=1, threads=1, tune="psnr", legacy_loss_db=0)
    assert found["file_bytes"] == len(file) and found["packed_bytes"] == len(inlaid.pack(file))
    assert measurement.measure(tmp_path / "gray.png", settings)["packed_bytes"] is None
    assert Detail().merged(found) == Detail(packed=True)
    run = tmp_path / "run.jsonl"
    result = CliRunner().invoke(main, ["bench", str(tmp_path), "-e", "1", "--quality", "20", "--packed", "-o", str(run)])
    assert result.exit_code == 2  # the folder comes after --images
    result = CliRunner().invoke(main, ["bench", "--images", str(tmp_path), "-e", "1", "--quality", "20", "--packed", "-o", str(run)])
    assert result.exit_code == 0 and runs.read_lines(run)[0]["packed_bytes"] > 0


def test_the_report_has_packed_files(tmp_path):
    """Nine tenths of the bytes at the same PSNR."""
    packed = [each | {"packed_bytes": 0.9 * each["file_bytes"]} for each in stored(base="trellis", progressive=None)]
    text = sections.markdown(tables.results([write(tmp_path / "run.jsonl", stored(optimize=True) + packed)]))
    kind = "| jpeg, trellis, for psnr; preset default, effort 5"
    of_file, of_packed = (
        float(next(row for row in text.splitlines() if row.startswith(f"{kind}{end} |")).split("|")[4].split("%")[0])
        for end in ("", "; packed into JPEG XL")
    )
    assert 1 + of_packed / 100 == pytest.approx(0.9 * (1 + of_file / 100), abs=2e-4)


def test_a_photograph_gets_smaller():
    data = inlaid.encode(textured(512, 384), quality=60, effort=1)
    assert len(inlaid.pack(data)) < 0.97 * len(data)
