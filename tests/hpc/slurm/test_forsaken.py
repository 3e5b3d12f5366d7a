"""A run whose jobs came to nothing, and whose steward did, is not waited for for ever."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from hpc.lease import Lease
from hpc.ledger import Queued, Started, append
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.resources import Resources
from hpc.slurm.batches import STEWARD, Accepted, Batch, Batches, Void
from hpc.slurm.forsaken import QUIET, is_forsaken
from hpc.status import read_status
from hpc.submission import plan_run, record_submission
from hpc.task import make_task

RESOURCES = Resources(time=timedelta(hours=1), mem_gb=1.0, cpus=1, gpus=0)
LONG_AGO = QUIET + 60


class HandedOver:
    """Two tasks in one array, job 7, and a steward behind them, job 8."""

    def __init__(self, root: Path, steward: str | None = "8") -> None:
        self.paths = RunPaths(root, "demo")
        tasks = [
            make_task(
                id=name, stage="infer", entry="m:f", revision=1, params={}, resources=RESOURCES
            )
            for name in ("infer-a", "infer-b")
        ]
        record_submission(self.paths, plan_run(self.paths, tasks))
        self.keys = {task.id: task.key for task in tasks}
        self._add("t7", "infer", "7", tuple(self.keys))
        if steward is not None:
            self._add("t8", STEWARD, steward)
        for name, key in self.keys.items():
            append(self.paths.ledger(name), Queued(key=key, batch="t7"))

    def _add(self, token: str, stage: str, job: str, tasks: tuple[str, ...] = ()) -> None:
        batch = Batch(
            token=token, name=token, stage=stage, tasks=tasks, resources=RESOURCES, script=""
        )
        batches = Batches(self.paths)
        batches.add(batch)
        batches.settle(Accepted(token=token, job=job) if job else Void(token=token, cause="no"))

    def prints(self, job: str, ago: float = LONG_AGO) -> None:
        """A job began, and has been silent for so many seconds."""
        self.paths.slurm_log_folder.mkdir(parents=True, exist_ok=True)
        log = self.paths.slurm_log_folder / f"{job}_0_log.out"
        log.write_text("python: not found\n")
        os.utime(log, (time.time() - ago,) * 2)

    def starts(self, name: str) -> None:
        process = Process(host="n1", pid=7, started="x")
        started = Started(attempt=1, key=self.keys[name], process=process, job="7_0")
        append(self.paths.ledger(name), started)

    @property
    def is_forsaken(self) -> bool:
        return is_forsaken(self.paths, read_status(self.paths))


@pytest.fixture
def run(tmp_path: Path) -> HandedOver:
    return HandedOver(tmp_path)


def test_jobs_in_the_queue_are_waited_for(run: HandedOver) -> None:
    assert not run.is_forsaken


def test_jobs_that_ended_are_the_business_of_the_steward(run: HandedOver) -> None:
    for job in ("7_0", "7_1"):
        run.prints(job)
    assert not run.is_forsaken


def test_a_steward_that_began_and_has_done_nothing_does_nothing_any_more(run: HandedOver) -> None:
    run.prints("8")
    assert run.is_forsaken


def test_also_of_a_task_that_ran_and_has_told_no_end(run: HandedOver) -> None:
    run.starts("infer-a")
    run.prints("8")
    assert run.is_forsaken


def test_a_steward_that_has_just_begun_may_take_its_time(run: HandedOver) -> None:
    run.prints("8", ago=QUIET - 60)
    assert not run.is_forsaken


def test_whoever_holds_the_lock_of_the_run_goes_on_with_it(run: HandedOver) -> None:
    run.prints("8")
    with Lease(run.paths.lock, "x"):
        assert not run.is_forsaken


@pytest.mark.parametrize("steward", [None, ""])
def test_without_a_steward_every_job_must_have_come_to_nothing(
    tmp_path: Path, steward: str | None
) -> None:
    run = HandedOver(tmp_path, steward)
    run.prints("7_0")
    assert not run.is_forsaken
    run.prints("7_1")
    assert run.is_forsaken
    run.starts("infer-b")
    assert not run.is_forsaken


def test_what_no_batch_system_has_is_no_concern_of_it(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, "demo")
    task = make_task(id="a", stage="a", entry="m:f", revision=1, params={}, resources=RESOURCES)
    record_submission(paths, plan_run(paths, [task]))
    assert not is_forsaken(paths, read_status(paths))
