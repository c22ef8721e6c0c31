"""The arm64 kernels on any machine: cross-compiled, run by an emulator, put to the tests of test_agreement.py."""

import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
import test_agreement
from support.kernels import KERNEL, SUPPORT, arm64, compiled
from test_agreement import NETWORKS, test_restore_agrees, test_restore_agrees_at_the_bounds  # noqa: F401  # run on the kernels below

from inlaid import colour, native
from inlaid.network import Network


class Emulated:
    """The functions of inlaid.native and inlaid.encoding.gradient on one path, answered by tests/support/emulated.c behind a pipe."""

    threads = (1,)

    def __init__(self, process: subprocess.Popen[bytes], path: str) -> None:
        self.process, self.path = process, path

    def _ask(self, what, network, shape, *parts, rectangles=0, answers=0):
        head = np.array([ord(what), *shape, network.size, rectangles, answers], np.int32)
        self.process.stdin.write(b"".join([head.tobytes(), bytes(native.Description.of(network)), *(part.tobytes() for part in parts)]))
        self.process.stdin.flush()

    def _answer(self, shape, dtype):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return np.frombuffer(self.process.stdout.read(size), dtype).reshape(shape)

    def restore(self, network, parameters, base, threads=1):
        self._ask(self.path[0], network, base.shape, parameters, base)
        return self._answer(base.shape, np.uint8)

    def rgb(self, luma, planes):
        self._ask("c", Network(), luma.shape, luma, planes)
        return self._answer(planes.shape, np.uint8)

    def gradient(self, network, parameters, rectangles, base, target, threads=1):
        self._ask("g", network, base.shape, parameters, rectangles, base, target, rectangles=len(rectangles))
        return float(self._answer((), np.float64)), self._answer((network.size,), np.float64)

    def input_gradient(self, network, parameters, base, target, threads=1):
        height, width = base.shape
        self._ask("b", network, base.shape, parameters, np.array([[0, height, 0, width]], np.int32), base, target, rectangles=1)
        self._answer((), np.float64)
        return 128 * self._answer(base.shape, np.float32)

    def _normed(self, network, parameters, rectangle, base, target):
        """Loss, gradient and statistics over one rectangle."""
        self._ask("s", network, base.shape, parameters, rectangle, base, target)
        shape = (network.layers + 1, network.channels, 2)
        return float(self._answer((), np.float64)), self._answer((network.size,), np.float64), self._answer(shape, np.float64)

    def normed_gradient(self, network, parameters, rectangles, base, target, threads=1):
        losses, gradients, _ = zip(*(self._normed(network, parameters, each, base, target) for each in rectangles), strict=True)
        return sum(losses), np.sum(gradients, axis=0)

    def normed_statistics(self, network, parameters, rectangles, base):
        return np.stack([self._normed(network, parameters, each, base, base)[2] for each in rectangles])

    def squared_error(self, network, parameters, rectangles, base, target):
        self._ask("f", network, base.shape, parameters, rectangles, base, target, rectangles=len(rectangles))
        return float(self._answer((), np.float64))

    def answers(self, network, parameters, rectangles, base):
        pixels = sum((y1 - y0) * (x1 - x0) for y0, y1, x0, x1 in rectangles)
        self._ask("f", network, base.shape, parameters, rectangles, base, base, rectangles=len(rectangles), answers=pixels)
        self._answer((), np.float64)
        return self._answer((pixels,), np.float32)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    compiler, emulator = arm64()
    folder = tmp_path_factory.mktemp("emulated")
    flags = ("-O2", "-ffast-math")  # -O3, which the build has, would take gcc half a minute
    compiled(compiler, "portable", *flags, "-DINLAID_SMALL", "-c", KERNEL / "restore.c", "-o", folder / "portable.o")
    sources = (SUPPORT / "emulated.c", *KERNEL.glob("*.c"), folder / "portable.o")
    compiled(compiler, "neon", *flags, "-DPATHS=PATH(neon, )", "-static", *sources, "-o", folder / "emulated")
    with subprocess.Popen([emulator, folder / "emulated"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process


@pytest.fixture(params=["neon", "portable"])
def kernels(request: pytest.FixtureRequest, process: subprocess.Popen[bytes]) -> Emulated:
    return Emulated(process, request.param)


# The rest is plain C, the same for both paths; an emulator's floats are slow.
@pytest.mark.parametrize("network", [network for network in NETWORKS if network.channels <= 12], ids=str)
def test_gradient_agrees_with_numpy(network: Network, process: subprocess.Popen[bytes]) -> None:
    test_agreement.test_gradient_agrees_with_numpy(network, Emulated(process, "neon"))
    test_agreement.test_input_gradient_agrees_with_numpy(network, Emulated(process, "neon"))
    test_agreement.test_normed_gradient_agrees_with_numpy(network, Emulated(process, "neon"))


def test_rgb_agrees(process: subprocess.Popen[bytes]) -> None:
    rng = np.random.default_rng(4)
    luma, planes = (rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((100, 301), (100, 301, 3)))
    assert np.array_equal(Emulated(process, "neon").rgb(luma, planes), colour.rgb(luma, planes))


def test_these_paths_were_emulated(process: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nkernel paths tested under emulation: neon, portable")
    assert process.poll() is None
