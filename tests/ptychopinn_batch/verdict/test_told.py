"""Verdicts read back from what tasks told."""

import pytest

from hpc.status import Row
from ptychopinn_batch.verdict.told import judged, judged_rows

AXES = {"fault": "axes", "judgement": "bad", "reason": "axes are wrong", "mend": "Swap them"}
BAD = {"verdict": "bad", "findings": [AXES], "R": 0.1}


def test_only_what_is_done_and_judges_is_judged():
    rows = [
        Row(id="a", stage="finalize", status="done"),
        Row(id="b", stage="check", status="done"),
        Row(id="c", stage="infer", status="done"),
        Row(id="d", stage="finalize", status="running"),
    ]
    assert [one.task for one in judged_rows(rows, lambda task: BAD)] == ["a", "b"]


def test_a_verdict_has_its_findings():
    found = judged("t", "check", BAD)
    assert found.is_objected_to
    assert found.findings[0].text == "axes are wrong. Swap them"
    assert not judged("t", "check", {"verdict": "good"}).is_objected_to


@pytest.mark.parametrize("told", [None, {}, {"verdict": 3}, {**BAD, "findings": [1]}])
def test_what_another_version_told_is_passed_over(told):
    assert judged("t", "finalize", told) is None
