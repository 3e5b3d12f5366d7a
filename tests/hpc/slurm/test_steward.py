"""The steward: what it hands over once more when all arrays are over, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hpc.errors import StateError
from hpc.executors.slurm import SlurmExecutor
from hpc.ledger import CancelAsked, Ended, Started, TaskState, append, read_entries, read_states
from hpc.paths import RunPaths
from hpc.plan import Decision
from hpc.process import Process
from hpc.retry import RetryPolicy
from hpc.slurm import steward
from hpc.slurm.client import Slurm
from hpc.slurm.profile import Partition, Profile
from hpc.slurm.steward import due, look_after, tell
from hpc.slurm.wave import Again
from hpc.submission import RunPlan, describe
from hpc.task import Task
from hpc.worker import run_task

Make = Callable[..., Task]
THERE = Process(host="n1", pid=7, started="x")


# What is due


@pytest.fixture
def plan(make: Make) -> RunPlan:
    """One after the other: a store, a network, a result."""
    store = make("store")
    network = make("network", needs=[store])
    tasks = (store, network, make("result", needs=[network]))
    return describe(Decision(task=task, action="run", reason="new") for task in tasks)


def states(plan: RunPlan, **statuses: str) -> dict[str, TaskState]:
    """All done but these."""
    found = {}
    for task in plan.tasks:
        status = statuses.get(task.id, "done")
        done = task.key if status == "done" else None
        found[task.id] = TaskState(status=status, key=task.key, done_key=done, attempt=1)
    return found


def acting(plan: RunPlan, **actions: str) -> RunPlan:
    tasks = (t.model_copy(update={"action": actions.get(t.id, "run")}) for t in plan.tasks)
    return RunPlan(tasks=tuple(tasks))


AGAIN = Again("memory", "retry 1 of 2")


def test_nothing_is_due_where_all_is_done(plan: RunPlan) -> None:
    assert due(plan, states(plan), {}) == []


def test_what_is_tried_again_is_due_with_all_that_was_blocked_behind_it(plan: RunPlan) -> None:
    found = states(plan, store="killed", network="blocked", result="blocked")
    assert due(plan, found, {"store": AGAIN}) == ["store", "network", "result"]


def test_what_is_not_tried_again_is_not_due_nor_is_what_it_blocks(plan: RunPlan) -> None:
    found = states(plan, store="failed", network="blocked", result="blocked")
    assert due(plan, found, {}) == []


@pytest.mark.parametrize("status", ["pending", "blocked"])
def test_what_waits_is_due_once_its_needs_are_done_or_on_their_way(
    plan: RunPlan, status: str
) -> None:
    assert due(plan, states(plan, result=status), {}) == ["result"]
    for on_its_way in ("queued", "running", "requeued"):
        found = states(plan, network=on_its_way, result=status)
        assert due(plan, found, {}) == ["result"]
    for lacking in ("failed", "cancelled", "unknown"):
        assert due(plan, states(plan, network=lacking, result=status), {}) == []


@pytest.mark.parametrize("status", ["done", "failed", "killed", "timed_out"])
def test_what_ran_with_settings_that_were_changed_meanwhile_is_due(
    plan: RunPlan, status: str
) -> None:
    found = states(plan)
    found["network"] = TaskState(status=status, key="older", done_key="older", attempt=1)
    assert due(acting(plan, network="wait"), found, {}) == ["network"]


@pytest.mark.parametrize("status", ["cancelled", "unknown"])
def test_what_was_cancelled_or_is_unknown_is_not_due_whatever_was_changed(
    plan: RunPlan, status: str
) -> None:
    found = states(plan)
    found["network"] = TaskState(status=status, key="older", attempt=1)
    assert due(acting(plan, network="wait"), found, {}) == []


@pytest.mark.parametrize("status", ["pending", "failed", "killed", "cancelled", "unknown"])
def test_what_the_user_left_alone_is_not_due(plan: RunPlan, status: str) -> None:
    alone = acting(plan, network="skip")
    assert due(alone, states(plan, network=status), {}) == []
    changed = states(plan)
    changed["network"] = TaskState(status=status, key="older", attempt=1)
    assert due(alone, changed, {"network": AGAIN}) == []


def test_what_is_tried_again_by_itself_is_so_though_the_user_asks_for_other_tasks_meanwhile(
    plan: RunPlan,
) -> None:
    found = states(plan, network="killed", result="blocked")
    alone = acting(plan, network="skip", result="skip")
    assert due(alone, found, {"network": AGAIN}) == ["network", "result"]


# Looking after a run


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask SLURM again at once."""
    monkeypatch.setattr(steward, "INTERVAL", 0.01)


@pytest.fixture
def submit(run: RunPaths, slurm: Slurm, cluster) -> Callable[..., None]:
    """Submit tasks to the fake cluster, where all that was queued waits, each in job 100_i."""

    def call(*tasks: Task, only: list[str] | None = None, **options: object) -> None:
        SlurmExecutor(slurm=slurm, **options).submit(run, tasks, only)

    return call


def begin(run: RunPaths, task: Task) -> None:
    """Its worker has begun."""
    append(run.ledger(task.id), Started(attempt=1, key=task.key, process=THERE, job="100_0"))


Submit = Callable[..., None]


@pytest.mark.usefixtures("quick")
class TestLookingAfter:
    def test_who_lacked_memory_gets_more_and_what_it_blocked_runs_after_it(
        self, cluster, run: RunPaths, make: Make, slurm: Slurm, submit: Submit
    ) -> None:
        hungry = make("hungry", mem_gb=1.0)
        submit(hungry, make("next", needs=[hungry], stage="end"))
        begin(run, hungry)
        cluster.end("100", "OUT_OF_MEMORY", exit_code="0:125")
        cluster.end("101", "FAILED")
        wave = look_after(run, slurm)
        assert list(wave.jobs.values()) == ["103", "104"]  # the array, and the next steward
        assert "#SBATCH --mem=1908M" in cluster.scripts()[3]
        state = read_states(run, ["hungry"])["hungry"]
        assert (state.status, state.cause) == ("queued", "retry 1 of 2 (out of memory: now 2 GB)")

    def test_what_a_need_that_failed_has_blocked_stays_blocked(
        self, run: RunPaths, make: Make, slurm: Slurm, submit: Submit, cluster
    ) -> None:
        bad = make("bad", "value_error")
        submit(bad, make("next", needs=[bad], stage="end"))
        begin(run, bad)
        append(run.ledger("bad"), Ended(attempt=1, outcome="failed", cause="ValueError: no"))
        cluster.end("100", "FAILED")
        cluster.end("101", "CANCELLED")
        assert look_after(run, slurm).jobs == {}
        assert read_states(run, ["bad"])["bad"].cause == "ValueError: no"

    def test_a_task_is_given_up_when_its_tries_are_used_up(
        self, cluster, run: RunPaths, make: Make, slurm: Slurm, submit: Submit
    ) -> None:
        task = make("a", mem_gb=1.0)
        submit(task, retry=RetryPolicy(memory=0))
        begin(run, task)
        cluster.end("100", "OUT_OF_MEMORY")
        assert look_after(run, slurm).jobs == {}
        assert read_states(run, ["a"])["a"].fault == "memory"

    def test_no_more_memory_is_asked_for_than_the_partition_has(
        self, cluster, run: RunPaths, make: Make, slurm: Slurm, submit: Submit
    ) -> None:
        task = make("a", mem_gb=1.0)
        partitions = {"p": Partition(mem_gb=1.5, default=True)}
        submit(task, profile=Profile(version=1, partitions=partitions))
        begin(run, task)
        cluster.end("100", "OUT_OF_MEMORY")
        look_after(run, slurm)
        assert "#SBATCH --mem=1431M" in cluster.scripts()[2]

    def test_what_had_no_room_in_the_queue_is_handed_over(
        self, cluster, run: RunPaths, make: Make, slurm: Slurm, submit: Submit
    ) -> None:
        tasks = [make(name) for name in "abc"]
        submit(*tasks, profile=Profile(version=1, max_jobs=3))
        for task in tasks[:2]:
            begin(run, task)
            append(run.ledger(task.id), Ended(attempt=1, outcome="done"))
        cluster.end("100", "COMPLETED")
        look_after(run, slurm)
        assert [job for job in cluster.jobs if "_" in job] == ["100_0", "100_1", "103_0"]
        assert read_states(run, ["c"])["c"].status == "queued"

    def test_what_the_queue_refused_is_handed_over(
        self, cluster, run: RunPaths, make: Make, slurm: Slurm, submit: Submit
    ) -> None:
        cluster.fault("sbatch", "none", "refused")
        a = make("a", stage="prepare")
        submit(a, make("b", stage="train", needs=[a]))
        begin(run, a)
        append(run.ledger("a"), Ended(attempt=1, outcome="done"))
        cluster.end("100", "COMPLETED")
        look_after(run, slurm)
        assert read_states(run, ["b"])["b"].status == "queued"

    def test_what_was_changed_while_it_ran_is_run_with_the_new_settings_once(
        self, cluster, run: RunPaths, make: Make, slurm: Slurm, submit: Submit
    ) -> None:
        old, new = make("a", x=1), make("a", x=2)
        submit(old)
        begin(run, old)
        cluster.change("100", state="RUNNING")
        submit(new)
        append(run.ledger("a"), Ended(attempt=1, outcome="done"))
        cluster.end("100", "COMPLETED")
        look_after(run, slurm)
        state = read_states(run, ["a"])["a"]
        assert (state.status, state.key) == ("queued", new.key)
        run_task(run, "a")
        cluster.end(cluster.queue[-2]["job"], "COMPLETED")
        assert read_states(run, ["a"])["a"].done_key == new.key
        assert look_after(run, slurm).jobs == {}

    def test_tasks_that_nobody_asked_for_are_left_alone(
        self, cluster, run: RunPaths, make: Make, slurm: Slurm, submit: Submit
    ) -> None:
        a = make("a")
        submit(a, make("b"), only=["a"])
        begin(run, a)
        append(run.ledger("a"), Ended(attempt=1, outcome="done"))
        cluster.end("100", "COMPLETED")
        assert look_after(run, slurm).jobs == {}
        assert read_entries(run.ledger("b")) == []

    def test_what_a_user_cancelled_stays_cancelled(
        self, cluster, run: RunPaths, make: Make, slurm: Slurm, submit: Submit
    ) -> None:
        submit(make("a"))
        append(run.ledger("a"), CancelAsked(by="eve"))
        cluster.end("100", "CANCELLED")
        assert look_after(run, slurm).jobs == {}

    def test_the_last_word_of_slurm_is_waited_for(
        self, cluster, run: RunPaths, make: Make, slurm: Slurm, submit: Submit
    ) -> None:
        task = make("a")
        submit(task)
        begin(run, task)
        cluster.end("100", "OUT_OF_MEMORY", ago=0, in_sacct=False)  # sacct is late
        cluster.fault("squeue", "none", *["busy"] * 5)
        before = len(cluster.calls("squeue"))

        real = Slurm.accounted

        def accounted(self: Slurm, jobs: list[str]) -> object:
            if len(cluster.calls("squeue")) > before + 8:
                cluster.change("100", in_sacct=True)
            return real(self, jobs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Slurm, "accounted", accounted)
            look_after(run, slurm)
        assert len(cluster.calls("squeue")) > before + 8
        assert read_states(run, ["a"])["a"].cause == "retry 1 of 2 (out of memory: now 0.2 GB)"

    def test_what_still_runs_is_not_waited_for_but_guarded_by_the_next_steward(
        self, cluster, run: RunPaths, make: Make, slurm: Slurm, submit: Submit
    ) -> None:
        tasks = [make("hungry", mem_gb=1.0), make("long")]
        submit(*tasks)
        for task in tasks:
            begin(run, task)
        cluster.end("100_0", "OUT_OF_MEMORY")
        cluster.end("101", "RUNNING")
        look_after(run, slurm)
        assert "#SBATCH --dependency=afterany:103:101" in cluster.scripts()[-1]

    @pytest.mark.parametrize(("own_job", "stewards"), [("101", 1), (None, 0)])
    def test_a_steward_that_lost_its_node_after_it_sent_arrays_sends_the_next_one(
        self,
        cluster,
        run: RunPaths,
        make: Make,
        slurm: Slurm,
        submit: Submit,
        own_job: str | None,
        stewards: int,
    ) -> None:
        """Where another steward is behind them, there is nothing to do."""
        submit(make("a"))
        before = len(cluster.scripts())
        look_after(run, slurm, own_job=own_job)
        sent = cluster.scripts()[before:]
        assert len(sent) == stewards
        assert all("hpc.slurm.steward" in script for script in sent)

    def test_a_slurm_that_stays_silent_leaves_all_as_recorded(
        self,
        cluster,
        run: RunPaths,
        make: Make,
        slurm: Slurm,
        submit: Submit,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        task = make("a")
        submit(task)
        begin(run, task)
        monkeypatch.setattr(steward, "PATIENCE", 0.0)
        cluster.fault("squeue", "always", "busy")
        assert look_after(run, slurm).jobs == {}
        assert read_states(run, ["a"])["a"].status == "running"


def test_a_run_that_was_never_submitted_is_an_error(run: RunPaths, slurm: Slurm) -> None:
    with pytest.raises(StateError, match="this file is missing"):
        look_after(run, slurm)


# As a program


def test_the_program_tells_what_it_handed_over_and_what_it_could_not(
    cluster, run: RunPaths, make: Make, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    task = make("a", mem_gb=1.0)
    submit(task)
    begin(run, task)
    cluster.end("100", "OUT_OF_MEMORY")
    cluster.fault("sbatch", "refused")
    options = ["--runs", str(run.root), "--run", run.name]
    assert steward.main(options) == 1
    assert "1 tasks could not be handed over: sbatch: error: Assoc" in capsys.readouterr().err
    assert steward.main(options) == 0
    assert "a: again\n" in capsys.readouterr().out


# Telling of it


def heard(run: RunPaths) -> None:
    """Stands for what the application does with a run that was looked after."""
    run.folder.joinpath("heard").write_text(run.name)


def fail(run: RunPaths) -> None:
    raise OSError("no space left")


@pytest.mark.parametrize("afterwards", [None, f"{__name__}:heard"])
def test_whom_the_settings_name_is_given_the_run(
    run: RunPaths, make: Make, submit: Callable[..., None], afterwards: str | None
) -> None:
    submit(make("a"), afterwards=afterwards)
    tell(run)
    assert run.folder.joinpath("heard").exists() == (afterwards is not None)


@pytest.mark.parametrize("afterwards", [f"{__name__}:fail", "no.such:module", f"{__name__}:none"])
def test_one_that_fails_harms_nobody(
    run: RunPaths,
    make: Make,
    submit: Callable[..., None],
    afterwards: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    submit(make("a"), afterwards=afterwards)
    tell(run)
    assert "afterwards: " in capsys.readouterr().err
