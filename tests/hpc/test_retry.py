"""What ended by a fault is tried again, as often and with as much as its cause calls for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.ledger import Ended, Entry, Fault, Outcome, Queued, Started
from hpc.process import Process
from hpc.resources import Resources
from hpc.retry import Advice, RetryPolicy, advise, needed_resources, shunned_nodes
from hpc.slurm.profile import Limits

HOUR = timedelta(hours=1)
ASKED = Resources(time=HOUR, mem_gb=8, cpus=2, gpus=1)
POLICY = RetryPolicy()
SOMEWHERE = Process(host="node1", pid=1, started="x")


class History:
    """The records of one task, attempt by attempt."""

    def __init__(self, key: str = "k") -> None:
        self.entries: list[Entry] = []
        self.key = key
        self._attempt = 0

    def asked(self, key: str | None = None) -> History:
        """A user wants it, with these settings."""
        self.key = key or self.key
        self.entries.append(Queued(key=self.key))
        return self

    def again(self, fault: Fault) -> History:
        """It is handed over once more by itself."""
        self.entries.append(Queued(key=self.key, retry=fault))
        return self

    def attempt(self, outcome: Outcome, fault: Fault | None = None, **more: object) -> History:
        self._attempt += 1
        self.entries.append(Started(attempt=self._attempt, key=self.key, process=SOMEWHERE))
        return self.told(outcome, fault, **more)

    def told(self, outcome: Outcome, fault: Fault | None = None, **more: object) -> History:
        """What somebody says of the last attempt."""
        end = Ended(attempt=self._attempt, outcome=outcome, fault=fault, **more)
        self.entries.append(end)
        return self


def advice(history: History, limits: Limits | None = None, **policy: float) -> Advice | None:
    return advise(history.entries, ASKED, RetryPolicy(**policy), limits)


def needed(history: History, limits: Limits | None = None, **policy: float) -> Resources:
    return needed_resources(history.entries, ASKED, RetryPolicy(**policy), limits)


# The table


@pytest.mark.parametrize(
    ("outcome", "fault", "mem_gb", "hours", "said"),
    [
        ("killed", "memory", 16, 1, "retry 1 of 2 (out of memory: now 16 GB)"),
        ("failed", "memory", 16, 1, "retry 1 of 2 (out of memory: now 16 GB)"),
        ("timed_out", "time", 8, 2, "retry 1 of 2 (out of time: now 02:00:00)"),
        ("requeued", "time", 8, 1, "retry 1 of 100 (out of time: goes on from its checkpoint)"),
        ("killed", "node", 8, 1, "retry 1 of 3 (node lost)"),
        ("killed", "preemption", 8, 1, "retry 1 of 100 (preempted: as it was)"),
        ("requeued", "preemption", 8, 1, "retry 1 of 100 (preempted: as it was)"),
    ],
)
def test_each_fault_has_its_remedy(
    outcome: Outcome, fault: Fault, mem_gb: float, hours: float, said: str
) -> None:
    history = History().attempt(outcome, fault)
    assert advice(history) == Advice(True, said)
    assert needed(history) == ASKED.model_copy(update={"mem_gb": mem_gb, "time": hours * HOUR})


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_what_no_fault_ended_is_never_tried_again(outcome: Outcome) -> None:
    history = History().attempt("killed", "memory").again("memory").attempt(outcome)
    assert advice(history) is None


def test_a_task_that_nobody_has_tried_needs_no_advice() -> None:
    assert advice(History()) is None
    assert advice(History().asked()) is None
    assert needed(History()) == ASKED


# How often

KINDS: dict[str, tuple[Outcome, Fault]] = {
    "memory": ("killed", "memory"),
    "time": ("timed_out", "time"),
    "resume": ("requeued", "time"),
    "node": ("killed", "node"),
    "preemption": ("killed", "preemption"),
}


@pytest.mark.parametrize("kind", KINDS)
@given(cap=st.integers(0, 5))
def test_every_fault_is_made_good_for_exactly_as_often_as_allowed(kind: str, cap: int) -> None:
    outcome, fault = KINDS[kind]
    history, tried = History().asked(), 0
    while (told := advice(history.attempt(outcome, fault), **{kind: cap})) and told.again:
        tried += 1
        assert told.cause.startswith(f"retry {tried} of {cap} (")
        history.again(fault)
    assert told is not None
    assert tried == cap


@pytest.mark.parametrize(
    ("cap", "said"),
    [(0, "given up after no retries"), (1, "given up after 1 retry"), (2, "given up after 2 ret")],
)
def test_a_task_is_given_up_with_the_number_of_its_retries_and_the_cause(
    cap: int, said: str
) -> None:
    history = History()
    for _ in range(cap + 1):
        history.attempt("killed", "node", cause="a node was lost: n7")
    told = advice(history, node=cap)
    assert told is not None
    assert not told.again
    assert told.cause.startswith(said)
    assert told.cause.endswith(": a node was lost: n7")


def test_a_task_that_was_given_up_stays_so() -> None:
    history = History().attempt("requeued", "preemption").told("failed", cause="given up")
    assert advice(history) is None


def test_faults_of_one_kind_do_not_count_for_another() -> None:
    history = History().attempt("killed", "memory").attempt("timed_out", "time")
    told = advice(history.attempt("killed", "node"), memory=1, time=1, node=1)
    assert told is not None
    assert told.cause.startswith("retry 1 of 1")


def test_going_on_from_a_checkpoint_does_not_use_up_the_tries_to_begin_anew() -> None:
    history = History()
    for _ in range(5):
        history.attempt("requeued", "time")
    told = advice(history.attempt("timed_out", "time"), time=1)
    assert told is not None
    assert told.cause.startswith("retry 1 of 1")


def test_who_asks_anew_begins_to_count_anew() -> None:
    history = History().attempt("killed", "node").again("node").attempt("killed", "node")
    given_up = advice(history, node=1)
    assert given_up is not None
    assert not given_up.again
    assert advice(history.asked().attempt("killed", "node"), node=1) == Advice(
        True, "retry 1 of 1 (node lost)"
    )


def test_several_words_on_one_attempt_count_once() -> None:
    history = History().attempt("failed", "memory")  # said by one rank, then by the others
    history.told("failed", "memory").told("killed", "memory")
    assert advice(history) == Advice(True, "retry 1 of 2 (out of memory: now 16 GB)")
    assert needed(history).mem_gb == 16


def test_what_a_rank_says_after_another_ran_out_of_memory_hides_nothing() -> None:
    history = History().attempt("failed", "memory").told("failed", cause="Connection reset by peer")
    told = advice(history)
    assert told is not None
    assert told.again


# With how much


def test_memory_and_time_grow_with_every_fault_of_theirs() -> None:
    history = History().attempt("killed", "memory").attempt("timed_out", "time")
    history.attempt("killed", "memory").attempt("killed", "node").attempt("requeued", "time")
    grown = needed(history, memory_factor=1.5, time_factor=3)
    assert grown == ASKED.model_copy(update={"mem_gb": 18.0, "time": 3 * HOUR})


def test_other_settings_need_what_they_ask_for() -> None:
    history = History("old").attempt("killed", "memory").attempt("killed", "node", nodes=("n1",))
    assert needed(history.asked("new")) == ASKED
    assert shunned_nodes(history.entries) == ()
    assert needed(history.attempt("killed", "memory")).mem_gb == 16


def test_what_was_learned_is_kept_when_the_same_is_asked_for_anew() -> None:
    assert needed(History().attempt("killed", "memory").asked()).mem_gb == 16


def test_no_more_than_the_ceiling_is_asked_for() -> None:
    history = History().attempt("killed", "memory").attempt("timed_out", "time")
    limits = Limits(mem_gb=12, time=timedelta(minutes=90))
    assert needed(history, limits).mem_gb == 12
    assert needed(history, limits).time == timedelta(minutes=90)


def test_a_ceiling_below_what_was_asked_for_takes_nothing_away() -> None:
    history = History().attempt("killed", "memory").attempt("timed_out", "time")
    assert needed(history, Limits(mem_gb=4, time=timedelta(minutes=5))) == ASKED


def test_a_task_is_given_up_when_no_more_memory_is_to_be_had() -> None:
    limits = Limits(mem_gb=12)
    history = History().attempt("killed", "memory", cause="out of memory: it had 8 GB")
    assert advice(history, limits) == Advice(True, "retry 1 of 2 (out of memory: now 12 GB)")
    history.again("memory").attempt("killed", "memory", cause="out of memory: it had 12 GB")
    assert advice(history, limits) == Advice(
        False, "given up, no more than 12 GB is to be had: out of memory: it had 12 GB"
    )


def test_a_task_whose_time_cannot_grow_is_tried_again_all_the_same() -> None:
    told = advice(History().attempt("timed_out", "time"), Limits(time=HOUR))
    assert told == Advice(True, "retry 1 of 2 (out of time: now 01:00:00)")


ENDS = st.lists(st.sampled_from(sorted(KINDS)), max_size=6)


@given(ENDS, st.none() | st.floats(0.5, 100), st.floats(1, 4), st.floats(1, 4))
def test_a_task_never_gets_less_than_it_asked_for_nor_more_than_there_is(
    ends: Sequence[str], ceiling: float | None, memory: float, time: float
) -> None:
    history = History()
    for kind in ends:
        history.attempt(*KINDS[kind])
    limits = Limits(mem_gb=ceiling, time=ceiling and ceiling * HOUR)
    grown = needed(history, limits, memory_factor=memory, time_factor=time)
    assert ASKED.mem_gb <= grown.mem_gb <= max(ASKED.mem_gb, ceiling or float("inf"))
    assert grown.time >= ASKED.time
    assert ceiling is None or grown.time <= max(HOUR, ceiling * HOUR)
    assert grown.model_copy(update={"mem_gb": ASKED.mem_gb, "time": ASKED.time}) == ASKED


# Where


def test_nodes_that_were_lost_under_a_task_are_shunned_from_then_on() -> None:
    history = History().attempt("killed", "node", nodes=("n7", "n2"))
    history.attempt("killed", "node", nodes=("n2",)).attempt("killed", "memory", nodes=("n9",))
    assert shunned_nodes(history.entries) == ("n2", "n7")


def test_a_retry_names_the_nodes_it_keeps_off() -> None:
    told = advice(History().attempt("killed", "node", nodes=("n2", "n7")))
    assert told == Advice(True, "retry 1 of 3 (without n2, n7)")


# The policy


def test_every_cap_can_be_set_by_itself() -> None:
    policy = RetryPolicy(memory=1, time=2, resume=3, node=4, preemption=5)
    assert [policy.cap(kind) for kind in KINDS] == [1, 2, 3, 4, 5]
