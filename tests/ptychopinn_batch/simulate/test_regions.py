"""Simulated regions: reproducible, varied, in our gauge, of exact truth."""

import numpy as np
import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.misfit import MISFITS
from ptychopinn_batch.simulate import fields, patterns, probes, regions
from ptychopinn_batch.training.losses import data_misfit


def test_one_seed_makes_one_region():
    one, two = regions.simulated_region((7, 1)), regions.simulated_region((7, 1))
    assert torch.equal(one.amplitudes, two.amplitudes)
    assert torch.equal(one.truth, two.truth)
    assert not torch.equal(one.probe, regions.simulated_region((7, 2)).probe)


@pytest.mark.parametrize("seed", range(8))
def test_the_probe_carries_the_counted_photons(seed):
    region = regions.simulated_region(seed)
    photons = region.amplitudes.square().sum((1, 2)).mean()
    torch.testing.assert_close(physics.abs2(region.probe).sum(), photons)
    assert region.scale.illumination == pytest.approx(float(region.illumination.max()))
    most = max(regions.MOST_PIXELS, regions.FEWEST_FRAMES * region.n**2)
    assert len(region) * region.n**2 <= 1.3 * regions.WIDE_FRAMES * most


@pytest.mark.parametrize("seed", range(8))
def test_the_truth_explains_the_frames_better_than_a_flat_object(seed):
    region = regions.simulated_region(seed)
    truth = data_misfit(region.truth, region, MISFITS["amplitude"])
    flat = torch.ones_like(region.truth) * region.truth.abs().mean()
    assert truth < data_misfit(flat, region, MISFITS["amplitude"])


def test_sizes_doses_and_patterns_vary():
    some = [regions.simulated_region(seed) for seed in range(12)]
    assert {region.n for region in some} == set(regions.FRAME_SIZES)
    dose = [float(physics.abs2(region.probe).sum()) for region in some]
    assert max(dose) > 100 * min(dose)


def test_fields_fill_the_unit_interval():
    random = np.random.default_rng(0)
    for kind in (fields.natural, fields.power_law, fields.shapes, fields.any_field):
        image = kind(40, random)
        assert image.shape == (40, 40)
        assert image.min() >= -1e-6
        assert image.max() <= 1 + 1e-6
        assert image.std() > 0


def test_test_pictures_are_kept_out_of_training():
    assert not {"astronaut.png", "chelsea.png"} & set(fields.PICTURES)
    assert all(fields.picture(name).ndim == 2 for name in fields.PICTURES)


def test_random_probes_have_unit_energy_and_a_bounded_size():
    random = np.random.default_rng(1)
    for _ in range(6):
        probe = probes.random_probe(48, random)
        assert (abs(probe) ** 2).sum() == pytest.approx(1, rel=1e-5)
        assert probes.SMALLEST < probes.radius90(probe) < probes.LARGEST * 48


def test_the_radius_of_a_gaussian_is_where_nine_tenths_of_its_energy_are():
    axis = np.arange(64) - 32
    gaussian = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 5.0**2))  # intensity: sigma 5/sqrt 2
    expected = 5 / 2**0.5 * (2 * np.log(10)) ** 0.5
    assert probes.radius90(gaussian.astype(complex)) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("kind", patterns.PATTERNS)
def test_patterns_have_the_asked_spacing(kind):
    points = patterns.PATTERNS[kind](12, 10, 3.0, np.random.default_rng(0))
    assert len(points) == pytest.approx(120, rel=0.05)
    assert points.min() == pytest.approx(0.5)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert 1.5 < np.median(distance.min(1)) < 3.5
