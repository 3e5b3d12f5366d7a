"""What every benchmark says of itself: machine, versions, commit."""

from __future__ import annotations

import os

import torch

from ptychopinn_batch.provenance import Provenance, collect


def describe() -> Provenance:
    """Print where the figures were taken, and return it for the JSON beside them."""
    found = collect()
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    commit = "unknown"
    if found.source:
        commit = found.source.commit[:12] + (" (changed)" if found.source.dirty else "")
    print(f"{found.cpu}, {os.cpu_count()} CPUs, {torch.get_num_threads()} threads; {versions}")
    print(f"commit {commit}, {found.created}\n")
    return found
