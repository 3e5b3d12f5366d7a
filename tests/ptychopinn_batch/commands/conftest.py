"""Runs that are only on disk: their plans and ledgers are written as workers would have."""

from datetime import timedelta
from pathlib import Path

import pytest

from hpc.heartbeat import HeartbeatWriter
from hpc.ledger import Ended, Started, append
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.resources import Resources
from hpc.submission import plan_run, record_submission
from hpc.task import make_task
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.results.paths import ResultPaths

HOUR = timedelta(hours=1)


def task(name, time=HOUR, mem_gb=8.0, tasks_per_node=1, **extras):
    """A task of the stage that its name begins with."""
    resources = Resources(time=time, mem_gb=mem_gb, cpus=1, gpus=0, tasks_per_node=tasks_per_node)
    return make_task(
        id=name,
        stage=name.split("-")[0],
        entry="m:f",
        revision=1,
        params={},
        extras=extras,
        resources=resources,
    )


def figures(**changed):
    """The figures of a result."""
    values = {
        **{"R": 0.02, "R_held_out": 0.03, "R_empty": 0.9, "R_noise": None},
        **{"phase_corr": None, "amp_ssim": None, "phase_ssim": None, "reference_is_truth": None},
        **{"coverage": 0.75, "frames": 100, "frames_per_s": 412.0, "peak_rss_mb": 100.0},
        **{"seconds": {"infer": 30.0}, "verdict": "good", "reasons": ("so it is",)},
    }
    return Metrics(**{**values, **changed})


class OnDisk:
    """One run, and what its tasks have come to."""

    def __init__(self, name, *tasks):
        self.paths = RunPaths(Path("runs"), name)
        self.tasks = {task.id: task for task in tasks}
        record_submission(self.paths, plan_run(self.paths, tasks))

    def start(self, name, attempt=1, **more):
        key, process = self.tasks[name].key, Process.current()
        start = Started(attempt=attempt, key=key, process=process, **more)
        append(self.paths.ledger(name), start)

    def end(self, name, outcome="done", attempt=1, **more):
        append(self.paths.ledger(name), Ended(attempt=attempt, outcome=outcome, **more))

    def finish(self, name, outcome="done", seconds=5.0, **more):
        """Started and ended."""
        self.start(name, at=1000.0)
        self.end(name, outcome, at=1000.0 + seconds, **more)

    def conclude(self, variant, scan, **changed):
        """A result is done, with figures of which some are changed; its folder."""
        self.finish(f"finalize-{variant}-{scan}")
        files = ResultPaths(self.paths.result(variant, scan))
        files.folder.mkdir(parents=True)
        files.metrics.write_text(figures(**changed).model_dump_json())
        return files

    def beat(self, name, step, total, **figures):
        HeartbeatWriter(self.paths.heartbeat(name), 1).beat(step, total, figures)

    def print(self, name, text):
        """Add to a log."""
        with self.paths.log(name).open("a") as log:
            log.write(text)


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    """Makes runs in an empty working folder: of names, or of tasks."""
    monkeypatch.chdir(tmp_path)

    def make(name, *tasks):
        return OnDisk(name, *(task(each) if isinstance(each, str) else each for each in tasks))

    return make


@pytest.fixture
def results(on_disk):
    """Makes runs that have results, each a pair of variant and scan."""

    def make(name, *pairs):
        tasks = (task(f"finalize-{v}-{s}", variant=v, scan=s) for v, s in pairs)
        return on_disk(name, *tasks)

    return make


@pytest.fixture
def asking():
    """Makes tasks that ask for something."""
    return task
