"""The gallery of `inlaid demo --serve`: what it serves, to whom, and how it ends."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from support.pictures import textured

import inlaid
from inlaid.cli.serve import BROWSER, GALLERY, POLICY, Gallery, Part, wanted

MADE = ("results.json", "q20.jpg")


@pytest.fixture
def address(tmp_path):
    """Host and port of a gallery of two files, beside which lies another."""
    (tmp_path / "results.json").write_text("{}")
    (tmp_path / "q20.jpg").write_bytes(bytes(range(200)))
    (tmp_path / "secret.txt").write_text("no")
    with Gallery(tmp_path, MADE, 0) as gallery:
        thread = threading.Thread(target=gallery.serve_forever)
        thread.start()
        yield gallery.server_address
        gallery.shutdown()
        thread.join()


@contextmanager
def asked(address, path, method="GET", **headers):
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def test_the_pages_and_the_pictures(address):
    types = {"/": "text/html", "/style.css": "text/css", "/gallery.js": "text/javascript", "/inlaid.js": "text/javascript",
             "/inlaid-worker.js": "text/javascript", "/inlaid.wasm": "application/wasm", "/priors/001.bin": "application/octet-stream",
             "/demo/q20.jpg": "image/jpeg", "/demo/results.json": "application/json", "/icon.svg": "image/svg+xml"}  # fmt: skip
    for path, kind in types.items():
        with asked(address, path) as answer:
            assert answer.status == 200 and answer.headers["Content-Type"].startswith(kind), path
            assert answer.headers["Content-Security-Policy"] == POLICY
            assert int(answer.headers["Content-Length"]) == len(answer.read()) > 0


@pytest.mark.parametrize(
    "path", ["/demo/secret.txt", "/../results.json", "/demo/../secret.txt", "/demo/", "/compare.py", "/%2e%2e/x", "/demo/q40.jpg"]
)
def test_nothing_else_is_served(address, path):
    with asked(address, path) as answer:
        assert answer.status == 404 and answer.read() == b"there is no such file\n"


def test_only_this_machine_is_answered(address):
    assert address[0] == "127.0.0.1"


def test_parts_and_what_has_not_changed(address):
    data = bytes(range(200))
    with asked(address, "/demo/q20.jpg", Range="bytes=10-19") as answer:
        assert (answer.status, answer.headers["Content-Range"], answer.read()) == (206, "bytes 10-19/200", data[10:20])
        tag = answer.headers["ETag"]
    with asked(address, "/demo/q20.jpg", If_None_Match=tag) as answer:
        assert (answer.status, answer.read()) == (304, b"")
    with asked(address, "/demo/q20.jpg", Range="bytes=10-19", If_Range='"other"') as answer:
        assert (answer.status, answer.read()) == (200, data)
    with asked(address, "/demo/q20.jpg", method="HEAD") as answer:
        assert (answer.status, answer.headers["Content-Length"], answer.read()) == (200, "200", b"")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", Part(0, 9)),
        ("bytes=90-", Part(90, 99)),
        ("bytes=-5", Part(95, 99)),
        ("bytes=-500", Part(0, 99)),
        ("bytes=50-999", Part(50, 99)),
        *((header, None) for header in ("", "bytes=-", "bytes=-0", "bytes=100-", "bytes=9-3", "bytes=0-1,5-6", "lines=1-2")),
    ],
)
def test_ranges(header, expected):
    assert wanted(header, 100) == expected


def test_an_empty_file_has_no_parts():
    assert wanted("bytes=0-9", 0) is None and wanted("bytes=-1", 0) is None


def test_what_the_pages_name_is_there():
    """Each file that a page loads is served: those of the gallery, and the scripts that they load."""
    for page in GALLERY.glob("*.html"):
        for name in re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^":]+)"', page.read_text("utf-8")):
            assert name.startswith("demo/") or (GALLERY / name).exists() or (BROWSER / name).exists(), name


def test_a_port_in_use(run, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("demo", "--serve", "--port", port, "-o", tmp_path / "demo")
    assert done.exit_code == 1 and done.stderr == f"inlaid: port {port}: Address already in use\n"
    assert not (tmp_path / "demo").exists(), "it is found before the work"


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_the_command_serves_what_is_made_and_ends_on_ctrl_c(tmp_path):
    from inlaid.cli.demo import FILES, PHOTOGRAPH

    folder = tmp_path / "demo"
    folder.mkdir()
    for name in FILES:
        (folder / name).touch()
    (folder / "results.json").write_text(json.dumps({"picture": PHOTOGRAPH, "effort": 5, "inlaid": inlaid.__version__}))
    textured(48, 40).save(folder / "q20.jpg")
    command = [sys.executable, "-m", "inlaid", "demo", "--serve", "--port", "0", "-o", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        host, port = re.fullmatch(r"The gallery is at http://([\d.]+):(\d+)/; Ctrl-C ends it\.\n", said).groups()
        with asked((host, int(port)), "/demo/q20.jpg") as answer:
            assert answer.status == 200 and answer.read() == (folder / "q20.jpg").read_bytes()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0 and process.stderr.read() == ""


def test_what_counts_as_made(tmp_path):
    from inlaid.cli.demo import FILES, PHOTOGRAPH, is_made

    assert not is_made(tmp_path, 5)
    for name in FILES:
        (tmp_path / name).touch()
    assert not is_made(tmp_path, 5)
    for text, expected in (
        ("[]", False),
        ("{}", False),
        (json.dumps({"picture": PHOTOGRAPH, "effort": 5, "inlaid": inlaid.__version__}), True),
    ):
        (tmp_path / "results.json").write_text(text)
        assert is_made(tmp_path, 5) is expected and not is_made(tmp_path, 6)
    (tmp_path / FILES[-1]).unlink()
    assert not is_made(tmp_path, 5)
