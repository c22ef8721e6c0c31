"""Serve the restored pictures of a folder as PNG: http://localhost:8000/photo.jpg

python web_handler.py FOLDER
"""

from __future__ import annotations

import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import inlaid


class Restored(BaseHTTPRequestHandler):
    """Answer GET /NAME with the restored picture of the file FOLDER/NAME."""

    def __init__(self, folder: str, *arguments: Any) -> None:
        """The server gives the arguments behind `folder`."""
        self.folder = Path(folder)
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Send the picture, or 404 where there is no such file, or 415 where it cannot be decoded."""
        path = self.folder / Path(self.path).name  # the last part of the path alone: nothing outside the folder
        if not path.is_file():
            self.send_error(404)
            return
        try:
            # The limits are for files from strangers.  The server has a thread for each request already.
            picture = inlaid.decode_image(path.read_bytes(), max_pixels=50_000_000, max_memory=1_000_000_000, threads=1)
        except inlaid.InlayError as error:
            self.send_error(415, explain=str(error))
            return
        picture.save(png := BytesIO(), "PNG", compress_level=1)
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(png.tell()))
        self.end_headers()
        self.wfile.write(png.getvalue())


if __name__ == "__main__":
    ThreadingHTTPServer(("localhost", 8000), partial(Restored, sys.argv[1])).serve_forever()
