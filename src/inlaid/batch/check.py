"""Which inlays of many files are well, by themselves and by the manifest of the batch that made the files."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import decoder
from ..errors import InlayError, said
from .manifest import DONE, NAME, digest, records
from .places import opened
from .trees import Tree, is_hidden, join, walk

WELL = frozenset({"matches", "plain"})


@dataclass(frozen=True)
class File:
    """A file that is to be checked.  `missing`: the manifest has it, but the folder does not."""

    tree: Tree
    name: str
    expected: bool = False  # the manifest says that it has an inlay
    missing: bool = False

    @property
    def path(self) -> str:
        """For messages."""
        return join("" if self.tree.url == "." else self.tree.url, self.name)


@dataclass(frozen=True)
class Check:
    """The check of a file, with the limits of `decoder.info`."""

    max_pixels: int | None
    max_memory: int | None

    def __call__(self, file: File) -> dict[str, Any]:
        """file, state and reason.

        The state is that of `decoder.info`, or plain (no inlay), dropped (no inlay, but there was one), missing (no file), or unreadable.
        """
        return {"file": file.path} | dict(zip(("state", "reason"), self._found(file), strict=True))

    def _found(self, file: File) -> tuple[str, str]:
        if file.missing:
            return "missing", "the manifest has this file, but it is not there"
        try:
            data = file.tree.read(file.name)
            inlay = (
                None
                if decoder.is_without_jpeg(data)
                else decoder.info(data, max_pixels=self.max_pixels, max_memory=self.max_memory)["inlay"]
            )
        except (InlayError, OSError, MemoryError) as error:
            return "unreadable", said(error)
        if inlay is not None:
            return inlay["state"], inlay["reason"]
        if file.expected:
            return "dropped", "it had an inlay when the batch made it, and has none now"
        return "plain", "there is no inlay in this file"


class Outputs:
    """The outputs of a manifest: 9 bytes each."""

    def __init__(self, path: Path | None) -> None:
        """Of a manifest; none where `path` is None."""
        names, carries = array("Q"), array("B")
        for record in records(path) if path else ():
            if record["state"] == DONE:
                names.append(digest(record["output"]))
                carries.append(bool(record.get("payload_bytes")))
        self.path = path
        # A later line takes the place of an earlier one.
        self._names, last = np.unique(np.array(names, np.uint64)[::-1], return_index=True)
        self._carries = np.array(carries, bool)[::-1][last]
        self._seen = np.zeros(len(self._names), bool)

    def expects(self, name: str) -> bool:
        """True if the file has an inlay by the manifest.  The file counts as seen."""
        key = np.uint64(digest(name))
        at = int(np.searchsorted(self._names, key))
        if at == len(self._names) or self._names[at] != key:
            return False
        self._seen[at] = True
        return bool(self._carries[at])

    def unseen(self) -> Iterator[str]:
        """The names that `expects` was never asked for, as the manifest lists them."""
        left = set(self._names[~self._seen].tolist())
        for record in records(self.path) if self.path and left else ():
            if record["state"] == DONE and (key := digest(record["output"])) in left:
                left.remove(key)
                yield record["output"]


def files(paths: tuple[str, ...], extensions: frozenset[str], manifest: Path | None) -> Iterator[File]:
    """The files, and those of the folders whose name has one of `extensions`.  Hidden ones in folders are left out.

    manifest: of the files, by their names relative to each folder; where it is None, that in the folder.  OSError or InlayError for a
    path that cannot be read.
    """
    for path in paths:
        tree = opened(path)
        if "://" not in path and not Path(path).is_dir():
            place = Path(path)
            yield File(opened(str(place.parent)), place.name, Outputs(manifest).expects(place.name))
            continue
        own = Path(tree.url, NAME)
        outputs = Outputs(manifest or (own if "://" not in path and own.is_file() else None))
        for folder, listing in walk(tree):
            if isinstance(listing, OSError):
                raise listing
            for entry in listing.files:
                name = join(folder, entry.name)
                if not is_hidden(entry.name) and Path(entry.name).suffix.lower() in extensions:
                    yield File(tree, name, outputs.expects(name))
        yield from (File(tree, name, missing=True) for name in outputs.unseen())
