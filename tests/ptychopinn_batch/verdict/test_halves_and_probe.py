"""Two halves of the frames, and the probe."""

import numpy as np

from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.verdict.examine import FEWEST, examine
from ptychopinn_batch.verdict.frames import floor_of
from ptychopinn_batch.verdict.halves import halves
from ptychopinn_batch.verdict.probe import probe_errors
from ptychopinn_batch.verdict.sample import residual


def test_halves_of_a_sound_scan_agree_and_those_of_another_do_not(raw, sampled):
    sound = halves(sampled(raw))
    mixed = halves(sampled(raw, positions=np.random.default_rng(0).permutation(raw.positions)))
    assert sound.limit > 0.4
    assert mixed is None or mixed.limit < 0.2


def test_resolution_is_in_metres_where_the_pixel_is_known(raw, sampled):
    sample = sampled(raw)
    canvas = sample.store.info.canvas.model_copy(update={"pixel_size_m": 1e-8})
    info = sample.store.info.model_copy(update={"canvas": canvas})
    object.__setattr__(sample.store, "info", info)
    found = halves(sample)
    assert found.resolution_m == 1e-8 / found.limit


def probe_of(sample):
    obj = sample.reconstructed(sample.region, 16).object
    return probe_errors(sample, residual(obj, sample.region), floor_of(obj, sample.region))


def test_the_right_probe_stays(raw, sampled):
    found = probe_of(sampled(raw))
    assert found.change < 0.05
    assert found.offset < 0.02


def test_a_wrong_probe_is_found_to_be_explained_by_another(raw, sampled):
    n = raw.probe.shape[-1]
    y, x = np.mgrid[:n, :n] - n // 2
    wrong = (raw.probe * np.exp(0.02j * (x**2 + y**2))).astype(np.complex64)
    found = probe_of(sampled(raw, probe=wrong))
    assert found.explained.share > 0.3
    assert found.change > 0.1


def test_a_probe_off_its_frame_is_measured_around_the_edge(raw, sampled):
    moved = np.roll(raw.probe, 12, 2)
    found = probe_of(sampled(raw, probe=moved))
    assert abs(found.offset - 12 / 32) < 0.05
    assert found.border > 0.05


def test_a_scan_of_a_few_frames_has_no_evidence(stored, network):
    few = Simulation(frames=FEWEST - 1, frame_size=32, step=3.0)
    assert examine(stored(simulate_scan(few)), network) is None
