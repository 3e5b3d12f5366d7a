"""The client in the real Ptychodus, with the work done by jobs of a real SLURM."""

import subprocess
import time

import pytest

from .conftest import OURS, SMALL, counts_of, settings

pytestmark = pytest.mark.timeout(1200)
MODEST = " ".join(  # what a node of the test's cluster has
    f"resources.{stage}.mem_gb={size} resources.{stage}.cpus=1"
    for stage, size in {"prepare": 2, "train": 3, "infer": 2, "finalize": 2}.items()
)


def on_slurm(runs, **changes):
    return settings(runs, OURS, executor="slurm", overrides=f"{SMALL} {MODEST}", **changes)


def jobs():
    listed = subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True)
    return listed.stdout.split("\n")[:-1]


def test_it_trains_by_jobs(cluster, ptychodus, scan, tmp_path):
    runs, out = tmp_path / "runs", tmp_path / "out"
    values = on_slurm(runs, epochs=2)
    told = ptychodus.do("train", scan=scan, settings=values, data=tmp_path / "data", out=out)
    assert told["told"][-1]["epochs"] == 2
    assert list(runs.glob("*/batches/*"))
    assert (out / "mine.pth").read_bytes() == (out / "model.pth").read_bytes()


def test_what_nobody_listens_to_any_more_leaves_the_queue(cluster, ptychodus, scan, tmp_path):
    runs = tmp_path / "runs"
    places = {"data": tmp_path / "data", "out": tmp_path / "out"}
    told = ptychodus.do("stop", scan=scan, settings=on_slurm(runs, epochs=1000), **places)
    assert told["epochs"] < 1000
    assert set(counts_of(runs)) == {"done", "cancelled"}
    deadline = time.monotonic() + 120
    while jobs():
        assert time.monotonic() < deadline, jobs()
        time.sleep(0.2)
