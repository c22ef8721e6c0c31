"""A campaign guided by coverage: atheris keeps the inputs that reach new code and mutates them with the campaigns' mutator.

pip install '.[fuzz]' && python -m fuzz.guided -atheris_runs=100000 [libFuzzer's options] [CORPUS]
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import FunctionType

import atheris

from inlaid.encoding import encoder  # noqa: F401  # imports all that encodes and decodes

from . import check, mutate
from .seeds import Seeds, seeds

SEEDS: Seeds = seeds()
COUNTS: Counter[str] = Counter()


def one(data: bytes) -> None:
    """Tests one input, as a file or as a picture to encode, by how it begins."""
    begun = (b"\xff\xd8", b"\0\0\0\x0cjP", b"\xff\x4f")
    check.any_file(data, COUNTS) if data.startswith(begun) else check.any_original(data, COUNTS)


def mutator(data: bytes, most_bytes: int, seed: int) -> bytes:
    """The next input, made from a kept one."""
    rng = Random(seed)
    kind = rng.choices([*mutate.KINDS], [*mutate.KINDS.values()])[0]
    return mutate.changed(rng, kind, data or rng.choice(SEEDS.files), SEEDS)[:most_bytes]


def main() -> None:
    """Runs until libFuzzer's options end it, or until something is found."""
    for each in gc.get_objects():  # atheris instruments at import, which does not work in an editable install
        if isinstance(each, FunctionType) and (each.__module__ or "").partition(".")[0] == "inlaid":
            atheris.instrument_func(each)
    with TemporaryDirectory() as folder:
        for number, data in enumerate((*SEEDS.files, *SEEDS.originals)):
            (Path(folder) / str(number)).write_bytes(data)
        options = ["-timeout=20", "-rss_limit_mb=4096", f"-max_len={mutate.MOST_BYTES}"]
        corpora = [each for each in sys.argv[1:] if not each.startswith("-")]
        given = [each for each in sys.argv[1:] if each.startswith("-")]
        atheris.Setup([sys.argv[0], *options, *given, *corpora, folder], one, custom_mutator=mutator)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
