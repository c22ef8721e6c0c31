"""The AVX-512 and VNNI kernels on any machine: compiled with SIMDe, which has their instructions in plain C, and put to the tests of
test_agreement.py."""

import ctypes
from functools import partial
from types import SimpleNamespace

import pytest
from support.kernels import KERNEL, with_simde
from support.programs import output, program
from test_agreement import (  # noqa: F401  # run on the kernels below
    FLOAT_FUNCTIONS,
    test_gradient_agrees_with_numpy,
    test_input_gradient_agrees_with_numpy,
    test_normed_gradient_agrees_with_numpy,
    test_restore_agrees,
    test_restore_agrees_at_the_bounds,
)

from inlaid import native
from inlaid.encoding import gradient as float_kernel

PATHS = {"avx512": ["restore.c", "gradient.c", "normed.c"], "vnni": ["restore.c"]}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("simde")
    objects = []
    for path, sources in PATHS.items():
        for source in sources:
            objects.append(folder / f"{path}-{source}.o")
            with_simde(path, "-O1", "-DINLAID_SMALL", "-fPIC", "-c", KERNEL / source, "-o", objects[-1])
    output(program("gcc"), "-shared", *objects, "-o", folder / "kernel.so")
    return ctypes.CDLL(str(folder / "kernel.so"))


@pytest.fixture(params=PATHS)
def kernels(request: pytest.FixtureRequest, library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setattr(native, "library", lambda: library)
    monkeypatch.setattr(native, "paths", lambda: tuple(PATHS)[::-1])
    functions = (native.restore, *(getattr(float_kernel, name) for name in FLOAT_FUNCTIONS))
    return SimpleNamespace(threads=(1,), **{f.__name__: partial(f, path=request.param) for f in functions})


def test_these_paths_were_emulated(library: ctypes.CDLL, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\nkernel paths tested in plain C: {', '.join(PATHS)}")
