"""The check stage: whether a scan can be trusted, asked of some of its frames before the others.

It needs no store, so that nothing of a bad scan has to be prepared; what it cannot look at is for
`prepare` to refuse.
"""

from __future__ import annotations

import time

from pydantic import JsonValue

from hpc.context import TaskContext
from hpc.errors import UserError
from hpc.memory import peak_mb
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.stages.params import CheckParams
from ptychopinn_batch.usage import PEAK
from ptychopinn_batch.verdict.evidence import Evidence
from ptychopinn_batch.verdict.findings import Verdict, objections
from ptychopinn_batch.verdict.glance import glance
from ptychopinn_batch.verdict.judge import judge_scan

ALL_THE_SAME = "To reconstruct it all the same, write check: warn"


def run(context: TaskContext) -> dict[str, JsonValue]:
    """Tell the verdict. UserError where it is bad, and the scan is to be stopped then."""
    params, started = CheckParams.of(context.task), time.perf_counter()
    verdict, evidence, why = _asked(params.scan_of(context.task))
    for line in [why, *(found.text for found in verdict.findings)]:
        if line:
            print(line)
    if params.stop and verdict.judgement == "bad":
        raise _stopped(verdict, str(context.task.extras["scan"]))
    return {
        "verdict": verdict.judgement,
        "findings": [found.model_dump(mode="json") for found in verdict.findings],
        "evidence": evidence.model_dump(mode="json") if evidence else None,
        "unknown": why,
        "seconds": time.perf_counter() - started,
        PEAK: peak_mb(),
    }


def _asked(scan: Scan) -> tuple[Verdict, Evidence | None, str | None]:
    """The verdict on a scan and its evidence; unknown, and why, where it cannot be looked at."""
    try:
        evidence = glance(scan)
    except UserError as error:
        return Verdict.of(()), None, str(error)
    return judge_scan(evidence), evidence, None


def _stopped(verdict: Verdict, scan: str) -> UserError:
    """All that is wrong, and all that mends it."""
    found = [one for one in objections(verdict.findings) if one.judgement == "bad"]
    mends = dict.fromkeys(one.mend for one in found if one.mend)
    what = f"this scan is bad: {'; '.join(one.reason for one in found)}"
    return UserError(what, where=f"scan {scan}", mend=". ".join((*mends, ALL_THE_SAME)))
