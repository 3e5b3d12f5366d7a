"""`runs`: one line for every run, whatever state it is in."""

import json
import os
import re
from pathlib import Path

import pytest

from hpc.lease import Lease
from hpc.ledger import CancelAsked, Queued, append
from hpc.slurm.batches import Accepted, Batch, Batches


def touch(run, name, seconds):
    """Have a task's last record be so old."""
    os.utime(run.paths.plan, (seconds, seconds))
    os.utime(run.paths.ledger(name), (seconds, seconds))


def test_every_run_is_a_line_and_the_newest_is_first(on_disk, prints):
    old, new = on_disk("old", "train-a"), on_disk("new", "prepare-a", "train-a", "infer-a")
    old.finish("train-a")
    new.finish("prepare-a")
    new.finish("train-a", "failed", cause="no")
    touch(old, "train-a", 1e9)
    head, first, second = prints("runs").splitlines()
    assert head.split()[:3] == ["run", "changed", "state"]
    assert re.search(r"^new +\d{4}-\d\d-\d\d \d\d:\d\d +idle +33 % +1 .* 1 done, 1 failed", first)
    assert re.search(r"^old +2001-09-09 \d\d:\d\d +done +100 % +- +- +1 done$", second)


@pytest.mark.parametrize(
    ("outcome", "state"), [("done", "done"), ("failed", "failed"), (None, "running")]
)
def test_the_state_of_a_run_is_one_word(on_disk, prints, outcome, state):
    run = on_disk("demo", "train-a")
    run.start("train-a")
    if outcome:
        run.end("train-a", outcome)
    assert re.search(rf"^demo .* {state} ", prints("runs"), re.M)


@pytest.mark.parametrize(("other", "state"), [("done", "cancelled"), ("failed", "failed")])
def test_a_run_is_cancelled_where_nothing_failed_by_itself(on_disk, prints, other, state):
    run = on_disk("demo", "train-a", "train-b")
    run.finish("train-a", other)
    run.start("train-b")
    append(run.paths.ledger("train-b"), CancelAsked(by="me"))
    run.end("train-b", "requeued")
    assert re.search(rf"^demo .* {state} ", prints("runs"), re.M)


@pytest.mark.parametrize(("begun", "state"), [(False, "queued"), (True, "idle")])
def test_a_run_in_a_cluster_is_queued_until_its_jobs_came_to_nothing(on_disk, prints, begun, state):
    run = on_disk("demo", "train-a")
    resources = run.tasks["train-a"].resources
    batches = Batches(run.paths)
    for token, stage, tasks in (("t7", "train", ("train-a",)), ("t8", "steward", ())):
        given = {"token": token, "name": token, "stage": stage, "tasks": tasks, "script": ""}
        batches.add(Batch(resources=resources, **given))
        batches.settle(Accepted(token=token, job=token[1:]))
    append(run.paths.ledger("train-a"), Queued(key=run.tasks["train-a"].key, batch="t7"))
    if begun:  # the steward, long ago, and it has written nothing to the ledger
        run.paths.slurm_log_folder.mkdir()
        log = run.paths.slurm_log_folder / "8_0_log.out"
        log.touch()
        os.utime(log, (1e9, 1e9))
    assert re.search(rf"^demo .* {state} ", prints("runs"), re.M)


def test_it_says_who_is_at_work(on_disk, prints):
    run = on_disk("demo", "train-a")
    assert " idle " in prints("runs")
    with Lease(run.paths.lock, "the run is worked on"):
        line = prints("runs").splitlines()[1]
    assert " running " in line
    assert f"pid {os.getpid()} on " in line


def test_a_damaged_run_is_a_line_that_says_so(on_disk, prints):
    broken, lost = on_disk("broken", "train-a"), on_disk("lost", "train-a")
    on_disk("sound", "train-a")
    broken.paths.plan.write_text("{")
    lost.paths.plan.unlink()
    text = prints("runs")
    assert re.search(r"^broken .* damaged .*not a valid RunPlan", text, re.M)
    assert re.search(r"^lost .* damaged .*plan\.json is missing; submit the run again", text, re.M)
    assert re.search(r"^sound .* 1 pending$", text, re.M)


def test_a_folder_whose_name_no_run_can_have_is_a_damaged_run(on_disk, prints):
    on_disk("demo", "train-a")
    Path("runs/demo").rename("runs/my demo")
    assert re.search(r"^my demo .* damaged .*Expected a name", prints("runs"), re.M)


def test_other_folders_are_no_runs(on_disk, prints):
    on_disk("demo", "train-a")
    Path("runs/thesis").mkdir()
    Path("runs/.stores").mkdir()
    Path("runs/note.txt").touch()
    assert len(prints("runs").splitlines()) == 2


def test_json_holds_the_same_for_programs(on_disk, prints):
    run = on_disk("demo", "train-a", "train-b")
    run.finish("train-a", "failed")
    on_disk("bad", "train-a").paths.plan.write_text("{")
    lines = {line["run"]: line for line in json.loads(prints("runs", "--json"))["runs"]}
    demo, bad = lines["demo"], lines["bad"]
    assert demo["counts"] == {"failed": 1, "pending": 1}
    assert (demo["failed"], demo["is_over"], demo["progress"]) == (1, False, 0.0)
    assert demo["changed"] >= demo["submitted"] > 1e9
    assert (bad["state"], bad["counts"]) == ("damaged", {})
    assert "RunPlan" in bad["error"]


def test_an_empty_folder_is_said_and_a_missing_one_is_a_mistake(on_disk, prints, refuses):
    assert refuses("runs") == (
        "Error: runs: there is no such folder. Name the folder of all runs with --runs\n"
    )
    Path("runs").mkdir()
    assert prints("runs") == "No run has been submitted in runs.\n"
    assert json.loads(prints("runs", "--json"))["runs"] == []
