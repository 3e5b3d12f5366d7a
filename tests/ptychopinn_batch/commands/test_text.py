"""Words and columns."""

import pytest

from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.text import (
    columns,
    counted,
    duration,
    figures,
    memory_of,
    outlook,
    percent,
    plural,
    rough,
    time_of,
)


def test_a_duration_that_nobody_knows_is_a_dash():
    assert [duration(seconds) for seconds in (None, 245)] == ["-", "4 min 05 s"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (38, "38 s"),
        (125, "2 min"),
        (725, "12 min"),
        (14400, "4 h"),
        (12000, "3 h 20 min"),
    ],
)
def test_durations_beside_each_other_are_said_roughly(seconds, words):
    assert rough(seconds) == words


def row(status="running", **more):
    return Row(id="a", stage="train", status=status, **more)


def test_what_is_used_is_said_beside_what_was_asked_for():
    assert memory_of(row(peak_mb=3140.0, mem_gb=16.0)) == "3.1/16 GB"
    assert memory_of(row(peak_mb=3140.0)) == "3.1 GB"
    assert memory_of(row(mem_gb=16.0)) == "-"
    assert time_of(row(seconds=725, time_limit=14400)) == "12 min/4 h"
    assert time_of(row("done", seconds=725, time_limit=14400)) == "12 min 05 s"
    assert time_of(row(seconds=725)) == "12 min 05 s"
    assert (percent(0.194), percent(None)) == ("19 %", "")


@pytest.mark.parametrize(
    ("status", "batch", "submitter", "looked_after", "words"),
    [
        ("done", None, None, False, "Everything is done."),
        ("running", None, "eve", False, "Worked on by eve."),
        ("queued", "t1", None, False, "The cluster goes on with it by itself."),
        ("failed", "t1", None, True, "The cluster goes on with it by itself."),
        ("failed", "t1", None, False, "No submit is at work on it: submit it again to go on."),
        ("running", None, None, False, "No submit is at work on it: its tasks go on."),
        ("pending", None, None, False, "No submit is at work on it: submit it again to go on."),
    ],
)
def test_who_goes_on_with_a_run_is_a_sentence(status, batch, submitter, looked_after, words):
    found = RunStatus(run="x", at=0.0, submitter=submitter, rows=(row(status, batch=batch),))
    assert outlook(found, looked_after=looked_after) == words


def test_columns_are_aligned_and_the_last_one_is_free():
    assert columns(("a", "b"), [("long", "x"), ("s", "a long reason")]) == [
        "a     b",
        "long  x",
        "s     a long reason",
    ]


def test_numbers_of_tasks_are_said_in_one_order():
    counts = {"pending": 3, "timed_out": 1, "done": 2, "running": 1, "failed": 0}
    assert counted(counts) == "1 running, 2 done, 1 timed out, 3 pending"


def test_figures_have_names_and_units():
    assert figures({"loss": 0.012345, "frames_per_s": 410.2, "epoch": "2/10"}) == (
        "loss 0.01235, 410.2 frames/s, epoch 2/10"
    )


def test_one_task_two_tasks():
    assert [plural(count, "task") for count in (0, 1, 2)] == ["0 tasks", "1 task", "2 tasks"]
