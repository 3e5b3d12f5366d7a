"""Merging patches: signs, fractions of a pixel, and weights."""

import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.networks import merge

SHAPE, SIDE = (30, 36), 12
CPU = torch.device("cpu")


def merged(patches, weights, corners, fractions, least=1e-6):
    total = merge.Sum(SHAPE, CPU)
    total.add(merge.shares(patches, weights, fractions), corners)
    return total.mean(least)


@pytest.fixture
def corners() -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(0, 17, 4), torch.arange(0, 24, 4), indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2)


@pytest.fixture
def weights(corners) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return 0.1 + torch.rand(len(corners), SIDE, SIDE, generator=generator)


def test_true_patches_give_back_an_asymmetric_object(corners, weights):
    obj = torch.randn(SHAPE, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    patches = physics.patches(obj, corners, SIDE)
    found, weight = merged(patches, weights, corners, torch.zeros(len(corners), 2))
    seen = weight > 1e-6
    assert seen.sum() == 27 * 31
    torch.testing.assert_close(found[seen], obj[seen])


def test_true_patches_at_fractions_of_a_pixel_give_back_a_linear_object(corners, weights):
    y, x = torch.meshgrid(*(torch.arange(s, dtype=torch.float32) for s in SHAPE), indexing="ij")
    obj = torch.complex(1 + 0.1 * x - 0.03 * y, 0.2 * y - 0.05 * x)
    fractions = torch.rand(len(corners), 2, generator=torch.Generator().manual_seed(2))
    slope_x, slope_y = 0.1 - 0.05j, -0.03 + 0.2j  # a patch at r samples the object at r + pixel
    moved = (slope_x * fractions[:, 0] + slope_y * fractions[:, 1])[:, None, None]
    patches = physics.patches(obj, corners, SIDE) + moved
    found, weight = merged(patches, weights, corners, fractions)
    seen = weight > 1e-6
    torch.testing.assert_close(found[seen], obj[seen], rtol=1e-5, atol=1e-5)


def test_a_bright_pixel_lies_at_corner_plus_its_place_in_the_patch():
    patch = torch.zeros(1, SIDE, SIDE, dtype=torch.complex64)
    patch[0, 7, 5] = 1j
    corner, ones = torch.tensor([[9, 3]]), torch.ones(1, SIDE, SIDE)
    found, _ = merged(patch, ones, corner, torch.zeros(1, 2))
    assert torch.argwhere(found.imag > 0).tolist() == [[3 + 7, 9 + 5]]


def test_a_fraction_moves_a_bright_pixel_to_larger_x_and_y():
    patch = torch.zeros(1, SIDE, SIDE, dtype=torch.complex64)
    patch[0, 7, 5] = 1j
    corner, ones = torch.tensor([[9, 3]]), torch.ones(1, SIDE, SIDE)
    found, _ = merged(patch, ones, corner, torch.tensor([[0.25, 0.5]]))
    expected = torch.tensor([[0.375, 0.125], [0.375, 0.125]])
    torch.testing.assert_close(found.imag[10:12, 14:16], expected)


def test_a_patch_counts_nowhere_that_its_weight_does_not(corners, weights):
    obj = torch.randn(SHAPE, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    patches = physics.patches(obj, corners, SIDE)
    dark = torch.ones(SIDE, SIDE, dtype=torch.bool)
    dark[3:-3, 3:-3] = False
    patches[:, dark] = 1e6
    found, weight = merged(patches, weights * ~dark, corners, torch.zeros(len(corners), 2))
    seen = weight > 1e-6
    torch.testing.assert_close(found[seen], obj[seen])


def test_pixels_without_weight_are_one():
    found, weight = merged(
        torch.zeros(1, SIDE, SIDE, dtype=torch.complex64),
        torch.ones(1, SIDE, SIDE),
        torch.tensor([[0, 0]]),
        torch.zeros(1, 2),
    )
    assert (found[weight == 0] == 1).all()
    assert (found[weight > 0] == 0).all()
