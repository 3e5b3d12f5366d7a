"""Simulated scans: exactly as described, the same for every cutting in blocks."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate import layout, probes
from ptychopinn_batch.simulate.scan import make_probe, recorded_probe, simulate_scan

SMALL = {"frames": 37, "frame_size": 32, "step": 3.0, "photons": 1e5}


def frames_of(scan, size=16):
    return np.concatenate(list(scan.frames.blocks(size)))


@pytest.mark.parametrize("pattern", ["jittered_grid", "raster", "spiral", "lines"])
def test_a_scan_has_exactly_the_frames_and_about_the_dose_it_was_asked_for(pattern):
    scan = simulate_scan(Simulation(**SMALL, pattern=pattern))
    frames = frames_of(scan)
    assert frames.shape == (37, 32, 32)
    assert len(scan.positions) == 37
    assert frames.sum((1, 2)).mean() == pytest.approx(1e5, rel=0.02)


def test_blocks_of_any_size_hold_the_same_frames():
    settings = Simulation(**SMALL)
    assert (frames_of(simulate_scan(settings), 5) == frames_of(simulate_scan(settings), 1000)).all()
    other = simulate_scan(settings.model_copy(update={"seed": 1}))
    assert (frames_of(other) != frames_of(simulate_scan(settings))).any()


@pytest.mark.parametrize("probe", ["lens", "ring", "diffuser"])
def test_truth_probe_and_positions_explain_the_frames(probe):
    scan = simulate_scan(Simulation(**SMALL, probe=probe, modes=2))
    exact = scan.positions - 16
    corners = torch.from_numpy(np.floor(exact).astype(int))
    fractions = torch.from_numpy((exact % 1).astype(np.float32))
    light = physics.shifted(torch.from_numpy(scan.probe), fractions)
    waves = physics.exit_to_detector(torch.from_numpy(scan.reference), corners, light)
    model = torch.fft.fftshift(physics.intensity(waves), dim=(1, 2)).numpy()
    noise = ((frames_of(scan) - model) ** 2).sum() / model.sum()
    assert noise == pytest.approx(1, abs=0.05)  # variance equals mean


def test_dead_pixels_count_nothing_and_are_named():
    scan = simulate_scan(Simulation(**SMALL, bad_pixels=9))
    assert scan.bad_pixels.sum() == 9
    assert not frames_of(scan)[:, scan.bad_pixels].any()


def test_hot_pixels_count_as_much_as_the_brightest_and_are_named():
    frames = frames_of(scan := simulate_scan(Simulation(**SMALL, hot_pixels=3)), 5)
    assert scan.bad_pixels.sum() == 3
    assert (frames[:, scan.bad_pixels] == frames.max((1, 2))[:, None]).all()


def test_a_beamstop_hides_the_middle_of_the_detector():
    scan = simulate_scan(Simulation(**SMALL, beamstop=3, bad_pixels=5))
    y, x = np.mgrid[:32, :32] - 16
    assert scan.bad_pixels[np.hypot(y, x) < 3].all()
    assert not frames_of(scan)[:, scan.bad_pixels].any()


def test_flaws_of_the_recording_leave_the_frames_as_they_are():
    true = Simulation(**SMALL, modes=3, seed=2)
    flawed = true.model_copy(
        update={"recorded_modes": 1, "probe_defocus_error": 0.2, "position_error": 1.0}
    )
    right, wrong = simulate_scan(true), simulate_scan(flawed)
    assert (frames_of(right) == frames_of(wrong)).all()
    assert (right.reference == wrong.reference).all()
    assert len(wrong.probe) == 1
    assert np.abs(wrong.positions - right.positions).max() > 0.5


def test_a_wrong_defocus_turns_phases_and_keeps_the_aperture():
    right = make_probe(Simulation(defocus=5.0))[0]
    wrong = recorded_probe(Simulation(defocus=5.0, probe_defocus_error=0.2))[0]
    near, far = (np.fft.fft2(np.fft.ifftshift(p)) for p in (right, wrong))
    np.testing.assert_allclose(abs(near), abs(far), atol=1e-5)
    turn = np.angle(far * near.conj())[abs(near) > 0.5 * abs(near).max()]
    assert np.ptp(turn) == pytest.approx(1.0, abs=0.1)  # a fifth of 5 rad at the edge


def test_opaque_places_let_no_light_through():
    amplitude = abs(simulate_scan(Simulation(**SMALL, opaque=0.3)).reference)
    assert (amplitude < 0.01).mean() == pytest.approx(0.25, abs=0.1)
    assert amplitude.max() > 0.9


def test_each_line_of_a_fly_scan_has_a_gap():
    points = layout.true_positions(Simulation(frames=400, pattern="lines", step=4.0))
    lines = [np.sort(points[points[:, 1] == y, 0]) for y in np.unique(points[:, 1])]
    steps = [np.diff(line) for line in lines[:-1]]
    assert all(step.min() == pytest.approx(4 / 1.4) for step in steps)
    assert sum(step.max() > 8 for step in steps) > len(steps) / 2


def test_recorded_positions_are_off_by_the_asked_error():
    settings = Simulation(frames=4000, position_error=2.0)
    error = layout.recorded_positions(settings) - layout.true_positions(settings)
    assert np.sqrt((error**2).sum(1).mean()) == pytest.approx(2, rel=0.05)


def test_columns_shape_a_raster():
    points = layout.true_positions(Simulation(frames=12, pattern="raster", columns=4, step=2.0))
    assert len(np.unique(points[:, 0])) == 4
    assert len(np.unique(points[:, 1])) == 3
    assert points[1, 0] - points[0, 0] == 2


@pytest.mark.parametrize("radius", [0.05, 0.1, 0.2])
def test_a_lens_has_the_asked_radius(radius):
    probe = make_probe(Simulation(probe_radius=radius))
    assert probes.radius90(probe[0]) == pytest.approx(64 * radius, rel=0.15)


def test_modes_are_orthogonal_and_share_the_energy():
    modes = make_probe(Simulation(modes=4))
    overlap = np.einsum("mij,nij->mn", modes.conj(), modes)
    np.testing.assert_allclose(overlap, np.diag(np.diag(overlap)), atol=1e-5)
    assert np.trace(overlap).real == pytest.approx(1, rel=1e-5)
    assert (np.diff(np.diag(overlap).real) < 0).all()


def test_every_kind_of_object_has_contrast_within_its_range():
    for kind in ("natural", "star", "shapes", "field", "weak"):
        scan = simulate_scan(Simulation(**SMALL, object=kind, amplitude_min=0.6))
        amplitude = abs(scan.reference)
        assert amplitude.min() >= 0.6 - 1e-5
        assert amplitude.max() <= 1 + 1e-5
        assert np.angle(scan.reference).std() > 0.01


def test_positions_are_known_without_torch():
    code = (
        "import sys; from ptychopinn_batch.simulate.layout import true_positions;"
        "from ptychopinn_batch.jobspec import Simulation; true_positions(Simulation());"
        "assert not {'torch', 'skimage'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
