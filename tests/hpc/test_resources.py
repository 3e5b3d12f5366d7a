"""What a task asks for, and how long things may take."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hpc.resources import Resources, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:01", 1), ("04:00:00", 14400), ("100:00:00", 360000), ("2-01:00:00", 176400)],
)
def test_a_duration_is_written_as_on_a_cluster(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


def test_an_unquoted_time_in_yaml_is_understood() -> None:
    assert parse_duration(14400) == timedelta(hours=4)


@given(st.integers(0, 10**8))
def test_a_duration_survives_writing_and_reading(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    "value", ["4h", "1:2:3", "00:60:00", "", True, 1.5, None, 10**30, f"{10**30}:00:00"]
)
def test_anything_else_is_no_duration(value: object) -> None:
    with pytest.raises(ValidationError):
        Resources(time=value, mem_gb=1, cpus=1, gpus=0)


def test_resources_survive_json() -> None:
    resources = Resources(time=timedelta(days=2), mem_gb=0.5, cpus=2, gpus=1, nodes=3)
    assert '"time":"48:00:00"' in resources.model_dump_json()
    assert Resources.model_validate_json(resources.model_dump_json()) == resources


@pytest.mark.parametrize(
    "wrong",
    [{"time": "00:00:00"}, {"mem_gb": 0}, {"cpus": 0}, {"gpus": -1}, {"nodes": 0}, {"disk": 1}],
)
def test_what_no_machine_can_give_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        Resources(**{"time": "01:00:00", "mem_gb": 1, "cpus": 1, "gpus": 0, **wrong})
