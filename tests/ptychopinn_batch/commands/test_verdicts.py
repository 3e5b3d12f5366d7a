"""What `status` says of results that are not good: why, and what to do about it."""

import json
import re

import pytest

from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.verdicts import MOST, Warnings, objected, summary
from ptychopinn_batch.verdict.told import judged

AXES = {"fault": "axes", "judgement": "bad", "reason": "axes are wrong", "mend": "Swap them"}
DARK = {"fault": "photons", "judgement": "doubtful", "reason": "little light", "mend": ""}
FINE = {"fault": "halves", "judgement": "good", "reason": "nothing is wrong", "mend": ""}


def told(verdict, *findings):
    return {"verdict": verdict, "findings": list(findings), "R": 0.1}


def results(*verdicts):
    return [
        judged(f"finalize-v-{k}", "finalize", told(verdict, AXES, DARK, FINE))
        for k, verdict in enumerate(verdicts)
    ]


def test_results_are_counted_and_scans_are_not():
    scan = judged("check-a", "check", told("bad"))
    assert summary([*results("good", "bad", "good"), scan]) == "2 good, 1 bad"
    assert summary([]) == ""


def test_the_bad_ones_come_first_each_with_reasons_and_mends():
    assert list(objected(results("doubtful", "good", "bad"))) == [
        "finalize-v-2 is bad:",
        "  - axes are wrong. Swap them.",
        "  - little light.",
        "finalize-v-0 is doubtful:",
        "  - axes are wrong. Swap them.",
        "  - little light.",
    ]


def test_of_very_many_the_first_are_told_and_how_many_more_there_are():
    many = results(*["bad"] * (MOST + 5))
    assert list(objected(many))[-1] == "and 5 more that are doubtful or bad (`status --all`)"
    assert len(list(objected(many, most=None))) == 3 * (MOST + 5)


def looked(*done):
    names = ("check-a", "check-b", "finalize-v-a")
    rows = [
        Row(id=n, stage=n.split("-")[0], status="done" if n in done else "pending") for n in names
    ]
    return RunStatus(run="demo", at=0.0, submitter=None, rows=tuple(rows))


def test_a_check_that_ends_is_told_once_and_what_was_known_before_is_not():
    said = []
    warnings = Warnings(lambda task: told("bad", AXES), said.append)
    warnings.update(looked("check-a"))
    assert said == []
    for _ in range(2):
        warnings.update(looked("check-a", "check-b", "finalize-v-a"))
    assert said == ["check-b is bad:", "  - axes are wrong. Swap them."]


@pytest.fixture
def finished(on_disk):
    run = on_disk("demo", "finalize-v-a", "finalize-v-b", "check-c")
    run.finish("finalize-v-a", result=told("bad", AXES))
    run.finish("finalize-v-b", result=told("good", FINE))
    run.finish("check-c", result=told("doubtful", DARK))
    return run


def test_status_shows_them(finished, prints):
    text = prints("status", "demo")
    assert "\nResults: 1 good, 1 bad\n" in text
    assert re.search(r"^finalize-v-a +done .* bad: axes$", text, re.M)
    assert text.endswith(
        "\nfinalize-v-a is bad:\n  - axes are wrong. Swap them.\n"
        "check-c is doubtful:\n  - little light.\n"
    )


def test_status_tells_programs_all_verdicts(finished, prints):
    found = json.loads(prints("status", "demo", "--json"))
    verdicts = {one["task"]: one for one in found["verdicts"]}
    assert verdicts["finalize-v-a"]["findings"] == [AXES]
    assert verdicts["finalize-v-b"]["verdict"] == "good"
    assert found["counts"] == {"done": 3}


def test_a_run_without_results_says_nothing_of_them(on_disk, prints):
    on_disk("demo", "infer-a").start("infer-a")
    assert "Results" not in prints("status", "demo")
    assert json.loads(prints("status", "demo", "--json"))["verdicts"] == []
