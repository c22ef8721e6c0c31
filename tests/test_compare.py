"""`inlaid compare`: the page holds the file and the decoder; failures name the file."""

import base64
import re

import numpy as np
import pytest
from PIL import Image
from support.inlays import carrying, random_sets
from support.pictures import jpeg_of, textured

import inlaid
from inlaid.network import Network

ORIENTATION = 0x112


@pytest.fixture
def folder(tmp_path, monkeypatch, carrier):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(carrier.data)
    (tmp_path / "plain.jpg").write_bytes(carrier.base)
    carrier.original.save("photo.png")
    return tmp_path


def embedded(page):
    """What stands in the page, by its name."""
    found = re.findall(r'<script type="application/octet-stream" id="([\w.-]+)">([^<]*)</script>', page)
    return {name: base64.b64decode(text) for name, text in found}


def cells(page):
    return dict(re.findall(r"<tr><th>(.*?)</th><td>(.*?)</td></tr>", page))


def test_the_page_holds_the_file_and_the_decoder(run, folder, carrier):
    done = run("compare", "photo.jpg", "-o", "page.html")
    assert done.exit_code == 0 and done.stdout == f"page.html: {(folder / 'page.html').stat().st_size:,} bytes\n"
    page = (folder / "page.html").read_text("utf-8")
    held = embedded(page)
    assert set(held) == {"picture", "inlaid.js", "inlaid-worker.js", "inlaid-compare.js", "inlaid.wasm", "prior"}
    assert held["picture"] == carrier.data and held["inlaid.wasm"].startswith(b"\0asm")
    assert "<title>photo.jpg: plain and restored</title>" in page
    assert not re.search(r"(?:src|href)=|https?:", page), "it loads nothing"
    number = inlaid.info(carrier.data)["inlay"]["prior"]
    assert f"priors: {{ {number}: bytes" in page
    shown = cells(page)
    assert shown["File"] == f"{len(carrier.data):,} bytes"
    assert shown["Inlay, of these"].startswith(f"{len(carrier.data) - len(carrier.base)} bytes")


def test_with_the_original(run, folder, carrier):
    assert run("compare", "photo.jpg", "--original", "photo.png", "-o", "page.html").exit_code == 0
    page = (folder / "page.html").read_text("utf-8")
    (folder / "held.png").write_bytes(embedded(page)["original"])
    target = np.asarray(carrier.original.convert("RGB"), float)
    assert np.array_equal(np.asarray(Image.open("held.png")), target)
    for label, data in (("plain", carrier.base), ("restored", carrier.data)):
        mse = ((inlaid.decode(data) - target) ** 2).mean()
        assert cells(page)[f"PSNR, {label}"] == f"{10 * np.log10(255**2 / mse):.2f} dB"


def test_the_original_stands_as_browsers_turn_the_base(run, folder, carrier):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = carrier.original.transpose(Image.Transpose.ROTATE_90)  # what a camera stores of it
    turned.save("turned.jpg", quality=30, exif=exif.tobytes())
    base = (folder / "turned.jpg").read_bytes()
    (folder / "turned.jpg").write_bytes(inlaid.attach(base, carrier.original, effort=2))
    assert run("compare", "turned.jpg", "--original", "photo.png", "-o", "page.html").exit_code == 0
    (folder / "held.png").write_bytes(embedded((folder / "page.html").read_text("utf-8"))["original"])
    assert np.array_equal(np.asarray(Image.open("held.png")), np.asarray(carrier.original.convert("RGB")))


def test_a_file_without_a_prior_and_an_odd_name(run, folder):
    network = Network(4, 1, 3, (1,), 1)
    base = jpeg_of(textured(48, 40))
    sets = random_sets((40, 48), network, None, 1)
    name = "<b>&amp;.jpg"
    (folder / name).write_bytes(carrying(base, network, sets))
    assert run("compare", name, "-o", "page.html").exit_code == 0
    page = (folder / "page.html").read_text("utf-8")
    assert "prior" not in embedded(page) and "&lt;b&gt;&amp;amp;.jpg" in page and "<b>&amp;" not in page


def test_standard_streams(run, folder, carrier):
    done = run("compare", "-", "-o", "-", input=carrier.data)
    assert done.exit_code == 0 and done.stdout_bytes.startswith(b"<!doctype html>") and done.stderr.endswith(" bytes\n")
    assert run("compare", "-", "--original", "-", "-o", "page.html").exit_code == 2


def damaged(data):
    changed = bytearray(data)
    changed[data.index(b"inlay\0") + 20] ^= 1
    return bytes(changed)


FAILURES = {
    "plain": ("plain.jpg", "plain.jpg: there is no inlay in this file; expected one to compare with the base"),
    "damaged": ("damaged.jpg", "damaged.jpg: its inlay is damaged ("),
    "stale": ("stale.jpg", "stale.jpg: its inlay is stale ("),
    "jp2": ("photo.jp2", "photo.jp2: it is a JPEG2000 file; expected a JPEG file, which browsers show"),
    "png": ("photo.png", "photo.png: not a JPEG or JPEG2000 file"),
    "no file": ("none.jpg", "none.jpg: No such file or directory"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name, run, folder, carrier):
    (folder / "damaged.jpg").write_bytes(damaged(carrier.data))
    (folder / "stale.jpg").write_bytes(stale(carrier, jpeg_of(textured(160, 128, 5))))
    carrier.original.save("photo.jp2")
    file, message = FAILURES[name]
    done = run("compare", file, "-o", "page.html")
    assert (done.exit_code, done.stdout) == (1, "") and done.stderr.startswith(f"inlaid: {message}")
    assert done.stderr.count("\n") == 1 and not (folder / "page.html").exists()


def stale(carrier, other):
    """`other` with the inlay of the carrier's file."""
    start = carrier.data.index(b"inlay\0") - 4
    segment = carrier.data[start : start + 2 + int.from_bytes(carrier.data[start + 2 : start + 4], "big")]
    return other[:2] + segment + other[2:]


def test_an_original_of_another_size(run, folder):
    textured(50, 40).save("other.png")
    done = run("compare", "photo.jpg", "--original", "other.png", "-o", "page.html")
    assert done.exit_code == 1 and done.stderr.startswith("inlaid: other.png: the original has 50x40 pixels, the base 160x128")
    done = run("compare", "photo.jpg", "-o", "none/page.html")
    assert done.exit_code == 1 and "none/page.html: the folder " in done.stderr
