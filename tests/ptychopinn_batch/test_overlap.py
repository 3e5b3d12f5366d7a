"""Reading ahead and writing behind keep order, stay bounded and hide no failure."""

import threading

import pytest

from ptychopinn_batch.overlap import Behind, ahead


def test_everything_comes_in_order():
    assert list(ahead(range(5), lambda k: k * k)) == [0, 1, 4, 9, 16]
    assert list(ahead([], str)) == []


def test_one_is_read_ahead_and_no_more():
    made = []
    stream = ahead(range(5), lambda k: made.append(k) or k)
    assert next(stream) == 0
    assert next(stream) == 1
    assert made in ([0, 1], [0, 1, 2])
    stream.close()


def test_the_next_one_is_read_while_the_last_is_used():
    used = threading.Event()
    stream = ahead([0, 1], lambda k: used.set() if k else None)
    next(stream)
    assert used.wait(10)
    stream.close()


def test_a_failure_to_read_is_raised_in_its_place():
    stream = ahead([1, 0], lambda k: 1 // k)
    assert next(stream) == 1
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_all_is_written_when_the_block_ends():
    written = []
    with Behind(written.append) as write:
        for k in range(5):
            write(k)
    assert written == [0, 1, 2, 3, 4]


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
