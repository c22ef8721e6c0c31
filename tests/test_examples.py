"""The scripts in examples/ do what they say."""

import os
import subprocess
import sys
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

import inlaid

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name, *arguments):
    """The lines that a script prints."""
    done = subprocess.run([sys.executable, EXAMPLES / name, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def folder(tmp_path, monkeypatch, carrier):
    """The working folder: pictures/{one,two}.png, jpegs/{one,two,three}.jpg, of which "two" has another size, and one.jp2 in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("pictures", "jpegs"):
        Path(name).mkdir()
    carrier.original.save("pictures/one.png")
    carrier.original.resize((80, 64)).save("pictures/two.png")
    for name in ("one", "two", "three"):
        carrier.original.save(f"jpegs/{name}.jpg", quality=40)
    return tmp_path


def test_encode_folder(folder):
    lines = example("encode_folder.py", "pictures", "out")
    assert [line.partition(":")[0] for line in lines] == ["out/one.jpg", "out/two.jpg"]
    assert inlaid.info(Path("out/one.jpg").read_bytes())["inlay"]["state"] == "matches"


def test_attach_masters(folder):
    lines = dict(line.split(": ", 1) for line in example("attach_masters.py", "jpegs", "pictures", "out"))
    assert lines["jpegs/one.jpg"].startswith("+") and lines["jpegs/three.jpg"] == "no master" and "160x128" in lines["jpegs/two.jpg"]
    assert [path.name for path in Path("out").iterdir()] == ["one.jpg"]
    assert inlaid.strip(Path("out/one.jpg").read_bytes()) == Path("jpegs/one.jpg").read_bytes()


def test_web_handler(folder, carrier):
    spec = spec_from_file_location("web_handler", EXAMPLES / "web_handler.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    Path("served").mkdir()
    Path("served/photo.jpg").write_bytes(carrier.data)
    Path("served/text.jpg").write_text("no picture")
    with ThreadingHTTPServer(("localhost", 0), partial(module.Restored, "served")) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://localhost:{server.server_port}"
            with urlopen(f"{url}/photo.jpg", timeout=20) as answer:
                assert answer.headers["Content-Type"] == "image/png"
                picture = Image.open(BytesIO(answer.read()))
            for path, code in {"/none.jpg": 404, "/text.jpg": 415, "/../jpegs/one.jpg": 404}.items():
                with pytest.raises(HTTPError) as refused:
                    urlopen(url + path, timeout=20)
                assert refused.value.code == code
        finally:
            server.shutdown()
            thread.join()
    assert np.array_equal(np.asarray(picture), inlaid.decode(carrier.data))


def test_numpy_pipeline(folder, carrier):
    Path("sharp.jpg").write_bytes(carrier.data)
    Path("flat.jpg").write_bytes(inlaid.encode(np.full((64, 64), 128, np.uint8)))
    lines = example("numpy_pipeline.py", "flat.jpg", "sharp.jpg")
    assert [line.partition(":")[0] for line in lines] == ["sharp.jpg", "flat.jpg"]
    assert lines[1] == "flat.jpg: 0.0"


def test_whats_inside(folder, carrier):
    at = carrier.data.index(b"inlay\0") + 20
    damaged = carrier.data[:at] + bytes([carrier.data[at] ^ 1]) + carrier.data[at + 1 :]
    for name, data in {"inlaid": carrier.data, "damaged": damaged, "text": b"no picture"}.items():
        Path(f"jpegs/{name}.jpg").write_bytes(data)
    lines = dict(line.split(": ", 1) for line in example("whats_inside.py", "jpegs"))
    assert set(lines) == {f"{name}.jpg" for name in ("one", "two", "three", "inlaid", "damaged", "text")}
    assert lines["one.jpg"].endswith("no inlay") and lines["inlaid.jpg"].endswith(" dB")
    assert "that is damaged" in lines["damaged.jpg"] and lines["text.jpg"].startswith("cannot be read")


def test_many_processes(folder):
    lines = example("many_processes.py", "out", "pictures/one.png", "pictures/two.png")
    assert [line.partition(":")[0] for line in lines] == ["out/one.jpg", "out/two.jpg"]
    assert inlaid.decode(Path("out/one.jpg").read_bytes()).shape == (128, 160, 3)


def test_pillow_plugin(folder, carrier):
    Path("photo.jpg").write_bytes(carrier.data)
    assert example("pillow_plugin.py", "photo.jpg", "half.jpg") == ["photo.jpg: JPEG RGB 160x128", "half.jpg: 80x64"]
    half = inlaid.decode_image(carrier.data).resize((80, 64), Image.Resampling.LANCZOS)
    assert Path("half.jpg").read_bytes() == inlaid.encode(half, quality=40, effort=2)


@pytest.mark.parametrize("torch", [True, False])
def test_data_loader(folder, carrier, torch):
    if torch:
        pytest.importorskip("torch", reason="torch is not installed")
    else:  # a package that cannot be imported
        Path("without/torch").mkdir(parents=True)
        Path("without/torch/__init__.py").write_text("raise ImportError")
    Path("set").mkdir()
    for name, data in {
        "a.jpg": carrier.data,
        "b.jpg": carrier.base,
        "c.jp2": inlaid.encode(carrier.original, format="jpeg2000", effort=1),
    }.items():
        Path("set", name).write_bytes(data)
    path = os.pathsep.join(["without", os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, EXAMPLES / "data_loader.py", "set"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    means = {path.name: inlaid.decode(path.read_bytes()).mean() for path in sorted(Path("set").iterdir())}
    assert done.stdout.splitlines() == [f"{name}: 160x128, mean {mean:.2f}" for name, mean in means.items()]


def thumbnail_of(picture):
    """What `django_app.py` writes of a picture."""
    picture.thumbnail((120, 120))
    picture.save(file := BytesIO(), "JPEG", quality=85)
    return file.getvalue()


def test_django_app(folder, carrier):
    Path("photo.jpg").write_bytes(carrier.data)
    example("django_app.py", "photo.jpg", "small.jpg")
    expected = thumbnail_of(inlaid.decode_image(carrier.data))
    assert Path("small.jpg").read_bytes() == expected != thumbnail_of(Image.open("photo.jpg"))


def test_django_registers_the_app(folder, carrier):
    pytest.importorskip("django", reason="Django is not installed")
    Path("photo.jpg").write_bytes(carrier.data)
    code = (
        "import sys, django, PIL.Image; from django.conf import settings; sys.path.insert(0, sys.argv[1])\n"
        "settings.configure(INSTALLED_APPS=['django_app.Inlays']); django.setup()\n"
        "print(PIL.Image.open('photo.jpg').getpixel((40, 40)))"
    )
    done = subprocess.run([sys.executable, "-c", code, EXAMPLES], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str(inlaid.decode_image(carrier.data).getpixel((40, 40))), done.stderr


def test_every_example_has_a_test():
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tests
