"""What a tree of files is, and how it is walked.  `places` has those of this machine and of URLs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """A file as its folder lists it."""

    name: str  # without its folders
    size: int | None  # bytes; None where the listing does not say
    stamp: str  # changes when the file does: its time, or a store's tag


class Listing(NamedTuple):
    """What is in a folder: its files, and the names of its folders, both sorted."""

    files: list[Entry]
    folders: list[str]


class Tree(Protocol):
    """A folder with all folders below it.  Names are relative to it, with slashes.  It can be pickled."""

    @property
    def url(self) -> str:
        """Its name for messages."""

    def listed(self, folder: str) -> Listing:
        """What is in `folder`, "" for the top.  A folder that is not there raises FileNotFoundError."""

    def read(self, name: str) -> bytes:
        """The bytes of a file."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file, with the folders that it needs.  A failure, even a kill, leaves the old file or none."""

    def clean(self, folder: str) -> None:
        """Remove what killed runs left in `folder`, which need not be there."""


def is_hidden(name: str) -> bool:
    """True if the name begins with a dot: programs keep notes of their own there.  ".." is such a name too, which a store may have."""
    return name.startswith(".") or not name


def join(folder: str, name: str) -> str:
    """The name of a file or folder in `folder`."""
    return f"{folder}/{name}" if folder else name


def walk(tree: Tree) -> Iterator[tuple[str, Listing | OSError]]:
    """Each folder with what is in it, or with the error of listing it, in one order on every machine.  Hidden folders are left out.

    One folder is in memory at a time, and the names of those that wait.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            listing = tree.listed(folder)
        except OSError as error:
            yield folder, error
            continue
        yield folder, listing
        waiting += [join(folder, name) for name in reversed(listing.folders) if not is_hidden(name)]
