"""Outputs: a fault is reported before the work, and a run that ends at any time, even killed, leaves the old file or the new one."""

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import file_of, textured

import inlaid
from inlaid import decoder
from inlaid.batch import temporary_files
from inlaid.cli import outputs
from inlaid.encoding import encoder
from inlaid.pretraining import training

posix = pytest.mark.skipif(os.name != "posix", reason="signals and locks as POSIX has them")


def temporaries(folder):
    return [path for path in folder.iterdir() if path.name.startswith(".inlaid-")]


@pytest.fixture
def folder(tmp_path, carrier, monkeypatch):
    """The current folder: photo.jpg, which has an inlay, its master.png, a set of pictures, a run of the bench, and obstacles."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(carrier.data)
    carrier.original.save(tmp_path / "master.png")
    (tmp_path / "set").mkdir()
    textured(96, 88).save(tmp_path / "set" / "a.png")
    for name in ("folder.jpg", "folder.png", "folder.json", "demo/q20.jpg"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    return tmp_path


# ------------------------------------------------------------------------------------------------ errors come first

LONG = "n" * 252
TRAIN = ("pretrain", "--images", "set", "--quality", "10", "20")
COMMANDS = {  # without their output
    "encode": ("encode", "master.png"),
    "attach": ("attach", "photo.jpg", "--original", "master.png"),
    "decode": ("decode", "photo.jpg"),
    "strip": ("strip", "photo.jpg"),
    "pretrain": TRAIN,
    "bench": ("bench", "--images", "set", "--quality", "20"),
}
SUFFIX = {"decode": ".png", "pretrain": ".json", "bench": ".json"}
PLACES = {  # by name of the output, without the suffix: what is wrong
    "none/out": "the folder ",
    "file/out": "Not a directory",
    "folder": "it is a folder; expected the name of a file",
    LONG: "File name too long",
}


@pytest.fixture
def idle(monkeypatch):
    """Makes the work fail if it is begun."""

    def begun(*_, **__):
        raise AssertionError("the work has begun")

    monkeypatch.setattr(encoder, "encode", begun)
    monkeypatch.setattr(encoder, "attach", begun)
    monkeypatch.setattr(decoder, "decode", begun)
    monkeypatch.setattr(training, "train", begun)
    monkeypatch.setattr("inlaid.pretraining.pretrain.pretrain", begun)
    monkeypatch.setattr("inlaid.bench.evaluate.bench", begun)


@pytest.mark.parametrize("place", PLACES, ids=["no folder", "in a file", "folder", "long"])
@pytest.mark.parametrize("name", COMMANDS)
def test_where_nothing_can_be_written(name, place, run, folder, idle):
    before = sorted(folder.rglob("*"))
    out = place + SUFFIX.get(name, ".jpg")
    done = run(*COMMANDS[name], "-o", out)
    if (name, place) == ("bench", "folder"):
        assert done.exit_code == 2 and "is a directory" in done.stderr
    else:
        assert done.exit_code == 1 and done.stderr.startswith(f"inlaid: {out}: {PLACES[place]}") and done.stderr.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("option", ["--plot", "--checkpoint"])
def test_the_other_files_of_pretrain(option, run, folder, idle):
    done = run(*TRAIN, "-o", "out.json", option, "none/out.svg")
    assert done.exit_code == 1 and done.stderr.startswith("inlaid: none/out.svg: the folder ")


def test_folders_as_outputs(run, folder, idle):
    done = run("demo", "--image", "master.png", "-o", "demo")
    assert done.exit_code == 1 and done.stderr == "inlaid: demo/q20.jpg: it is a folder; expected the name of a file\n"
    done = run("demo", "--image", "master.png", "-o", "file")
    assert done.exit_code == 1 and done.stderr == "inlaid: file: File exists\n"
    done = run("report", Path(__file__).parents[1] / "docs" / "runs" / "ablations.jsonl", "-o", "file/out")
    assert done.exit_code == 1 and done.stderr == "inlaid: file/out: Not a directory\n"


@posix
@pytest.mark.parametrize("name", ["encode", "attach", "decode", "strip"])
def test_where_no_bytes_can_be_written(name, folder):
    """On a full disk an empty file can still be made.  The error comes before any complaint about the inputs."""
    import resource

    for each in ("master.png", "photo.jpg"):
        Path(each).write_bytes(b"hello, world")
    out = f"out{SUFFIX.get(name, '.jpg')}"
    before = sorted(folder.rglob("*"))
    command = [sys.executable, "-m", "inlaid", *COMMANDS[name], "-o", out]
    done = subprocess.run(command, capture_output=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)))
    assert done.returncode == 1 and done.stderr == f"inlaid: {out}: File too large\n".encode()
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("suffix", [".ico", ".icns", ".xbm", ".msp", ".palm", ".blp"])
def test_formats_that_cannot_hold_the_picture(suffix, run, folder, idle):
    done = run("decode", "photo.jpg", "-o", f"out{suffix}")
    assert done.exit_code == 1 and done.stderr.startswith(f"inlaid: out{suffix}: ") and done.stderr.count("\n") == 1
    assert "would not have 160x128 pixels" in done.stderr or "Pillow cannot write RGB as " in done.stderr


def test_a_format_that_holds_colour_alone(run, folder):
    """It depends on the picture."""
    textured(40, 32).save("colour.jpg")
    gray = textured(40, 32).convert("L")
    gray.save("gray.jpg")
    assert run("decode", "colour.jpg", "-o", "out.qoi").exit_code == 0
    try:
        gray.save("out.qoi")
    except ValueError:
        done = run("decode", "gray.jpg", "-o", "out.qoi")
        assert done.exit_code == 1 and done.stderr.startswith("inlaid: out.qoi: Pillow cannot write L as QOI: ")
    else:  # as later versions of Pillow may
        assert run("decode", "gray.jpg", "-o", "out.qoi").exit_code == 0


def test_the_largest_pictures(run, folder, idle):
    Image.new("L", (20000, 8)).save("wide.jpg")
    done = run("decode", "wide.jpg", "-o", "out.webp")
    assert done.stderr.startswith("inlaid: out.webp: a picture of 20000x8 pixels is too large: ") and "16383" in done.stderr
    Image.new("L", (2, 65501)).save("high.png")
    done = run("encode", "high.png", "-o", "out.jpg")
    assert done.stderr == "inlaid: high.png: a picture of 2x65501 pixels is too large: JPEG holds at most 65500 a side\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root alone can be others")
def test_files_and_folders_of_others(carrier):
    """A folder that may only be read, and a file in a folder like /tmp, where only its owner may replace it."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        for folder, mode in (("closed", 0o755), ("sticky", 0o1777)):
            (place / folder).mkdir()
            (place / folder).chmod(mode)
        (place / "photo.jpg").write_bytes(carrier.data)
        (place / "sticky" / "out.jpg").write_bytes(b"what was there")
        (place / "sticky" / "out.jpg").chmod(0o666)
        code = """if True:
            import os, sys
            from click.testing import CliRunner
            from inlaid.cli.main import main
            def said(out):
                return CliRunner().invoke(main, ["strip", sys.argv[1], "-o", out]).output
            said("/dev/null"), said("/dev/null/x")  # imports all that it needs: Python itself may be root's
            os.setuid(65534)
            for out in sys.argv[2:]:
                print(said(out), end="")
        """
        outs = [place / "closed" / "out.jpg", place / "sticky" / "out.jpg", place / "sticky" / "new.jpg"]
        command = [sys.executable, "-c", code, str(place / "photo.jpg"), *map(str, outs)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        assert told[0] == f"inlaid: {outs[0]}: Permission denied"
        assert told[1] == f"inlaid: {outs[1]}: it exists and may not be written"
        assert "bytes were taken out" in told[2] and outs[2].read_bytes() == carrier.base
        assert outs[1].read_bytes() == b"what was there"


def test_a_file_that_is_mounted_on_its_own_is_written_in_place(run, folder, monkeypatch, carrier):
    """Such a file, usual in containers, cannot be replaced."""
    Path("out.jpg").write_bytes(bytes(10**5))
    number = Path("out.jpg").stat().st_ino
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "out.jpg")
    assert run("strip", "photo.jpg", "-o", "out.jpg").exit_code == 0
    assert Path("out.jpg").read_bytes() == carrier.base and Path("out.jpg").stat().st_ino == number


# ------------------------------------------------------------------------------------------------ temporary files


@posix
def test_left_overs_are_removed_and_living_runs_are_not_disturbed(run, folder):
    target, others = folder / "out.jpg", folder / "other.jpg"
    left = [path.with_name(f"{temporary_files.prefix(path)}{n:012x}.tmp") for path in (target, others) for n in (1, 2)]
    for path in left:
        path.write_bytes(b"half a pic")
    with temporary_files.beside(target) as living:
        assert run("strip", "photo.jpg", "-o", target).exit_code == 0
        assert set(temporaries(folder)) == {*left[2:], Path(living.name)}  # those of another output are another run's
    assert set(temporaries(folder)) == set(left[2:])
    assert run("strip", "photo.jpg", "-o", others).exit_code == 0 and temporaries(folder) == []


@posix
def test_left_overs_that_cannot_be_removed_do_no_harm(run, folder):
    prefix = temporary_files.prefix(folder / "out.jpg")
    (folder / f"{prefix}a.tmp").mkdir()
    (folder / f"{prefix}b.tmp").symlink_to("photo.jpg")
    before = Path("photo.jpg").read_bytes()
    assert run("strip", "photo.jpg", "-o", "out.jpg").exit_code == 0
    assert Path("photo.jpg").read_bytes() == before and len(temporaries(folder)) == 2


@posix
def test_a_file_that_is_taken_for_a_left_over_is_made_again(tmp_path, monkeypatch):
    """By another run, before it was locked: twice while it is, once when it is gone already."""
    real, calls = temporary_files.fcntl.flock, []

    def flock(file, how):
        calls.append(file.name)
        if len(calls) < 3:
            raise BlockingIOError
        if len(calls) == 3:
            Path(file.name).unlink()
        real(file, how)

    monkeypatch.setattr(temporary_files.fcntl, "flock", flock)
    outputs.write(str(tmp_path / "out"), b"bytes")
    assert len(set(calls)) == 4 and (tmp_path / "out").read_bytes() == b"bytes"


@posix
def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(temporary_files.fcntl, "flock", flock)
    left = tmp_path / f"{temporary_files.prefix(tmp_path / 'out')}1.tmp"
    left.touch()
    outputs.check_output(str(tmp_path / "out"))
    outputs.write(str(tmp_path / "out"), b"bytes")
    assert (tmp_path / "out").read_bytes() == b"bytes" and left.exists()  # it may be a living run's


def test_a_system_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary_files, "fcntl", None)
    left = tmp_path / f"{temporary_files.prefix(tmp_path / 'out')}1.tmp"
    left.touch()
    outputs.check_output(str(tmp_path / "out"))
    outputs.write(str(tmp_path / "out"), b"bytes")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_bytes_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    done = []
    synchronise, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append(os.fstat(file).st_size), synchronise(file)))
    monkeypatch.setattr(Path, "replace", lambda path, target: (done.append("renamed"), replace(path, target)))
    outputs.write(str(tmp_path / "out"), bytes(5000))
    assert done == [5000, "renamed"]


# ------------------------------------------------------------------------------------------------ killed

# A process that forks for each line of standard input.  The child, which has its modules imported already, runs `inlaid`.  It is killed
# after the given seconds, or kills itself at the given point.  The answer is the time that it lived, in seconds.
KILLER = """
import json, os, signal, sys, time
from pathlib import Path
from inlaid import decoder
from inlaid.batch import temporary_files
from inlaid.cli import export, outputs, signatures
from inlaid.encoding import encoder, pictures
from inlaid.cli.main import main

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function):
    return lambda *arguments: (function(*arguments), killed())

def created(path, mode="r", *, open=Path.open, **settings):
    file = open(path, mode, **settings)
    return killed() if "x" in mode else file

POINTS = {
    "created": lambda: setattr(temporary_files, "locked_file", after(temporary_files.locked_file)),
    "written": lambda: setattr(os, "fsync", killed),
    "synchronised": lambda: setattr(Path, "replace", killed),
    "renamed": lambda: setattr(Path, "replace", after(Path.replace)),
}
for line in sys.stdin:
    arguments, seconds, point = json.loads(line)
    begun = time.monotonic()
    child = os.fork()
    if not child:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            if point:
                POINTS[point]()
            main(arguments)
        finally:
            os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)  # it may have ended; until it is waited for, no other process gets its number
    os.waitpid(child, 0)
    print(time.monotonic() - begun, flush=True)
"""


class Scene:
    """An output that exists, and a command that replaces it and is killed."""

    def __init__(self, killer, folder, command):
        self.killer, self.folder, self.out = killer, folder, folder / "out" / "out.jpg"
        self.out.parent.mkdir()
        self.arguments = [*map(str, command), "-o", str(self.out), "-e", "1", "--threads", "1"]
        self.old = file_of(textured(48, 40, seed=5), "JPEG")
        self.reset()
        self.seconds = self.run()
        self.new = self.out.read_bytes()
        assert self.new != self.old
        self.pictures = {data: inlaid.decode(data) for data in (self.old, self.new)}
        self.reset()

    def reset(self):
        self.out.write_bytes(self.old)

    def run(self, seconds=None, point=None):
        self.killer.stdin.write(json.dumps([self.arguments, seconds, point]) + "\n")
        self.killer.stdin.flush()
        return float(self.killer.stdout.readline())

    def check(self):
        """True if the output is the new file.  It must be the old or the new one, with at most one temporary file beside it."""
        found = self.out.read_bytes()
        assert found in (self.old, self.new)
        assert np.array_equal(inlaid.decode(found), self.pictures[found])
        others = [path for path in self.out.parent.iterdir() if path != self.out]
        assert len(others) <= 1 and others == temporaries(self.out.parent)
        return found == self.new


@pytest.fixture(params=["encode", "attach"])
def scene(request, tmp_path, carrier):
    carrier.original.save(tmp_path / "master.png")
    (tmp_path / "base.jpg").write_bytes(carrier.base)
    master, base = tmp_path / "master.png", tmp_path / "base.jpg"
    command = {"encode": ("encode", master), "attach": ("attach", base, "--original", master)}[request.param]
    settings = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", KILLER], **settings) as killer:
        yield Scene(killer, tmp_path, command)
        killer.stdin.close()


@posix
def test_killed_at_random_moments(scene):
    rng = random.Random(11)
    outcomes = []
    for _ in range(50):
        scene.run(seconds=rng.uniform(0, 1.1 * scene.seconds))
        outcomes.append(scene.check())
        scene.reset()
    scene.run()
    assert scene.check() and temporaries(scene.out.parent) == []
    assert not all(outcomes)


@posix
@pytest.mark.parametrize(
    ("point", "new", "left"), [("created", False, 1), ("written", False, 1), ("synchronised", False, 1), ("renamed", True, 0)]
)
def test_killed_at_every_step(scene, point, new, left):
    for _ in range(2):  # a second killed run leaves no more than the first
        scene.run(point=point)
        assert scene.check() == new and len(temporaries(scene.out.parent)) == left
        scene.reset()
    scene.run()
    assert scene.check() and temporaries(scene.out.parent) == []
