"""Programs that do not know inlays show a file with an inlay exactly like the file without it."""

import base64
import html
import json
import subprocess
from collections import Counter

import numpy as np
import pytest
from support.jpeg_files import METADATA, PAYLOAD, VARIANTS, picture, saved, segment, two_images
from support.programs import output, program

from inlaid.formats import jpeg

BIG_PAYLOAD = bytes(range(256)) * 1000  # four segments
payloads = pytest.mark.parametrize("payload", [PAYLOAD, BIG_PAYLOAD], ids=["small", "big"])
variants = pytest.mark.parametrize("name", VARIANTS)


def netpbm(data):
    """The pixels of a binary PGM or PPM file as djpeg writes it."""
    kind, size, _, pixels = data.split(b"\n", 3)
    width, height = map(int, size.split())
    shape = (height, width, 3) if kind == b"P6" else (height, width)
    return np.frombuffer(pixels, np.uint8).reshape(shape)


# test_formats.py has Pillow.


@payloads
@variants
def test_djpeg(name, payload):
    djpeg = program("djpeg")
    data = VARIANTS[name]()
    if name == "cmyk":
        pytest.skip("djpeg does not write CMYK as PPM")
    embedded = jpeg.container.embed(data, payload)
    shown = output(djpeg, "-pnm", data=embedded)
    assert shown == output(djpeg, "-pnm", data=data)
    assert np.array_equal(netpbm(shown), jpeg.codec.decode_image(data))
    if name not in ("rgb", "gray"):
        assert np.array_equal(netpbm(output(djpeg, "-grayscale", data=embedded)), jpeg.codec.decode(embedded).luma)


@payloads
@variants
def test_jpegtran_keeps_the_payload(name, payload):
    jpegtran = program("jpegtran")
    data = VARIANTS[name]()
    embedded = jpeg.container.embed(data, payload)
    for options in (["-optimize", "-progressive"], ["-rotate", "180"]):
        command = [jpegtran, "-copy", "all", *options]
        transformed = output(*command, data=embedded)
        assert jpeg.container.extract(transformed) == payload
        if b"MPF\0" not in data:  # jpegtran does not correct the MPF index
            assert jpeg.container.strip(transformed) == output(*command, data=data)


@payloads
@variants
def test_imagemagick(name, payload, tmp_path):
    convert = program("magick", "convert")
    if b"ImageMagick" not in subprocess.run([convert, "-version"], capture_output=True, timeout=120).stdout:
        pytest.skip(f"{convert} is not ImageMagick")
    data = VARIANTS[name]()
    embedded = jpeg.container.embed(data, payload)
    shown = output(convert, "jpeg:-", "-depth", "8", "rgb:-", data=embedded)
    assert len(shown) == 3 * jpeg.container.describe(data)["width"] * jpeg.container.describe(data)["height"]
    assert shown == output(convert, "jpeg:-", "-depth", "8", "rgb:-", data=data)


@payloads
@variants
def test_exiftool_sees_no_difference(name, payload, tmp_path):
    exiftool = program("exiftool")
    data = VARIANTS[name]()

    def tags(content, *options):
        """exiftool's lines, as "[IFD0] Orientation : Horizontal", without the file's name, size and dates."""
        path = tmp_path / "picture.jpg"
        path.write_bytes(content)
        lines = output(exiftool, *options, "-s", "-a", "-G1", path).decode("latin-1").splitlines()
        return [line for line in lines if not line.startswith("[System]")]

    before, after = tags(data), tags(jpeg.container.embed(data, payload))
    assert len(before) > 10
    changed = [line.split()[:2] for line in before if line not in after]
    with_index = "MPF" in jpeg.container.describe(data)["metadata"]
    assert changed == with_index * [["[MPImage1]", "MPImageLength"], ["[MPImage2]", "MPImageStart"]]
    assert len(after) == len(before)

    # With its strictest checks, it reports our segment like any unknown one.
    pedantic = ("-validate", "-warning", "-error")
    new = Counter(tags(jpeg.container.embed(data, payload), *pedantic)) - Counter(tags(data, *pedantic))
    texts = [line.split(": ")[1] for line in new if "Validate" not in line and "Skipped unknown 2 bytes" not in line]
    assert texts == ["[minor] Unknown APP9 'inlay' segment"]


@pytest.mark.parametrize("order", "<>")
def test_exiftool_finds_the_second_image(order, tmp_path):
    exiftool = program("exiftool")
    data, second = two_images(order)
    path = tmp_path / "picture.jpg"
    path.write_bytes(jpeg.container.embed(data, PAYLOAD))
    assert output(exiftool, "-b", "-MPImage2", path) == second
    # exiftool corrects the MPF index itself; the payload can still be read and removed.
    output(exiftool, "-m", "-overwrite_original", "-Artist=somebody", path)
    edited = path.read_bytes()
    assert jpeg.container.extract(edited) == PAYLOAD
    path.write_bytes(jpeg.container.strip(edited))
    assert output(exiftool, "-b", "-MPImage2", path) == second


PAGE = """<!doctype html><meta charset="utf-8"><body>%s<pre id="result">not finished</pre><script>
function pixels(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height).data;
}
const differ = (a, b) => a.length !== b.length || a.some((value, k) => value !== b[k]);
onload = () => {
  const result = {};
  for (const row of document.querySelectorAll("p")) {
    const [base, embedded, other] = [...row.children].map(pixels);
    const {naturalWidth, naturalHeight} = row.children[1];
    result[row.id] = [[naturalWidth, naturalHeight], differ(base, embedded), differ(base, other)];
  }
  document.getElementById("result").textContent = JSON.stringify(result);
};
</script>"""


@payloads
def test_chromium(payload, tmp_path):
    """Every variant in one page.  A third file with other pixels shows that the comparison can fail."""
    chromium = program("chromium", "chromium-browser", "google-chrome")
    bases = {name: make() for name, make in VARIANTS.items()}
    rows = ""
    for name, data in bases.items():
        info = jpeg.container.describe(data)
        other = saved(picture(info["width"], info["height"], seed=99), quality=5)
        files = [base64.b64encode(file).decode() for file in (data, jpeg.container.embed(data, payload), other)]
        rows += f'<p id="{html.escape(name)}">' + "".join(f'<img src="data:image/jpeg;base64,{f}">' for f in files)
    page = tmp_path / "page.html"
    page.write_text(PAGE % rows)
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --dump-dom"
    dom = output(chromium, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()).decode()
    result = json.loads(html.unescape(dom.split('id="result">')[1].split("</pre>")[0]))
    for name, data in bases.items():
        info = jpeg.container.describe(data)
        size = [info["width"], info["height"]]
        if "EXIF" in info["metadata"]:
            size.reverse()  # its orientation turns it by 90 degrees in Chromium
        assert result[name] == [size, False, True], name


def test_the_metadata_is_worth_the_test():
    """The variant "metadata" has every kind of segment that readers look for."""
    markers = {body[1] for body in METADATA}
    assert markers >= {0xE1, 0xE2, 0xE9, 0xEB, 0xED, 0xEE, 0xFE}
    assert segment(0xE9, b"inlay") in METADATA
