"""Work shared among threads: results in order, errors heard, and the same bytes however it is cut."""

import threading

import numpy as np
import pytest
from textures import texture

from inlay import kernel, reference
from inlay.network import Network
from inlay.threads import parallel


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_results_come_in_order(threads):
    assert parallel(lambda i: i * i, iter(range(100)), threads) == [i * i for i in range(100)]
    assert parallel(lambda i: i, [], threads) == []


def test_several_threads_take_part():
    meeting = threading.Barrier(3, timeout=30)  # which nobody passes alone
    assert parallel(lambda i: meeting.wait() >= 0, range(3), 3) == [True] * 3


@pytest.mark.parametrize("bad", [0, 7, 19])
def test_an_error_is_heard_and_nothing_runs_on(bad):
    running = []

    def work(i):
        running.append(i)
        if i == bad:
            raise ValueError(f"item {i}")
        running.remove(i)
        return i

    with pytest.raises(ValueError, match=f"item {bad}"):
        parallel(work, range(20), 2)
    assert running == [bad]
    assert parallel(work, range(bad), 2) == list(range(bad))


def test_bands_give_the_same_bytes():
    base, rng = texture(700, 90, seed=2), np.random.default_rng(1)
    parameters = rng.integers(-500, 501, Network().size).astype(np.int16)
    expected = reference.restore(Network(), parameters, base)
    for threads in (1, 2, 3, 20):
        assert np.array_equal(kernel.restore(Network(), parameters, base, threads=threads), expected)
