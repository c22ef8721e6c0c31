"""The gallery of `inlaid demo --serve`: a small web server for this machine alone.

It serves the package's own pages and what the demo wrote, by a list of names: no other file can be asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from .messages import error_prefix

LOOPBACK = "127.0.0.1"
BROWSER = Path(__file__).parents[1] / "browser"
GALLERY = BROWSER / "gallery"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}
POLICY = (  # what a page needs at most (docs/web.md)
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "connect-src 'self'; img-src 'self' blob:; style-src 'self'"
)


class Part(NamedTuple):
    """The bytes from `first` up to `last`, both included, that a request wants."""

    first: int
    last: int


class Gallery(ThreadingHTTPServer):
    """A server of the gallery on the loopback address.  `port` 0 takes a free one."""

    daemon_threads = True

    def __init__(self, folder: Path, names: Iterable[str], port: int) -> None:
        """`names`: the files in `folder` that the demo wrote."""
        self.files = {"/": GALLERY / "index.html"}
        self.files |= {f"/{path.name}": path for path in GALLERY.iterdir()}
        self.files |= {
            f"/{path.relative_to(BROWSER).as_posix()}": path for path in BROWSER.rglob("*") if path.suffix in (".js", ".wasm", ".bin")
        }
        self.files |= {f"/demo/{name}": folder / name for name in names}
        with error_prefix(f"port {port}"):
            super().__init__((LOOPBACK, port), Handler)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/"

    def run(self) -> None:
        """Answer until Ctrl-C."""
        try:
            self.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD for the files of its `Gallery`, in parts where a part is asked for."""

    protocol_version = "HTTP/1.1"
    server: Gallery

    def do_GET(self) -> None:
        """Answer with a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer as `do_GET` does, without the bytes."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal is the user's."""

    def _answer(self, with_body: bool) -> None:
        path = self.server.files.get(self.path.partition("?")[0])
        try:
            body = path.read_bytes() if path else b""
            status = path.stat() if path else None
        except OSError:
            path = status = None
        if path is None or status is None:
            self._send(HTTPStatus.NOT_FOUND, b"there is no such file\n", {"Content-Type": "text/plain; charset=utf-8"}, with_body)
            return
        tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        headers = {"Content-Type": TYPES.get(path.suffix, "application/octet-stream"), "ETag": tag, "Cache-Control": "no-cache"}
        headers |= {"Accept-Ranges": "bytes", "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        if self.headers.get("If-None-Match") == tag:
            self._send(HTTPStatus.NOT_MODIFIED, b"", headers, with_body)
        elif (part := wanted(self.headers.get("Range", ""), len(body))) and self.headers.get("If-Range") in (None, tag):
            headers["Content-Range"] = f"bytes {part.first}-{part.last}/{len(body)}"
            self._send(HTTPStatus.PARTIAL_CONTENT, body[part.first : part.last + 1], headers, with_body)
        else:
            self._send(HTTPStatus.OK, body, headers, with_body)

    def _send(self, status: HTTPStatus, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def wanted(header: str, length: int) -> Part | None:
    """The part of a file of `length` bytes that a Range header asks for; None for the whole: a server may ignore what it cannot serve."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if not found or not length or found[1] == found[2] == "":
        return None
    if not found[1]:  # the last bytes
        return Part(max(0, length - int(found[2])), length - 1) if int(found[2]) else None
    first, last = int(found[1]), min(int(found[2] or length - 1), length - 1)
    return Part(first, last) if first <= last else None
