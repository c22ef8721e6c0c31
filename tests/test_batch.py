"""`inlaid batch` on local folders: the right files, one line each, done once, whatever fails or is killed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.batches import INLAID, OPTIONS, SETTINGS, Copy, files_of, lines, make_tree, square_or_die, wait_for_lines
from support.pictures import file_of, textured

import inlaid
from inlaid.batch import local, manifest, places, planning
from inlaid.batch import run as run_of
from inlaid.errors import FormatError, InlayError

posix = pytest.mark.skipif(os.name != "posix", reason="signals and locks as POSIX has them")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a tree `photos` of six pictures."""
    monkeypatch.chdir(tmp_path)
    make_tree("photos", 6)
    return tmp_path


def encoded(path):
    """What the library makes of a picture, with the settings of the tests."""
    return inlaid.encode(Image.open(path), **OPTIONS)


# ------------------------------------------------------------------------------------------------ the actions


def test_encode(run, folder):
    for name in ("photos/notes.txt", "photos/.hidden.png", "photos/.thumbnails/a.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"hello")
    done = run("batch", "photos", "web", *SETTINGS, "-j", 2)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "6 files done" in done.stdout and "; 2 other files were left out" in done.stdout
    made = files_of("web")
    assert set(made) == {"sub/0.jpg", "sub/deep/1.jpg", "2.jpg", "sub/3.jpg", "sub/deep/4.jpg", "5.jpg"}
    for name, data in made.items():
        assert data == encoded(Path("photos", name).with_suffix(".png"))
    for name, line in lines("web/inlaid-manifest.jsonl").items():
        source, data = Path("photos", name), made[line["output"]]
        assert (line["source_bytes"], line["source_stamp"]) == (source.stat().st_size, str(source.stat().st_mtime_ns))
        assert (line["state"], line["error"], line["bytes"]) == ("done", None, len(data))
        assert line["payload_bytes"] == len(data) - len(inlaid.strip(data))
        assert line["gain_db"] == pytest.approx(inlaid.info(data)["inlay"]["gain_db"], abs=0.01) and line["seconds"] > 0


def test_the_same_files_from_any_number_of_processes(run, folder):
    for jobs in (1, 3):
        assert run("batch", "photos", f"web{jobs}", "-e", 3, "-q", 40, "-j", jobs).exit_code == 0
    assert files_of("web1") == files_of("web3") != {}


def test_options_of_encode(run, folder):
    assert run("batch", "photos", "jp2", "-e", 1, "--format", "jpeg2000", "--rate", 0.8, "-j", 1).exit_code == 0
    assert {Path(name).suffix for name in files_of("jp2")} == {".jp2"}
    one = Path("one")
    make_tree(one, 1, (160, 128))
    options = {"target_psnr_db": 28, "legacy_loss_db": 0, "tune": "psnr", "subsampling": "444", "preset": "large", "effort": 1, "seed": 3}
    words = ("--target-psnr", 28, "--legacy-loss", 0, "--tune", "psnr", "--subsampling", "444", "--preset", "large", "-e", 1, "--seed", 3)
    assert run("batch", one, "web", *words, "-j", 1).exit_code == 0
    assert files_of("web")["sub/0.jpg"] == inlaid.encode(Image.open(one / "sub/0.png"), **options, threads=1)


def test_attach_decode_and_strip(run, folder):
    for name, data in files_of("photos").items():
        path = Path("old", name).with_suffix(".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_of(data_to_image(data), "JPEG", quality=25))
    assert run("batch", "old", "new", "--masters", "photos", "-e", 1, "-j", 2).exit_code == 0
    old, new = files_of("old"), files_of("new")
    assert set(old) == set(new)
    for name, data in new.items():
        assert data == inlaid.attach(old[name], Image.open(Path("photos", name).with_suffix(".png")), effort=1, threads=1)
    assert any(data != old[name] for name, data in new.items())
    line = lines("new/inlaid-manifest.jsonl")["sub/deep/1.jpg"]
    assert (line["master"], line["master_bytes"]) == ("sub/deep/1.png", Path("photos/sub/deep/1.png").stat().st_size)

    assert run("batch", "new", "plain", "--action", "strip", "-j", 1).exit_code == 0
    assert files_of("plain") == old

    assert run("batch", "new", "restored", "--action", "decode", "--to", "tif", "-j", 1).exit_code == 0
    for name, data in new.items():
        with Image.open(Path("restored", name).with_suffix(".tif")) as shown:
            assert np.array_equal(np.asarray(shown), inlaid.decode(data))


def data_to_image(data):
    import io

    return Image.open(io.BytesIO(data)).convert("RGB")


def test_masters_that_cannot_be_chosen(run, folder):
    make_tree("masters", 6)
    Path("masters/2.png").unlink()
    Path("masters/5.tif").write_bytes(b"another")
    assert run("batch", "photos", "old", *SETTINGS, "-j", 1).exit_code == 0
    done = run("batch", "old", "new", "--masters", "masters", "-e", 1, "-j", 1)
    assert done.exit_code == 1 and len(files_of("new")) == 4
    assert "inlaid: 2.jpg: there is no master 2.*\n" in done.stderr
    assert "inlaid: 5.jpg: there are several masters: 5.png and 5.tif; expected one\n" in done.stderr
    Path("masters/5.tif").unlink()
    make_tree("masters", 6)
    done = run("batch", "old", "new", "--masters", "masters", "-e", 1, "-j", 1)
    assert done.exit_code == 0 and len(files_of("new")) == 6


# ------------------------------------------------------------------------------------------------ what is done again


def done_again(run, *command):
    """How many files a command does, and how many were done before."""
    result = run("batch", *command, "--json", "-j", 1)
    found = json.loads(result.stdout)
    return found["done"], found["kept"]


def test_what_is_done_again(run, folder):
    command = ("photos", "web", *SETTINGS)
    assert done_again(run, *command) == (6, 0)
    whole = Path("web/inlaid-manifest.jsonl").read_bytes()
    assert done_again(run, *command) == (0, 6)
    assert Path("web/inlaid-manifest.jsonl").read_bytes() == whole

    Path("photos/2.png").write_bytes(file_of(textured(48, 40, seed=99)))  # a changed source
    assert done_again(run, *command) == (1, 5)
    assert files_of("web")["2.jpg"] == encoded("photos/2.png") and len(lines("web/inlaid-manifest.jsonl")) == 6

    Path("web/sub/0.jpg").unlink()  # an output that is gone
    assert done_again(run, *command) == (1, 5)
    make_tree("more", 7)
    Path("more/sub/6.png").rename("photos/sub/6.png")  # a new source
    assert done_again(run, *command) == (1, 6)
    assert done_again(run, *command[:-1], "0.1") == (7, 0)  # other settings
    assert len(lines("web/inlaid-manifest.jsonl")) == 7


def test_a_changed_master_is_attached_again(run, folder):
    assert done_again(run, "photos", "old", *SETTINGS) == (6, 0)
    command = ("old", "new", "--masters", "photos", "-e", "1")
    assert done_again(run, *command) == (6, 0) and done_again(run, *command) == (0, 6)
    os.utime("photos/5.png", ns=(1, 1))
    assert done_again(run, *command) == (1, 5)


# ------------------------------------------------------------------------------------------------ failures


def test_a_bad_file_is_noted_and_the_rest_goes_on(run, folder):
    Path("photos/sub/bad.png").write_bytes(b"hello")
    Path("photos/empty.png").touch()
    done = run("batch", "photos", "web", *SETTINGS, "-j", 2)
    assert done.exit_code == 1 and len(files_of("web")) == 6
    told = sorted(done.stderr.splitlines())
    assert told[0] == "inlaid: 2 of 8 files failed; web/inlaid-manifest.jsonl says why"
    assert told[1] == "inlaid: empty.png: it is empty; expected a picture"
    assert told[2].startswith("inlaid: sub/bad.png: not a picture: it begins with 68 65")
    line = lines("web/inlaid-manifest.jsonl")["sub/bad.png"]
    assert line["state"] == "failed" and line["error"].startswith("not a picture") and line["bytes"] is None
    Path("photos/sub/bad.png").write_bytes(file_of(textured(48, 40)))
    Path("photos/empty.png").unlink()
    assert done_again(run, "photos", "web", *SETTINGS) == (1, 6)
    assert lines("web/inlaid-manifest.jsonl")["sub/bad.png"]["state"] == "done"


def test_two_pictures_with_one_output(run, folder):
    Path("photos/2.jpeg").write_bytes(file_of(textured(48, 40), "JPEG"))
    for _ in range(2):
        done = run("batch", "photos", "web", *SETTINGS, "-j", 2)
        assert done.exit_code == 1 and "inlaid: 2.png: its output 2.jpg is that of 2.jpeg too\n" in done.stderr
        assert files_of("web")["2.jpg"] == encoded("photos/2.jpeg")


def test_memory_is_shared(folder):
    """A file that needs more than its share is worked on alone, after the others; one that needs more than all fails."""
    Path("photos/5.png").write_bytes(bytes(90_000))
    Path("photos/2.png").write_bytes(bytes(110_000))
    photos, web, order = places.Local("photos"), places.Local("web"), []
    plan = planning.Plan(photos, web, None, frozenset({".png"}), None, "copy")
    with manifest.opened(Path("m.jsonl")) as opened:
        batch = run_of.Batch(plan, Copy(), local.here, 2, max_memory=100_000)
        summary = batch.run(opened, lambda line: order.append(line["source"]))
    assert (summary.done, summary.failed) == (5, 1) and set(order[4:]) == {"2.png", "5.png"}
    assert lines("m.jsonl")["2.png"]["error"] == "110000 bytes, at most 100000 are allowed"


def test_a_picture_that_takes_too_much_memory(run, folder):
    make_tree("photos", 1, (1200, 1000))
    done = run("batch", "photos", "small", *SETTINGS, "-j", 4, "--max-memory", "215M")
    assert done.exit_code == 1 and "inlaid: sub/0.png: encoding takes about " in done.stderr and len(files_of("small")) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("photos", "photos/out"), "SOURCE and DEST lie in one another"),
        (("photos", "."), "SOURCE and DEST lie in one another"),
        (("photos", "out", "--action", "strip", "-q", 3), "--quality does not apply to --action strip"),
        (("photos", "out", "--action", "attach"), "expected --masters DIR"),
        (("photos", "out", "--masters", "photos", "--to", "png"), "--to does not apply to --action attach"),
        (("photos", "out", "--to", "png"), "--to does not apply to --action encode"),
        (("photos", "out", "--action", "decode", "--to", "xyz"), "Pillow writes no such format"),
        (("photos", "out", "--rate", 1), "--rate does not apply to jpeg"),
        (("photos", "out", "-q", 3, "--target-bpp", 1), "--target-bpp takes the place of"),
        (("photos", "out", "--format", "gif"), "unknown format 'gif'"),
    ],
)
def test_wrong_usage(arguments, message, run, folder):
    done = run("batch", *arguments)
    assert done.exit_code == 2 and message in done.stderr and not Path("out").exists()


def test_what_cannot_be_read_or_written(run, folder):
    done = run("batch", "none", "out")
    assert done.exit_code == 1 and done.stderr == "inlaid: none: No such file or directory\n" and not Path("out").exists()
    Path("file").touch()
    done = run("batch", "photos", "file/out", *SETTINGS)
    assert done.exit_code == 1 and done.stderr.startswith("inlaid: file/out") and done.stderr.count("\n") == 1
    Path("web/2.jpg").mkdir(parents=True)
    done = run("batch", "photos", "web", *SETTINGS, "-j", 1)
    assert done.exit_code == 1 and "inlaid: 2.png: Is a directory\n" in done.stderr and len(files_of("web")) == 5


# ------------------------------------------------------------------------------------------------ processes


@posix
def test_a_task_that_kills_its_process_is_alone_at_fault():
    results = dict(local.in_processes(square_or_die, range(20), 2))
    assert set(results) == set(range(20))
    assert isinstance(results.pop(13), InlayError) and isinstance(results.pop(7), ValueError)
    assert all(value == number**2 for number, value in results.items())


def started(*arguments):
    """`inlaid batch` in a process group of its own, as a shell starts it."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*INLAID, "batch", *map(str, arguments)], start_new_session=True, **pipes)


@posix
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_stopped_midway_and_resumed(how, run, folder):
    make_tree("photos", 80, (96, 80))
    whole = {path.relative_to("photos").with_suffix(".jpg").as_posix(): encoded(path) for path in Path("photos").rglob("*.png")}
    begun = started("photos", "web", *SETTINGS, "-j", 2)
    wait_for_lines("web/inlaid-manifest.jsonl", 5, begun)
    if how == signal.SIGINT:
        os.killpg(begun.pid, how)  # as a terminal does
    else:
        begun.send_signal(how)
    _, told = begun.communicate(timeout=60)
    if how == signal.SIGINT:
        assert begun.returncode == 130
        assert told == "inlaid: the same command goes on where this one stopped\n\ninlaid: interrupted\n"
        assert not [name for name in files_of("web") if Path(name).name.startswith(".")]
    made = {name: data for name, data in files_of("web").items() if not Path(name).name.startswith(".")}
    assert 5 <= len(made) < 80 and all(data == whole[name] for name, data in made.items())
    stamps = {name: Path("web", name).stat().st_mtime_ns for name in made}
    recorded = {line["output"] for line in map(json.loads, Path("web/inlaid-manifest.jsonl").read_text("utf-8").splitlines(True))}
    assert recorded <= set(made) and len(made) - len(recorded) <= 2

    assert run("batch", "photos", "web", *SETTINGS, "-j", 2).exit_code == 0
    assert files_of("web") == whole and len(lines("web/inlaid-manifest.jsonl")) == 80  # no temporary file is left
    assert all(Path("web", name).stat().st_mtime_ns == stamps[name] for name in recorded)


# ------------------------------------------------------------------------------------------------ the manifest


def record(name, **more):
    return {"source": name, "state": "done", "output": name} | more


def test_manifest(tmp_path):
    path = tmp_path / "sub" / "m.jsonl"
    with manifest.opened(path) as opened:
        for name in ("a", "b", "\udcff"):
            assert not opened.is_done(record(name))
            opened.append(record(name, settings="1"))
        opened.append(record("c", state="failed"))
    with path.open("ab") as file:
        file.write(b'{"source": "d", "sta')  # a killed run
    with manifest.opened(path) as opened:
        assert opened.is_done(record("a", settings="1")) and opened.is_done(record("\udcff", settings="1"))
        assert not opened.is_done(record("a", settings="2")) and not opened.is_done(record("c", state="failed"))
        assert not opened.is_done(record("d"))
        opened.append(record("a", settings="2"))
        with pytest.raises(InlayError, match="another run is writing this manifest"), manifest.opened(path):
            pass
    assert [line["source"] for line in manifest.records(path)] == ["b", "\udcff", "c", "a"]
    assert [path.name for path in path.parent.iterdir()] == ["m.jsonl"]
    path.write_bytes(b"hello\n")
    with pytest.raises(FormatError, match="line 1 is not of a manifest"), manifest.opened(path):
        pass
