"""Limits of the stages."""

import json
from datetime import timedelta

from ptychopinn_batch.jobspec import StageResources


def test_a_stage_keeps_its_defaults_where_a_limit_is_left_out():
    limits = StageResources.model_validate({"train": {"gpus": 4}}).train
    assert (limits.gpus, limits.time) == (4, timedelta(hours=4))
    asked = limits.resources(nodes=2, tasks_per_node=4)
    assert (asked.gpus, asked.nodes, asked.tasks_per_node) == (4, 2, 4)


def test_a_time_is_read_and_written_as_hours_minutes_seconds():
    limits = StageResources.model_validate({"infer": {"time": "1-00:30:00"}})
    assert limits.infer.time == timedelta(days=1, minutes=30)
    assert json.loads(limits.model_dump_json())["infer"]["time"] == "24:30:00"
