"""What must not be lost on a cluster: every scenario ends with the right states and causes, with
no work done twice, and with what an undisturbed run would have made.

Those that have a meaning on one machine run on both executors, to the same records but for job ids.
"""

import subprocess
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from hpc.cancel import cancel_tasks
from hpc.errors import UserError
from hpc.executors.local import LocalExecutor
from hpc.executors.room import Room
from hpc.executors.slurm import SlurmExecutor
from hpc.fsio import append_line
from hpc.ledger import Ended, Queued, Started, read_entries, read_states
from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.retry import RetryPolicy
from hpc.slurm.batches import read_batches
from hpc.slurm.client import Slurm
from hpc.slurm.observe import observe
from hpc.slurm.profile import Profile
from hpc.task import Task, make_task
from tests import waiting

HERE = Path(__file__).parent
PATIENCE = 180  # seconds
until = partial(waiting.until, seconds=PATIENCE, pause=0.1)
SIGNAL = 30  # seconds before the time limit


@pytest.fixture(autouse=True)
def entries(monkeypatch):
    """Let jobs import the entry points."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def run(tmp_path):
    return RunPaths(tmp_path / "runs of the night", "night")


def task(
    name, entry="quick", needs=(), *, after=(), stage="stage", seconds=600, mem_gb=0.2, **params
):
    resources = Resources(time=timedelta(seconds=seconds), mem_gb=mem_gb, cpus=1, gpus=0)
    return make_task(
        id=name,
        stage=stage,
        entry=f"scenario_entries:{entry}",
        revision=1,
        params=params,
        needs=needs,
        after=after,
        resources=resources,
    )


def local(**settings):
    return LocalExecutor(room=Room(tasks=4), grace=2.0, **settings)


def slurm(partition=None, array_size=1000, **settings):
    profile = Profile(version=1, signal_s=SIGNAL, partition=partition, array_size=array_size)
    return SlurmExecutor(profile, **settings)


@pytest.fixture(params=["local", "slurm"])
def executor(request):
    """Either executor; the cluster is started only where it is needed."""
    if request.param == "slurm":
        request.getfixturevalue("cluster")
        return slurm
    return local


def finish(executor, run, tasks):
    with executor.submit(run, tasks) as handle:
        wait(handle)
    return handle


def wait(handle):
    until(handle.poll)


def states(run, tasks):
    return observe(run, read_states(run, [task.id for task in tasks])).states


def statuses(run, tasks):
    return {name: state.status for name, state in states(run, tasks).items()}


def begun(run, name):
    """How often a task was begun."""
    path = run.folder / "marks" / name
    return len(path.read_text().splitlines()) if path.exists() else 0


def history(run, name):
    """The records of a task without times, jobs and processes."""
    told = []
    for entry in read_entries(run.ledger(name)):
        match entry:
            case Queued():
                told.append(("queued", entry.retry))
            case Started():
                told.append(("started", entry.attempt))
            case Ended():
                told.append((entry.outcome, entry.fault))
    return told


def without_first_place(records):
    """SLURM's tasks are queued by a record; on one machine the plan is enough."""
    return records[1:] if records[0] == ("queued", None) else records


def job_of(run, name):
    state = read_states(run, [name])[name]
    return read_batches(run).element(state.batch, name)


def open_gate(run):
    (run.folder / "gate").touch()


def command(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


# Many tasks


def test_an_array_of_forty_runs_each_task_once_and_what_needs_them_after_them(executor, run):
    many = [task(f"t{i:02d}") for i in range(40)]
    last = task("last", needs=many, stage="end")
    finish(executor(), run, [*many, last])
    assert set(statuses(run, [*many, last]).values()) == {"done"}
    assert [begun(run, one.id) for one in many] == [1] * 40
    ends = [state.ended for name, state in states(run, many).items()]
    assert states(run, [last])["last"].started >= max(ends)


def test_thousands_of_tasks_are_split_at_what_the_cluster_allows_and_cancelled_at_once(
    cluster, run
):
    command("scontrol", "show", "config")
    blocker = task("first", "gated")
    tasks = [blocker, *(task(f"t{i:04d}", needs=[blocker]) for i in range(2500))]
    with slurm(array_size=1001).submit(run, tasks) as handle:
        sizes = [len(read_batches(run).known[token].tasks) for token in handle.wave.jobs]
        assert sizes == [1, 1001, 1001, 498, 0]
        assert set(statuses(run, tasks[1:]).values()) == {"queued"}
        cancel_tasks(run, [one.id for one in reversed(tasks)])
        assert set(statuses(run, tasks[1:]).values()) == {"cancelled"}
        wait(handle)
    assert statuses(run, [blocker]) == {"first": "cancelled"}
    assert not (run.folder / "marks" / "t0000").exists()


def test_tasks_in_several_arrays_are_done_once_each(cluster, run):
    tasks = [task(f"t{i}") for i in range(7)]
    last = task("last", needs=tasks, stage="end")
    handle = finish(slurm(array_size=3), run, [*tasks, last])
    assert len(handle.wave.jobs) == 5  # three arrays, one behind them, the steward
    assert [begun(run, one.id) for one in (*tasks, last)] == [1] * 8


# Faults


def test_an_error_in_the_code_is_not_tried_again_and_shows_its_traceback(executor, run):
    bad = task("bad", "wrong")
    tasks = [bad, task("next", needs=[bad], stage="end"), task("other")]
    finish(executor(), run, tasks)
    assert statuses(run, tasks) == {"bad": "failed", "next": "blocked", "other": "done"}
    state = states(run, tasks)["bad"]
    assert state.cause == "ValueError: the frames do not fit"
    assert "raise ValueError" in "".join(state.tail)
    assert begun(run, "bad") == 1
    assert states(run, tasks)["next"].cause == "bad failed"


def test_what_only_has_to_agree_is_waited_for_and_stops_what_waits_for_it(executor, run):
    good, bad, store = task("good"), task("bad", "wrong"), task("store")
    passed, stopped = (
        task(f"after_{gate.id}", needs=[store], after=[gate], stage="next") for gate in (good, bad)
    )
    tasks = [good, bad, store, passed, stopped]
    finish(executor(), run, tasks)
    assert statuses(run, tasks) == {
        "good": "done",
        "bad": "failed",
        "store": "done",
        "after_good": "done",
        "after_bad": "blocked",
    }
    assert states(run, tasks)["after_bad"].cause == "bad failed"


def test_a_task_that_runs_out_of_memory_once_gets_more_and_what_waited_for_it_runs(executor, run):
    on_slurm = executor is slurm
    hungry = task("hungry", "hungry_once", mem_gb=0.2, mb=400, really=on_slurm)
    tasks = [hungry, task("next", needs=[hungry], stage="end")]
    finish(executor(), run, tasks)
    assert set(statuses(run, tasks).values()) == {"done"}
    outcome = "killed" if on_slurm else "failed"
    assert without_first_place(history(run, "hungry")) == [
        ("started", 1),
        (outcome, "memory"),
        ("queued", "memory"),
        ("started", 2),
        ("done", None),
    ]
    assert begun(run, "next") == 1


def test_memory_is_asked_for_so_often_and_then_given_up(cluster, run):
    greedy = task("greedy", "hungry_once", mem_gb=0.2, mb=400, really=True)
    finish(slurm(retry=RetryPolicy(memory=0)), run, [greedy])
    state = states(run, [greedy])["greedy"]
    assert (state.status, state.fault) == ("killed", "memory")
    assert state.cause.startswith("out of memory: it had 0.2 GB on node")


def test_a_task_that_times_out_once_gets_more_time(executor, run):
    on_slurm = executor is slurm
    slow = task("slow", "slow_once", seconds=600 if on_slurm else 2)
    with executor().submit(run, [slow]) as handle:
        if on_slurm:
            until(lambda: begun(run, "slow") == 1)
            command("scontrol", "update", f"JobId={job_of(run, 'slow')}", "EndTime=now+1")
        wait(handle)
    assert statuses(run, [slow]) == {"slow": "done"}
    assert without_first_place(history(run, "slow")) == [
        ("started", 1),
        ("timed_out", "time"),
        ("queued", "time"),
        ("started", 2),
        ("done", None),
    ]


def test_a_task_that_keeps_its_progress_goes_on_where_its_time_was_up(executor, run):
    on_slurm = executor is slurm
    # On SLURM all of so short a time lies within the warning before its end.
    counting = task("counting", "counts", seconds=60 if on_slurm else 2, to=30)
    with executor().submit(run, [counting]) as handle:
        if on_slurm:
            until(lambda: begun(run, "counting") == 1)
            command("scancel", "--signal=USR2", job_of(run, "counting"))
        wait(handle)
    state = states(run, [counting])["counting"]
    assert (state.status, state.result) == ("done", {"counted": 30})
    assert ("requeued", "time") in history(run, "counting")


def test_a_full_disk_inside_a_task_is_its_cause(executor, run):
    tasks = [task("full", "disk_full"), task("other")]
    finish(executor(), run, tasks)
    assert statuses(run, tasks) == {"full": "failed", "other": "done"}
    assert states(run, tasks)["full"].cause.startswith("no space left on the disk")


def test_a_worker_killed_without_a_word_is_not_taken_for_done(executor, run):
    tasks = [task("gone", "dies"), task("other")]
    finish(executor(), run, tasks)
    assert statuses(run, tasks) == {"gone": "killed", "other": "done"}


def test_after_a_torn_record_the_next_submit_goes_on(executor, run):
    tasks = [task("torn"), task("other")]
    run.create()
    append_line(run.ledger("torn"), Queued(key="older").model_dump_json())
    with run.ledger("torn").open("a") as file:
        file.write('{"event":"started","attempt":1,"ke')
    finish(executor(), run, tasks)
    assert set(statuses(run, tasks).values()) == {"done"}
    assert [begun(run, one.id) for one in tasks] == [1, 1]


# The cluster


def test_the_loss_of_a_node_is_seen_and_the_task_runs_on_another(cluster, run):
    tasks = [task("a", "gated")]
    with slurm().submit(run, tasks) as handle:
        until(lambda: begun(run, "a") == 1)
        first = read_states(run, ["a"])["a"].host
        cluster.kill_node(first, notify=True)
        until(lambda: begun(run, "a") == 2)
        second = read_states(run, ["a"])["a"].host
        open_gate(run)
        wait(handle)
    assert second != first
    assert statuses(run, tasks) == {"a": "done"}
    ends = [entry for entry in read_entries(run.ledger("a")) if isinstance(entry, Ended)]
    assert [(end.outcome, end.fault) for end in ends] == [("killed", "node"), ("done", None)]
    assert ends[0].nodes == (first,)


def test_one_element_that_was_cancelled_by_hand_is_cancelled_and_the_others_are_not(cluster, run):
    tasks = [task(name, "gated") for name in ("a", "b", "c")]
    tasks.append(task("after-b", needs=[tasks[1]], stage="end"))
    with slurm().submit(run, tasks) as handle:
        until(lambda: all(begun(run, name) for name in "abc"))
        command("scancel", job_of(run, "b"))
        until(lambda: statuses(run, tasks)["b"] == "cancelled")
        open_gate(run)
        wait(handle)
    assert statuses(run, tasks) == {
        "a": "done",
        "b": "cancelled",
        "c": "done",
        "after-b": "blocked",
    }
    assert "scancel" in states(run, tasks)["b"].cause


def test_a_preempted_task_saves_its_state_and_goes_on_as_it_was(cluster, run):
    tasks = [task(f"patient{i}", "patient", mem_gb=3.0) for i in range(3)]  # all nodes

    def stopped():
        return [one.id for one in tasks if ("requeued", "preemption") in history(run, one.id)]

    with slurm("low").submit(run, tasks) as handle:
        until(lambda: all(begun(run, one.id) for one in tasks))
        command("sbatch", "--mem=3000", "--output=/dev/null", "--wrap=sleep 1")
        until(stopped)
        open_gate(run)
        wait(handle)
    (name,) = stopped()
    found = states(run, tasks)
    assert {state.status for state in found.values()} == {"done"}
    assert [found[one.id].attempt for one in tasks if one.id != name] == [1, 1]
    assert found[name].attempt == 2
    assert found[name].job == job_of(run, name)  # the same job, put back in the queue


def test_a_controller_that_was_away_has_lost_nothing(cluster, run):
    tasks = [task("a", "gated"), task("b", "gated")]
    tasks.append(task("c", needs=tasks[:2], stage="end"))
    with slurm().submit(run, tasks) as handle:
        until(lambda: begun(run, "a") and begun(run, "b"))
        cluster.stop_controller()
        seen = observe(run, read_states(run, ["a", "b", "c"]), Slurm(tries=1))
        assert seen.trouble
        assert [seen.states[name].status for name in "abc"] == ["running", "running", "queued"]
        with pytest.raises(UserError, match="SLURM does not answer"):
            SlurmExecutor(Profile(version=1), slurm=Slurm(tries=1)).submit(run, tasks)
        open_gate(run)
        time.sleep(1)
        cluster.start_controller()
        wait(handle)
    assert set(statuses(run, tasks).values()) == {"done"}
    assert [begun(run, one.id) for one in tasks] == [1, 1, 1]


def test_without_accounting_every_end_is_still_found_out(cluster, run):
    cluster.stop_accounting()
    hungry = task("hungry", "hungry_once", mem_gb=0.2, mb=400, really=True)
    tasks = [task("gone", "dies"), hungry, task("good")]
    finish(slurm(), run, tasks)
    assert statuses(run, tasks) == {"gone": "killed", "hungry": "done", "good": "done"}


# Submitters

KILLED = """
import os, signal, sys
from pathlib import Path
from pydantic import TypeAdapter
from hpc.executors.slurm import SlurmExecutor
from hpc.paths import RunPaths
from hpc.slurm.client import Slurm
from hpc.task import Task

class Dying(Slurm):
    def submit(self, script):
        super().submit(script)
        os.kill(os.getpid(), signal.SIGKILL)

tasks = TypeAdapter(list[Task]).validate_json(Path(sys.argv[3]).read_bytes())
SlurmExecutor(slurm=Dying()).submit(RunPaths(Path(sys.argv[1]), sys.argv[2]), tasks)
"""

SUBMITS = """
import sys
from pathlib import Path
from pydantic import TypeAdapter
from hpc.executors.slurm import SlurmExecutor
from hpc.paths import RunPaths
from hpc.task import Task
tasks = TypeAdapter(list[Task]).validate_json(Path(sys.argv[3]).read_bytes())
handle = SlurmExecutor().submit(RunPaths(Path(sys.argv[1]), sys.argv[2]), tasks)
print(sum(d.action == "run" for d in handle.decisions))
"""


def submitter(script, run, tasks):
    """A submit in a process of its own."""
    file = run.root.parent / "tasks.json"
    file.write_bytes(TypeAdapter(list[Task]).dump_json(tasks))
    arguments = [sys.executable, "-c", script, str(run.root), run.name, str(file)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_a_submitter_killed_before_it_could_record_the_job_leaves_one_job(cluster, run):
    tasks = [task("a", "gated"), task("b", "gated")]
    tasks.append(task("c", needs=tasks[:2], stage="end"))
    with submitter(KILLED, run, tasks) as process:
        process.wait()
    assert process.returncode == -9
    assert statuses(run, tasks) == {"a": "queued", "b": "queued", "c": "pending"} or begun(run, "a")
    with slurm().submit(run, tasks) as handle:
        actions = {decision.task.id: decision.action for decision in handle.decisions}
        assert actions == {"a": "wait", "b": "wait", "c": "run"}
        until(lambda: begun(run, "a") and begun(run, "b"))
        open_gate(run)
        wait(handle)
    assert set(statuses(run, tasks).values()) == {"done"}
    assert [begun(run, one.id) for one in tasks] == [1, 1, 1]


def test_two_submits_at_once_hand_every_task_over_once(cluster, run):
    tasks = [task(f"t{i}") for i in range(6)]
    both = [submitter(SUBMITS, run, tasks) for _ in range(2)]
    handed = sorted(int(process.communicate(timeout=PATIENCE)[0]) for process in both)
    assert handed == [0, 6]
    until(lambda: set(statuses(run, tasks).values()) == {"done"})
    assert [begun(run, one.id) for one in tasks] == [1] * 6
