"""What a run took is added up from the ledgers of the tasks that a result needed."""

from datetime import timedelta

import pytest

from hpc.ledger import Ended, Started, append
from hpc.memory import peak_mb
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.resources import Resources
from hpc.task import make_task
from ptychopinn_batch.usage import Usage, usage_of

RESOURCES = Resources(time=timedelta(hours=1), mem_gb=1.0, cpus=1, gpus=0)


@pytest.fixture
def run(tmp_path):
    paths = RunPaths(tmp_path, "r")
    paths.create()
    return paths


def task(run, name, stage, needs=()):
    made = make_task(
        id=name, stage=stage, entry="m:f", revision=1, params={}, needs=needs, resources=RESOURCES
    )
    run.task(name).write_text(made.model_dump_json())
    return made


def ended(run, task, seconds, outcome="done", result=None):
    path, process = run.ledger(task.id), Process.current()
    append(path, Started(at=100.0, attempt=1, key=task.key, process=process))
    append(path, Ended(at=100.0 + seconds, attempt=1, outcome=outcome, result=result))


def test_seconds_are_added_up_by_stage(run):
    prepare = task(run, "p", "prepare")
    infers = [task(run, f"i{k}", "infer", [prepare]) for k in (1, 2)]
    last = task(run, "f", "finalize", infers)
    ended(run, prepare, 3.0)
    for each in infers:
        ended(run, each, 5.0)
    assert usage_of(run, last, 1.5).seconds == {"prepare": 3.0, "infer": 10.0, "finalize": 1.5}


def test_a_task_that_failed_is_not_counted(run):
    needed = task(run, "i", "infer")
    ended(run, needed, 5.0, outcome="failed")
    assert usage_of(run, task(run, "f", "finalize", [needed]), 1.0).seconds == {"finalize": 1.0}


def test_the_largest_memory_of_any_task_is_told(run):
    needed = task(run, "i", "infer")
    ended(run, needed, 5.0, result={"peak_rss_mb": 1e6})
    last = task(run, "f", "finalize", [needed])
    assert usage_of(run, last, 1.0).peak_rss_mb == 1e6
    assert usage_of(run, needed, 1.0).peak_rss_mb == pytest.approx(peak_mb(), rel=0.1)


def test_speed_is_from_file_to_written_array():
    usage = Usage(seconds={"prepare": 2.0, "infer": 3.0, "finalize": 50.0}, peak_rss_mb=1.0)
    assert usage.frames_per_s(1000) == 200.0


def test_a_refinement_on_the_way_counts():
    seconds = {"prepare": 2.0, "refine": 5.0, "infer": 3.0, "finalize": 50.0}
    assert Usage(seconds=seconds, peak_rss_mb=1.0).frames_per_s(1000) == 100.0


def test_speed_is_unknown_where_a_stage_is():
    assert Usage(seconds={"infer": 3.0}, peak_rss_mb=1.0).frames_per_s(1000) is None
