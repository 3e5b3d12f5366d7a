"""One line for the user, from whatever was raised."""

import errno

import pytest

from hpc.causes import as_user_error, cause_of, is_disk_full, last_lines
from hpc.errors import StateError, UserError


def chained(outer: BaseException, inner: BaseException) -> BaseException:
    try:
        raise outer from inner
    except type(outer) as error:
        return error


def test_an_error_is_its_type_and_message_on_one_line() -> None:
    assert cause_of(ValueError("shapes\n  differ")) == "ValueError: shapes differ"
    assert cause_of(AssertionError()) == "AssertionError"


def test_a_mistake_of_the_user_is_its_own_message() -> None:
    assert cause_of(UserError("no frames", where="a.npz")) == "a.npz: no frames"
    assert cause_of(StateError("store changed")) == "store changed"


class OutOfMemoryError(RuntimeError):
    """As torch names the one of a GPU."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3 TiB"),
        OutOfMemoryError("CUDA out of memory. Tried to allocate"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        chained(RuntimeError("worker failed"), MemoryError("no")),
    ],
)
def test_want_of_memory_is_called_so_whoever_says_it(error: BaseException) -> None:
    assert cause_of(error).startswith("out of memory: ")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_found_behind_what_a_library_made_of_it(number: int) -> None:
    error = chained(RuntimeError("write failed"), OSError(number, "No space left", "object.zarr"))
    assert is_disk_full(error)
    assert cause_of(error).startswith("no space left on the disk: ")
    assert "object.zarr" in cause_of(error)
    assert not is_disk_full(OSError(errno.EPERM, "Not permitted"))


def test_a_full_disk_comes_before_the_message_about_it() -> None:
    error = chained(UserError("the store could not be built"), OSError(errno.ENOSPC, "full"))
    assert cause_of(error) == "no space left on the disk: the store could not be built"


def test_an_exit_is_said_with_its_status() -> None:
    assert cause_of(SystemExit(3)) == "the entry point ended the process (exit status 3)"


def test_a_file_name_that_is_no_text_can_be_stored() -> None:
    error = chained(FileNotFoundError(2, "No such file", "scan\udcff.npz"), ValueError("x"))
    assert "scan\\udcff.npz" in cause_of(error).encode().decode()
    assert "scan\\udcff.npz" in last_lines(error)[-1].encode().decode()


def test_a_message_has_an_end() -> None:
    assert len(cause_of(ValueError("x" * 10**6))) < 1100


def test_exceptions_that_cause_each_other_have_an_end_too() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert cause_of(first) == "ValueError: a"


def test_the_last_lines_of_a_traceback_are_few() -> None:
    def deep(level: int) -> None:
        if level == 0:
            raise ValueError("deep down")
        deep(level - 1)

    with pytest.raises(ValueError, match="deep") as caught:
        deep(50)
    lines = last_lines(caught.value)
    assert len(lines) == 12
    assert lines[-1] == "ValueError: deep down"


def test_a_full_disk_is_something_that_the_user_can_mend() -> None:
    mistake = as_user_error(OSError(errno.ENOSPC, "No space left on device", "plan.json"))
    assert isinstance(mistake, UserError)
    assert str(mistake) == (
        "no space left on the disk: [Errno 28] No space left on device: 'plan.json'. "
        "Free some space, then give the same command again"
    )


def test_what_is_said_already_or_cannot_be_mended_stays_as_it_is() -> None:
    said = chained(UserError("no room for the store"), OSError(errno.ENOSPC, "No space left"))
    bug = ZeroDivisionError("a bug")
    assert (as_user_error(said), as_user_error(bug)) == (said, bug)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOTDIR])
def test_a_file_out_of_reach_is_something_that_the_user_can_mend(number: int) -> None:
    mistake = as_user_error(OSError(number, "Not for you", "runs/job/plan.json"))
    assert isinstance(mistake, UserError)
    assert str(mistake).startswith("runs/job/plan.json: Not for you. Check the path")


def test_a_refusal_that_names_no_file_is_an_error_of_the_program() -> None:
    refused = PermissionError(errno.EPERM, "Operation not permitted")
    assert as_user_error(refused) is refused
