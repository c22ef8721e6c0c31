"""Standard streams that are closed, full or broken, and names that cannot be printed, give one line and an exit code, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import file_of, textured
from support.selection import first, slow

import inlaid

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors and devices as POSIX has them")
COMMANDS = ("encode", "attach", "decode", "info", "strip", "demo", "compare", "pretrain", "bench", "report")
NAME = os.fsdecode(b"p\xff\xe9.jpg")  # not UTF-8
# An environment in which only ASCII can be printed.
PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


def inlay_with(*arguments, closed=(), environment=(), **settings):
    """Runs `inlaid` in a process with these descriptors closed.  Returns the finished process."""

    def close():
        for descriptor in closed:
            os.close(descriptor)

    command = [sys.executable, "-m", "inlaid", *map(str, arguments)]
    settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | settings
    environment = {**os.environ, **dict(environment)}
    return subprocess.run(command, preexec_fn=close, timeout=300, env=environment, **settings)


def is_one_line(text, begin="inlaid: "):
    return text.startswith(begin.encode()) and text.count(b"\n") == 1


@pytest.fixture
def folder(tmp_path, carrier, monkeypatch):
    """The current folder, with photo.jpg, which has an inlay, and photo.png."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(carrier.data)
    textured(48, 40).save(tmp_path / "photo.png")
    return tmp_path


CLOSED = [(), (0,), (1,), (2,), (0, 1, 2), *map(slow, [(0, 1), (0, 2), (1, 2)])]
USES = {  # arguments, whether standard input is read, whether anything is printed
    "--help": (("--help",), False, True),
    "--version": (("--version",), False, True),
    "strip --help": (("strip", "--help"), False, True),
    "info": (("info", "photo.jpg"), False, True),
    "decode": (("decode", "photo.jpg", "-o", "out.png"), False, False),
    "strip": (("strip", "photo.jpg", "-o", "out.jpg"), False, True),
    "from standard input": (("decode", "-", "-o", "out.png"), True, False),
    "to standard output": (("decode", "photo.jpg", "-o", "-"), False, True),
}


@pytest.mark.parametrize("use", [slow(use) if use in ("--version", "strip --help") else use for use in USES])
@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_closed_streams(use, closed, folder, carrier):
    arguments, reads, prints = USES[use]
    settings = {"stdin": (folder / "photo.jpg").open("rb")} if reads else {}
    done = inlay_with(*arguments, closed=closed, **settings)
    place = "standard input" if reads and 0 in closed else "standard output" if prints and 1 in closed else None
    assert done.returncode == (place is not None)
    if 2 not in closed:
        assert done.stderr == (f"inlaid: {place}: it is closed\n".encode() if place else b"")
    if use == "strip":  # its report is lost, the file is not
        assert (folder / "out.jpg").read_bytes() == carrier.base
    if place is None and "out.png" in arguments:
        assert np.array_equal(np.asarray(Image.open(folder / "out.png")), inlaid.decode(carrier.data))


WORK = {
    "encode": ("encode", "photo.png", "-o", "out.jpg", "-e", 1),
    "attach": ("attach", "photo.jpg", "--original", "master.png", "-o", "out.jpg", "-e", 1),
    "demo": ("demo", "--image", "photo.png", "-o", "out", "-e", 1),
    "pretrain": ("pretrain", "--images", "set", "--quality", 10, 20, "--channels", 2, "--layers", 1, "--steps", 1, "--pictures", 1,
                 "-o", "out.json"),
    "bench": ("bench", "--images", "set", "--quality", 20, "-e", 1, "-j", 1, "-o", "out.jsonl"),
}  # fmt: skip


@pytest.mark.parametrize("name", WORK)
def test_work_is_done_although_all_streams_are_closed(name, folder, carrier):
    """Only the exit code shows that the report was lost."""
    carrier.original.save(folder / "master.png")
    (folder / "set").mkdir()
    textured(96, 88).save(folder / "set" / "a.png")
    done = inlay_with(*WORK[name], closed=(0, 1, 2))
    assert done.returncode == 1
    made = {path.name: path for path in folder.iterdir() if path.stem == "out"}
    if name in ("encode", "attach"):
        assert inlaid.decode(made["out.jpg"].read_bytes()).ndim == 3
    elif name == "demo":
        rows = json.loads((made["out"] / "results.json").read_text())["rows"]
        assert len(rows) == 8 and Image.open(made["out"] / "before-after.png").size[0] > 100
    else:
        assert isinstance(json.loads(made[WORK[name][-1]].read_text()), dict)  # the prior, or the one line of the run


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("closed", first([(0, 1, 2), (2,)]), ids=str)
def test_wrong_usage_with_closed_streams(name, closed, folder):
    assert inlay_with(name, "--nothing", closed=closed).returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
class TestFull:
    @pytest.mark.parametrize(
        "arguments",
        [("--help",), ("--version",), *first((name, "--help") for name in COMMANDS), ("info", "photo.jpg"), ("info", "photo.jpg", "--json"),
         ("decode", "photo.jpg", "-o", "-"), ("strip", "photo.jpg", "-o", "out.jpg"), ("strip", "photo.jpg", "-o", "-")],
        ids=" ".join,
    )  # fmt: skip
    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_output(self, arguments, unbuffered, folder):
        with Path("/dev/full").open("wb") as full:
            done = inlay_with(*arguments, stdout=full, environment={"PYTHONUNBUFFERED": unbuffered})
        assert done.returncode == 1 and done.stderr == b"inlaid: standard output: No space left on device\n"

    def test_a_full_output_is_found_before_the_work(self, folder):
        """Otherwise the error would be about the input, which is no picture."""
        (folder / "photo.png").write_bytes(b"hello, world")
        with Path("/dev/full").open("wb") as full:
            done = inlay_with("encode", "photo.png", "-o", "-", stdout=full)
        assert done.returncode == 1 and done.stderr == b"inlaid: standard output: No space left on device\n"

    def test_errors(self, folder):
        with Path("/dev/full").open("wb") as full:
            assert inlay_with("info", "nowhere.jpg", stderr=full).returncode == 1
            assert inlay_with("encode", stderr=full).returncode == 2
            done = inlay_with("strip", "photo.jpg", "-o", "-", stderr=full)  # the report is lost
        assert done.returncode == 1 and done.stdout == inlaid.strip((folder / "photo.jpg").read_bytes())

    def test_a_device_as_output(self, folder):
        done = inlay_with("strip", "photo.jpg", "-o", "/dev/full")
        assert done.returncode == 1 and done.stderr == b"inlaid: /dev/full: No space left on device\n"


@pytest.mark.parametrize(
    "arguments", [("--help",), ("encode", "--help"), ("info", "photo.jpg"), ("decode", "photo.jpg", "-o", "-")], ids=" ".join
)
def test_a_reader_that_has_gone(arguments, folder):
    reader, writer = os.pipe()
    os.close(reader)
    done = inlay_with(*arguments, stdout=writer)
    os.close(writer)
    assert done.returncode == 1 and done.stderr == b"inlaid: standard output: Broken pipe\n"


def test_a_pipe_without_a_reader_as_output(folder):
    """The reader closes the pipe after the first byte; the picture is larger than the pipe's buffer."""
    os.mkfifo("pipe")
    Image.effect_noise((500, 500), 90).save("noise.jpg", quality=100)
    command = [sys.executable, "-m", "inlaid", "strip", "noise.jpg", "-o", "pipe"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        with Path("pipe").open("rb") as reader:
            reader.read(1)
        errors = process.stderr.read()
    assert process.returncode == 1 and errors == b"inlaid: pipe: Broken pipe\n"


# ------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize("environment", [PLAIN, slow({})], ids=["ASCII", "UTF-8"])
def test_names_that_are_not_utf_8(environment, folder, carrier):
    Path(NAME).write_bytes(carrier.data)
    escaped = rb"p\udcff\udce9.jpg"
    done = inlay_with("info", NAME, environment=environment)
    assert done.returncode == 0 and escaped in done.stdout and done.stdout.isascii()
    done = inlay_with("info", NAME, "--json", environment=environment)
    assert os.fsencode(json.loads(done.stdout)["file"]) == os.fsencode(NAME)
    done = inlay_with("strip", NAME, "-o", f"out-{NAME}", environment=environment)
    assert done.returncode == 0 and Path(f"out-{NAME}").read_bytes() == carrier.base
    done = inlay_with("decode", f"out-{NAME}", "-o", "out.png", environment=environment)
    assert done.returncode == 0 and is_one_line(done.stderr) and escaped in done.stderr  # there is no inlay
    done = inlay_with("info", f"not-{NAME}", environment=environment)
    assert done.returncode == 1 and is_one_line(done.stderr) and escaped in done.stderr
    done = inlay_with("decode", NAME, "-o", f"{NAME}.xyz", environment=environment)
    assert done.returncode == 2 and escaped in done.stderr and done.stderr.isascii()
    done = inlay_with("encode", "photo.png", "-o", f"new-{NAME}", "-e", 1, "--json", environment=environment)
    assert os.fsencode(json.loads(done.stdout)["output"]) == os.fsencode(f"new-{NAME}")


def test_names_in_other_letters(folder, carrier):
    Path("Grüße 写真.jpg").write_bytes(carrier.data)
    assert "Grüße 写真.jpg".encode() in inlay_with("info", "Grüße 写真.jpg", environment={"PYTHONUTF8": "1"}).stdout
    done = inlay_with("info", "Grüße 写真.jpg", environment=PLAIN)
    assert done.returncode == 0 and done.stdout.isascii()


def test_names_that_would_steer_a_terminal(run, folder, carrier):
    name = "a\x1b[31m\nb.jpg"
    assert run("info", name).stderr == "inlaid: a\\x1b[31m b.jpg: No such file or directory\n"
    Path(name).write_bytes(carrier.data)
    assert run("info", name).stdout.startswith("file      a\\x1b[31m b.jpg, ")


@pytest.mark.slow
def test_names_of_folders_in_what_is_made(folder):
    """They appear in the demo's table (not as markup), in the bench's lines and report, and in a prior."""
    odd = f"$_$ [red] [bold] {NAME}"
    Path(odd).mkdir()
    textured(96, 88).save(Path(odd) / f"{NAME}.png")
    done = inlay_with("demo", "--image", Path(odd) / f"{NAME}.png", "-o", f"{odd} demo", "-e", 1, environment=PLAIN)
    assert done.returncode == 0 and rb"$_$ [red] [bold] p\udcff\udce9.jpg demo" in done.stdout and done.stdout.isascii()
    done = inlay_with("bench", "--images", odd, "--quality", "10,20,30,40", "-e", 1, "-j", 1, "-o", f"{NAME}.jsonl", environment=PLAIN)
    assert done.returncode == 0 and b"4 measured" in done.stdout
    done = inlay_with("report", f"{NAME}.jsonl", environment=PLAIN)
    assert done.returncode == 0 and done.stdout.startswith(b"# ") and done.stdout.isascii()
    done = inlay_with("report", f"{NAME}.jsonl", "-o", f"{odd} report", environment=PLAIN)
    assert done.returncode == 0 and b"results.html" in done.stdout
    assert (Path(f"{odd} report") / "results.md").read_text("utf-8").startswith("# ")
    arguments = [odd if argument == "set" else argument for argument in WORK["pretrain"]]
    done = inlay_with(*arguments, environment=PLAIN)
    assert done.returncode == 0 and json.loads(Path("out.json").read_text())["provenance"]["folders"] == [odd]


# ------------------------------------------------------------------------------------------------ inputs


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices here")
def test_devices_as_inputs(folder):
    """Some of them never end."""
    assert inlay_with("info", "/dev/zero").stderr == b"inlaid: /dev/zero: it is a device; expected a file or a pipe\n"
    assert inlay_with("encode", "/dev/null", "-o", "out.jpg").stderr == b"inlaid: /dev/null: it is empty; expected a picture\n"
    with Path("/dev/zero").open("rb") as zeros:
        done = inlay_with("decode", "-", "-o", "out.png", stdin=zeros)
    assert done.returncode == 1 and done.stderr == b"inlaid: standard input: it is a device; expected a file or a pipe\n"
    assert inlay_with("info", "-").stderr == b"inlaid: standard input: it is empty; expected a picture\n"


@pytest.mark.parametrize("name", ["info", "encode", "attach", "decode", "strip"])
def test_folders_as_inputs(name, run, folder):
    options = {"info": (), "attach": ("--original", ".", "-o", "out.jpg"), "decode": ("-o", "out.png")}.get(name, ("-o", "out.jpg"))
    done = run(name, ".", *options)
    assert done.exit_code == 1 and done.stderr == "inlaid: .: Is a directory\n"


def test_named_pipes(folder, carrier):
    os.mkfifo("in")
    os.mkfifo("out")
    with subprocess.Popen([sys.executable, "-m", "inlaid", "strip", "in", "-o", "out"], stdout=subprocess.DEVNULL) as process:
        Path("in").write_bytes(carrier.data)
        assert Path("out").read_bytes() == carrier.base
    assert process.returncode == 0


KINDS = {
    "PNG": file_of(textured(40, 32))[:29] + bytes(40),  # the header's checksum is wrong
    "TIFF": b"II*\0" + bytes(8),
    "BigTIFF": b"MM\0+\0\x08\0\0" + bytes(16),
    "JPEG": b"\xff\xd8\xff\0" + bytes(16),
    "GIF": b"GIF89a",
    "BMP": b"BM\x46\0\0\0\0\0\0\0",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(8),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "Photoshop": b"8BPS\0\1",
    "JPEG XR": b"II\xbc\1",
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "PDF": b"%PDF-1.7\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_names_the_format_of_a_picture_that_cannot_be_read(kind, run, folder):
    Path("picture").write_bytes(KINDS[kind])
    done = run("encode", "picture", "-o", "out.jpg")
    named = {"BigTIFF": "TIFF", "JPEG 2000": "JP2"}.get(kind, kind)
    assert done.exit_code == 1 and done.stderr.startswith("inlaid: picture: ") and f"{named} file" in done.stderr
    assert done.stderr.count("\n") == 1 and "not a picture" not in done.stderr


def test_the_reason_is_given(run, folder, monkeypatch):
    """For a TIFF file of 7 bits a sample, and for a format that Pillow does not know."""
    monkeypatch.setitem(sys.modules, "tifffile", None)
    textured(40, 32).convert("L").save("seven.tif")
    data = bytearray(Path("seven.tif").read_bytes())
    at = data.index((258).to_bytes(2, "little") + (3).to_bytes(2, "little"))  # BitsPerSample, a short
    data[at + 8] = 7
    Path("seven.tif").write_bytes(data)
    done = run("encode", "seven.tif", "-o", "out.jpg")
    needed = "pip install 'inlaid[tiff]' adds a reader for it"
    assert done.stderr == f"inlaid: seven.tif: this TIFF file has samples that Pillow does not know; {needed}\n"
    Path("drawing.svg").write_bytes(KINDS["SVG"])
    done = run("encode", "drawing.svg", "-o", "out.jpg")
    assert done.stderr == "inlaid: drawing.svg: this SVG file cannot be read: Pillow has no reader for it here\n"
