"""Tests files one by one: python -m fuzz.replay FILE..."""

import sys
from pathlib import Path

from .minimise import replayed

for name in sys.argv[1:]:
    replayed(Path(name).read_bytes())
