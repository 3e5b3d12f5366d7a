"""Reading ahead and writing behind keep order, stay bounded and hide no failure."""

import threading

import pytest

from ptychopinn_batch.overlap import Behind, ahead, side_by_side


def test_everything_comes_in_order():
    assert list(ahead(iter(range(5)))) == [0, 1, 2, 3, 4]
    assert list(ahead(iter([]))) == []


def test_one_is_fetched_ahead_and_no_more():
    fetched = []
    stream = ahead(k for k in range(5) if not fetched.append(k))
    assert [next(stream), next(stream)] == [0, 1]
    assert fetched in ([0, 1], [0, 1, 2])
    stream.close()


def test_the_next_one_is_fetched_while_the_last_is_used():
    fetched = threading.Event()
    stream = ahead(fetched.set() if k else None for k in range(2))
    next(stream)
    assert fetched.wait(10)
    stream.close()


def test_a_failure_to_fetch_is_raised_in_its_place():
    stream = ahead(1 // k for k in (1, 0))
    assert next(stream) == 1
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_each_item_is_worked_on_by_one_worker_and_all_workers_work():
    meeting = threading.Barrier(3, timeout=10)
    made = list(side_by_side(range(3), [lambda k: (meeting.wait(), k)] * 3))
    assert sorted(k for _, k in made) == [0, 1, 2]


def test_no_worker_is_given_two_things_at_once():
    busy = [threading.Lock(), threading.Lock()]

    def worker(lock):
        def work(k):
            assert lock.acquire(blocking=False)
            lock.release()
            return k

        return work

    assert sorted(side_by_side(range(50), [worker(lock) for lock in busy])) == list(range(50))


def test_no_more_is_fetched_than_workers_can_take():
    fetched = []
    stream = side_by_side((k for k in range(9) if not fetched.append(k)), [str, str])
    next(stream)
    assert len(fetched) <= 3
    stream.close()


def test_a_worker_that_fails_ends_the_work():
    with pytest.raises(ZeroDivisionError):
        list(side_by_side([1, 0, 1], [lambda k: 1 // k] * 2))


def write_all(function, *values, then=None):
    with Behind(function) as write:
        for value in values:
            write(value)
        if then is not None:
            raise then


class Broken:
    """A disk that takes nothing."""

    def __init__(self):
        self.asked = []

    def __call__(self, value):
        self.asked.append(value)
        raise OSError(f"no room for {value}")


def test_a_failure_to_write_ends_the_block():
    with pytest.raises(OSError, match="no room for 1"):
        write_all(Broken(), 1)


def test_a_failure_to_write_is_raised_before_the_next_is_begun():
    broken = Broken()
    with pytest.raises(OSError, match="no room for 1"):
        write_all(broken, 1, 2)
    assert broken.asked == [1]


def test_what_fails_in_the_block_is_raised_first():
    with pytest.raises(KeyError):
        write_all(Broken(), 1, then=KeyError())
