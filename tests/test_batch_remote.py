"""`inlaid batch` on object stores and on a cluster of Dask: the same files, nothing half-written, nothing done twice."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image
from support.batches import INLAID, OPTIONS, SETTINGS, files_of, lines, make_tree, wait_for_lines
from support.pictures import file_of, textured

import inlaid
from inlaid.batch import places
from inlaid.errors import InlayError

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
COUNT = 40


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A tree of pictures, and what each of them becomes, by the output's name."""
    folder = make_tree(tmp_path_factory.mktemp("photos"), COUNT, (96, 80))
    return folder, {
        p.relative_to(folder).with_suffix(".jpg").as_posix(): inlaid.encode(Image.open(p), **OPTIONS) for p in folder.rglob("*.png")
    }


@pytest.fixture
def folder(photos, tmp_path, monkeypatch):
    """The current folder, with that tree as `photos`; what its pictures become."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(photos[0], "photos")
    return photos[1]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def serving(*command, port, env=None):
    """A program that listens on `port`."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, *map(str, command)], env=env, **quiet) as process:
        try:
            end = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < end, f"{command} does not start"
                    time.sleep(0.1)
            yield process
        finally:
            process.kill()


# ------------------------------------------------------------------------------------------------ object stores


@pytest.fixture
def s3(monkeypatch):
    """A client of an S3 server that keeps every version of its objects in the bucket `bucket`."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    pytest.importorskip("moto.server", reason="moto's server is not installed")
    import boto3

    fsspec.get_filesystem_class("s3").clear_instance_cache()  # they know the server of another test
    port = free_port()
    settings = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for name, value in (settings | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    with serving("-m", "moto.server", "-p", port, port=port):
        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket")
        client.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        yield client


def versions(client, prefix):
    """The bytes of all versions of each object, the latest first."""
    found = {}
    for each in client.list_object_versions(Bucket="bucket", Prefix=f"{prefix}/").get("Versions", []):
        body = client.get_object(Bucket="bucket", Key=each["Key"], VersionId=each["VersionId"])["Body"].read()
        found.setdefault(each["Key"].removeprefix(f"{prefix}/"), []).append(body)
    return found


@posix
def test_s3_killed_and_resumed(s3, folder, run):
    for name, data in files_of("photos").items():
        s3.put_object(Bucket="bucket", Key=f"in/{name}", Body=data)
    s3.put_object(Bucket="bucket", Key="in/sub/", Body=b"")  # as consoles mark folders
    command = ("batch", "s3://bucket/in", "s3://bucket/out", "--manifest", "m.jsonl", *SETTINGS, "-j", "2")
    begun = subprocess.Popen([*INLAID, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_lines("m.jsonl", 5, begun)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    time.sleep(1)  # its workers notice, and end
    made = versions(s3, "out")
    assert 5 <= len(made) < COUNT and all(data == folder[name] for name, each in made.items() for data in each)
    recorded = {json.loads(line)["output"] for line in Path("m.jsonl").read_bytes().splitlines(True) if line.endswith(b"\n")}

    done = run(*command)
    assert (done.exit_code, done.stderr) == (0, "")
    made = versions(s3, "out")
    assert {name: each[0] for name, each in made.items()} == folder
    assert all(len(made[name]) == 1 for name in recorded)
    assert sum(map(len, made.values())) <= COUNT + 2  # but for what the two workers had under way
    assert len(lines("m.jsonl")) == COUNT

    whole = Path("m.jsonl").read_bytes()
    assert run(*command).exit_code == 0 and Path("m.jsonl").read_bytes() == whole
    name = next(iter(files_of("photos")))
    s3.put_object(Bucket="bucket", Key=f"in/{name}", Body=file_of(textured(96, 80, seed=99)))  # the tag tells
    assert json.loads(run(*command, "--json").stdout)["done"] == 1
    done = run("info", "--check", "s3://bucket/out", "--manifest", "m.jsonl")
    assert (done.exit_code, done.output) == (0, "")


def test_s3_to_a_folder(s3, folder, run):
    for name, data in files_of("photos").items():
        s3.put_object(Bucket="bucket", Key=f"in/{name}", Body=data)
    assert run("batch", "s3://bucket/in", "web", *SETTINGS, "-j", 2).exit_code == 0
    assert files_of("web") == folder


def test_s3_that_refuses(s3, folder, run):
    done = run("batch", "photos", "s3://no-such-bucket/out", "--manifest", "m.jsonl", *SETTINGS, "-j", 1)
    assert done.exit_code == 1 and "Traceback" not in done.stderr and f"{COUNT} of {COUNT} files failed" in done.stderr
    done = run("batch", "s3://no-such-bucket/in", "web", *SETTINGS, "-j", 1)
    assert done.exit_code == 1 and done.stderr.count("\n") == 1


def test_memory_and_file_urls(folder, run):
    store = fsspec.filesystem("memory")
    try:
        for name, data in list(files_of("photos").items())[:3]:
            store.pipe_file(f"/in/{name}", data)
        assert run("batch", "memory://in", "memory://out", "--manifest", "m.jsonl", *SETTINGS).exit_code == 0
        made = {name.removeprefix("/out/"): store.cat_file(name) for name in store.find("/out")}
        assert len(made) == 3 and made.items() <= folder.items()
    finally:
        store.rm("/in", recursive=True)
        store.rm("/out", recursive=True)
    assert run("batch", Path("photos").absolute().as_uri(), Path("web").absolute().as_uri(), *SETTINGS, "-j", 2).exit_code == 0
    assert files_of("web") == folder and Path("web/inlaid-manifest.jsonl").exists()


def test_elsewhere_files_get_a_temporary_name_first(tmp_path):
    """On file systems that fsspec reaches and that show a file while it grows."""

    class Watched(fsspec.get_filesystem_class("file")):
        protocol = "watched"
        written: ClassVar = []

        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(str(path).removeprefix("watched://"))

        def pipe_file(self, path, value, **more):
            self.written.append(Path(path).name)
            super().pipe_file(path, value, **more)
            if value == b"fails":
                raise OSError(28, "No space left on device")

    fsspec.register_implementation("watched", Watched, clobber=True)
    tree = places.opened(f"watched://{tmp_path}")
    tree.write("sub/a.jpg", b"data")
    assert Watched.written[0].startswith(".inlaid-") and files_of(tmp_path) == {"sub/a.jpg": b"data"}
    with pytest.raises(OSError, match="No space left"):
        tree.write("sub/a.jpg", b"fails")
    assert files_of(tmp_path) == {"sub/a.jpg": b"data"}
    assert tree.read("sub/a.jpg") == b"data" and tree.listed("").folders == ["sub"]


def test_a_store_that_does_not_answer(folder, run, monkeypatch):
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
    ):
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    done = run("batch", "s3://bucket/in", "web")
    assert done.exit_code == 1 and done.stderr.startswith("inlaid: ") and done.stderr.count("\n") == 1 and not Path("web").exists()


def test_urls_that_are_not_known(folder, run):
    done = run("batch", "photos", "s3://bucket/out")
    assert done.exit_code == 2 and "expected --manifest FILE" in done.stderr
    done = run("batch", "nonsense://x", "web")
    assert done.exit_code == 1 and done.stderr.startswith("inlaid: nonsense://x: ") and done.stderr.count("\n") == 1


def test_without_fsspec(monkeypatch):
    monkeypatch.delitem(sys.modules, "inlaid.batch.remote", raising=False)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InlayError, match=r"pip install 'inlaid\[batch\]'"):
        places.opened("s3://bucket/out")


# ------------------------------------------------------------------------------------------------ Dask


@contextmanager
def dask_cluster(count):
    """The address of a scheduler, and the processes of its workers, of one thread each."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = (
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "--no-dashboard",
        "--dashboard-address",
        ":0",
    )
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with serving(*scheduler, port=port):
        workers = [subprocess.Popen(worker, **quiet) for _ in range(count)]
        try:
            if count:
                from distributed import Client

                with Client(address, timeout=30) as client:
                    client.wait_for_workers(count, timeout=60)
            yield address, workers
        finally:
            for each in workers:
                each.kill()
                each.wait()


@posix
def test_dask_with_a_worker_that_is_killed_midway(folder):
    with dask_cluster(2) as (address, workers):
        command = [*INLAID, "batch", "photos", "web", *SETTINGS, "--dask", address]
        begun = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for_lines("web/inlaid-manifest.jsonl", 5, begun)
        workers[0].send_signal(signal.SIGKILL)
        told, errors = begun.communicate(timeout=120)
    assert begun.returncode == 0, errors
    assert f"{COUNT} files done" in told
    assert files_of("web") == folder  # nothing else: no temporary file of the killed worker either
    written = Path("web/inlaid-manifest.jsonl").read_text("utf-8").splitlines()
    assert len(written) == len(lines("web/inlaid-manifest.jsonl")) == COUNT


@posix
@pytest.mark.slow
def test_dask_on_this_machine(folder, run):
    """Ctrl-C, and the same command again."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    command = [*INLAID, "batch", "photos", "web", *SETTINGS, "-j", "2", "--dask"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    begun = subprocess.Popen(command, start_new_session=True, **pipes)
    wait_for_lines("web/inlaid-manifest.jsonl", 1, begun)
    os.killpg(begun.pid, signal.SIGINT)
    _, told = begun.communicate(timeout=60)
    assert begun.returncode == 130 and told == "inlaid: the same command goes on where this one stopped\n\ninlaid: interrupted\n"
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert files_of("web") == folder and len(lines("web/inlaid-manifest.jsonl")) == COUNT


def test_clusters_that_do_not_work(folder, run):
    pytest.importorskip("distributed", reason="distributed is not installed")
    done = run("batch", "photos", "web", *SETTINGS, "--dask", "nonsense")
    assert done.exit_code == 1 and done.stderr.count("\n") == 1 and "no Dask scheduler answers" in done.stderr
    with dask_cluster(0) as (address, _):
        done = run("batch", "photos", "web", *SETTINGS, "--dask", address)
        assert done.exit_code == 1 and done.stderr == f"inlaid: {address}: the cluster has no workers; expected one or more\n"
    assert not Path("web").exists()
