"""Scans are looked at before work is spent on them: what a submit does with a bad one."""

import re
from pathlib import Path

import pytest

from ptychopinn_batch.data.writer import write_npz
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.stages import check
from ptychopinn_batch.stages.params import StageParams
from tests.ptychopinn_batch.verdict.test_judge import axes, evidence

FAKES = Path(__file__).parents[1]
SPEC = """\
version: 1
name: two
scans:
  - {name: good, path: scan.npz}
  - {name: wrong, path: scan.npz, swap_xy: true}
"""
STOPPED = {"prepare-wrong", "infer-default-wrong-0", "finalize-default-wrong"}
REASON = "predicted 13.3 times better with swap_xy: axes are wrong"


def entry(cls):
    if cls.stage == "check":
        return "ptychopinn_batch.stages.check:run"
    return f"fake_stages:{'finalize' if cls.stage == 'finalize' else 'quiet'}"


@pytest.fixture(autouse=True)
def folder(here, monkeypatch):
    """Two scans, of which one looks as if its axes were exchanged; later stages do nothing."""
    write_npz(simulate_scan(Simulation(frames=24, frame_size=32, step=3.0)), here / "scan.npz")
    (here / "two.yaml").write_text(SPEC)
    (here / "fakes").mkdir()
    monkeypatch.setenv("FAKES", str(here / "fakes"))
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setattr(StageParams, "entry", classmethod(entry))
    bad = evidence(placements__axes=axes(0.085, swap_xy=0.011))
    monkeypatch.setattr(check, "glance", lambda scan: bad if scan.swap_xy else evidence())
    return here


def states(text):
    """How each task stands, from what `status` prints."""
    return dict(re.findall(r"^([a-z]+-[\w.-]+) +(done|failed|blocked) ", text, re.M))


def test_a_warning_is_printed_and_shown_and_everything_is_done(prints):
    text = prints("submit", "two.yaml")
    assert text.count("check-wrong is bad:\n") == 1
    assert REASON in text
    assert "Write swap_xy: true" in text
    assert "check-good is" not in text
    shown = prints("status", "two")
    assert set(states(shown).values()) == {"done"}
    assert re.search(r"^check-wrong +done .* bad: axes$", shown, re.M)
    assert REASON in shown
    report = Path("runs/two/report.html").read_text()
    assert "Doubtful scans (1)" in report
    assert REASON in report


def test_a_stop_keeps_back_what_is_made_of_a_bad_scan_and_nothing_else(call, prints):
    code, _, stderr = call("submit", "two.yaml", "--set", "check=stop")
    assert code == 1
    assert "failed: check-wrong: scan wrong: this scan is bad: " in stderr
    assert REASON in stderr
    shown = prints("status", "two")
    found = states(shown)
    assert {name for name, state in found.items() if state == "blocked"} == STOPPED
    assert found["finalize-default-good"] == "done"
    assert "Write swap_xy: true" in shown
    assert "To reconstruct it all the same, write check: warn" in shown


def test_what_was_stopped_is_done_once_the_scan_is_mended_or_the_wish_is_withdrawn(call, prints):
    call("submit", "two.yaml", "--set", "check=stop")
    mended = prints("submit", "two.yaml", "--set", "check=stop", "--set", "scans.1.swap_xy=false")
    assert "are done" in mended
    prints("submit", "two.yaml", "--set", "check=warn")
    found = states(prints("status", "two"))
    assert {found[name] for name in STOPPED} == {"done"}


def test_a_finished_result_is_not_lost_to_a_check_that_is_asked_for_later(call, prints):
    prints("submit", "two.yaml", "--set", "check=off")
    before = Path("runs/two/ledger/finalize-default-wrong.jsonl").read_text()
    assert call("submit", "two.yaml", "--set", "check=stop")[0] == 1
    assert Path("runs/two/ledger/finalize-default-wrong.jsonl").read_text() == before
    assert states(prints("status", "two"))["finalize-default-wrong"] == "done"


def test_not_asked_nothing_is_looked_at(prints, monkeypatch):
    monkeypatch.setattr(check, "glance", lambda scan: pytest.fail("looked at"))
    assert "check-" not in prints("submit", "two.yaml", "--set", "check=off")
    assert Path("runs/two/report.html").exists()
