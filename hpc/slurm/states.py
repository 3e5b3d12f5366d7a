"""What SLURM says of a job, in its own words and in ours. Pure: text in, reports out.

squeue knows jobs that wait, run, or ended minutes ago; sacct knows them for ever, but late, and it
alone knows the steps: a step that ran out of memory leaves a job that merely failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple

__all__ = [
    "SACCT_FIELDS",
    "SQUEUE_FIELDS",
    "Phase",
    "Report",
    "phase_of",
    "read_sacct",
    "read_scontrol",
    "read_squeue",
]

Phase = Literal["waiting", "running", "over", "unknown"]

WAITING = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
RUNNING = (
    *("RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"),
    *("STAGE_OUT", "RESIZING", "POWER_UP_NODE", "UPDATE_DB"),
)
OVER = (
    *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
    *("BOOT_FAIL", "DEADLINE", "LAUNCH_FAILED", "RECONFIG_FAIL", "REVOKED"),
)

SQUEUE_FIELDS = ("JobArrayID", "Name", "State", "Reason", "NodeList", "EndTime")
SACCT_FIELDS = (
    *("JobID", "JobName", "State", "ExitCode", "DerivedExitCode", "NodeList", "End", "MaxRSS"),
)

_JOB = re.compile(r"\d+(?:_\d+)?(?:\+\d+)?")  # 12, 12_3, 12+0
_SOME = r"\d+(?:-\d+(?::[1-9]\d*)?)?"
# 12_[0,4-9%2]: not begun, or never will
_ELEMENTS = re.compile(rf"(\d+)_\[({_SOME}(?:,{_SOME})*)(?:%\d+)?\]")
_BY = re.compile(r"CANCELLED by (\d+)")
_OUT_OF_MEMORY = "0:125"  # the exit code SLURM gives to what its memory cgroup has killed
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Report(NamedTuple):
    """One job, or one element of an array, at one moment."""

    job: str
    name: str
    state: str  # as SLURM spells it in full
    reason: str = ""
    nodes: str = ""
    ended: datetime | None = None  # in the local time of the controller
    exit_code: str = ""
    canceller: int | None = None  # user id
    out_of_memory: bool = False
    peak_mb: float | None = None

    @property
    def phase(self) -> Phase:
        return phase_of(self.state)


def phase_of(state: str) -> Phase:
    """Where a job is on its way; a word that is not known is "unknown", not an error."""
    if state in WAITING:
        return "waiting"
    if state in RUNNING:
        return "running"
    return "over" if state in OVER else "unknown"


def read_squeue(text: str) -> Iterator[Report]:
    """Reports from `squeue --array --Format` with SQUEUE_FIELDS, each followed by '|'."""
    for job, name, state, reason, nodes, ended in _rows(text, len(SQUEUE_FIELDS)):
        if _JOB.fullmatch(job):
            why = "" if reason == "None" else reason
            yield Report(job, name, full_state(state), why, _nodes(nodes), _moment(ended))


def read_sacct(text: str) -> Iterator[Report]:
    """Reports from `sacct --parsable2` with SACCT_FIELDS: the last record of every job.

    Rows of steps are folded into that of their job.
    """
    found: dict[str, Report] = {}
    for row in _rows(text, len(SACCT_FIELDS)):
        job, _, step = row[0].partition(".")
        if step:
            _fold_step(found, job, row)
        else:
            found |= {name: _job_row([name, *row[1:]]) for name in _jobs(job)}
    return iter(found.values())


def read_scontrol(text: str) -> Iterator[Report]:
    """Reports from `scontrol show job --oneliner`: what is known where there is no accounting."""
    for line in text.splitlines():
        fields = dict(re.findall(r"(\w+)=(\S*)", line))
        if "JobState" in fields:
            yield _shown_job(fields)


def full_state(word: str) -> str:
    """A state without what SLURM hangs on it: `CANCELLED by 7`, `OUT_OF_ME+`, `RUNNING*`."""
    first = word.strip().partition(" ")[0].rstrip("*")
    if not first.endswith("+"):
        return first
    known = [state for state in (*OVER, *WAITING, *RUNNING) if state.startswith(first[:-1])]
    return known[0] if known else first


def _rows(text: str, width: int) -> Iterator[list[str]]:
    """The fields of every line that has as many as were asked for; anything else is noise."""
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if fields and fields[-1] == "" and len(fields) == width + 1:
            fields.pop()
        if len(fields) == width:
            yield fields


def _jobs(text: str) -> Iterator[str]:
    """The jobs that one id stands for: itself, or elements of an array; none where it is no id."""
    elements = _ELEMENTS.fullmatch(text)
    if elements:
        for part in elements[2].split(","):
            first, _, last = part.partition("-")
            last, _, step = last.partition(":")
            numbers = range(int(first), int(last or first) + 1, int(step or 1))
            yield from (f"{elements[1]}_{number}" for number in numbers)
    elif _JOB.fullmatch(text):
        yield text


def _job_row(row: list[str]) -> Report:
    job, name, state, exit_code, derived, nodes, ended, peak = row
    by = _BY.match(state)
    return Report(
        job=job,
        name=name,
        state=full_state(state),
        nodes=_nodes(nodes),
        ended=_moment(ended),
        exit_code=exit_code,
        canceller=int(by[1]) if by else None,
        out_of_memory=_OUT_OF_MEMORY in (exit_code, derived),
        peak_mb=_megabytes(peak),
    )


def _fold_step(found: dict[str, Report], job: str, row: list[str]) -> None:
    report = found.get(job)
    if report is None:  # the job's own row is late: the next answer has it
        return
    killed = full_state(row[2]) == "OUT_OF_MEMORY"
    peaks = [peak for peak in (report.peak_mb, _megabytes(row[7])) if peak is not None]
    found[job] = report._replace(
        out_of_memory=report.out_of_memory or killed, peak_mb=max(peaks, default=None)
    )


def _shown_job(fields: dict[str, str]) -> Report:
    array, element = fields.get("ArrayJobId"), fields.get("ArrayTaskId")
    codes = fields.get("DerivedExitCode"), fields.get("ExitCode")
    return Report(
        job=f"{array}_{element}" if array else fields.get("JobId", ""),
        name=fields.get("JobName", ""),
        state=full_state(fields["JobState"]),
        reason=fields.get("Reason", "").replace("None", ""),
        nodes=_nodes(fields.get("NodeList", "")),
        ended=_moment(fields.get("EndTime", "")),
        exit_code=fields.get("ExitCode", ""),
        out_of_memory=_OUT_OF_MEMORY in codes,
    )


def _nodes(text: str) -> str:
    return "" if text in ("None assigned", "(null)") else text


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # Unknown, N/A, NONE
        return None


def _megabytes(text: str) -> float | None:
    """Such as 123456K, in 10^6 bytes."""
    match = re.fullmatch(r"([\d.]+)([KMGT]?)", text)
    return float(match[1]) * _UNITS[match[2]] / 1e6 if match else None
