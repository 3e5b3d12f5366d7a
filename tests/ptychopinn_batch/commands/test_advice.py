"""What a finished run says of asks that were far too large."""

from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.advice import advice

HOUR = 3600.0


def done(stage="train", status="done", attempt=1, **more):
    given = {
        "batch": "t1",
        "mem_gb": 64.0,
        "peak_mb": 3100.0,
        "time_limit": 4 * HOUR,
        "seconds": 2 * HOUR,
    }
    return Row(id="x", stage=stage, status=status, attempt=attempt, **{**given, **more})


def of(*rows):
    return advice(RunStatus(run="x", at=0.0, submitter=None, rows=rows))


def test_a_stage_that_used_little_memory_is_told_what_would_do():
    assert of(done()) == [
        "train asked for 64 GB and used at most 3.1 GB: resources.train.mem_gb 8 would do"
    ]


def test_a_stage_that_took_little_time_is_told_what_would_do():
    assert of(done(peak_mb=60e3, seconds=720.0), done(peak_mb=60e3, seconds=30.0)) == [
        "train asked for 4 h and took at most 12 min: resources.train.time 00:30:00 would do"
    ]


def test_where_nothing_waited_in_a_queue_large_asks_cost_nobody_anything():
    assert of(done(batch=None)) == []


def test_both_are_one_line():
    (line,) = of(done(seconds=720.0))
    assert "mem_gb 8 would do; it asked for 4 h" in line


def test_the_largest_use_of_a_stage_counts():
    assert of(done(), done(peak_mb=33e3)) == []
    (line,) = of(done(), done(peak_mb=20e3))
    assert "used at most 20.0 GB: resources.train.mem_gb 32 would do" in line


def test_packaging_is_asked_for_with_finalize():
    (line,) = of(done("package"), done("finalize", peak_mb=10e3))
    assert line.startswith("finalize asked for 64 GB and used at most 10.0 GB: resources.finalize")


def test_small_asks_are_left_alone():
    assert of(done(mem_gb=8.0, peak_mb=10.0, time_limit=HOUR, seconds=1.0)) == []


def test_nothing_is_said_where_more_may_be_needed():
    assert of(done(), done("infer", status="running")) == []  # it is not over
    assert of(done(), done(status="killed")) == []  # perhaps for want of memory
    assert of(done(peak_mb=60e3, seconds=60.0, attempt=2)) == []  # it went on from another attempt


def test_what_was_not_measured_is_not_judged():
    assert of(done(mem_gb=None, time_limit=None)) == []
    assert of(done(peak_mb=None, seconds=None)) == []
