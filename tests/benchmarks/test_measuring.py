"""What a measured process is said to have taken, and what a benchmark leaves."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from measuring import best, run_measured, table, write_report

from hpc.record import Record
from ptychopinn_batch.provenance import collect

HUNDRED_MB = "x = bytearray(100_000_000); print('made')"


class Row(Record):
    name: str
    seconds: float
    R: float | None = None


def test_a_process_is_measured_by_itself_and_not_by_the_one_that_starts_it():
    mine = bytearray(300_000_000)
    usage, told = run_measured([sys.executable, "-c", HUNDRED_MB])
    assert told == "made\n"
    assert 100 < usage.peak_mb < 200 < len(mine) / 1e6
    assert 0 < usage.cpu_seconds < usage.seconds * 2 + 1


def test_a_process_that_fails_is_no_measurement():
    with pytest.raises(subprocess.CalledProcessError):
        run_measured([sys.executable, "-c", "raise SystemExit(3)"])
    assert run_measured([sys.executable, "-c", "raise SystemExit(3)"], codes=(3,))[1] == ""


def test_the_quickest_of_several_tries_counts():
    usage, _ = run_measured([sys.executable, "-c", ""])
    slow = usage.model_copy(update={"seconds": usage.seconds + 1})
    assert best([slow, usage, slow]) == usage


def test_a_table_has_a_column_for_every_title():
    rows = [Row(name="a", seconds=1234.5), Row(name="b", seconds=0.01234, R=0.5)]
    lines = list(table(rows, {"name": "of", "seconds": "s", "R": "R"}))
    assert [line.split() for line in lines] == [
        ["of", "s", "R"],
        ["a", "1234", "-"],
        ["b", "0.0123", "0.5"],
    ]


def test_a_report_says_where_it_was_measured(tmp_path):
    rows = [Row(name="a", seconds=2.0)]
    path = tmp_path / "new" / "speed.json"
    write_report(path, "speed", collect(), rows, threads=2, tops=rows)
    found = json.loads(path.read_text())
    assert list(found) == ["benchmark", "machine", "threads", "tops", "rows"]
    assert found["rows"] == found["tops"] == [{"name": "a", "seconds": 2.0, "R": None}]
    assert found["machine"]["versions"]["torch"]
    assert [name.name for name in Path(tmp_path / "new").iterdir()] == ["speed.json"]
