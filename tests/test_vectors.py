"""The operations of every path (src/kernel/vectors) against scalar C: tests/support/vectors.c."""

import platform
import subprocess
from pathlib import Path

import pytest
from support.kernels import KERNEL, SUPPORT, X86, arm64, compiled, with_simde
from support.programs import output, program

from inlaid import native

SOURCE = SUPPORT / "vectors.c"


@pytest.mark.parametrize("path", native.ALL_PATHS)
def test_operations_agree(path: str, tmp_path: Path) -> None:
    if path not in native.paths():
        pytest.skip(f"this machine or build has no {path} path")
    compiled(program("gcc", "cc"), path, "-O1", *X86.get(path, ()), SOURCE, "-o", tmp_path / "vectors")
    assert b"agree" in output(tmp_path / "vectors")


def test_every_x86_64_processor_has_fast_operations() -> None:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("this processor is another")
    assert "sse" in native.paths()


@pytest.mark.parametrize("path", ["avx512", "vnni"])
def test_operations_in_plain_c_agree(path: str, tmp_path: Path) -> None:
    with_simde(path, "-O1", SOURCE, "-o", tmp_path / "vectors")
    assert b"the operations of 16 lanes agree" in output(tmp_path / "vectors")


def test_emulated_operations_agree(tmp_path: Path) -> None:
    compiler, emulator = arm64()
    compiled(compiler, "neon", "-O1", "-static", SOURCE, "-o", tmp_path / "vectors")
    assert b"the operations of 4 lanes agree" in output(emulator, tmp_path / "vectors")


@pytest.mark.parametrize(
    ("operation", "right", "wrong"),
    [
        ("narrow", "_mm_packs_epi32((__m128i)s, (__m128i)t)", "_mm_packs_epi32((__m128i)t, (__m128i)s)"),
        ("leak", "_mm_srai_epi16((__m128i)a, 3)", "_mm_srli_epi16((__m128i)a, 3)"),
        ("halves", "_mm_set1_epi32(0xffff)", "_mm_set1_epi32(0xfffe)"),
        ("apart", "_mm_shuffle_epi32(quarters, 0xd8)", "_mm_shuffle_epi32(quarters, 0xe4)"),
        ("add_products", "s + (ints)_mm_madd_epi16", "s - (ints)_mm_madd_epi16"),
    ],
)
def test_a_wrong_operation_is_found(operation: str, right: str, wrong: str, tmp_path: Path) -> None:
    if "sse" not in native.paths():
        pytest.skip("this machine or build has no sse path")
    vectors = (KERNEL / "vectors" / "sse.h").read_text().replace("../", "")  # -I finds them
    assert right in vectors
    (tmp_path / "wrong.h").write_text(vectors.replace(right, wrong))
    wrong_vectors = ("-UVECTORS", f'-DVECTORS="{tmp_path}/wrong.h"')
    compiled(program("gcc", "cc"), "sse", *wrong_vectors, "-O1", "-msse2", SOURCE, "-o", tmp_path / "vectors")
    done = subprocess.run([tmp_path / "vectors"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, f"{operation} differs\n")
