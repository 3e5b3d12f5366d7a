"""Expected cost: rough, but it grows with what makes work."""

import pytest

from hpc.paths import RunPaths
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.inputs.facts import Facts, ScanFacts
from ptychopinn_batch.jobspec import JobSpec
from ptychopinn_batch.pipeline import build_tasks
from ptychopinn_batch.pipeline.estimate import START, expected_cost, total_cost
from ptychopinn_batch.speclang.variants import Variant


def costs(*, frames=500, side=460, train=None, infer=None, refine=None):
    """The cost of every task of a run with one scan of 128 x 128 pixels."""
    spec = JobSpec.model_validate(
        {
            "version": 1,
            "name": "x",
            "scans": [{"name": "a", "simulate": {"frames": frames, "frame_size": 128}}],
            "model": {"pretrained": "none"},
            "train": train or {},
            "infer": infer or {},
            "refine": refine,
        }
    )
    canvas = Canvas(x0=0, y0=0, height=side, width=side)
    facts = Facts({spec.scans[0]: ScanFacts(frames, 128, canvas, None)})
    variants = (Variant(name="default", overrides={}, spec=spec),)
    tasks = build_tasks(variants, facts, RunPaths("runs", "x"))
    return {task.id: expected_cost(task) for task in tasks}


def seconds(task, **scale):
    """What a task takes beyond its start."""
    return costs(**scale)[task].cpu_seconds - START


def test_every_task_takes_at_least_the_start_of_a_worker():
    assert all(cost.cpu_seconds >= START for cost in costs().values())


@pytest.mark.parametrize("task", ["prepare-a", "infer-default-a-0", "finalize-default-a"])
def test_more_frames_take_longer(task):
    assert seconds(task, frames=1000) > seconds(task, frames=500)


def test_training_takes_as_long_as_it_has_regions():
    one = seconds("train-default", train={"epochs": 1, "regions_per_epoch": 10})
    assert seconds("train-default", train={"epochs": 3, "regions_per_epoch": 20}) == (
        pytest.approx(6 * one)
    )


def test_reconstruction_takes_as_long_as_it_has_steps():
    assert seconds("infer-default-a-0", infer={"steps": 32}) == pytest.approx(
        4 * seconds("infer-default-a-0", infer={"steps": 8})
    )


def test_a_refinement_takes_as_long_as_it_has_steps_and_longer_with_positions():
    task, short = "refine-default-a", seconds("refine-default-a", refine={"steps": 16})
    assert seconds(task, refine={"steps": 64}) == pytest.approx(4 * short)
    assert seconds(task, refine={"steps": 16, "positions": True}) > 2 * short


def test_a_probe_is_found_on_so_many_frames_and_no_more():
    task = "refine-default-a"
    many, more = (seconds(task, frames=4**k, side=20 * 2**k, refine={}) for k in (7, 9))
    assert many == pytest.approx(more, rel=1e-3)
    assert seconds(task, frames=1000, refine={}) < many


def test_every_mode_takes_its_time():
    task = "refine-default-a"
    assert seconds(task, refine={"modes": 4}) > 2 * seconds(task, refine={"modes": 1})


def test_blocks_of_tiles_share_the_work_of_the_scan_and_add_their_halos():
    whole = costs(side=2048, infer={"tile": 2048})
    parts = costs(side=2048, infer={"tile": 512, "tiles_per_task": 5, "halo": 128})
    blocks = [cost.cpu_seconds - START for name, cost in parts.items() if "infer" in name]
    assert len(blocks) == 4
    with_halos = ((2048 + 3 * 2 * 128) / 2048) ** 2
    alone = whole["infer-default-a-0"].cpu_seconds - START
    assert sum(blocks) == pytest.approx(with_halos * alone)


def test_a_scan_takes_the_disk_of_its_frames_and_its_object():
    found = costs()
    assert found["prepare-a"].disk_gb == pytest.approx(500 * 128**2 * 4 / 1e9)
    assert found["infer-default-a-0"].disk_gb == pytest.approx(460**2 * 13 / 1e9)


def test_the_total_is_the_sum():
    total = total_cost(costs().values())
    assert total.cpu_seconds == pytest.approx(sum(c.cpu_seconds for c in costs().values()))
