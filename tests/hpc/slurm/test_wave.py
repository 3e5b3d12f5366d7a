"""Handing tasks over: each to one job, whatever sbatch says and whenever the submitter dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from hpc.errors import UserError
from hpc.executors.slurm import SlurmExecutor
from hpc.ledger import Ended, Queued, Started, append, read_entries, read_states
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.retry import RetryPolicy, advise
from hpc.settings import Settings
from hpc.slurm import wave as wave_module
from hpc.slurm.batches import Accepted, Batches, Void, read_batches
from hpc.slurm.client import Slurm
from hpc.slurm.observe import observe, record
from hpc.slurm.profile import Partition, Profile
from hpc.slurm.wave import Again, Wave, send
from hpc.task import Task

Make = Callable[..., Task]
PROFILE = Profile(version=1)
THERE = Process(host="n1", pid=7, started="x")


@pytest.fixture
def hand_over(run: RunPaths, slurm: Slurm, cluster) -> Callable[..., Wave]:
    """Hand tasks over, as an executor does that holds the lock of the run."""

    def call(tasks: Sequence[Task], profile: Profile = PROFILE, **options: object) -> Wave:
        run.create()
        settings = Settings(executor="slurm", profile=profile, retry=RetryPolicy())
        return send(run, tasks, settings, slurm, **options)

    return call


def statuses(run: RunPaths, *names: str) -> list[str]:
    return [state.status for state in read_states(run, names).values()]


def look(run: RunPaths, slurm: Slurm, *names: str) -> list[str]:
    """The statuses by what SLURM says; they are recorded."""
    seen = observe(run, read_states(run, names), slurm)
    record(run, seen)
    return [state.status for state in seen.states.values()]


def directives(scripts: Sequence[str], name: str) -> list[str | None]:
    """What each script says of one option."""
    wanted = f"#SBATCH --{name}="
    found = [[line for line in text.splitlines() if line.startswith(wanted)] for text in scripts]
    return [lines[0].removeprefix(wanted) if lines else None for lines in found]


Hand = Callable[..., Wave]


# Arrays


def test_arrays_wait_for_each_other_and_a_steward_for_them_all(
    cluster, run: RunPaths, make: Make, hand_over: Hand
) -> None:
    store = make("store", stage="prepare")
    tiles = [make(f"tile{i}", stage="infer", needs=[store]) for i in range(3)]
    wave = hand_over([store, *tiles, make("end", stage="finalize", needs=tiles)])
    assert list(wave.jobs.values()) == ["100", "101", "104", "105"]
    assert (wave.left, wave.trouble) == ([], None)
    scripts = cluster.scripts()
    assert directives(scripts, "array") == ["0-0%1", "0-2%3", "0-0%1", None]
    assert directives(scripts, "dependency") == [
        None,
        "afterany:100",
        "afterany:101",
        "afterany:100:101:104",
    ]


def test_a_task_is_queued_in_the_batch_whose_element_runs_it(
    cluster, run: RunPaths, make: Make, hand_over: Hand
) -> None:
    hand_over([make("a"), make("b")])
    batches = read_batches(run)
    states = read_states(run, ["a", "b"])
    assert {state.status for state in states.values()} == {"queued"}
    assert [batches.element(state.batch, name) for name, state in states.items()] == [
        "100_0",
        "100_1",
    ]
    assert batches.open() == []


def test_a_batch_is_on_disk_and_its_tasks_queued_before_sbatch_is_called(
    cluster, run: RunPaths, make: Make, hand_over: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def submit(self: Slurm, script: Path) -> str:
        seen.append((script.read_text(), statuses(run, "a"), len(read_batches(run).open())))
        return "100"

    monkeypatch.setattr(Slurm, "submit", submit)
    hand_over([make("a")])
    (batch,) = [one for one in read_batches(run).known.values() if one.tasks]
    assert seen[0] == (batch.script, ["queued"], 1)


def test_a_batch_of_tasks_is_no_larger_than_the_cluster_allows(
    cluster, make: Make, hand_over: Hand
) -> None:
    hand_over([make(f"t{i}") for i in range(5)], PROFILE.model_copy(update={"array_size": 2}))
    assert directives(cluster.scripts(), "array") == ["0-1%2", "0-1%2", "0-0%1", None]


def test_nothing_to_hand_over_is_no_job_not_even_a_steward(cluster, hand_over: Hand) -> None:
    assert hand_over([]).jobs == {}
    assert cluster.calls("sbatch") == []


# What earlier attempts came to


def failed(run: RunPaths, task: Task, fault: str, *nodes: str) -> None:
    run.create()
    append(run.ledger(task.id), Started(attempt=1, key=task.key, process=THERE))
    append(run.ledger(task.id), Ended(attempt=1, outcome="killed", fault=fault, nodes=nodes))


def test_who_lacked_memory_gets_more_and_who_lost_a_node_another_one(
    cluster, run: RunPaths, make: Make, hand_over: Hand
) -> None:
    tasks = [make(name, mem_gb=2.0) for name in "abc"]
    failed(run, tasks[1], "memory")
    failed(run, tasks[2], "node", "n7")
    profile = PROFILE.model_copy(update={"partitions": {"p": Partition(mem_gb=3, default=True)}})
    hand_over(tasks, profile)
    scripts = cluster.scripts()[:3]
    assert directives(scripts, "mem") == ["1908M", "2862M", "1908M"]
    assert directives(scripts, "exclude") == [None, None, "n7"]


def test_a_retry_is_recorded_as_one(run: RunPaths, make: Make, hand_over: Hand) -> None:
    hand_over([make("a"), make("b")], again={"a": Again("memory", "retry 1 of 2")})
    (queued,), (plain,) = read_entries(run.ledger("a")), read_entries(run.ledger("b"))
    assert isinstance(queued, Queued)
    assert isinstance(plain, Queued)
    assert (queued.retry, queued.cause) == ("memory", "retry 1 of 2")
    assert (plain.retry, plain.cause) == (None, None)


def test_a_retry_that_has_not_come_about_yet_stays_one(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    task = make("a")
    failed(run, task, "preemption")
    append(run.ledger("a"), Queued(key=task.key, retry="preemption", cause="state saved"))
    hand_over([task])
    queued = read_entries(run.ledger("a"))[-1]
    assert isinstance(queued, Queued)
    assert (queued.retry, queued.batch is None) == ("preemption", False)


def test_a_retry_that_slurm_refuses_stays_one_so_that_tries_are_counted_on(
    cluster, run: RunPaths, make: Make, hand_over: Hand
) -> None:
    task = make("a")
    failed(run, task, "memory")
    again = {"a": Again("memory", "retry 1 of 2")}
    cluster.fault("sbatch", "refused")
    hand_over([task], again=again)
    (state,) = read_states(run, ["a"]).values()
    assert (state.status, state.retry) == ("pending", "memory")
    assert "AssocMaxSubmitJobLimit" in (state.cause or "")
    hand_over([task])
    queued = read_entries(run.ledger("a"))[-1]
    assert isinstance(queued, Queued)
    assert (queued.retry, queued.cause, bool(queued.batch)) == ("memory", "retry 1 of 2", True)
    failed(run, task, "memory")
    advice = advise(read_entries(run.ledger("a")), task.resources, RetryPolicy())
    assert advice is not None
    assert advice.cause.startswith("retry 2 of 2")


# Needs that SLURM has already


def test_only_the_elements_that_are_needed_are_waited_for(
    cluster, run: RunPaths, make: Make, hand_over: Hand
) -> None:
    tasks = [make(f"t{i}") for i in range(3)]
    hand_over(tasks)
    live = [batch for batch in read_batches(run).known.values() if batch.tasks]
    late = make("late", needs=[tasks[2]])
    hand_over([late], under_way=["t0", "t1", "t2"], live=live)
    *_, array, steward = cluster.scripts()
    assert directives([array, steward], "dependency") == ["afterany:100_2", "afterany:104:100"]


def test_many_elements_are_waited_for_as_one_array(
    cluster, run: RunPaths, make: Make, hand_over: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wave_module, "MANY", 2)
    tasks = [make(f"t{i}") for i in range(3)]
    hand_over(tasks)
    hand_over([make("late", needs=tasks)], under_way=["t0", "t1", "t2"])
    assert directives(cluster.scripts()[2:3], "dependency") == ["afterany:100"]


def test_of_a_task_handed_over_twice_the_last_job_is_waited_for(
    cluster, run: RunPaths, make: Make, hand_over: Hand
) -> None:
    task = make("a")
    hand_over([task])
    hand_over([task], again={"a": Again("node", "retry")})
    hand_over([make("late", needs=[task])], under_way=["a"])
    assert directives(cluster.scripts()[4:5], "dependency") == ["afterany:102_0"]


# Room in the queue


def test_as_many_tasks_as_fit_are_handed_over_and_the_others_left(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    tasks = [make(f"t{i}") for i in range(5)]
    wave = hand_over(tasks, PROFILE.model_copy(update={"max_jobs": 4}))  # and one is the steward
    assert [task.id for task in wave.left] == ["t3", "t4"]
    assert statuses(run, "t2", "t3") == ["queued", "pending"]
    assert wave.trouble is None


def test_what_is_in_the_queue_already_takes_room(
    cluster, run: RunPaths, make: Make, hand_over: Hand
) -> None:
    hand_over([make("a"), make("b")])
    live = tuple(read_batches(run).known.values())  # an array of two, and a steward
    profile = PROFILE.model_copy(update={"max_jobs": 5})
    wave = hand_over([make("c"), make("d")], profile, live=live)
    assert [task.id for task in wave.left] == ["d"]
    full = hand_over([make("d")], PROFILE.model_copy(update={"max_jobs": 4}), live=live)
    assert ([task.id for task in full.left], full.jobs) == (["d"], {})


# sbatch that fails


def test_a_job_that_sbatch_did_not_confirm_is_found_and_not_submitted_again(
    cluster, run: RunPaths, make: Make, hand_over: Hand
) -> None:
    cluster.fault("sbatch", "late")
    wave = hand_over([make("a"), make("b")])
    assert (wave.trouble, wave.left) == (None, [])
    assert cluster.jobs == ["100_0", "100_1", "102"]
    assert read_batches(run).open() == []


@pytest.mark.parametrize("fault", ["mute", "wordy"])
def test_an_answer_that_is_not_the_usual_one_gives_one_job_too(
    cluster, run: RunPaths, make: Make, hand_over: Hand, fault: str
) -> None:
    cluster.fault("sbatch", fault)
    wave = hand_over([make("a")])
    assert (list(wave.jobs.values()), cluster.jobs) == (["100", "101"], ["100_0", "101"])


def test_a_job_that_sbatch_did_not_confirm_may_show_up_later(
    cluster, run: RunPaths, make: Make, hand_over: Hand, slurm: Slurm
) -> None:
    cluster.fault("sbatch", "late")
    cluster.fault("squeue", *["blind"] * 3)
    wave = hand_over([make("a")])
    assert "timed out" in (wave.trouble or "")
    assert statuses(run, "a") == ["queued"]  # and so no submit hands it over again
    assert look(run, slurm, "a") == ["queued"]
    assert isinstance(next(iter(read_batches(run).fates.values())), Accepted)
    assert cluster.jobs == ["100_0"]


def test_a_job_that_sbatch_lost_is_handed_over_again_once_that_is_sure(
    cluster,
    run: RunPaths,
    make: Make,
    hand_over: Hand,
    slurm: Slurm,
    later: Callable[[], None],
) -> None:
    cluster.fault("sbatch", "lost")
    hand_over([make("a")])
    assert look(run, slurm, "a") == ["queued"]
    later()
    assert look(run, slurm, "a") == ["pending"]
    hand_over([make("a")])
    assert cluster.jobs == ["100_0", "101"]


def test_a_controller_that_is_down_meanwhile_proves_nothing(
    cluster, run: RunPaths, make: Make, hand_over: Hand, slurm: Slurm, later: Callable[[], None]
) -> None:
    cluster.fault("sbatch", "late")
    cluster.fault("squeue", "always", "busy")
    hand_over([make("a")])
    later()
    assert look(run, slurm, "a") == ["queued"]
    assert read_batches(run).fates == {}
    cluster.fault("squeue")
    assert look(run, slurm, "a") == ["queued"]
    assert read_batches(run).open() == []


def test_a_refusal_leaves_its_tasks_pending_and_those_after_them_as_they_were(
    cluster, run: RunPaths, make: Make, hand_over: Hand
) -> None:
    a = make("a", stage="prepare")
    b, c = make("b", stage="train", needs=[a]), make("c", stage="infer", needs=[a])
    cluster.fault("sbatch", "none", "refused")
    wave = hand_over([a, b, c])
    assert [task.id for task in wave.left] == ["b", "c"]
    assert "AssocMaxSubmitJobLimit" in (wave.trouble or "")
    assert statuses(run, "a", "b", "c") == ["queued", "pending", "pending"]
    assert "AssocMaxSubmitJobLimit" in (read_states(run, ["b"])["b"].cause or "")
    fates = [type(fate) for fate in read_batches(run).fates.values()]
    assert fates == [Accepted, Void, Accepted]
    assert cluster.jobs == ["100_0", "101"]  # a, and the steward that hands over the others
    assert directives(cluster.scripts()[-1:], "dependency") == ["afterany:100"]


def test_a_refusal_of_everything_leaves_no_steward(
    cluster, run: RunPaths, make: Make, hand_over: Hand
) -> None:
    cluster.fault("sbatch", "always", "refused")
    wave = hand_over([make("a")])
    assert (wave.jobs, len(cluster.calls("sbatch"))) == ({}, 1)


# Submitters that are killed


class Killed(BaseException):
    """As SIGKILL would: nobody catches it."""


def die(*_: object, **__: object) -> None:
    raise Killed


def before_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wave_module, "append", die)


def before_sbatch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slurm, "submit", die)


def after_sbatch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Batches, "settle", die)


def before_steward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wave_module, "steward_script", die)


def while_the_batch_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpc.slurm.batches.write_atomic", die)


POINTS = [while_the_batch_is_written, before_ledger, before_sbatch, after_sbatch, before_steward]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__)
def test_a_submitter_killed_anywhere_leaves_each_task_to_exactly_one_job(
    cluster,
    run: RunPaths,
    make: Make,
    slurm: Slurm,
    later: Callable[[], None],
    point: Callable[[pytest.MonkeyPatch], None],
) -> None:
    tasks = [make("a"), make("b")]
    executor = SlurmExecutor(slurm=slurm)
    with pytest.MonkeyPatch.context() as patch:
        point(patch)
        with pytest.raises(Killed):
            executor.submit(run, tasks)
    for _ in range(2):  # at once, and when it is sure that SLURM has not got it
        executor.submit(run, tasks)
        later()
    executor.submit(run, tasks)
    arrays = [job for job in cluster.queue if ".stage." in job["name"]]
    stewards = [job for job in cluster.queue if ".steward." in job["name"]]
    assert [job["job"].partition("_")[2] for job in arrays] == ["0", "1"]
    assert len({job["name"] for job in arrays}) == 1
    assert len(stewards) == 1
    states = read_states(run, ["a", "b"])
    assert {state.status for state in states.values()} == {"queued"}
    (token,) = {state.batch for state in states.values()}
    assert read_batches(run).element(str(token), "b") == arrays[1]["job"]


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

tasks = TypeAdapter(list[Task]).validate_json(sys.stdin.read())
SlurmExecutor(slurm=Dying()).submit(RunPaths(Path(sys.argv[1]), sys.argv[2]), tasks)
"""


def test_a_submitter_that_was_really_killed_has_handed_its_tasks_over_once(
    cluster, run: RunPaths, make: Make, slurm: Slurm
) -> None:
    tasks = [make("a"), make("b")]
    text = TypeAdapter(list[Task]).dump_json(tasks)
    command = [sys.executable, "-c", KILLED, str(run.root), run.name]
    done = subprocess.run(command, input=text, env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    handle = SlurmExecutor(slurm=slurm).submit(run, tasks)
    assert [decision.action for decision in handle.decisions] == ["wait", "wait"]
    assert cluster.jobs == ["100_0", "100_1", "102"]


# Executors


def test_a_refusal_of_everything_is_said_to_the_user(
    cluster, run: RunPaths, make: Make, slurm: Slurm
) -> None:
    cluster.fault("sbatch", "always", "refused")
    with pytest.raises(UserError, match="SLURM takes no jobs: sbatch: error: AssocMaxSubmitJob"):
        SlurmExecutor(slurm=slurm).submit(run, [make("a")])
    assert statuses(run, "a") == ["pending"]


def test_what_is_changed_while_it_is_queued_gives_up_its_place(
    cluster, run: RunPaths, make: Make, slurm: Slurm
) -> None:
    executor = SlurmExecutor(slurm=slurm)
    executor.submit(run, [make("a", x=1), make("b")])
    executor.submit(run, [make("a", x=2), make("b")])
    assert cluster.calls("scancel") == [["--quiet", "100_0"]]
    assert [(job["job"], job["state"]) for job in cluster.queue if "stage" in job["name"]] == [
        ("100_0", "CANCELLED"),
        ("100_1", "PENDING"),
        ("103_0", "PENDING"),
    ]
    assert read_batches(run).element(str(read_states(run, ["a"])["a"].batch), "a") == "103_0"


def test_a_place_that_slurm_does_not_take_back_stays_and_the_user_is_told(
    cluster, run: RunPaths, make: Make, slurm: Slurm
) -> None:
    executor = SlurmExecutor(slurm=slurm)
    executor.submit(run, [make("a", x=1)])
    cluster.fault("scancel", "always", "busy")
    with pytest.raises(UserError, match=r"SLURM does not answer \(scancel"):
        executor.submit(run, [make("a", x=2)])
    assert read_states(run, ["a"])["a"].key == make("a", x=1).key


def test_submitting_twice_hands_over_nothing_the_second_time(
    cluster, run: RunPaths, make: Make, slurm: Slurm
) -> None:
    for _ in range(2):
        SlurmExecutor(slurm=slurm).submit(run, [make("a")])
    assert cluster.jobs == ["100_0", "101"]
