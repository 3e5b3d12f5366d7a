"""The report of a run that goes on: when it is rewritten, and what happens where it cannot be."""

import os
import time

import pytest

from hpc.lease import Lease
from hpc.paths import RunPaths
from hpc.status import Row, RunStatus
from ptychopinn_batch.report import live
from ptychopinn_batch.report.live import LiveReport, optional, rewrite, write_report


def status(*states):
    rows = tuple(Row(id=f"t{k}", stage="infer", status=state) for k, state in enumerate(states))
    return RunStatus(run="demo", at=0.0, submitter="eve", rows=rows)


class Desk:
    """A run somebody looks on at, a clock that is moved by hand, and what is written."""

    def __init__(self, folder, monkeypatch):
        self.run, self.now, self.written = RunPaths(folder, "demo"), 0.0, []
        self.run.folder.mkdir(parents=True)
        monkeypatch.setattr(live, "write_report", self._write)
        self.report = LiveReport(self.run, clock=lambda: self.now)
        self.takes, self.error = 0.0, None

    def _write(self, run, status, wait):
        self.now += self.takes
        if self.error:
            raise self.error
        assert wait == 0  # nobody who does other work waits for a report
        self.written.append([row.status for row in status.rows])

    def see(self, *states, at):
        self.now = at
        self.report.update(status(*states))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    return Desk(tmp_path, monkeypatch)


def test_what_was_so_at_the_first_look_is_no_news(desk):
    desk.see("done", at=0)
    desk.see("done", at=1000)
    assert desk.written == []


def test_a_failure_is_told_though_no_result_came(desk):
    desk.see("running", "pending", at=0)
    desk.see("failed", "blocked", at=1)
    assert desk.written == [["failed", "blocked"]]


def test_many_changes_are_told_now_and_then_and_the_last_of_them_is(desk):
    desk.see("pending", at=0)
    for second in range(1, 60):
        desk.see("running" if second % 2 else "queued", at=second)
    desk.see("done", at=61)
    desk.see("done", at=100)
    assert len(desk.written) == 3
    assert desk.written[-1] == ["done"]


def test_a_page_that_takes_long_is_written_seldom(desk):
    desk.takes = 10.0
    desk.see("pending", at=0)
    desk.see("running", at=1)
    desk.see("done", at=150)
    assert len(desk.written) == 1
    desk.see("done", at=250)
    assert len(desk.written) == 2


def test_what_a_task_has_just_written_is_not_written_again_at_once(desk):
    desk.see("running", at=0)
    desk.run.report.write_text("by a task")
    desk.see("done", at=1)
    assert desk.written == []
    long_ago = time.time() - 2 * live.FRESH
    os.utime(desk.run.report, (long_ago, long_ago))
    desk.see("done", at=10)
    assert desk.written == [["done"]]


def test_a_report_from_the_future_is_not_fresh_for_ever(desk):
    desk.run.report.write_text("the clock was put back")
    os.utime(desk.run.report, (time.time() + 1e6,) * 2)
    assert not live.is_fresh(desk.run)


def test_one_that_fails_is_said_once_and_what_went_on_goes_on(desk, caplog):
    desk.error = OSError(28, "No space left on device")
    desk.see("running", at=0)
    for second in (1, 100, 200):
        desk.see("done", at=second)
    assert caplog.text.count("could not be made") == 1
    assert "No space left on device" in caplog.text


def test_where_another_writes_it_there_is_another_try(tmp_path, monkeypatch):
    run, now = RunPaths(tmp_path, "demo"), [0.0]
    run.create()
    report = LiveReport(run, clock=lambda: now[0])
    monkeypatch.setattr("ptychopinn_batch.report.collect.collect", lambda run, status: status)
    monkeypatch.setattr("ptychopinn_batch.report.page.render", lambda found: found.rows[0].status)
    report.update(status("running"))
    with Lease(run.lock_folder / "report.lock", "another writes"):
        report.update(status("done"))
    assert not run.report.exists()
    now[0] = live.FRESH / 10
    report.update(status("done"))
    assert run.report.read_text() == "done"


def test_an_onlooker_who_may_not_write_says_nothing(desk, monkeypatch, caplog):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    desk.report = LiveReport(desk.run, clock=lambda: desk.now)
    desk.see("running", at=0)
    desk.see("done", at=1)
    assert (desk.written, caplog.text) == ([], "")


def test_a_report_is_replaced_as_a_whole(tmp_path, monkeypatch):
    run = RunPaths(tmp_path, "demo")
    run.create()
    monkeypatch.setattr("ptychopinn_batch.report.collect.collect", lambda run, status: status)
    monkeypatch.setattr("ptychopinn_batch.report.page.render", lambda found: found.run)
    write_report(run, status("done"))
    before = run.report.stat().st_ino
    write_report(run, status("done"))
    assert run.report.stat().st_ino != before
    assert list(run.folder.glob("*.tmp")) == []


def test_of_no_run_none_is_written_and_nobody_is_harmed(tmp_path, caplog):
    rewrite(RunPaths(tmp_path, "nothing"))
    assert "the report could not be made" in caplog.text


def test_what_is_optional_does_not_swallow_a_stop():
    with pytest.raises(KeyboardInterrupt), optional("this"):
        raise KeyboardInterrupt
