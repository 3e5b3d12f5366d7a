"""The check stage: a verdict on a scan from some of its frames, and what is bad may be stopped."""

import numpy as np
import pytest

from hpc.context import TaskContext
from hpc.errors import UserError
from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.task import make_task
from ptychopinn_batch.data.writer import write_npz
from ptychopinn_batch.jobspec import Scan, Simulation
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.stages import check
from ptychopinn_batch.stages.params import CheckParams, InputIdentity, ScanContent
from ptychopinn_batch.verdict import glance

SOUND = Simulation(frames=100, frame_size=32, step=3.5, probe="ring", probe_radius=0.16, seed=3)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("scans") / "scan.npz"
    write_npz(simulate_scan(SOUND), path)
    return path


@pytest.fixture(scope="module")
def look():
    """The evidence of a scan, found once for all tests."""
    known = {}

    def at(scan):
        key = scan.model_dump_json()
        if key not in known:
            known[key] = glance.glance(scan)
        return known[key]

    return at


@pytest.fixture(autouse=True)
def looked_at_once(look, monkeypatch):
    monkeypatch.setattr(check, "glance", look)


def context_of(file, *, stop, folder, **changes):
    scan = Scan(path=str(file), **changes)
    params = CheckParams(
        scan=ScanContent.of(scan),
        input=InputIdentity(sha256="a" * 64, size=1),
        reader="ptychopinn 1",
        stop=stop,
    )
    task = make_task(
        id="check-star",
        stage="check",
        entry=CheckParams.entry(),
        revision=1,
        params=params.as_json(),
        extras={"path": str(file), "scan": "star"},
        resources=Resources(time="01:00:00", mem_gb=1.0, cpus=1, gpus=0),
    )
    return TaskContext(RunPaths(folder / "runs", "first"), task)


@pytest.fixture
def checked(file, tmp_path):
    def call(stop=False, **changes):
        return check.run(context_of(file, stop=stop, folder=tmp_path, **changes))

    return call


def test_a_sound_scan_is_good_and_no_store_is_made_of_it(checked, tmp_path):
    found = checked(stop=True)
    assert (found["verdict"], found["unknown"]) == ("good", None)
    assert found["evidence"]["frames"] == 100
    assert list(tmp_path.iterdir()) == []


def test_a_bad_scan_is_told_with_its_mend_and_stopped_where_that_is_wished(checked, capsys):
    found = checked(swap_xy=True)
    assert found["verdict"] == "bad"
    assert found["findings"][0]["fault"] == "axes"
    assert "swap_xy: true" in capsys.readouterr().out
    with pytest.raises(UserError, match="scan star: this scan is bad: frames") as caught:
        checked(stop=True, swap_xy=True)
    assert caught.value.mend.startswith("Write swap_xy: true")
    assert caught.value.mend.endswith("To reconstruct it all the same, write check: warn")


def test_a_scan_that_is_only_doubtful_is_not_stopped(checked, look, monkeypatch):
    def apart(scan):
        found = look(scan)
        sampling = found.sampling.model_copy(update={"overlap": 0.4})
        return found.model_copy(update={"sampling": sampling})

    monkeypatch.setattr(check, "glance", apart)
    assert checked(stop=True)["verdict"] == "doubtful"


@pytest.mark.parametrize("stop", [False, True])
def test_what_cannot_be_looked_at_is_unknown_and_goes_on(checked, stop):
    found = checked(stop=stop, frames=12)
    assert (found["verdict"], found["findings"]) == ("unknown", [])
    assert "12 frames are too few to tell" in found["unknown"]


def test_a_file_that_cannot_be_read_is_for_the_next_stage_to_refuse(tmp_path):
    path = tmp_path / "broken.npz"
    np.savez(path, something=np.zeros(3))
    found = check.run(context_of(path, stop=True, folder=tmp_path))
    assert found["verdict"] == "unknown"
    assert str(path) in found["unknown"]
