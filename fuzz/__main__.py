"""Runs a campaign, saves its findings as the smallest files that show them, and writes down its result.

python -m fuzz                      a million inputs with sanitizers; the result goes to docs/fuzzing.jsonl
python -m fuzz --seconds 60         as many as there is time for; nothing is written down
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inlaid import native, threads
from inlaid.bench import provenance

from . import minimise
from .campaign import Campaign
from .sanitized import built
from .seeds import ROOT, seeds

RECORD = ROOT / "docs" / "fuzzing.jsonl"
FINDINGS = ROOT / "tests" / "findings"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, metavar="N", help="how many (1000000)")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many, whatever is left")
    parser.add_argument("--seed", default="1", help="seed and number make an input: the same again (1)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the number of the first input (0)")
    parser.add_argument("--processes", type=int, default=threads.default_threads(), metavar="N", help="at a time (all processors)")
    parser.add_argument("--attach-every", type=int, default=1, metavar="N", help="of the inputs, one in N is given to attach (1)")
    parser.add_argument("--installed", action="store_true", help="the kernel that is installed, without sanitizers")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="further files to mutate: those that fuzz.guided kept")
    parser.add_argument("--findings", type=Path, default=FINDINGS, metavar="DIR", help="where findings are saved (tests/findings)")
    return parser.parse_args()


def _line(campaign: Campaign) -> dict[str, Any]:
    """The result, in JSON types."""
    kinds: dict[str, dict[str, int]] = {}
    for name, count in sorted(campaign.counts.items()):
        call, _, outcome = name.partition(": ")
        kinds.setdefault(call, {})[outcome] = count
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": campaign.done(),
        "findings": {signature: len(found) for signature, found in campaign.findings.items()},
        "sanitizers": ["address", "undefined"] if campaign.sanitized else [],
        "paths": list(native.paths()),
        "calls": {call: sum(outcomes.values()) for call, outcomes in kinds.items()},
        "outcomes": kinds,
        "seconds": round(campaign.elapsed_s),
        "inputs_per_s": round(campaign.done() / campaign.elapsed_s, 1),
        "processes": campaign.processes,
        "seed": campaign.seed,
        "seeds_sha256": hashlib.sha256(b"".join((*campaign.seeds.files, *campaign.seeds.originals))).hexdigest()[:16],
        "machine": provenance.machine(),
        "versions": {name: v for name, v in provenance.versions().items() if name != "kernel"} | {"system": platform.system()},
    }


def _save(campaign: Campaign, folder: Path) -> None:
    """Saves one input of each kind of finding, made as small as possible."""
    for signature, found in campaign.findings.items():
        data = campaign.input(found[0]["index"]).data
        alone = minimise.fault(data) == signature
        small = minimise.smallest(data, minimise.fault if alone else lambda each: minimise.dies(each, campaign.sanitized))
        path = folder / hashlib.sha256(small).hexdigest()[:12]
        path.write_bytes(small)
        print(f"\n{signature}\n{len(found)} times, the first at input {found[0]['index']}; {len(small)} bytes: {path}\n{found[0]['text']}")


def main() -> int:
    """The exit code: 1 if anything was found."""
    arguments = _arguments()
    sanitized = None if arguments.installed else built()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    start = seeds()
    if arguments.corpus:
        start = start._replace(files=(*(p.read_bytes() for p in sorted(arguments.corpus.iterdir())), *start.files))
    campaign = Campaign(
        start, arguments.seed, arguments.inputs, first=arguments.first, seconds=arguments.seconds, processes=arguments.processes,
        attach_every=arguments.attach_every, sanitized=sanitized,
    )  # fmt: skip
    campaign.run(lambda text: print(text, flush=True))
    line = _line(campaign)
    print(json.dumps(line, indent=1))
    if arguments.seconds is None and arguments.first == 0:
        with RECORD.open("a") as file:
            file.write(json.dumps(line) + "\n")
    _save(campaign, arguments.findings)
    return 1 if campaign.findings else 0


if __name__ == "__main__":
    sys.exit(main())
