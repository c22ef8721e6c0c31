"""A build of the kernel with AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .seeds import ROOT

FOLDER = ROOT / "build" / "sanitized"
# No check for leaks: Python does not free all memory at its end.  Too large a request must be a MemoryError, not the process's end.
ADDRESS = (
    "detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=16:allocator_release_to_os_interval_ms=100:max_allocation_size_mb=4096"
)


def built() -> Path:
    """The folder of the build, built again if a source has changed."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(
        [
            ROOT / "CMakeLists.txt",
            ROOT / "pyproject.toml",
            *(p for p in (ROOT / "src").rglob("*") if p.suffix in (".py", ".json", ".c", ".h")),
        ]
    ):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    stamp = FOLDER / "stamp"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        shutil.rmtree(FOLDER, ignore_errors=True)
        options = ["--no-deps", "--target", str(FOLDER), "-C", "cmake.define.INLAID_SANITIZE=ON"]
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *options, str(ROOT)], check=True)
        stamp.write_text(digest.hexdigest())
    return FOLDER


def environment(folder: Path | None) -> dict[str, str]:
    """A worker's environment, with the build in `folder`, or (None) with the installed one."""
    found = dict(os.environ) | {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    if folder is None:
        return found
    runtime = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
    if not Path(runtime).is_absolute():
        raise RuntimeError("the C compiler has no libasan.so; expected gcc with its sanitizers")
    return found | {"PYTHONPATH": str(folder), "LD_PRELOAD": runtime, "ASAN_OPTIONS": ADDRESS, "UBSAN_OPTIONS": "print_stacktrace=1"}
