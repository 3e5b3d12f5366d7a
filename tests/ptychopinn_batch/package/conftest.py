"""Small packages to work on."""

import pytest
import torch

from ptychopinn_batch.jobspec import CnnSettings, UnrolledSettings
from ptychopinn_batch.networks.cnn import Cnn
from ptychopinn_batch.networks.unrolled import Unrolled
from ptychopinn_batch.package import Training, save_package

SMALL = UnrolledSettings(width=4, hidden=2, depth=2)
PATCHWISE = CnnSettings(
    filters_scale=1,
    amplitude_activation="unit_sigmoid",
    border_activation="swish",
    input="amplitude",
)


@pytest.fixture
def make():
    """A package in a folder."""

    def saved(folder, seed=0, settings=SMALL, **changes):
        torch.manual_seed(seed)
        network = Unrolled(settings) if isinstance(settings, UnrolledSettings) else Cnn(settings)
        for parameter in network.parameters():
            parameter.data += 0.01 * torch.randn_like(parameter)
        about = {
            "name": "star",
            "seed": seed,
            "training": Training(train={"epochs": 3}, start=None, data=("store",)),
            "metrics": {"validation": 0.0123},
        }
        save_package(folder, network, **{**about, **changes})
        return folder

    return saved


@pytest.fixture
def patchwise(make):
    """A package of a network that PtychoPINN knows too."""
    return lambda folder, **changes: make(folder, settings=PATCHWISE, **changes)
