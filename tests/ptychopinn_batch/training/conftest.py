"""What tests of training share: a tiny network, few regions, and what a training left behind."""

import csv

import pytest
import torch

from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Simulation, UnrolledSettings
from ptychopinn_batch.networks.unrolled import Unrolled
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.training.checkpoints import DurableCheckpoints
from ptychopinn_batch.training.paths import TrainingPaths

STATE = (
    "epoch",
    "global_step",
    "state_dict",
    "optimizer_states",
    "lr_schedulers",
    "skipped",
    "in_a_row",
    "place",
)


OTHER_SCAN = Simulation(frames=900, frame_size=32, step=3.5, probe_radius=0.16, photons=1e4, seed=1)


@pytest.fixture(scope="session")
def other_store(tmp_path_factory):
    """Another scan of frames as large: another probe, another dose."""
    folder = tmp_path_factory.mktemp("stores") / "other"
    build_store(simulate_scan(OTHER_SCAN), folder)
    return ScanStore.open(folder)


@pytest.fixture
def new_network():
    def make():
        torch.manual_seed(0)
        return Unrolled(UnrolledSettings(width=4, hidden=2, depth=2))

    return make


@pytest.fixture
def remains():
    """Everything a training left that a later step depends on, as flat names and values."""

    def read(folder):
        paths = TrainingPaths(folder)
        last = DurableCheckpoints().load_checkpoint(paths.last)
        rows = list(csv.DictReader(paths.history.read_text().splitlines()))
        history = [{key: row[key] for key in row if key != "seconds"} for row in rows]
        kept = {
            **{key: last[key] for key in STATE},
            "guard": last["callbacks"]["GuardedWeights"],
            "weights": torch.load(paths.weights, weights_only=True),
            "history": history,
        }
        return dict(flat(kept))

    return read


def flat(value, name=""):
    """Leaves of nested dictionaries and lists, tensors as bytes: equal means equal in every bit."""
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from flat(inner, f"{name}.{key}")
    else:
        yield name, value.numpy().tobytes() if isinstance(value, torch.Tensor) else value
