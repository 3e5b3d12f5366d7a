"""What SLURM's commands print, as they print it, and what it comes to.

The answers are those of SLURM 22.05, recorded; garbage was made up.
"""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.slurm.states import (
    OVER,
    RUNNING,
    WAITING,
    Report,
    full_state,
    phase_of,
    read_sacct,
    read_scontrol,
    read_squeue,
)

END = "2026-11-24T23:36:34"


def sacct(*rows: str) -> dict[str, Report]:
    return {report.job: report for report in read_sacct("\n".join(rows) + "\n")}


# States

# `man squeue`, JOB STATE CODES, and those that newer versions have added.
STATES = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "CONFIGURING",
    "COMPLETING",
    "DEADLINE",
    "FAILED",
    "LAUNCH_FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PENDING",
    "POWER_UP_NODE",
    "PREEMPTED",
    "RECONFIG_FAIL",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESIZING",
    "RESV_DEL_HOLD",
    "REVOKED",
    "RUNNING",
    "SIGNALING",
    "SPECIAL_EXIT",
    "STAGE_OUT",
    "STOPPED",
    "SUSPENDED",
    "TIMEOUT",
    "UPDATE_DB",
]


def test_every_state_that_slurm_has_is_known_and_in_one_phase_only() -> None:
    assert sorted([*WAITING, *RUNNING, *OVER]) == sorted(STATES)
    assert not [state for state in STATES if phase_of(state) == "unknown"]


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("PENDING", "waiting"),
        ("REQUEUE_HOLD", "waiting"),
        ("SPECIAL_EXIT", "waiting"),
        ("CONFIGURING", "running"),
        ("COMPLETING", "running"),
        ("SUSPENDED", "running"),
        ("PREEMPTED", "over"),
        ("DEADLINE", "over"),
        ("COMPLETED", "over"),
    ],
)
def test_each_state_is_a_phase_on_the_way_of_a_job(state: str, phase: str) -> None:
    assert phase_of(state) == phase


@pytest.mark.parametrize("word", ["", "FROBNICATED", "completed", "12", "?"])
def test_a_word_that_slurm_may_invent_one_day_is_unknown_and_no_error(word: str) -> None:
    assert phase_of(full_state(word)) == "unknown"


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("CANCELLED by 1000", "CANCELLED"),
        ("CANCELLED+", "CANCELLED"),
        ("OUT_OF_ME+", "OUT_OF_MEMORY"),
        ("NODE_FAIL", "NODE_FAIL"),
        ("CANCELLED ", "CANCELLED"),
        ("RUNNING*", "RUNNING"),
        ("FROBNICAT+", "FROBNICAT+"),
    ],
)
def test_what_hangs_on_a_state_is_taken_off(word: str, state: str) -> None:
    assert full_state(word) == state


@given(st.sampled_from(STATES), st.integers(10, 14))  # sacct cuts at 10
def test_a_state_that_was_cut_is_completed(state: str, width: int) -> None:
    cut = state if len(state) <= width else f"{state[: width - 1]}+"
    assert phase_of(full_state(cut)) == phase_of(state)


# squeue

SQUEUE = f"""\
467279_2|demo.infer.abc|PENDING|JobArrayTaskLimit||N/A|
467279_0|demo.infer.abc|RUNNING|None|node1|NONE|
467279_1|demo.infer.abc|OUT_OF_MEMORY|OutOfMemory|node1|{END}|
467290|demo.steward.def|PENDING|Dependency||N/A|
"""


def test_squeue_names_every_element_of_an_array() -> None:
    assert list(read_squeue(SQUEUE)) == [
        Report("467279_2", "demo.infer.abc", "PENDING", reason="JobArrayTaskLimit"),
        Report("467279_0", "demo.infer.abc", "RUNNING", nodes="node1"),
        Report(
            *("467279_1", "demo.infer.abc", "OUT_OF_MEMORY"),
            reason="OutOfMemory",
            nodes="node1",
            ended=datetime.fromisoformat(END),
        ),
        Report("467290", "demo.steward.def", "PENDING", reason="Dependency"),
    ]


def test_no_answer_is_no_report() -> None:
    assert [*read_squeue(""), *read_sacct(""), *read_scontrol("")] == []
    assert [*read_squeue("\n \n"), *read_sacct("\n\n"), *read_scontrol("\n")] == []


@pytest.mark.parametrize(
    "line",
    [
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
        "12_0|name|RUNNING",
        "12_0|name|RUNNING|None|node1|NONE|one|too|many|",
        "JOBID|NAME|STATE|REASON|NODELIST|END_TIME|",
        "||||||",
        "-1|name|RUNNING|None|node1|NONE|",
        "12_|name|RUNNING|None|node1|NONE|",
    ],
)
def test_lines_that_are_no_jobs_are_noise_among_those_that_are(line: str) -> None:
    good = "12_1|name|RUNNING|None|node1|NONE|"
    assert [report.job for report in read_squeue(f"{line}\n{good}\n{line}\n")] == ["12_1"]


# sacct: one line for the job, then those of its steps
# JobID|JobName|State|ExitCode|DerivedExitCode|NodeList|End|MaxRSS


@pytest.mark.parametrize(
    ("row", "state", "exit_code"),
    [
        (f"12|a|COMPLETED|0:0|0:0|node1|{END}|", "COMPLETED", "0:0"),
        (f"12|a|FAILED|3:0|0:0|node1|{END}|", "FAILED", "3:0"),
        (f"12|a|FAILED|11:0|0:11|node1|{END}|", "FAILED", "11:0"),
        (f"12|a|TIMEOUT|0:0|0:0|node1|{END}|", "TIMEOUT", "0:0"),
        (f"12|a|CANCELLED by 1000|0:0|0:0|node1|{END}|", "CANCELLED", "0:0"),
        (f"12|a|NODE_FAIL|0:0|0:0|node1|{END}|", "NODE_FAIL", "0:0"),
        (f"12|a|PREEMPTED|0:0|0:0|node1|{END}|", "PREEMPTED", "0:0"),
    ],
)
def test_sacct_tells_how_a_job_ended(row: str, state: str, exit_code: str) -> None:
    report = sacct(row)["12"]
    assert (report.state, report.exit_code, report.nodes) == (state, exit_code, "node1")
    assert report.phase == "over"
    assert report.ended == datetime.fromisoformat(END)
    assert not report.out_of_memory


def test_sacct_knows_who_cancelled_a_job() -> None:
    assert sacct(f"12|a|CANCELLED by 1000|0:0|0:0|None assigned|{END}|")["12"] == Report(
        *("12", "a", "CANCELLED"),
        ended=datetime.fromisoformat(END),
        exit_code="0:0",
        canceller=1000,
    )
    assert sacct(f"12|a|CANCELLED|0:0|0:0|node1|{END}|")["12"].canceller is None


@pytest.mark.parametrize(
    "rows",
    [
        [
            f"12_0|demo|OUT_OF_MEMORY|0:125|0:0|node1|{END}|",
            f"12_0.batch|batch|OUT_OF_MEMORY|0:125||node1|{END}|3040K",
        ],
        [  # the step that srun started: the job itself has merely failed
            f"12_0|demo|FAILED|1:0|0:125|node1|{END}|",
            f"12_0.batch|batch|FAILED|1:0||node1|{END}|5188K",
            f"12_0.0|python|OUT_OF_MEMORY|0:125||node1|{END}|200000K",
        ],
        [  # where the exit code derived from the steps is late
            f"12_0|demo|FAILED|1:0|0:0|node1|{END}|",
            f"12_0.0|python|OUT_OF_MEMORY|0:125||node1|{END}|200000K",
        ],
        [f"12_0|demo|OUT_OF_ME+|0:125|0:0|node1|{END}|"],
    ],
)
def test_want_of_memory_shows_in_the_job_or_in_a_step(rows: list[str]) -> None:
    assert sacct(*rows)["12_0"].out_of_memory


def test_a_step_that_was_killed_otherwise_is_no_want_of_memory() -> None:
    rows = (
        f"12|demo|TIMEOUT|0:0|0:0|node1|{END}|",
        f"12.batch|batch|CANCELLED|0:15||node1|{END}|5000K",
        f"12.0|python|CANCELLED|0:9||node1|{END}|200000K",
    )
    assert not sacct(*rows)["12"].out_of_memory


def test_the_memory_of_a_job_is_that_of_its_largest_step_in_megabytes_of_ten_to_the_six() -> None:
    report = sacct(
        f"12|demo|COMPLETED|0:0|0:0|node1|{END}|",
        f"12.batch|batch|COMPLETED|0:0||node1|{END}|3040K",
        f"12.0|python|COMPLETED|0:0||node1|{END}|1.5G",
        f"12.1|python|COMPLETED|0:0||node1|{END}|",
    )["12"]
    assert report.peak_mb == pytest.approx(1.5 * 2**30 / 1e6)


@pytest.mark.parametrize("text", ["", "?", "12X", "K", "0x10K"])
def test_memory_that_is_not_known_is_none(text: str) -> None:
    assert sacct(f"12|demo|COMPLETED|0:0|0:0|node1|{END}|{text}")["12"].peak_mb is None


def test_a_step_whose_job_is_not_there_yet_waits_for_the_next_answer() -> None:
    assert sacct(f"12.0|python|OUT_OF_MEMORY|0:125||node1|{END}|1K") == {}


def test_the_last_record_of_a_job_that_was_requeued_counts() -> None:
    rows = (
        f"12_3|demo|NODE_FAIL|0:0|0:0|node1|{END}|",
        f"12_3.0|python|OUT_OF_MEMORY|0:125||node1|{END}|900K",
        "12_3|demo|PENDING|0:0|0:0|None assigned|Unknown|",
    )
    assert sacct(*rows)["12_3"] == Report("12_3", "demo", "PENDING", exit_code="0:0")


def test_one_row_for_what_has_not_begun_stands_for_each_of_its_elements() -> None:
    found = sacct("12_[0,4-6%2]|demo|PENDING|0:0|0:0|None assigned|Unknown|")
    assert list(found) == ["12_0", "12_4", "12_5", "12_6"]
    assert {report.state for report in found.values()} == {"PENDING"}
    found = sacct(f"12_[2-6:2]|demo|CANCELLED by 0|0:0|0:0|None assigned|{END}|")
    assert list(found) == ["12_2", "12_4", "12_6"]
    assert {report.canceller for report in found.values()} == {0}


@pytest.mark.parametrize(
    "line",
    [
        "Slurm accounting storage is disabled",
        "sacct: error: slurm_persist_conn_open: failed to open persistent connection",
        "|||||||",
        "12_[|demo|PENDING|0:0|0:0||Unknown|",
        "12_[1,,2]|demo|PENDING|0:0|0:0||Unknown|",
        "12_[-]|demo|PENDING|0:0|0:0||Unknown|",
        "12_[1-9:0]|demo|PENDING|0:0|0:0||Unknown|",
        "12|demo|COMPLETED|0:0",
    ],
)
def test_what_sacct_prints_beside_records_is_noise(line: str) -> None:
    assert list(sacct(line, f"13|demo|COMPLETED|0:0|0:0|node1|{END}|", line)) == ["13"]


@given(st.text(alphabet="0123456789_[]-,:%|.+abcKG*\n ", max_size=200))
def test_no_answer_is_so_strange_that_it_is_an_error(text: str) -> None:
    for report in (*read_squeue(text), *read_sacct(text), *read_scontrol(text)):
        assert report.job


# scontrol


SHOWN = (
    "JobId=467281 ArrayJobId=467279 ArrayTaskId=1 ArrayTaskThrottle=2 JobName=demo.infer.abc "
    "UserId=root(0) JobState=OUT_OF_MEMORY Reason=OutOfMemory Dependency=(null) Requeue=1 "
    "ExitCode=0:125 StartTime=2026-11-24T23:36:29 EndTime=2026-11-24T23:36:34 Partition=main "
    "ReqNodeList=(null) ExcNodeList=(null) NodeList=node1 BatchHost=node1 NumNodes=1 "
    "Command=/scratch/runs of the day/demo/batches/abc.sh WorkDir=/scratch"
)


def test_scontrol_is_asked_where_there_is_no_accounting() -> None:
    (report,) = read_scontrol(SHOWN)
    assert report == Report(
        *("467279_1", "demo.infer.abc", "OUT_OF_MEMORY"),
        reason="OutOfMemory",
        nodes="node1",
        ended=datetime.fromisoformat(END),
        exit_code="0:125",
        out_of_memory=True,
    )


def test_scontrol_tells_want_of_memory_in_a_step_by_the_derived_exit_code() -> None:
    line = "JobId=12 JobName=a JobState=FAILED Reason=NonZeroExitCode NodeList=node1 "
    (report,) = read_scontrol(line + "DerivedExitCode=0:125 ExitCode=1:0")
    assert report.out_of_memory


def test_a_job_that_is_no_array_has_its_own_number() -> None:
    (report,) = read_scontrol("JobId=12 JobName=a JobState=RUNNING Reason=None NodeList=(null)")
    assert report == Report("12", "a", "RUNNING")
