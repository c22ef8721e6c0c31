"""How the tests compile sources of the kernel for a path, without the build."""

from pathlib import Path

import pytest

from .programs import output, program

SUPPORT = Path(__file__).parent
KERNEL = SUPPORT.parents[1] / "src" / "kernel"
FILES = {"vnni": "avx512"}  # the path's file in vectors/, where it has another name
X86 = {"sse": ("-msse2",), "avx2": ("-mavx2", "-mfma"), "avx512": ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma")}
X86["vnni"] = (*X86["avx512"], "-mavx512vnni")
VNNI_IN_C = {"vnni": ("-D__AVX512VNNI__",)}


def compiled(compiler, path, *arguments):
    """Runs the compiler as for a path."""
    vectors = f'-DVECTORS="vectors/{FILES.get(path, path)}.h"'
    output(compiler, "-std=gnu11", "-w", "-Wno-psabi", f"-DSUFFIX={path}", vectors, f"-I{KERNEL}", *arguments)


def with_simde(path, *arguments):
    """Compiles avx512 or vnni with SIMDe, which has their instructions in plain C."""
    if not Path("/usr/include/simde/x86/avx512.h").exists():
        pytest.skip("SIMDe is not installed (libsimde-dev)")
    compiled(program("gcc"), path, f"-I{SUPPORT / 'simde'}", *VNNI_IN_C.get(path, ()), *arguments)


def arm64():
    """The cross compiler and the emulator."""
    compiler, emulator = program("aarch64-linux-gnu-gcc"), program("qemu-aarch64-static", "qemu-aarch64")
    if not Path(output(compiler, "-print-file-name=libc.a").decode().strip()).is_absolute():
        pytest.skip("aarch64-linux-gnu-gcc has no C library (libc6-dev-arm64-cross)")
    return compiler, emulator
