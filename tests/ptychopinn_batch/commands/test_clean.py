"""`clean`: it says what goes and how much that frees, and asks."""

import json

import pytest
from click.testing import CliRunner

from hpc.lease import Lease
from ptychopinn_batch.cli import cli
from ptychopinn_batch.commands.text import bytes_text


@pytest.fixture
def left(on_disk):
    """A run that is done, and what a killed process left in its folder."""
    run = on_disk("demo", "finalize-a")
    run.finish("finalize-a")
    left = run.paths.folder / ".plan.json.999999999.0123abcd.tmp"
    left.write_bytes(b"x" * 100_000)
    return left


def answer(text, *arguments):
    result = CliRunner().invoke(cli, ["clean", *arguments], input=text)
    return result.exit_code, result.output


def test_it_says_what_goes_asks_and_says_what_was_freed(left):
    code, text = answer("y\n", "demo")
    assert code == 0
    assert "leftovers" in text
    assert "runs/demo/.plan.json.999999999.0123abcd.tmp" in text
    assert "Remove 1 thing and free 102 kB? [y/N]" in text
    assert text.endswith("Removed 1 thing: 102 kB are free.\n")
    assert not left.exists()


@pytest.mark.parametrize("text", ["n\n", "\n"])
def test_without_a_yes_nothing_goes(left, text):
    code, told = answer(text)
    assert (code, told.endswith("Nothing was removed.\n")) == (0, True)
    assert left.exists()


def test_where_nobody_can_be_asked_nothing_goes(left):
    code, text = answer("")
    assert (code, left.exists()) == (2, True)
    assert "nobody is there to be asked. Give --yes, or --dry-run to look only" in text


def test_one_may_look_only_or_not_be_asked(left, prints):
    text = prints("clean", "--dry-run")
    assert text.endswith("Nothing was removed: 102 kB would be free.\n")
    assert left.exists()
    assert "?" not in prints("clean", "--yes")
    assert not left.exists()
    assert prints("clean") == "There is nothing to remove.\n"


def test_it_can_be_told_what_to_look_at(left, prints):
    assert prints("clean", "--only", "stores", "--dry-run") == "There is nothing to remove.\n"


def test_a_run_that_is_named_and_at_work_is_refused_another_is_left_alone(
    left, on_disk, prints, refuses
):
    on_disk("busy", "train-a").start("train-a")
    said = refuses("clean", "busy", "--yes")
    assert said == (
        "Error: runs/busy: run busy is running (train-a). Wait until it is over, or "
        "`ptychopinn-batch cancel busy`\n"
    )
    text = prints("clean", "--yes")
    assert "runs/busy  run busy is running (train-a)" in text
    assert not left.exists()


def test_runs_in_different_folders_are_refused(left, on_disk, refuses, tmp_path):
    on_disk("other", "train-a")
    (tmp_path / "archive").mkdir()
    (tmp_path / "runs" / "other").rename(tmp_path / "archive" / "other")
    assert refuses("clean", "demo", "archive/other", "--yes") == (
        "Error: demo, archive/other: these runs lie in different folders. Clean them one folder at "
        "a time\n"
    )


def test_a_run_that_somebody_submits_at_the_moment_is_refused(left, refuses, monkeypatch):
    with Lease(left.parent / "run.lock", "x"):
        monkeypatch.setattr("ptychopinn_batch.tidy.runs.os.getpid", lambda: 1)
        assert "run demo is worked on by" in refuses("clean", "demo", "--yes")


def test_json_tells_what_would_go_and_what_went_and_cannot_ask(left, prints, call):
    would = json.loads(prints("clean", "--json", "--dry-run"))
    assert (would["removed"], would["found"]["things"][0]["path"]) == (False, str(left))
    assert would["found"]["frees"] >= 100_000
    code, _, said = call("clean", "--json")
    assert (code, left.exists()) == (2, True)
    assert "--json cannot ask: give --dry-run or --yes." in said
    assert json.loads(prints("clean", "--json", "--yes"))["removed"] is True
    assert not left.exists()


@pytest.mark.parametrize(
    ("size", "text"),
    [(12, "12 bytes"), (3_400, "3.4 kB"), (120e9, "120 GB"), (1.5e12, "1.5 TB")],
)
def test_room_is_told_in_units_one_can_read(size, text):
    assert bytes_text(int(size)) == text
