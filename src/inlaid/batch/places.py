"""Trees of files: local folders, and by `remote` whatever fsspec opens.  A file appears under its name when it is complete."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import InlayError
from . import temporary_files
from .trees import Entry, Listing, Tree


@dataclass(frozen=True)
class Local:
    """A folder of this machine."""

    url: str  # a path

    def listed(self, folder: str) -> Listing:
        """As `Tree` says.  The stamp is the time of the last change in nanoseconds.  Links to folders are left out: they may lead back."""
        files, folders = [], []
        with os.scandir(self._path(folder)) as entries:
            for each in entries:
                if each.is_dir(follow_symlinks=False):
                    folders.append(each.name)
                elif each.is_file():
                    status = each.stat()
                    files.append(Entry(each.name, status.st_size, str(status.st_mtime_ns)))
        return Listing(sorted(files), sorted(folders))

    def read(self, name: str) -> bytes:
        """As `Tree` says."""
        return self._path(name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """As `Tree` says: to a temporary name, which is renamed when the bytes are on the disk."""
        target = self._path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_files.beside(target) as file:
            file.write(data)
            temporary_files.put(file, target)

    def clean(self, folder: str) -> None:
        """As `Tree` says."""
        temporary_files.remove_all_abandoned(self._path(folder))

    def _path(self, name: str) -> Path:
        return Path(self.url, name)


def opened(url: str) -> Tree:
    """The tree of a path or URL.  InlayError where fsspec, which reads URLs, is missing or does not know the kind."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Local(url)
    if scheme in ("file", "local"):
        return Local(rest)
    try:
        from .remote import Remote
    except ImportError as error:
        raise InlayError(f"{url}: {error}; pip install 'inlaid[batch]' brings what it needs") from error
    return Remote.opened(url)


def nested(a: Tree, b: Tree) -> bool:
    """True if one of two trees lies in the other, or both are the same."""
    if type(a) is not type(b):
        return False
    first, second = ((os.path.realpath(t.url) if isinstance(t, Local) else t.url).rstrip("/") + "/" for t in (a, b))
    return first.startswith(second) or second.startswith(first)
