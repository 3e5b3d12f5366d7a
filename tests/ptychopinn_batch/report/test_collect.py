"""What a run has come to, from its folder: plan, ledgers, results, logs."""

import subprocess
import sys
from datetime import timedelta

import pytest

from hpc.ledger import Ended, Queued, Started, append
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.resources import Resources
from hpc.submission import plan_run, record_submission
from hpc.task import make_task
from ptychopinn_batch.jobspec import JobSpec
from ptychopinn_batch.report.collect import collect
from ptychopinn_batch.report.write import refresh
from ptychopinn_batch.results.paths import ResultPaths
from tests.ptychopinn_batch.report.samples import metrics, result_report

SPEC = {
    "version": 1,
    "name": "demo",
    "scans": [{"name": "a", "path": "/data/a.npz"}, {"name": "b", "path": "/data/b.npz"}],
    "sweep": {"product": {"infer.steps": [2, 8]}},
}
VARIANTS = ("infer.steps=2", "infer.steps=8")


def a_task(name, *needs, mem_gb=8.0, **extras):
    return make_task(
        id=name,
        stage=name.split("-")[0],
        entry="m:f",
        revision=1,
        params={"name": name},
        needs=needs,
        extras=extras,
        resources=Resources(time=timedelta(hours=1), mem_gb=mem_gb, cpus=2, gpus=1),
    )


class Run:
    """Two scans of two variants, planned; nothing has run."""

    def __init__(self, folder):
        self.paths = RunPaths(folder / "runs", "demo")
        self.tasks = {}
        for scan in "ab":
            prepare = self._add(a_task(f"prepare-{scan}"))
            for variant in VARIANTS:
                of, extras = f"{variant}-{scan}", {"variant": variant, "scan": scan}
                infer = self._add(a_task(f"infer-{of}-0", prepare, mem_gb=16.0, **extras))
                self._add(a_task(f"finalize-{of}", prepare, infer, **extras))
        record_submission(self.paths, plan_run(self.paths, list(self.tasks.values())))
        spec = JobSpec.model_validate(SPEC, strict=False)
        self.paths.resolved.write_text(spec.model_dump_json())

    def _add(self, task):
        self.tasks[task.id] = task
        return task

    def start(self, name):
        key, process = self.tasks[name].key, Process.current()
        append(self.paths.ledger(name), Started(attempt=1, key=key, process=process, at=1000.0))

    def end(self, name, outcome="done", seconds=36.0, **more):
        self.start(name)
        append(
            self.paths.ledger(name), Ended(attempt=1, outcome=outcome, at=1000.0 + seconds, **more)
        )

    def leave(self, variant, scan, key=None, **figures):
        """The files of a result."""
        task = self.tasks[f"finalize-{variant}-{scan}"]
        paths = ResultPaths.of(self.paths, task)
        paths.folder.mkdir(parents=True, exist_ok=True)
        paths.metrics.write_text(metrics(**figures).model_dump_json())
        report = result_report().model_copy(update={"key": key or task.key})
        paths.report.write_text(report.model_dump_json())
        return paths

    def finish(self, variant, scan, **figures):
        for name in (f"prepare-{scan}", f"infer-{variant}-{scan}-0"):
            self.end(name, peak_mb=3000.0)
        self.end(f"finalize-{variant}-{scan}", peak_mb=500.0)
        return self.leave(variant, scan, **figures)

    def entry(self, variant, scan):
        entries = collect(self.paths).entries
        return next(e for e in entries if (e.variant, e.scan) == (variant, scan))


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_every_scan_of_every_variant_has_its_line(run):
    found = collect(run.paths)
    lines = {(entry.variant, entry.scan, entry.verdict) for entry in found.entries}
    assert lines == {(variant, scan, "pending") for variant in VARIANTS for scan in "ab"}
    assert found.points == {
        variant: {"infer.steps": k} for variant, k in zip(VARIANTS, (2, 8), strict=True)
    }


def test_a_result_has_its_figures_and_what_it_took(run):
    run.finish(VARIANTS[0], "a", R=0.5, verdict="bad")
    entry = run.entry(VARIANTS[0], "a")
    assert (entry.verdict, entry.metrics.R, entry.seconds) == ("bad", 0.5, 108.0)
    assert entry.report.panels
    assert [use.stage for use in entry.stages] == ["prepare", "infer", "finalize"]
    infer = entry.stages[1]
    assert (infer.seconds, infer.limit, infer.peak_gb, infer.asked_gb) == (36.0, 3600.0, 3.0, 16.0)
    assert (entry.hours.cpu, entry.hours.gpu) == pytest.approx((0.06, 0.03))


def test_the_command_makes_that_variant_again(run):
    run.finish(VARIANTS[1], "b")
    words = run.entry(VARIANTS[1], "b").command.split()
    assert words[:3] == ["ptychopinn-batch", "submit", str(run.paths.resolved)]
    assert words[-4:] == ["--set", "sweep=null", "--set", "infer.steps=8"]


def test_a_result_that_is_whole_counts_before_its_end_is_recorded(run):
    name = f"finalize-{VARIANTS[0]}-a"
    run.start(name)
    assert run.entry(VARIANTS[0], "a").status == "running"
    run.leave(VARIANTS[0], "a")
    assert run.entry(VARIANTS[0], "a").status == "done"


def test_pictures_and_figures_of_other_settings_are_not_shown(run):
    run.leave(VARIANTS[0], "a", key="older")
    entry = run.entry(VARIANTS[0], "a")
    assert (entry.status, entry.metrics, entry.report) == ("pending", None, None)


def test_a_result_without_pictures_is_still_a_result(run):
    run.finish(VARIANTS[0], "a").report.unlink()
    entry = run.entry(VARIANTS[0], "a")
    assert (entry.verdict, entry.report) == ("good", None)


def test_damaged_files_hide_no_other_result(run):
    paths = run.finish(VARIANTS[0], "a")
    paths.metrics.write_text("{")
    paths.report.write_text('{"key": 3}')
    run.paths.resolved.write_text("{}")
    assert run.entry(VARIANTS[0], "a").metrics is None
    assert len(collect(run.paths).entries) == 4


def test_a_failure_has_the_end_of_its_log_without_secrets(run):
    name = f"infer-{VARIANTS[0]}-a-0"
    run.end(name, "failed", cause="a faulty frame")
    log = "".join(f"line {k}\n" for k in range(100)) + "password=hunter2\n"
    run.paths.log(name).write_text(log)
    (failure,) = collect(run.paths).failures
    assert (failure.cause, failure.lines[0], len(failure.lines)) == (
        "a faulty frame",
        "line 81",
        20,
    )
    assert failure.lines[-1] == "password=[hidden]"
    assert f"`ptychopinn-batch logs demo {name}`" in failure.advice


def test_a_secret_is_hidden_before_its_line_is_cut(run):
    name = f"infer-{VARIANTS[0]}-a-0"
    run.end(name, "failed", cause="token=hunter2")
    run.paths.log(name).write_text("x" * 280 + " https://eve:s3cr3t" + "y" * 20 + "@host\n")
    (failure,) = collect(run.paths).failures
    assert "s3cr3t" not in failure.lines[0]
    assert failure.cause == "token=[hidden]"


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("memory", "`resources.infer.mem_gb` (it had 16 GB)"),
        ("time", "`resources.infer.time` (it had "),
        ("node", "`ptychopinn-batch resubmit demo`"),
    ],
)
def test_what_to_do_goes_by_the_fault(run, fault, advice):
    run.end(f"infer-{VARIANTS[0]}-a-0", "failed", fault=fault, cause="so it was")
    assert advice in collect(run.paths).failures[0].advice


def age(run):
    return run.paths.report.stat().st_mtime_ns


def test_a_report_is_written_when_results_arrive_but_not_for_each_of_many(run):
    run.finish(VARIANTS[0], "a")
    refresh(run.paths)
    before = age(run)
    run.finish(VARIANTS[0], "b")
    refresh(run.paths)
    assert age(run) == before


def test_the_last_result_is_always_in_it(run):
    run.finish(VARIANTS[0], "a")
    refresh(run.paths)
    for variant, scan in ((VARIANTS[0], "b"), (VARIANTS[1], "a")):
        run.finish(variant, scan)
    run.start(f"finalize-{VARIANTS[1]}-b")
    run.leave(VARIANTS[1], "b", R=0.7654)  # the last: its end is not recorded yet
    refresh(run.paths)
    assert "0.7654" in run.paths.report.read_text()


def test_a_report_that_fails_costs_no_result(run, monkeypatch, caplog):
    monkeypatch.setattr("ptychopinn_batch.report.page.render", lambda found: 1 / 0)
    refresh(run.paths)
    assert "the report could not be made" in caplog.text
    assert not run.paths.report.exists()


def test_a_run_that_goes_on_again_is_told_as_such(run):
    run.finish(VARIANTS[0], "a")
    name = f"finalize-{VARIANTS[0]}-a"
    append(run.paths.ledger(name), Queued(key=run.tasks[name].key))
    ResultPaths.of(run.paths, run.tasks[name]).metrics.unlink()
    assert run.entry(VARIANTS[0], "a").verdict == "pending"


def test_writing_it_imports_no_torch(run):
    run.finish(VARIANTS[0], "a")
    look = (
        "import sys\nfrom pathlib import Path\nfrom hpc.paths import RunPaths\n"
        "from ptychopinn_batch.report.live import write_report\n"
        f"print(write_report(RunPaths(Path({str(run.paths.root)!r}), 'demo')))\n"
        "print([name for name in ('torch', 'zarr', 'scipy', 'h5py') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(run.paths.report), "[]"]


def test_the_command_writes_it_and_says_where(run, call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, stdout, stderr = call("report", "demo")
    assert (code, stdout, stderr) == (0, "runs/demo/report.html\n", "")
    assert run.paths.report.read_text().startswith("<!doctype html>")


def test_of_no_run_there_is_no_report(here, refuses):
    here.joinpath("runs").mkdir()
    assert "no run 'nothing' has been submitted" in refuses("report", "nothing")


def test_a_check_that_found_something_is_told_and_one_that_did_not_is_not(tmp_path):
    run = RunPaths(tmp_path / "runs", "demo")
    tasks = {name: a_task(name) for name in ("check-a", "check-b")}
    record_submission(run, plan_run(run, list(tasks.values())))
    dark = {"fault": "photons", "judgement": "doubtful", "reason": "little light", "mend": ""}
    for name, found in (("check-a", ()), ("check-b", (dark,))):
        result = {"verdict": "doubtful" if found else "good", "findings": list(found)}
        start = Started(attempt=1, key=tasks[name].key, process=Process.current())
        append(run.ledger(name), start)
        append(run.ledger(name), Ended(attempt=1, outcome="done", result=result))
    (doubt,) = collect(run).doubts
    assert (doubt.task, doubt.findings[0].reason) == ("check-b", "little light")


def test_a_scan_that_was_stopped_is_mended_in_the_spec_not_run_again(tmp_path):
    run = RunPaths(tmp_path / "runs", "demo")
    task = a_task("check-a")
    record_submission(run, plan_run(run, [task]))
    append(run.ledger(task.id), Started(attempt=1, key=task.key, process=Process.current()))
    append(run.ledger(task.id), Ended(attempt=1, outcome="failed", cause="Write swap_xy: true"))
    (failure,) = collect(run).failures
    assert failure.advice == "Mend the spec as the cause says, and submit it again."
