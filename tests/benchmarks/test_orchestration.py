"""The benchmark of many tasks: as many as were asked for, all commands, ledgers that look real."""

import json
import sys

import orchestration
import pytest
from handover import main as hand_over
from orchestration_bench.ledgers import RUNNING, fill
from orchestration_bench.specs import write_spec

from hpc.paths import RunPaths
from hpc.status import read_status
from ptychopinn_batch.commands.job import read_job


@pytest.mark.parametrize("shape", orchestration.SHAPES)
@pytest.mark.parametrize("count", [100, 1000])
def test_a_spec_has_as_many_tasks_as_were_asked_for_or_hardly_more(shape, count, tmp_path):
    job = read_job(write_spec(shape, count, tmp_path), tmp_path / "runs", (), None)
    assert count <= len(job.tasks) < 1.4 * count + 10


@pytest.fixture
def run(tmp_path):
    """A run of at least two hundred tasks, most of them over."""
    spec = write_spec("scans", 200, tmp_path)
    hand_over(str(spec), str(tmp_path / "runs"))
    run = RunPaths(tmp_path / "runs", spec.stem)
    fill(run)
    return run


def test_most_tasks_are_done_some_run_and_some_have_failed(run):
    counts = read_status(run).counts
    assert counts["running"] == RUNNING
    assert counts["failed"] == sum(counts.values()) // 100
    assert counts["done"] == sum(counts.values()) - counts["running"] - counts["failed"]


def test_what_tasks_leave_is_there_but_for_results(run, tmp_path):
    job = read_job(tmp_path / f"{run.name}.yaml", run.root, (), None)
    lost = {t.stage for t in job.tasks for out in t.outputs if not (run.root / out).exists()}
    assert lost == {"finalize"}


def test_the_benchmark_leaves_a_row_for_every_command(tmp_path, monkeypatch, capsys):
    words = f"x --tasks 20 --shapes tiles --tries 1 --out {tmp_path}".split()
    monkeypatch.setattr(sys, "argv", words)
    orchestration.main()
    rows = json.loads((tmp_path / "orchestration.json").read_text())["rows"]
    assert [row["command"] for row in rows] == [
        *("plan", "submit", "plan again", "status", "watch --once", "watch, each look")
    ]
    assert all(row["tasks"] >= 20 and row["seconds"] > 0 for row in rows)
    assert "plan again" in capsys.readouterr().out
