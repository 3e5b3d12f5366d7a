"""Groups as islands: each frame in its own group alone, and the physics as before."""

from dataclasses import replace

import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.groups import neighbour_groups
from ptychopinn_batch.misfit import MISFITS, data_misfit
from ptychopinn_batch.networks.islands import islands
from ptychopinn_batch.region import Region
from ptychopinn_batch.simulate.regions import simulated_region
from ptychopinn_batch.training.losses import object_error


@pytest.fixture(scope="module")
def region() -> Region:
    """A noisy one, with few frames."""
    return simulated_region(5).subset(torch.arange(12))


def groups(region: Region, size: int) -> torch.Tensor:
    return torch.tensor(neighbour_groups(region.corners.numpy(), region.fractions.numpy(), size))


@pytest.mark.parametrize("size", [1, 4])
def test_frames_stand_group_by_group_and_are_explained_by_the_same_object(region, size):
    members = groups(region, size)
    apart = islands(region, members)
    assert torch.equal(apart.groups, torch.arange(12 * size).view(12, size))
    assert torch.equal(apart.amplitudes, region.amplitudes[members.flatten()])
    whole = region.subset(members.flatten())
    misfit = MISFITS["amplitude"]
    torch.testing.assert_close(
        data_misfit(apart.truth, apart, misfit), data_misfit(region.truth, whole, misfit)
    )


def test_every_island_has_its_own_piece_of_the_object(region):
    members = groups(region, 4)
    apart = islands(region, members)
    patches = physics.patches(apart.truth, apart.corners, region.n)
    expected = physics.patches(region.truth, region.corners[members.flatten()], region.n)
    assert torch.equal(patches, expected)


def test_what_happens_on_one_island_does_not_touch_another(region):
    apart = islands(region, groups(region, 4))
    side = apart.shape[1]
    spoilt = apart.truth.clone()
    spoilt[:side] = 0
    waves = [
        physics.exit_to_detector(o, apart.corners, apart.probes) for o in (apart.truth, spoilt)
    ]
    changed = (waves[0] != waves[1]).flatten(1).any(1)
    assert changed.tolist() == [True] * 4 + [False] * (len(apart) - 4)


def test_the_known_object_is_compared_as_before(region):
    apart = islands(region, groups(region, 4))
    assert float(object_error(apart.truth, apart.truth, apart.illumination)) < 1e-9
    assert float(object_error(apart.truth * 0, apart.truth, apart.illumination)) == 1


def test_pixels_that_are_not_known_stay_unknown(region):
    truth = region.truth.clone()
    truth[:, : truth.shape[1] // 2] = complex("nan")
    apart = islands(replace(region, truth=truth), groups(region, 1))
    assert 0 < apart.truth.isfinite().float().mean() < 1
    assert (
        float(
            object_error(torch.nan_to_num(apart.truth.real) + 0j, apart.truth, apart.illumination)
        )
        < 1
    )


def test_light_is_measured_by_the_probe(region):
    apart = islands(region, groups(region, 1))
    assert apart.scale.illumination == pytest.approx(float(physics.abs2(region.probe).sum(0).max()))
    assert apart.scale.amplitude == region.scale.amplitude
