"""What holds for all tests: several processes share the cores, so threads must not wait awake."""

import os
from pathlib import Path

import pytest

from hpc.errors import UserError
from hpc.threads import SPINS

for name, value in SPINS.items():
    os.environ.setdefault(name, value)  # before anything imports torch

# Files that take longest: they come first, so that none of them is what all wait for in the end.
LONGEST = (
    "cluster/test_scenarios.py",
    "containers/test_runs.py",
    "ptychopinn_batch/client/test_client.py",
    "cluster/test_reconstruction.py",
    "integration/test_quickstart.py",
    "ptychopinn_batch/client/test_cluster.py",
    "containers/test_image.py",
    "integration/test_notebook.py",
    "ptychopinn_batch/training/test_choices.py",
    "ptychopinn_batch/training/test_ranks.py",
    "ptychopinn_batch/test_api.py",
    "docs/test_with_ptychodus.py",
    "ptychopinn_batch/stages/test_finalize.py",
    "ptychopinn_batch/commands/test_check.py",
)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_auto_num_workers():
    """One more process for every two cores: tests of queues and processes wait half of their time.

    More would find a machine so busy that patience runs out.
    """
    cores = len(os.sched_getaffinity(0))
    return cores + cores // 2


def pytest_collection_modifyitems(items):
    """The longest files first; `--no-loadscope-reorder` has pytest-xdist keep that order."""
    here = Path(__file__).parent
    ranks = {here / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(LONGEST)))


@pytest.fixture
def refusal_of():
    """What a call is refused with: what is wrong, where, and how to mend it."""

    def call(function, *arguments, **keys):
        with pytest.raises(UserError) as caught:
            function(*arguments, **keys)
        return caught.value.what, caught.value.where, caught.value.mend

    return call
