"""Brings the fixture `cluster` to the tests of this folder."""

import sys
from pathlib import Path

HERE = str(Path(__file__).parent)


def pytest_configure(config):
    if HERE not in sys.path:
        sys.path.insert(0, HERE)
    # By name: a conftest.py further up may have done it already, and two would be two clusters.
    config.pluginmanager.import_plugin("cluster_fixtures")
