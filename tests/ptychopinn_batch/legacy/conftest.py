"""What tests of the bridge to PtychoPINN begin with."""

import sys

import pytest

from ptychopinn_batch.legacy import bridge
from ptychopinn_batch.legacy.table import DEFAULTS


@pytest.fixture
def untouched(monkeypatch):
    """A dictionary as at the start of a process, on a machine without PtychoPINN."""
    monkeypatch.setattr(bridge, "cfg", dict(DEFAULTS))
    monkeypatch.setitem(sys.modules, "ptycho", None)
