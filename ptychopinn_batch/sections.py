"""Which section of `resources` in a job spec the tasks of a stage go by: its own, but for these.

Apart from the spec's models, which `status` has no need to load.
"""

from __future__ import annotations

__all__ = ["SHARED", "section_of"]

SHARED = {"package": "finalize", "check": "prepare"}


def section_of(stage: str) -> str:
    """The section that limits the tasks of a stage."""
    return SHARED.get(stage, stage)
