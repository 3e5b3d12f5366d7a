"""Heartbeats: cheap to write, safe to read, never in the way."""

import itertools
import json
import os
from pathlib import Path

import pytest

from hpc.heartbeat import Heartbeat, HeartbeatWriter, read_heartbeat
from hpc.memory import peak_mb


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "heartbeats" / "a.json"


@pytest.fixture
def writer(path: Path, clock: Clock) -> HeartbeatWriter:
    return HeartbeatWriter(path, attempt=2, clock=clock)


def beat(path: Path) -> Heartbeat:
    found = read_heartbeat(path)
    assert found is not None
    return found


def test_a_heartbeat_says_how_far_the_task_is(writer: HeartbeatWriter, path: Path) -> None:
    writer.beat(3, 12, {"loss": 0.5, "phase": "fit"})
    found = beat(path)
    assert (found.attempt, found.step, found.total, found.progress) == (2, 3, 12, 0.25)
    assert found.figures == {"loss": 0.5, "phase": "fit"}


def test_at_most_two_are_written_in_a_second(
    writer: HeartbeatWriter, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[float] = []
    replace = Path.replace

    def counted(self: Path, target: Path) -> Path:
        written.append(clock.now)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", counted)
    for step in range(500):
        writer.beat(step, 500, {})
        clock.now += 0.01
    assert 8 <= len(written) <= 11
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(written))


def test_the_last_one_is_written_in_the_end(writer: HeartbeatWriter, path: Path) -> None:
    writer.beat(1, 2, {})
    writer.beat(2, 2, {})
    assert beat(path).step == 1
    writer.flush()
    writer.flush()
    assert beat(path).step == 2


def test_the_time_left_follows_the_pace_of_this_attempt(
    writer: HeartbeatWriter, path: Path, clock: Clock
) -> None:
    writer.beat(50, 100, {})  # resumed half-way
    assert beat(path).remaining(clock.now) is None
    clock.now += 20
    writer.beat(60, 100, {})
    assert beat(path).remaining(clock.now) == pytest.approx(80)
    assert beat(path).remaining(clock.now + 30) == pytest.approx(50)
    assert beat(path).remaining(clock.now + 300) == 0


def test_a_clock_that_is_set_back_does_not_silence_it(
    writer: HeartbeatWriter, path: Path, clock: Clock
) -> None:
    writer.beat(1, 9, {})
    clock.now -= 3600
    writer.beat(2, 9, {})
    assert beat(path).step == 2
    assert beat(path).remaining(clock.now) is None


def test_every_heartbeat_tells_the_largest_memory_so_far(
    writer: HeartbeatWriter, path: Path
) -> None:
    writer.beat(1, 2, {})
    assert 1 < (beat(path).peak_mb or 0) <= peak_mb()


def test_a_heartbeat_of_an_older_version_has_no_memory(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"attempt":1,"at":1.0,"step":1,"total":2,"first_step":0,"first_at":0.0}')
    assert beat(path).peak_mb is None


def test_figures_that_json_cannot_hold_are_kept_as_text(
    writer: HeartbeatWriter, path: Path
) -> None:
    class Scalar:
        def __float__(self) -> float:
            return 2.5

    writer.beat(1, 1, {"loss": float("nan"), "best": float("inf"), "mean": Scalar()})
    assert beat(path).figures == {"loss": "nan", "best": "inf", "mean": 2.5}
    json.loads(path.read_text(), parse_constant=pytest.fail)


def test_a_task_without_steps_has_no_progress(writer: HeartbeatWriter, path: Path) -> None:
    writer.beat(0, 0, {})
    assert beat(path).progress is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"step": "x"}', b"\xff"])
def test_what_cannot_be_read_is_no_heartbeat(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert read_heartbeat(tmp_path / "a.json") is None
    assert read_heartbeat(tmp_path / "missing.json") is None


def test_a_full_disk_costs_the_heartbeat_not_the_task(
    writer: HeartbeatWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("hpc.heartbeat.write_atomic", full)
    writer.beat(1, 2, {})
    assert not path.exists()
