"""Transforms of waves: FFTW and torch do the same, each process the same bits."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.networks import transforms

SHAPE = (3, 2, 16, 16)


@pytest.fixture(params=["fftw", "torch"])
def library(request, monkeypatch):
    """Both, each once; FFTW is among what the tests install."""
    if request.param == "torch":
        monkeypatch.setattr(transforms, "fftw", lambda: None)
    else:
        assert transforms.fftw() is not None
    return request.param


def filled(shape=SHAPE):
    """Waves without any symmetry."""
    parts = np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
    waves = transforms.waves(shape)
    waves.array[:] = parts[0] + 1j * parts[1]
    return waves


def test_the_way_to_the_detector_is_that_of_physics_but_for_the_scale(library):
    waves = filled()
    expected = 16 * physics.fft(torch.from_numpy(waves.array.copy()))
    waves.to_detector()
    torch.testing.assert_close(torch.from_numpy(waves.array), expected, rtol=1e-4, atol=1e-4)


def test_there_and_back_is_where_it_began_but_for_the_scale(library):
    waves = filled()
    began = waves.array.copy()
    waves.to_detector()
    waves.to_sample()
    np.testing.assert_allclose(waves.array, 16**2 * began, rtol=1e-4, atol=1e-3)
    assert waves.array.flags.c_contiguous


def test_waves_can_be_used_again(library):
    waves = filled()
    waves.to_detector()
    once = waves.array.copy()
    waves.array[:] = filled().array
    waves.to_detector()
    np.testing.assert_array_equal(waves.array, once)


@pytest.mark.parametrize("side", [96, 256])
def test_frames_that_fftw_is_slower_with_are_left_to_torch(side):
    assert type(transforms.waves((1, 1, side, side))) is not type(transforms.waves(SHAPE))


PRINT_BITS = """
import hashlib
from tests.ptychopinn_batch.networks.test_transforms import filled
waves = filled((4, 1, 64, 64))
waves.to_detector()
print(hashlib.sha256(waves.array.tobytes()).hexdigest())
"""


def test_every_process_computes_the_same_bits():
    found = {
        subprocess.run(
            [sys.executable, "-c", PRINT_BITS], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    }
    assert len(found) == 1
