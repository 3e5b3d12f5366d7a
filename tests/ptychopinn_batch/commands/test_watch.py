"""`watch`: looks on until the run is over, and says so by its exit code."""

import io
import re
import signal
import subprocess
import sys

import pytest

from hpc.slurm.observe import Observation, is_looked_after
from hpc.status import Row, RunStatus
from ptychopinn_batch.commands import watch as module
from ptychopinn_batch.commands.onlook import PATIENCE, looks
from ptychopinn_batch.commands.watch import watch_all


def status(*states, **more):
    rows = tuple(
        Row(id=f"train-{k}", stage="train", status=state) for k, state in enumerate(states)
    )
    return RunStatus(run="demo", at=0.0, submitter="eve", rows=rows, **more)


class Told:
    """A reader that tells what it is given, one after the other, and a clock that needs no time."""

    def __init__(self, *told):
        self.told, self.slept = list(told), []

    def read(self):
        return self.told.pop(0)

    def looks(self, **more):
        return looks(self, 2.0, sleep=self.slept.append, **more)


def test_a_run_is_looked_at_until_it_is_over():
    told = Told(status("pending"), status("running"), status("done"), status("running"))
    assert [found.rows[0].status for found in told.looks()] == ["pending", "running", "done"]
    assert told.slept == [2.0, 2.0]


def test_a_run_that_nobody_is_at_work_on_is_not_waited_for():
    alone = status("pending").model_copy(update={"submitter": None})
    assert len(list(Told(alone).looks())) == 1


def test_while_somebody_will_try_again_what_failed_it_goes_on():
    told, answers = Told(status("failed"), status("running"), status("failed")), [True, False]
    assert len(list(told.looks(goes_on=lambda: answers.pop(0)))) == 3
    assert told.slept == [PATIENCE, 2.0]


def test_without_a_batch_folder_slurm_is_not_asked(on_disk, monkeypatch):
    monkeypatch.setattr("hpc.slurm.observe.observe", pytest.fail)
    assert not is_looked_after(on_disk("demo", "train-a").paths)


@pytest.mark.parametrize(
    ("seen", "goes_on"),
    [
        ({"live_batches": ("a steward",)}, True),
        ({"trouble": "squeue: timed out"}, True),  # it may have one: ask again
        ({}, False),
    ],
)
def test_a_steward_in_the_queue_goes_on_with_a_run(on_disk, monkeypatch, seen, goes_on):
    run = on_disk("demo", "train-a").paths
    run.batch_folder.mkdir()
    told = Observation({}, **seen)
    monkeypatch.setattr("hpc.slurm.observe.observe", lambda *_: told)
    monkeypatch.setattr("hpc.slurm.client.Slurm.is_here", lambda: True)
    assert is_looked_after(run) == goes_on
    monkeypatch.setattr("hpc.slurm.client.Slurm.is_here", lambda: False)
    assert not is_looked_after(run)


def test_lines_tell_what_happens_and_the_exit_code_what_came_of_it(capsys):
    assert watch_all(Told(status("running", "done"), status("done", "done")).looks()) == 0
    first, second, third, last = capsys.readouterr().out.splitlines()
    assert first == "demo: 1 running, 1 done"
    assert second.endswith("train-0  running")
    assert third.endswith("train-0  done")
    assert last == "Everything is done."


def test_a_failure_is_exit_code_1_and_where_to_look(capsys):
    assert watch_all(Told(status("failed", "done")).looks()) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        "1 of 2 tasks are done. What failed has printed: `ptychopinn-batch logs demo --failed`."
    )


def test_a_run_that_stands_still_says_how_to_go_on(on_disk, call):
    run = on_disk("demo", "train-a", "train-b")
    run.finish("train-a")
    code, stdout, _ = call("watch", "demo")
    assert code == 1
    assert stdout.splitlines()[-1] == (
        "1 of 2 tasks are done. No submit is at work on it: submit it again to go on."
    )


def test_a_run_that_is_done_is_shown_at_once(on_disk, prints):
    on_disk("demo", "train-a").finish("train-a")
    assert prints("watch", "demo") == "demo: 1 done\nEverything is done.\n"


def test_once_shows_the_table_with_what_tasks_use(on_disk, call, asking):
    run = on_disk("demo", asking("prepare-a"), asking("train-a", mem_gb=1000), "infer-a")
    run.finish("prepare-a", "failed", seconds=360, cause="a faulty frame", peak_mb=2000.0)
    run.start("train-a", job="77_3")
    run.beat("train-a", 3, 9, loss=0.5)
    code, stdout, stderr = call("watch", "demo", "--once")
    assert (code, stderr) == (1, "")
    assert stdout.startswith("demo: 1 running, 1 failed, 1 pending")
    assert re.search(r"^train +━+ +1 running$", stdout.replace("╺", "━"), re.M)
    running = r"^  train-a +3/9 +loss 0\.5 +0 s/1 h 0 % +\d\.\d/1000 GB 0 % +\S+ 77_3 *$"
    assert re.search(running, stdout, re.M)
    failed = r"^  prepare-a +failed +a faulty frame +6 min 00 s 10 % +2\.0/8 GB 25 %"
    assert re.search(failed, stdout, re.M)


def test_once_is_no_failure_while_nothing_has_failed(on_disk, prints):
    on_disk("demo", "train-a").start("train-a")
    assert "1 running" in prints("watch", "demo", "--once")


def test_on_a_terminal_the_last_view_stays(monkeypatch):
    seen = []
    monkeypatch.setattr("rich.live.Live.stop", lambda live: seen.append(live.transient))
    with module.watcher(Terminal(), onlooker=True):
        pass
    assert seen == [False]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("interval", ["0", "nan", "-1"])
def test_an_interval_that_is_none_is_refused(on_disk, refuses, interval):
    on_disk("demo", "train-a")
    assert "--interval" in refuses("watch", "demo", "--interval", interval)


def test_ctrl_c_leaves_and_nothing_is_cancelled(on_disk, prints):
    run = on_disk("demo", "train-a")
    run.start("train-a")
    watching = subprocess.Popen(
        [sys.executable, "-m", "ptychopinn_batch", "watch", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout.readline() == "demo: 1 running\n"
    watching.send_signal(signal.SIGINT)
    _, stderr = watching.communicate(timeout=60)
    assert (watching.returncode, stderr.strip()) == (130, "Interrupted.")
    assert "1 running" in prints("status", "demo")


def test_nothing_heavy_is_imported(on_disk):
    on_disk("demo", "train-a").finish("train-a")
    look = (
        "import atexit, sys\n"
        "heavy = ('torch', 'numpy', 'zarr', 'ptychopinn_batch.jobspec')\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules]))\n"
        "from ptychopinn_batch.cli import main\nmain()\n"
    )
    for arguments in (["watch", "demo"], ["runs"], ["logs", "demo", "--follow"]):
        command = [sys.executable, "-c", look, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"
