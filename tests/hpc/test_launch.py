"""The other ranks of a task on one machine: they start with it, and nobody outlives the others."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpc.launch import Followers
from hpc.ledger import read_state
from hpc.paths import RunPaths
from hpc.process import this_host
from hpc.resources import Resources
from hpc.task import Task
from hpc.worker import Exit

Make = Callable[..., Task]
PYTHON = sys.executable


def several(task: Task, *, nodes: int = 1, per_node: int = 1) -> Task:
    more = {"nodes": nodes, "tasks_per_node": per_node}
    return task.model_copy(update={"resources": task.resources.model_copy(update=more)})


def work(run: RunPaths, task: Task, before: str = "pass") -> subprocess.CompletedProcess[bytes]:
    """Run a task in a worker of its own, which does something first."""
    run.create()
    run.task(task.id).write_text(task.model_dump_json())
    script = f"import sys, hpc.launch, hpc.worker; {before}; sys.exit(hpc.worker.main())"
    options = ["--runs", str(run.root), "--run", run.name, "--task", task.id]
    return subprocess.run([PYTHON, "-c", script, *options], check=False)


def python(code: str) -> tuple[list[str], dict[str, str]]:
    """A follower that does this."""
    return [PYTHON, "-c", code], {}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpc.launch.GRACE", 0.2)


# Tasks


def test_every_rank_is_a_process_that_knows_its_place(run: RunPaths, make: Make) -> None:
    task = several(make("a", "meets"), nodes=2, per_node=2)
    assert work(run, task).returncode == Exit.DONE
    found = [json.loads((run.folder / "ranks" / f"{i}.json").read_text()) for i in range(4)]
    places = ("RANK", "LOCAL_RANK", "NODE_RANK")
    assert [tuple(one[name] for name in places) for one in found] == [
        ("0", "0", "0"),
        ("1", "1", "0"),
        ("2", "0", "1"),
        ("3", "1", "1"),
    ]
    assert {one["WORLD_SIZE"] for one in found} == {"4"}
    (meeting,) = {(one["MASTER_ADDR"], one["MASTER_PORT"]) for one in found}
    assert meeting[0] == "127.0.0.1"
    assert int(meeting[1]) > 0
    assert read_state(run, "a").attempt == 1
    assert "a, rank 3 of 4" in run.log("a").read_text()


def test_a_rank_that_fails_ends_the_first_and_tells_why(run: RunPaths, make: Make) -> None:
    task = several(make("a", "second_rank_fails"), per_node=2)
    assert work(run, task, "hpc.launch.GRACE = 0.5").returncode == Exit.FAILED
    state = read_state(run, "a")
    assert state.status == "failed"
    assert state.cause == f"rank 1 on {this_host()}: ValueError: only I fail"


def test_a_task_of_one_rank_starts_nothing_and_changes_no_environment(make: Make) -> None:
    before = dict(os.environ)
    resources: Resources = make("a").resources
    with Followers.of(resources, ["no", "such", "arguments"]):
        pass
    assert dict(os.environ) == before


# Processes


@pytest.mark.usefixtures("impatient")
def test_leaving_ends_whoever_does_not_end_by_itself() -> None:
    with Followers([python("import time; time.sleep(600)")]) as followers:
        pass
    (process,) = followers._processes
    assert process.returncode == -9


def test_leaving_waits_for_whoever_is_about_to_end(tmp_path: Path) -> None:
    code = f"import time, pathlib; time.sleep(0.5); pathlib.Path({str(tmp_path / 'end')!r}).touch()"
    with Followers([python(code)]):
        pass
    assert (tmp_path / "end").exists()


@pytest.mark.usefixtures("impatient")
def test_followers_are_ended_when_the_first_rank_has_raised() -> None:
    followers = Followers([python("import time; time.sleep(600)")] * 2)
    with pytest.raises(RuntimeError, match="boom"), followers:
        raise RuntimeError("boom")
    assert [process.returncode for process in followers._processes] == [-9, -9]


WAITS = """
import sys, time
import hpc.launch
hpc.launch.GRACE = 0.2
dying = [sys.executable, "-c", "import os; os._exit({status})"]
with hpc.launch.Followers([(dying, {{}})]):
    time.sleep({seconds})
"""


def test_a_follower_that_dies_ends_a_first_rank_that_waits_for_it() -> None:
    done = subprocess.run([PYTHON, "-c", WAITS.format(status=3, seconds=600)], check=False)
    assert done.returncode == 1


def test_a_follower_that_has_done_its_part_leaves_the_first_rank_alone() -> None:
    done = subprocess.run([PYTHON, "-c", WAITS.format(status=0, seconds=1)], check=False)
    assert done.returncode == 0


@pytest.mark.usefixtures("impatient")
def test_a_first_rank_that_ends_by_itself_is_not_killed_for_a_follower_that_died() -> None:
    with Followers([python("import os; os._exit(3)")]) as followers:
        followers._processes[0].wait()
    time.sleep(0.5)  # this very process would be gone
    assert followers._processes[0].returncode == 3
