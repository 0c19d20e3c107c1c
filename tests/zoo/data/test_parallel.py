"""A function of many items on several threads: their order, how far ahead, and the end."""

import threading
import time

import pytest

from zoo.data import parallel
from zoo.data.parallel import in_parallel


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(parallel, "num_cores", lambda: 2)


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_results_are_in_order(count):
    assert list(in_parallel(lambda number: -number, range(count))) == [-n for n in range(count)]


def test_results_do_not_pile_up_behind_a_slow_item():
    done = []

    def function(number):
        if number == 0:
            time.sleep(0.5)  # the other thread could do all the rest meanwhile
            return len(done)
        done.append(number)
        return number

    first, *others = in_parallel(function, range(5000))
    assert first <= 2 * 64
    assert others == list(range(1, 5000))


@pytest.mark.parametrize("raises", [False, True])
def test_what_was_not_begun_is_left_undone(raises):
    begun, may_go_on = [], threading.Event()

    def function(number):
        begun.append(number)
        if number >= 16:  # behind the first chunk
            may_go_on.wait(10)
        if raises and number == 15:
            raise KeyError(number)
        return number

    results = in_parallel(function, range(1000))
    timer = threading.Timer(1.0, may_go_on.set)
    timer.start()
    if raises:
        with pytest.raises(KeyError):
            next(results)
    else:
        assert next(results) == 0
        results.close()
    assert len(begun) <= 16 + 2 and not list(results)
