"""Words and columns."""

import pytest

from ptychopinn_batch.commands.text import columns, counted, duration, figures, plural


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (245, "4 min 05 s"),
        (12000, "3 h 20 min"),
        (360000, "100 h 00 min"),
    ],
)
def test_durations_are_said_as_one_says_them(seconds, words):
    assert duration(seconds) == words


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
