"""What every test of the batch layer works with: a run in a new folder and tasks that do little."""

import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings

from hpc.ledger import Ended, Started, append, fold, read_entries
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.resources import Resources
from hpc.task import Task, make_task

HERE = Path(__file__).parent

# A test on a busy machine is slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers, and this process, import the tests' entry points."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "runs of the day", "demo")


@pytest.fixture
def submit_script() -> Path:
    return HERE / "batch_submit.py"


@pytest.fixture
def make() -> Callable[..., Task]:
    """A task from its name and the name of an entry point in batch_entries."""

    def build(
        id: str,  # noqa: A002
        entry: str = "noop",
        needs: Sequence[Task] = (),
        *,
        seconds: float = 60,
        stage: str = "stage",
        cpus: int = 1,
        mem_gb: float = 0.1,
        gpus: int = 0,
        nodes: int = 1,
        tasks_per_node: int = 1,
        revision: int = 1,
        after: Sequence[Task] = (),
        **params: object,
    ) -> Task:
        resources = Resources(
            time=timedelta(seconds=seconds),
            mem_gb=mem_gb,
            cpus=cpus,
            gpus=gpus,
            nodes=nodes,
            tasks_per_node=tasks_per_node,
        )
        return make_task(
            id=id,
            stage=stage,
            entry=f"batch_entries:{entry}",
            revision=revision,
            params=params,
            needs=needs,
            after=after,
            resources=resources,
        )

    return build


@pytest.fixture
def pretend(run: RunPaths) -> Callable[..., None]:
    """Write the ledger of a task as if an attempt had ended so; without outcome it is running."""

    def write(
        task: Task, outcome: str | None = "done", *, process: Process | None = None, **end: object
    ) -> None:
        run.create()
        run.task(task.id).write_text(task.model_dump_json())
        path = run.ledger(task.id)
        attempt = fold(read_entries(path)).attempt + 1
        process = process or Process.current()
        append(path, Started(attempt=attempt, key=task.key, process=process))
        if outcome:
            append(path, Ended(attempt=attempt, outcome=outcome, **end))

    return write


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something holds; a test that waits in vain fails, it does not hang."""

    def wait(holds: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.01)

    return wait


@pytest.fixture
def dead_process() -> Process:
    """A process that has been: the number is taken, by another that started later."""
    return Process(host=Process.current().host, pid=os.getpid(), started="long ago")
