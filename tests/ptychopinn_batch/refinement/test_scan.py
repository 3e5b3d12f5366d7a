"""Whole scans: modes and positions are found with the network that ships, tile by tile."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.refined import refined_store
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import reconstruct, region_of
from ptychopinn_batch.jobspec import Refine, Simulation, Tiled
from ptychopinn_batch.misfit import MISFITS, data_misfit
from ptychopinn_batch.refinement import scan as refinement
from ptychopinn_batch.refinement.scan import refine_scan
from ptychopinn_batch.simulate.layout import true_positions
from ptychopinn_batch.simulate.scan import simulate_scan

INFER = Tiled(precision="32")
TILES = Tiled(precision="32", tile=64, halo=32)
THREE = Simulation(
    frames=169, frame_size=32, step=3.5, probe_radius=0.14, photons=1e6, modes=3, recorded_modes=1
)
SHAKEN = Simulation(
    frames=225,
    frame_size=32,
    step=3.0,
    object="field",
    probe="diffuser",
    probe_radius=0.2,
    photons=1e6,
    position_error=2.0,
)
MODES = Refine(modes=3)
POSITIONS = Refine(probe=False, positions=True)


@dataclass(frozen=True)
class Scan:
    """A simulated scan as a store, and where its frames really lie, in the order of the store."""

    store: ScanStore
    true: np.ndarray

    @classmethod
    def of(cls, settings, folder):
        store = build_store(simulate_scan(settings), folder)
        return cls(store, true_positions(settings)[store.original_row.numpy()])

    def canvas(self, refine):
        return self.store.info.canvas.grown(refine.margin)

    def error(self, positions):
        """r.m.s. distance from the truth, of positions that may be moved all together."""
        off = positions.numpy() - self.true
        return float(np.sqrt(((off - off.mean(0)) ** 2).sum(1).mean()))


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Frames of three modes, of which one is recorded."""
    return Scan.of(THREE, tmp_path_factory.mktemp("three") / "store")


@pytest.fixture(scope="module")
def shaken(tmp_path_factory):
    """Frames that lie 2 pixels from where they are recorded."""
    return Scan.of(SHAKEN, tmp_path_factory.mktemp("shaken") / "store")


def residual(network, store, canvas):
    """R of a scan after it was reconstructed with what its store says."""
    region, _ = region_of(store, canvas, canvas.whole)
    obj, _ = reconstruct(network, region, INFER)
    return float(data_misfit(obj, region, MISFITS["amplitude"]))


def refined(scan, found, folder, refine):
    return refined_store(
        scan.store,
        folder,
        probe=found.probe.numpy(),
        positions=found.positions.numpy(),
        canvas=scan.canvas(refine),
        refinement=found.record,
    )


# Modes


@pytest.fixture(scope="module")
def modes(three, network):
    return refine_scan(network, three.store, three.canvas(MODES), MODES, INFER)


def test_three_modes_found_from_one_explain_frames_nearly_as_well_as_the_true_ones(
    three, modes, network, tmp_path
):
    truth = THREE.model_copy(update={"recorded_modes": None})
    true = Scan.of(truth, tmp_path / "true")
    canvas = three.store.info.canvas
    wrong = residual(network, three.store, canvas)
    right = residual(network, true.store, canvas)
    found = residual(network, refined(three, modes, tmp_path / "refined", MODES), canvas)
    assert wrong - right > 50 * right, "else there is nothing to find"
    assert found - right < 0.1 * (wrong - right)


def test_the_probe_keeps_the_measured_light_and_tells_its_share_of_each_mode(three, modes):
    power = physics.abs2(modes.probe).sum((1, 2))
    assert float(power.sum()) == pytest.approx(three.store.info.photons, rel=1e-5)
    assert modes.record.mode_power == pytest.approx((power / power.sum()).tolist())
    assert sum(modes.record.mode_power) == pytest.approx(1)
    assert list(modes.record.mode_power) == sorted(modes.record.mode_power, reverse=True)


def test_a_refinement_of_the_probe_alone_leaves_positions_as_they_are(three, modes):
    assert torch.equal(modes.positions, three.store.positions)
    assert modes.record.shift_rms == modes.record.shift_max == 0


def test_without_modes_the_probe_keeps_as_many_as_were_recorded(three, network):
    refine = Refine(steps=8)
    found = refine_scan(network, three.store, three.canvas(refine), refine, INFER)
    assert found.probe.shape == three.store.probe.shape
    assert not torch.equal(found.probe, three.store.probe)


def test_what_explains_the_frames_no_better_is_not_taken(shaken, network, monkeypatch):
    monkeypatch.setattr(refinement._Scan, "better", lambda self, refined, recorded: False)
    both = Refine(modes=2, positions=True, steps=8)
    found = refine_scan(network, shaken.store, shaken.canvas(both), both, INFER)
    assert torch.equal(found.probe, shaken.store.probe)
    assert torch.equal(found.positions, shaken.store.positions)


def test_a_scan_that_says_all_rightly_is_reconstructed_as_well_as_before(network, tmp_path):
    right = Scan.of(SHAKEN.model_copy(update={"position_error": 0.0}), tmp_path / "right")
    both = Refine(positions=True, steps=16)
    found = refine_scan(network, right.store, right.canvas(both), both, INFER)
    before = residual(network, right.store, right.store.info.canvas)
    store = refined(right, found, tmp_path / "refined", both)
    assert residual(network, store, right.canvas(both)) < 1.02 * before


@pytest.mark.parametrize("frames", [400, 600, 10**6])
def test_the_probe_is_found_on_about_as_many_frames_as_memory_allows(
    small_store, network, monkeypatch, frames
):
    def watched(self, window, probe):
        region, _ = found = whole(self, window, probe)
        seen.append(len(region))
        return found

    seen, whole, n = [], refinement._Scan.region, small_store.info.n
    monkeypatch.setattr(refinement._Scan, "region", watched)
    monkeypatch.setattr(refinement, "SAMPLE", frames * 3 * n**2)
    refine = Refine(modes=3, steps=8)
    refine_scan(network, small_store, small_store.info.canvas, refine, INFER)
    assert seen == [pytest.approx(min(frames, small_store.info.frames), rel=0.35)]


# Positions


def test_positions_two_pixels_off_are_found_again(shaken, network, tmp_path):
    found = refine_scan(network, shaken.store, shaken.canvas(POSITIONS), POSITIONS, INFER)
    assert shaken.error(shaken.store.positions) > 1.9
    assert shaken.error(found.positions) < 0.7
    store = refined(shaken, found, tmp_path / "refined", POSITIONS)
    before = residual(network, shaken.store, shaken.store.info.canvas)
    assert residual(network, store, shaken.canvas(POSITIONS)) < before / 5


def test_the_record_tells_how_far_frames_were_moved(shaken, network):
    refine = POSITIONS.model_copy(update={"steps": 8})
    found = refine_scan(network, shaken.store, shaken.canvas(refine), refine, INFER)
    distance = (found.positions - shaken.store.positions).norm(dim=1)
    assert found.record.shift_rms == pytest.approx(float(distance.square().mean()) ** 0.5)
    assert found.record.shift_max == pytest.approx(float(distance.max()))
    assert torch.equal(found.probe, shaken.store.probe)


def test_every_frame_is_placed_once_by_the_tile_that_its_recorded_centre_lies_in(
    shaken, network, monkeypatch
):
    def watched(scan, tile, number, probe, positions):
        before = positions.clone()
        place(scan, tile, number, probe, positions)
        changed.append((positions != before).any(1))
        own.append(torch.from_numpy(tile.holds(canvas.centres(recorded))))

    changed, own, place = [], [], refinement._place
    canvas, recorded = shaken.canvas(POSITIONS), shaken.store.positions.numpy()
    monkeypatch.setattr(refinement, "_place", watched)
    found = refine_scan(network, shaken.store, canvas, POSITIONS, TILES)
    assert len(changed) == 4
    assert all(part.any() for part in changed)
    assert (torch.stack(changed).sum(0) == 1).all()
    assert torch.equal(torch.stack(changed), torch.stack(own))
    assert shaken.error(found.positions) < 0.9


def test_the_same_scan_is_refined_to_the_same_positions(shaken, network):
    refine = POSITIONS.model_copy(update={"steps": 8})
    first, again = (
        refine_scan(network, shaken.store, shaken.canvas(refine), refine, TILES).positions
        for _ in range(2)
    )
    assert torch.equal(first, again)


def test_all_frames_lie_on_the_canvas_however_far_they_were_moved(shaken, network):
    refine = Refine(positions=True, position_error=4.0, steps=8)
    canvas = shaken.canvas(refine)
    found = refine_scan(network, shaken.store, canvas, refine, TILES)
    n = shaken.store.info.n
    needed = Canvas.around(found.positions.numpy(), n)
    assert (needed.x0, needed.y0) >= (canvas.x0, canvas.y0)
    assert needed.x0 + needed.width <= canvas.x0 + canvas.width
    assert needed.y0 + needed.height <= canvas.y0 + canvas.height


def test_probe_and_positions_are_refined_together(shaken, network):
    refine = Refine(positions=True)
    found = refine_scan(network, shaken.store, shaken.canvas(refine), refine, INFER)
    assert shaken.error(found.positions) < 0.7
    assert not torch.equal(found.probe, shaken.store.probe)


def test_progress_is_told_in_parts_and_may_stop_the_work(shaken, network):
    def beat(done, total):
        told.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    told, refine = [], Refine(positions=True, steps=8)
    with pytest.raises(KeyboardInterrupt):
        refine_scan(network, shaken.store, shaken.canvas(refine), refine, TILES, beat)
    assert told == [(1, 5), (2, 5), (3, 5)]
