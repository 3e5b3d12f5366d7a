"""`logs`: what tasks have printed, and what they print."""

import itertools
from functools import partial

import pytest

from hpc.ledger import Blocked, CancelAsked, Queued, append
from hpc.resources import Resources
from hpc.slurm.batches import Accepted, Batch, Batches
from hpc.status import read_status
from ptychopinn_batch.commands.follow import Follower
from ptychopinn_batch.commands.logfiles import end_of
from ptychopinn_batch.commands.logs import LAST_LINES
from ptychopinn_batch.commands.onlook import looks


def numbered(count):
    return "".join(f"line {number}\n" for number in range(count))


# What is there


@pytest.mark.parametrize(
    ("text", "lines", "end"),
    [
        ("", 3, ""),
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\nc", 2, "b\nc"),
        ("a\nb\n", 5, "a\nb\n"),
        ("\n\n\n", 2, "\n\n"),
        ("10 %\r20 %\ndone\n", 2, "10 %\r20 %\ndone\n"),
        ("a\nb\n", None, "a\nb\n"),
        ("a\nµ\n", 1, "µ\n"),
    ],
)
def test_the_end_of_a_log_is_its_last_lines(tmp_path, text, lines, end):
    (tmp_path / "log").write_bytes(text.encode())
    assert end_of(tmp_path / "log", lines) == end


def test_one_log_is_shown_whole_and_several_are_cut(on_disk, prints):
    run = on_disk("demo", "train-a", "train-b", "infer-a")
    for name in run.tasks:
        run.print(name, numbered(30))
    assert prints("logs", "demo", "train-a") == numbered(30)
    assert prints("logs", "demo", "train-a", "--lines", "1") == "line 29\n"
    assert prints("logs", "demo").count("line") == 3 * LAST_LINES
    several = prints("logs", "demo", "--stage", "train").splitlines()
    assert [line for line in several if line.startswith("==>")] == [
        f"==> train-{name}: runs/demo/logs/train-{name}.log" for name in "ab"
    ]
    assert prints("logs", "demo", "train-a", "infer-a").count("==>") == 2


def test_why_there_is_no_log_is_said(on_disk, call):
    run = on_disk("demo", "train-a", "train-b", "infer-a", "infer-b")
    assert call("logs", "demo", "--failed") == (0, "", "No task has failed.\n")
    assert call("logs", "demo")[2] == (
        "no log of train-a, train-b, infer-a and 1 task more: not started yet\n"
    )
    append(run.paths.ledger("train-a"), CancelAsked(by="eve@here"))
    append(run.paths.ledger("infer-a"), Blocked(cause="train-a cancelled"))
    assert call("logs", "demo", "--failed") == (
        0,
        "",
        "no log of train-a: cancelled by eve@here before it began\n",
    )
    assert "infer-a: not started, for train-a cancelled" in call("logs", "demo", "infer-a")[2]
    run.finish("train-b", "failed")
    assert "no log of train-b: it is gone" in call("logs", "demo", "train-b")[2]


def test_of_what_failed_every_task_without_a_log_is_named(on_disk, call):
    run = on_disk("demo", "train-a", "train-b", "infer-a")
    run.finish("train-a", "failed")
    run.print("train-a", "it burns\n")
    append(run.paths.ledger("train-b"), CancelAsked(by="eve@here"))
    _, stdout, stderr = call("logs", "demo", "--failed")
    assert stdout == "==> train-a: runs/demo/logs/train-a.log\nit burns\n"
    assert stderr == "no log of train-b: cancelled by eve@here before it began\n"
    assert call("logs", "demo")[2] == ""  # those that have a log show that it goes on


# Batch jobs whose worker never began


def hand_over(run, *names):
    """Pretend that SLURM has these tasks as job 77."""
    batch = Batch(
        token="t1",
        name="demo.train.t1",
        stage="train",
        tasks=names,
        resources=Resources(time=3600, mem_gb=1, cpus=1, gpus=0),
        script="",
    )
    batches = Batches(run.paths)
    batches.add(batch)
    batches.settle(Accepted(token="t1", job="77"))
    for name in names:
        append(run.paths.ledger(name), Queued(key=run.tasks[name].key, batch="t1"))
    run.paths.slurm_log_folder.mkdir()


def job_prints(run, name, text):
    (run.paths.slurm_log_folder / name).write_text(text)


def test_the_words_of_a_batch_job_are_shown_where_its_task_never_began(on_disk, prints):
    run = on_disk("demo", "train-a", "train-b")
    hand_over(run, "train-a", "train-b")
    run.end("train-b", "failed", attempt=0, cause="the worker did not begin")
    job_prints(run, "77_1_0_log.out", "no such python\n")
    job_prints(run, "77_1_1_log.out", "nor here\n")
    job_prints(run, "77_11_0_log.out", "of another task\n")
    job_prints(run, "177_1_0_log.out", "of another job\n")
    assert prints("logs", "demo", "--failed") == (
        "==> train-b: runs/demo/logs/slurm/77_1_0_log.out\nno such python\n"
        "==> train-b: runs/demo/logs/slurm/77_1_1_log.out\nnor here\n"
    )
    assert prints("logs", "demo", "train-b").count("==>") == 2
    run.print("train-b", "it began after all\n")
    assert prints("logs", "demo", "train-b") == "it began after all\n"


def test_a_batch_that_is_lost_is_no_error(on_disk, call):
    run = on_disk("demo", "train-a")
    hand_over(run, "train-a")
    run.end("train-a", "failed", attempt=0, cause="the worker did not begin")
    run.paths.batch("t1").unlink()
    assert call("logs", "demo", "--failed") == (
        0,
        "",
        "no log of train-a: failed: the worker did not begin\n",
    )


# Following


class Following:
    """A follower, and what it has said since the last look."""

    def __init__(self, run, *chosen, lines=None):
        self.run, self.said = run, []
        self.follower = Follower(run.paths, chosen, lines, self.said.append)

    def look(self):
        self.said.clear()
        self.follower.update(read_status(self.run.paths))
        return "".join(self.said)


def test_one_log_is_followed_without_a_head(on_disk):
    run = on_disk("demo", "train-a", "train-b")
    run.start("train-a")
    run.print("train-a", "one\ntwo\n")
    following = Following(run, "train-a", lines=1)
    assert following.look() == "two\n"
    assert following.look() == ""
    run.print("train-a", "thr")
    assert following.look() == "thr"
    run.print("train-a", "ee\n")
    run.print("train-b", "of somebody else\n")
    assert following.look() == "ee\n"


def test_a_log_that_appears_later_is_picked_up_from_its_start(on_disk):
    run = on_disk("demo", "train-a")
    following = Following(run, "train-a", lines=2)
    assert following.look() == ""
    run.start("train-a")
    run.print("train-a", numbered(5))
    assert following.look() == numbered(5)


def test_another_log_has_its_head_whenever_it_speaks(on_disk):
    run = on_disk("demo", "train-a", "train-b")
    run.start("train-a")
    run.start("train-b")
    run.print("train-a", "a1\n")
    run.print("train-b", "b1 ends no line")
    following = Following(run, lines=20)
    assert following.look() == "==> train-a <==\na1\n==> train-b <==\nb1 ends no line"
    run.print("train-b", ", yet\n")
    assert following.look() == ", yet\n"
    run.print("train-b", "b2")
    following.look()
    run.print("train-a", "a2\n")
    assert following.look() == "\n==> train-a <==\na2\n"


def test_of_all_only_those_are_followed_that_run_or_have_run_meanwhile(on_disk):
    run = on_disk("demo", "train-a", "train-b", "train-c")
    run.finish("train-a")
    run.print("train-a", "long ago\n")
    run.print("train-b", "an earlier attempt\n")
    following = Following(run, lines=20)
    assert following.look() == ""
    run.start("train-b")
    run.print("train-b", "this attempt\n")
    run.finish("train-c")
    run.print("train-c", "began and ended\n")
    assert following.look() == ("==> train-b <==\nthis attempt\n==> train-c <==\nbegan and ended\n")
    run.print("train-b", "its last words\n")
    run.end("train-b")
    assert following.look() == "==> train-b <==\nits last words\n"


def test_half_a_character_waits_for_its_other_half(on_disk):
    run = on_disk("demo", "train-a")
    run.start("train-a")
    first, second = "µ".encode()
    run.paths.log("train-a").write_bytes(bytes([first]))
    following = Following(run, "train-a")
    assert following.look() == ""
    with run.paths.log("train-a").open("ab") as log:
        log.write(bytes([second]))
    assert following.look() == "µ"


def test_a_batch_job_is_followed_until_the_task_has_a_log(on_disk):
    run = on_disk("demo", "train-a")
    hand_over(run, "train-a")
    following = Following(run, "train-a")
    job_prints(run, "77_0_0_log.out", "loading modules\n")
    assert following.look() == "==> train-a (77_0_0_log.out) <==\nloading modules\n"
    run.start("train-a")
    run.print("train-a", "begun\n")
    assert following.look() == "==> train-a <==\nbegun\n"


def meanwhile(monkeypatch, *steps):
    """What happens between two looks of the command, instead of waiting."""
    todo = itertools.chain(steps, itertools.repeat(pytest.fail))
    patient = partial(looks, sleep=lambda _: next(todo)())
    monkeypatch.setattr("ptychopinn_batch.commands.logs.looks", patient)


def test_following_a_task_ends_when_it_is_over(on_disk, call, monkeypatch):
    run = on_disk("demo", "train-a", "infer-a")
    run.start("infer-a")  # so that the run goes on
    meanwhile(
        monkeypatch,
        lambda: (run.start("train-a"), run.print("train-a", "hello\n")),
        lambda: (run.print("train-a", "bye\n"), run.end("train-a", "failed", cause="no")),
    )
    assert call("logs", "demo", "train-a", "--follow") == (
        0,
        "hello\nbye\n",
        "Waiting for train-a to begin.\ntrain-a: failed (no)\n",
    )


def test_following_all_ends_when_the_run_is_over(on_disk, call, monkeypatch):
    run = on_disk("demo", "train-a", "infer-a")
    run.start("train-a")
    meanwhile(
        monkeypatch,
        lambda: run.print("train-a", "hello\n"),
        lambda: (run.end("train-a"), run.start("infer-a"), run.print("infer-a", "me too\n")),
        lambda: run.end("infer-a"),
    )
    assert call("logs", "demo", "--follow") == (
        0,
        "==> train-a <==\nhello\n==> infer-a <==\nme too\n",
        "Everything is done.\n",
    )


def test_a_run_that_stands_still_is_not_followed_for_ever(on_disk, call):
    on_disk("demo", "train-a")
    code, stdout, stderr = call("logs", "demo", "train-a", "--follow")
    assert (code, stdout) == (0, "")
    assert stderr.endswith("No submit is at work on it: submit it again to go on.\n")


def test_what_failed_cannot_be_followed(on_disk, refuses):
    on_disk("demo", "train-a")
    said = refuses("logs", "demo", "--failed", "--follow")
    assert "--failed is of what has ended, --follow of what runs: not both." in said
