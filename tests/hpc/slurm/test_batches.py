"""What was handed to SLURM is on disk, and so is what became of it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.slurm.batches import Accepted, Batch, Batches, Void, new_token, read_batches

RESOURCES = Resources(time=timedelta(hours=2), mem_gb=8, cpus=1, gpus=0)


def batch(token: str, *tasks: str) -> Batch:
    return Batch(
        token=token,
        name=f"demo.stage.{token}",
        stage="stage" if tasks else "steward",
        tasks=tasks,
        resources=RESOURCES,
        script=f"echo {token}\n",
    )


@pytest.fixture
def known(run: RunPaths) -> Callable[[], Batches]:
    """Three batches: taken, refused, and one nobody knows of; as the next process reads them."""
    written = Batches(run)
    for one in (batch("t0", "a", "b"), batch("t1", "a"), batch("t2")):
        written.add(one)
    written.settle(Accepted(token="t0", job="12"))
    written.settle(Void(token="t1", cause="refused"))
    return lambda: read_batches(run)


def test_batches_and_their_fates_come_back_as_they_were_written(
    run: RunPaths, known: Callable[[], Batches]
) -> None:
    found = known()
    assert list(found.known) == ["t0", "t1", "t2"]
    assert [found.job(token) for token in found.known] == ["12", None, None]
    assert [found.is_void(token) for token in found.known] == [False, True, False]
    assert [one.token for one in found.open()] == ["t2"]
    assert found.known["t2"].is_steward
    assert run.batch_script("t0").read_text() == "echo t0\n"


def test_an_element_is_told_by_the_place_of_its_task(known: Callable[[], Batches]) -> None:
    found = known()
    assert [found.element("t0", name) for name in ("a", "b", "c")] == ["12_0", "12_1", None]
    assert [found.element(token, "a") for token in ("t1", "t2", "t9")] == [None] * 3


def test_some_batches_can_be_read_without_the_others(
    run: RunPaths, known: Callable[[], Batches]
) -> None:
    known()
    assert list(read_batches(run, ["t1"]).known) == ["t1"]


def test_a_fate_whose_writer_was_killed_is_not_known(
    run: RunPaths, known: Callable[[], Batches]
) -> None:
    with run.batch_fates.open("a") as file:
        file.write('{"event":"accepted","token":"t2","jo')
    assert [one.token for one in known().open()] == ["t2"]
    Batches(run).settle(Accepted(token="t2", job="13"))
    assert known().job("t2") == "13"


def test_a_damaged_fate_counts_for_nothing_since_a_job_is_found_by_its_name(
    run: RunPaths, known: Callable[[], Batches]
) -> None:
    before = known().fates
    with run.batch_fates.open("a") as file:
        file.write('{"event":"accepted"}\n')
    assert known().fates == before


@pytest.mark.parametrize("text", ["", "{}", "[1,2]", '{"token": "a'])
def test_a_damaged_batch_is_left_out(
    run: RunPaths, known: Callable[[], Batches], text: str
) -> None:
    token = next(iter(known().known))
    run.batch(token).write_text(text)
    assert token not in known().known


def test_a_run_without_batches_has_none(run: RunPaths) -> None:
    assert read_batches(run).known == {}


def test_no_two_tokens_are_the_same_and_each_fits_into_a_name() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(token.isalnum() and len(token) <= 10 for token in tokens)
