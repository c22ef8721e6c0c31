"""What is to be done: each file of a tree that an action takes, its output, and its master.  Nothing is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .manifest import NAME, Manifest, Record
from .trees import Entry, Listing, Tree, is_hidden, join, walk

Masters = dict[str, list[Entry]]  # by the name without its extension


@dataclass(frozen=True)
class Task:
    """One file.  `obstacle` says why it cannot be done."""

    source: Entry
    folder: str
    output: str  # relative to the destination
    settings: str
    master: Entry | None = None
    obstacle: str | None = None

    @property
    def name(self) -> str:
        """Relative to the source."""
        return join(self.folder, self.source.name)

    @property
    def record(self) -> Record:
        """The part of a manifest's line that is known before the work."""
        master = self.master
        return {
            "source": self.name,
            "source_bytes": self.source.size,
            "source_stamp": self.source.stamp,
            "master": master and join(self.folder, master.name),
            "master_bytes": master and master.size,
            "master_stamp": master and master.stamp,
            "output": self.output,
            "settings": self.settings,
        }


@dataclass
class Counts:
    """What planning has met so far."""

    kept: int = 0  # files that are done already
    others: int = 0  # files that the action does not take


@dataclass(frozen=True)
class Plan:
    """Which files are taken, and what becomes of their names.

    extensions: those of the files taken.  suffix: the output's, None for the source's.  settings: the key of all that shapes the bytes.
    """

    source: Tree
    dest: Tree
    masters: Tree | None
    extensions: frozenset[str]
    suffix: str | None
    settings: str

    def tasks(self, manifest: Manifest, counts: Counts) -> Iterator[Task]:
        """The files that are not done yet, in one order on every machine.

        A file is done if the manifest says so and its output is there.
        """
        for folder, listing in walk(self.source):
            if isinstance(listing, OSError):
                yield Task(Entry("", None, ""), folder, "", self.settings, obstacle=listing.strerror or str(listing))
                continue
            taken = [each for each in listing.files if not is_hidden(each.name) and suffix_of(each.name) in self.extensions]
            counts.others += sum(each.name != NAME for each in listing.files) - len(taken)
            if not taken:
                continue
            self.dest.clean(folder)
            made = {each.name for each in _listed(self.dest, folder).files}
            masters = self._masters(folder)
            claimed: dict[str, str] = {}
            for entry in taken:
                task = self._task(folder, entry, masters, claimed)
                if task.obstacle is None and task.output.rpartition("/")[2] in made and manifest.is_done(task.record):
                    counts.kept += 1
                else:
                    yield task

    def _task(self, folder: str, entry: Entry, masters: Masters | None, claimed: dict[str, str]) -> Task:
        """claimed: the sources by their outputs so far, in this folder."""
        output = entry.name if self.suffix is None else f"{stem_of(entry.name)}{self.suffix}"
        task: dict[str, Any] = {"source": entry, "folder": folder, "output": join(folder, output), "settings": self.settings}
        if (first := claimed.setdefault(output, entry.name)) != entry.name:
            return Task(**task, obstacle=f"its output {task['output']} is that of {join(folder, first)} too")
        if masters is None:
            return Task(**task)
        found = masters.get(stem_of(entry.name), [])
        if len(found) == 1:
            return Task(**task, master=found[0])
        name = join(folder, stem_of(entry.name))
        names = " and ".join(each.name for each in found)
        return Task(**task, obstacle=f"there are several masters: {names}; expected one" if found else f"there is no master {name}.*")

    def _masters(self, folder: str) -> Masters | None:
        if self.masters is None:
            return None
        found: Masters = {}
        for each in _listed(self.masters, folder).files:
            if not is_hidden(each.name):
                found.setdefault(stem_of(each.name), []).append(each)
        return found


def _listed(tree: Tree, folder: str) -> Listing:
    try:
        return tree.listed(folder)
    except (FileNotFoundError, NotADirectoryError):
        return Listing([], [])


def stem_of(name: str) -> str:
    """The name without its extension."""
    return name.rpartition(".")[0] or name


def suffix_of(name: str) -> str:
    """The extension in lower case, with its dot; "" without one."""
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""
