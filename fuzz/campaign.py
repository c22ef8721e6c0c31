"""A campaign: worker processes that are watched.

An input that kills or stops a worker is a finding.  A new worker goes on with the next input.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from . import mutate
from .sanitized import environment
from .seeds import ROOT, Seeds
from .worker import AT

STUCK_S = 60.0  # without a sign; the worker itself reports a call that is too slow three times
MOST_BYTES = 3 << 30  # resident memory of a worker
BATCH = 5000  # inputs of a worker


@dataclass
class Campaign:
    """Inputs [first, first + inputs) with this seed, or as many as there is time for.

    attach_every: of the inputs, one in so many goes through `attach`.  sanitized: the folder with that build, None for the installed one.
    """

    seeds: Seeds
    seed: str
    inputs: int
    first: int = 0
    seconds: float | None = None
    processes: int = 1
    attach_every: int = 1
    sanitized: Path | None = None
    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by signature: index and text of each
    elapsed_s: float = 0.0

    def run(self, progress: Any = print) -> None:
        """Fills counts and findings."""
        begun = reported = time.monotonic()
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "seeds").write_bytes(pickle.dumps(tuple(self.seeds)))
            waiting = iter(range(self.first, self.first + self.inputs, BATCH))
            running: list[_Worker] = []
            while True:
                late = self.seconds is not None and time.monotonic() - begun > self.seconds
                while not late and len(running) < self.processes and (first := next(waiting, None)) is not None:
                    running.append(_Worker(self, folder, first, min(first + BATCH, self.first + self.inputs)))
                if late:
                    for each in running:
                        each.stop()
                before, running = len(running), [each for each in running if each.watch()]
                if not before:
                    break
                time.sleep(0.2)
                if time.monotonic() - reported > 60:
                    reported = time.monotonic()
                    for each in running:
                        each.collect()
                    progress(f"{self.done()} inputs in {reported - begun:.0f} s, {len(self.findings)} kinds of findings")
        self.elapsed_s = time.monotonic() - begun

    def done(self) -> int:
        """Inputs that were tested."""
        return sum(n for name, n in self.counts.items() if name.startswith("inputs"))

    def found(self, index: int, signature: str, text: str) -> None:
        """Keeps a finding."""
        self.findings.setdefault(signature, []).append({"index": index, "text": text})

    def input(self, index: int) -> mutate.Input:
        """Input number `index`."""
        return mutate.made(self.seed, index, self.seeds)


class _Worker:
    """A process that tests the inputs from `first` on.  It is started again behind an input that it did not survive."""

    def __init__(self, campaign: Campaign, folder: Path, first: int, last: int) -> None:
        self.campaign, self.folder, self.last, self.stopped = campaign, folder / f"{first}", last, False
        self.folder.mkdir()
        self._start(first)

    def _start(self, first: int) -> None:
        task = {
            "seeds": str(self.folder.parent / "seeds"), "seed": self.campaign.seed, "first": first, "last": self.last,
            "attach_every": self.campaign.attach_every, "sanitized": self.campaign.sanitized is not None,
        }  # fmt: skip
        self.at, self.said, self.errors = (self.folder / name for name in ("at", "said", "errors"))
        (self.folder / "task").write_text(json.dumps(task))
        self.at.write_bytes(AT.pack(first, 0))
        with self.said.open("wb") as out, self.errors.open("wb") as errors:
            command = [sys.executable, "-m", "fuzz.worker", str(self.folder / "task"), str(self.at)]
            self.process = subprocess.Popen(command, stdout=out, stderr=errors, cwd=ROOT, env=environment(self.campaign.sanitized))
        self.index, self.since, self.begun, self.read = first, time.monotonic(), False, 0

    def stop(self) -> None:
        """Ends the process; the inputs that it has tested count."""
        self.stopped = True
        self.process.kill()

    def watch(self) -> bool:
        """Checks the process; False when all its inputs are tested."""
        index, done = AT.unpack(self.at.read_bytes())
        if index != self.index or done:
            self.begun = True
        if index != self.index:
            self.index, self.since = index, time.monotonic()
        reason = ""
        if self.process.poll() is None:
            if time.monotonic() - self.since < STUCK_S * (1 if self.begun else 6) and self._resident_bytes() < MOST_BYTES:
                return True
            reason = "stuck" if self._resident_bytes() < MOST_BYTES else "too much memory"
            self.process.kill()
        code = self.process.wait()
        self.collect()
        if code == 0 or self.stopped:
            return False
        text = self.errors.read_bytes().decode(errors="replace")
        if not self.begun and index == json.loads((self.folder / "task").read_text())["first"] and "SystemExit" not in text and not reason:
            raise RuntimeError(f"a worker does not start:\n{text[-3000:]}")
        self.campaign.found(self.index, reason or _death(code, text), text[-6000:])
        self.campaign.counts["inputs: lost"] += 1
        if self.index + 1 >= self.last:
            return False
        self._start(self.index + 1)
        return True

    def collect(self) -> None:
        """Counts what the process has reported since the last call."""
        with self.said.open("rb") as file:
            file.seek(self.read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.read += len(line)
                said = json.loads(line)
                self.campaign.counts.update(said.get("counts", {}))
                if "fault" in said:
                    self.campaign.found(**said["fault"])

    def _resident_bytes(self) -> int:
        try:
            return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0


def _death(code: int, text: str) -> str:
    """Why the process died: a sanitizer's summary, or the signal."""
    lines = [line.strip() for line in text.splitlines()]
    summary = [line for line in lines if line.startswith("SUMMARY:") or ": runtime error:" in line]
    return summary[0][:160] if summary else f"ends with {code}: {lines[-1][:120] if lines else ''}"
