"""Trees that fsspec opens: object stores, web servers, and file systems of other machines.  Needs the extra `batch`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import fsspec

from ..errors import InlayError
from .trees import Entry, Listing

# Stores where a file appears when its last byte has come.  Elsewhere a file grows under its name, so it gets a temporary one first.
_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory", "http", "https"}
_STAMPS = ("ETag", "etag", "md5Hash", "checksum", "LastModified", "last_modified", "mtime", "updated", "created")
_TEMPORARY = ".inlaid-"  # the beginning of temporary names


@dataclass(frozen=True)
class Remote:
    """The tree of a URL."""

    url: str

    @classmethod
    def opened(cls, url: str) -> Remote:
        """The tree of a URL.  InlayError where fsspec does not know its kind, or lacks the package for it."""
        tree = cls(url.rstrip("/"))
        try:
            _ = tree._place
        except (ImportError, ValueError) as error:
            raise InlayError(f"{url}: {error}") from error
        return tree

    @cached_property
    def _place(self) -> tuple[Any, str]:
        """The file system and the path in it.  Listings are not kept: they are long, and other programs write there too."""
        fs, path = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        return fs, path.rstrip("/")

    def __getstate__(self) -> dict[str, str]:
        """The URL: another process opens its own connection."""
        return {"url": self.url}

    def listed(self, folder: str) -> Listing:
        """As `Tree` says.  The stamp is the store's tag or time."""
        fs, _ = self._place
        files, folders = [], []
        top = self._path(folder)
        with _store_errors():
            infos = fs.ls(top, detail=True)
        for info in infos:
            path = info["name"].rstrip("/")
            name = path.rpartition("/")[2]
            if path == top.rstrip("/") or not name:  # some stores list the folder itself
                continue
            if info["type"] == "directory":
                folders.append(name)
            else:
                files.append(Entry(name, info.get("size"), next((str(info[key]) for key in _STAMPS if info.get(key)), "")))
        return Listing(sorted(files, key=lambda entry: entry.name), sorted(folders))

    def read(self, name: str) -> bytes:
        """As `Tree` says."""
        with _store_errors():
            data: bytes = self._place[0].cat_file(self._path(name))
        return data

    def write(self, name: str, data: bytes) -> None:
        """As `Tree` says: in one go where the store shows whole files alone, else to a temporary name, which is renamed."""
        with _store_errors():
            self._write(self._path(name), data)

    def _write(self, path: str, data: bytes) -> None:
        fs, _ = self._place
        if self.url.partition("://")[0] in _WHOLE:
            fs.pipe_file(path, data)
            return
        folder, _, last = path.rpartition("/")
        fs.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/{_TEMPORARY}{os.urandom(6).hex()}-{last[:100]}"
        try:
            fs.pipe_file(temporary, data)
            fs.mv(temporary, path)
        except BaseException:
            if fs.exists(temporary):
                fs.rm_file(temporary)
            raise

    def clean(self, folder: str) -> None:
        """Nothing: a run of another machine may be writing there, and no lock says so.  Temporary names are hidden."""

    def _path(self, name: str) -> str:
        return f"{self._place[1]}/{name}" if name else self._place[1]


@contextmanager
def _store_errors() -> Iterator[None]:
    """Turn the errors of a store's own library, which are of any class, into OSError."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise OSError(str(error) or type(error).__name__) from error
