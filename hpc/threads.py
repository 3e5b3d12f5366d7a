"""How many threads libraries start: as many as a task has CPUs, not as the machine has."""

from __future__ import annotations

__all__ = ["thread_limits"]

VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def thread_limits(cpus: int) -> dict[str, str]:
    """The environment that says so; it must be set before the libraries are imported."""
    return dict.fromkeys(VARIABLES, str(cpus))
