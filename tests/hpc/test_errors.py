"""Errors that tell what is wrong, where, and how to mend it."""

import pickle

import pytest

from hpc.errors import HpcError, LockedError, StateError, UserError


def test_a_message_says_where_what_and_how_to_mend() -> None:
    error = UserError("unknown key 'epoch'", where="fly64.yaml:14 train", mend="Write epochs")
    assert str(error) == "fly64.yaml:14 train: unknown key 'epoch'. Write epochs"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UserError("no frames."), "no frames"),
        (UserError("no frames", where="a.npz"), "a.npz: no frames"),
        (UserError("no frames.", mend="Add some"), "no frames. Add some"),
    ],
)
def test_parts_that_are_absent_leave_no_trace(error: UserError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("kind", [StateError, LockedError])
def test_all_are_caught_as_the_base_and_as_a_value_error(kind: type[UserError]) -> None:
    error = kind("x")
    assert isinstance(error, UserError)
    assert isinstance(error, HpcError)
    assert isinstance(error, ValueError)


def test_an_error_survives_the_way_to_another_process() -> None:
    error = UserError("no frames", where="a.npz", mend="Add some")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
