"""Work shared among threads: results come in order, errors are raised, and the bytes do not depend on the division."""

import gc
import importlib.util
import threading
import time
import weakref
from contextlib import suppress

import numpy as np
import pytest
from support.pictures import texture

from inlaid import native, reference, threads
from inlaid.network import Network
from inlaid.threads import parallel


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_results_come_in_order(threads):
    assert parallel(lambda i: i * i, iter(range(100)), threads) == [i * i for i in range(100)]
    assert parallel(lambda i: i, [], threads) == []


def test_several_threads_take_part():
    meeting = threading.Barrier(3, timeout=30)  # one thread alone does not pass it
    assert parallel(lambda i: meeting.wait() >= 0, range(3), 3) == [True] * 3


def test_parallel_work_may_be_nested():
    """It ends however few helping threads there are."""

    def work(i):
        return sum(parallel(lambda j: i * j, range(5), 2))

    assert parallel(work, range(20), 2) == [10 * i for i in range(20)]


@pytest.fixture
def fresh():
    """A new copy of the module that has started no helping thread.  Its list `started` has an entry for each that it starts."""
    spec = importlib.util.find_spec("inlaid.threads")
    module, started = importlib.util.module_from_spec(spec), []
    spec.loader.exec_module(module)
    start = module.start_new_thread
    module.start_new_thread = lambda *arguments: (started.append(arguments), start(*arguments))
    module.started = started
    return module


def callers_thread(i):
    return i, threading.get_ident()


def test_the_caller_works_alone_where_no_thread_can_be_started(fresh):
    def fails(*_):
        raise RuntimeError("can't start new thread")

    fresh.start_new_thread = fails
    assert fresh.parallel(callers_thread, range(5), 3) == [callers_thread(i) for i in range(5)]


def test_helpers_that_never_come_are_not_waited_for(fresh):
    fresh.start_new_thread = lambda *arguments: fresh.started.append(arguments)
    for _ in range(3):
        assert fresh.parallel(lambda i: i, range(5), 3) == list(range(5))
    assert len(fresh.started) == 2


def test_callers_share_the_helpers(fresh):
    """A caller works alone while all helpers are busy, and finds them again when they are idle."""
    fresh.default_threads = lambda: 2
    started, over = threading.Barrier(3, timeout=30), threading.Event()

    def long_work(_):
        started.wait()
        return over.wait(30)

    caller = threading.Thread(target=fresh.parallel, args=(long_work, range(2), 2))
    caller.start()
    started.wait()
    assert fresh.parallel(callers_thread, range(5), 2) == [callers_thread(i) for i in range(5)]
    over.set()
    caller.join()
    meeting = threading.Barrier(2, timeout=30)  # one thread alone does not pass it
    assert fresh.parallel(lambda _: meeting.wait() >= 0, range(2), 2) == [True] * 2
    assert len(fresh.started) == 1


@pytest.mark.parametrize("bad", [0, 7, 19])
def test_an_error_is_raised_and_nothing_runs_on(bad):
    running, done = [], []

    def work(i):
        running.append(i)
        if i == bad:
            raise ValueError(f"item {i}")
        time.sleep(1e-4)
        running.remove(i)
        done.append(i)
        return i

    with pytest.raises(ValueError, match=f"item {bad}"):
        parallel(work, range(2000), 2)
    assert running == [bad]
    assert len(done) < 2000 - 1  # the others are not begun
    assert parallel(work, range(bad), 2) == list(range(bad))


def test_bands_give_the_same_bytes():
    base, rng = texture(700, 90, seed=2), np.random.default_rng(1)
    parameters = rng.integers(-500, 501, Network().size).astype(np.int16)
    expected = reference.restore(Network(), parameters, base)
    for count in (1, 2, 3, 20):
        assert np.array_equal(native.restore(Network(), parameters, base, threads=count), expected)


def test_what_the_native_was_given_outlives_a_caller_that_was_interrupted(monkeypatch):
    """A helping thread may still read and write there."""
    kept = []

    def interrupted(work, *_):
        kept.append(work)
        raise KeyboardInterrupt

    monkeypatch.setattr(native, "parallel", interrupted)
    base = np.zeros((3, 5), np.uint8)
    with suppress(KeyboardInterrupt):
        native.restore(Network(), np.zeros(Network().size, np.int16), base)
    given = weakref.ref(base)
    del base
    gc.collect()
    assert given() is not None
    kept.clear()
    gc.collect()
    assert given() is None


def test_threads_that_have_ended_leave_no_lock():
    """Each thread has a lock of its own, so that they do not wait for one another."""
    locks = []

    def enter():
        with threads.uncut() as inside, threads.uncut():
            assert inside
            meeting.wait()
            locks.append(weakref.ref(threads.uncut()))
            different.add(id(threads.uncut()))
            meeting.wait()

    meeting, different = threading.Barrier(20, timeout=30), set()
    each = [threading.Thread(target=enter) for _ in range(20)]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    assert len(different) == 20
    gc.collect()
    assert [lock() for lock in locks] == [None] * 20
