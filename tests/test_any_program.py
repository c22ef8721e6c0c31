"""Decoding and encoding end and give the same result in any program: forked, with other threads, at its end.

Each case is a process with a time limit, so a case that hangs fails and the suite goes on.
"""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from support.pictures import file_of, textured

import inlaid
from inlaid.encoding import encoder

LIMIT_S = 60  # some hundred times what a case takes
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

# How every program begins.  It uses two threads, because one alone never waits for another.
COMMON = """
import atexit, multiprocessing, os, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import inlaid

folder = Path(sys.argv[1])
ORIGINAL, INLAID, DECODED = ((folder / name).read_bytes() for name in ("original.jpg", "carrier.jpg", "decoded"))

def decode(_=None):
    return inlaid.decode(INLAID, threads=2).tobytes() == DECODED

def encode(effort=1):
    return inlaid.encode(inlaid.decode(ORIGINAL), quality=30, effort=effort, threads=2)

def both(_=None):
    return decode() and encode() == INLAID

def forked(work):
    "The number of a child that does this work."
    child = os.fork()
    if not child:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return child

def ends_well(child):
    return os.waitpid(child, 0)[1] == 0

"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A picture of several bands, the file with an inlay that `encode` makes of it, and what that decodes to."""
    path, original = tmp_path_factory.mktemp("programs"), file_of(textured(64, 192), "JPEG", quality=95)
    (path / "original.jpg").write_bytes(original)
    encoded = encoder.encode(inlaid.decode(original), quality=30, effort=1, threads=2)
    assert encoded.payload is not None, encoded.reason
    (path / "carrier.jpg").write_bytes(encoded.data)
    (path / "decoded").write_bytes(inlaid.decode(encoded.data, threads=1).tobytes())
    for name in ("fitted-areas-gray.jpg", "jpeg2000-rgb.jp2"):
        shutil.copy(Path(__file__).parent / "golden" / name, path)
    return path


@pytest.fixture
def ends(folder):
    """Runs a program to its end.  The last word that it prints must be "well"."""

    def run(program, **environment):
        (folder / "program.py").write_text(COMMON + program, "utf-8")
        command = [sys.executable, "-X", "faulthandler", "-W", "ignore::DeprecationWarning", folder / "program.py", folder]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=os.environ | environment
        ) as process:
            try:
                written, errors = process.communicate(timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                pytest.fail(f"it hangs: {program}")
            finally:
                if process.returncode != 0:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)  # its children too
        assert process.returncode == 0, errors
        assert written.split()[-1:] == ["well"], (written, errors)
        assert not errors

    return run


# ------------------------------------------------------------------------------------------------ processes


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_pools_of_processes(ends, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    ends(f"""
if __name__ == "__main__":
    assert both()
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        assert pool.map(both, range(6)) == [True] * 6
    print("well")
""")


@forks
def test_eight_forked_children_ten_times(ends):
    ends("""
assert both()
for _ in range(10):
    children = [forked(both) for _ in range(8)]
    assert all([ends_well(child) for child in children])
    assert both()
print("well")
""")


@forks
def test_a_forked_child_forks(ends):
    ends("""
assert both()
assert ends_well(forked(lambda: both() and ends_well(forked(both))))
print("well")
""")


@forks
def test_a_forked_server_with_threads(ends):
    """The server has decoded in threads before it forks, and each child starts threads."""
    ends("""
def serve():
    with ThreadPoolExecutor(4) as pool:
        return all(pool.map(both, range(8)))

assert serve()
children = [forked(serve) for _ in range(3)]
assert all([ends_well(child) for child in children])
print("well")
""")


@forks
def test_a_child_has_helping_threads_again(ends):
    ends("""
from inlaid.threads import parallel

def meet():
    meeting = threading.Barrier(2, timeout=30)  # one thread alone does not pass it
    return parallel(lambda _: meeting.wait() >= 0, range(2), 2) == [True] * 2

assert meet()
assert ends_well(forked(meet))
print("well")
""")


@forks
def test_forks_while_other_threads_work(ends):
    """The first forks come while modules are still being imported."""
    ends("""
going = True

def work():
    while going:
        assert both()

busy = [threading.Thread(target=work) for _ in range(2)]
for thread in busy:
    thread.start()
children = []
for _ in range(25):
    children.append(forked(both))
    time.sleep(0.01)
assert all([ends_well(child) for child in children])
going = False
print("well")
""")


@forks
@pytest.mark.parametrize("module", ["inlaid.decoder", "numpy.linalg", "PIL.Image", "inlaid.formats.jp2"])
def test_a_fork_during_the_first_import(ends, module):
    """In the child, Python's lock of a module that is being imported would stay held for ever."""
    ends(f"""
class Slow:
    "Gives the fork time to come."
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            importing.set()
            time.sleep(0.3)

importing = threading.Event()
sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=decode)
thread.start()
assert importing.wait(30)
assert ends_well(forked(decode))
print("well")
""")


def test_nothing_is_imported_in_the_midst_of_work(ends):
    """A fork might come there."""
    ends("""
from inlaid import decoder, formats
from inlaid.encoding import encoder

formats.all_formats()
before = set(sys.modules)
for name in ("fitted-areas-gray.jpg", "jpeg2000-rgb.jp2"):
    pixels = inlaid.decode((folder / name).read_bytes())
    inlaid.encode(pixels, format="jpeg2000", quality=30, effort=1)
encode(2)
inlaid.attach(inlaid.strip(INLAID), inlaid.decode(ORIGINAL), effort=1)
assert set(sys.modules) == before, set(sys.modules) - before
print("well")
""")


@forks
def test_a_fork_while_a_picture_is_saved(ends):
    """In the child, Pillow's buffer has its usual size, and encoding does not wait for the thread that held its lock."""
    ends("""
from PIL import Image, ImageFile

assert both()
usual, save, saving = ImageFile.MAXBLOCK, Image.Image.save, threading.Event()

def slow(*arguments, **settings):
    saving.set()
    time.sleep(0.3)
    save(*arguments, **settings)

Image.Image.save = slow
thread = threading.Thread(target=encode)
thread.start()
assert saving.wait(30)
Image.Image.save = save
assert ends_well(forked(lambda: ImageFile.MAXBLOCK == usual and both()))
print("well")
""")


@forks
def test_forks_during_linear_algebra(ends):
    """A fork ends the threads of OpenBLAS in the parent too.  A product that waits for them would never end."""
    ends("""
import numpy as np
from inlaid.fingerprint import fingerprint

luma = np.random.default_rng(0).integers(0, 256, (512, 768), dtype=np.uint8)
expected, going = fingerprint(luma), True

def work():
    while going:
        assert fingerprint(luma) == expected

thread = threading.Thread(target=work)
thread.start()
children = [forked(lambda: True) for _ in range(20)]
assert all([ends_well(child) for child in children])
going = False
thread.join()
print("well")
""", OPENBLAS_NUM_THREADS="2")  # fmt: skip


@forks
def test_fits_after_a_fork(ends):
    """OpenBLAS starts new threads in the child."""
    ends("""
import numpy as np
from inlaid.encoding.schedule import Schedule
from inlaid.encoding.fit import Problem, fit
from inlaid.encoding.run import Run
from inlaid.encoding.floatnet import he_init
from inlaid.network import Network

network = Network(4, layers=1)
base, original = (inlaid.decode(data, base=True)[..., 1].copy() for data in (INLAID, ORIGINAL))

def fitted():
    start = he_init(network, np.random.default_rng(0))
    return fit(Problem(network, base, original), start, Schedule(2, second_order=True), Run(threads=2)).parameters.tobytes()

expected = fitted()
assert ends_well(forked(lambda: fitted() == expected))
print("well")
""", OPENBLAS_NUM_THREADS="2")  # fmt: skip


@forks
def test_encoding_with_a_fit_after_a_fork(ends):
    ends("""
encoded = encode(2)
assert ends_well(forked(lambda: encode(2) == encoded))
print("well")
""")


# ------------------------------------------------------------------------------------------------ threads, and the end of a program


@pytest.mark.parametrize("before", ["both()", "True"], ids=["used before", "first used then"])
def test_threads_that_outlive_the_main_thread(ends, before):
    ends(f"""
assert {before}

def late():
    threading.main_thread().join()
    assert both()
    print("well")

threading.Thread(target=late).start()
""")


@pytest.mark.parametrize("before", ["both()", "True"], ids=["used before", "first used then"])
def test_at_exit(ends, before):
    ends(f"""
@atexit.register
def last():
    assert both()
    print("well")

assert {before}
""")


def test_while_modules_are_taken_apart(ends):
    """At that time Python runs no other thread."""
    ends("""
from inlaid.threads import parallel

class Last:
    def __del__(self, parallel=parallel, write=os.write):
        write(1, b"well" if parallel(lambda i: i, range(20), 3) == list(range(20)) else b"wrong")

last = Last()
assert both()
""")


def test_daemon_threads_keep_no_program_from_ending(ends):
    ends("""
def work():
    while True:
        assert both()
        done.set()

for _ in range(3):
    done = threading.Event()
    threading.Thread(target=work, daemon=True).start()
    assert done.wait(30)
print("well")
""")
