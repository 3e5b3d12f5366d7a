"""How many threads libraries start, and how long they wait for each other without sleeping."""

from __future__ import annotations

__all__ = ["thread_limits"]

VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


# Turns that a waiting thread of GNU OpenMP makes before it sleeps. With its default of 300,000 two
# processes on the same cores slowed each other 70-fold; with 1,000 twofold, as they must, and one
# alone lost a tenth (two cores, the shipped network, 64 x 64 frames).
SPINS = {"GOMP_SPINCOUNT": "1000"}


def thread_limits(cpus: int) -> dict[str, str]:
    """The environment that says so: as many as a task has CPUs, not as the machine has.

    It must be set before the libraries are imported.
    """
    return {**dict.fromkeys(VARIABLES, str(cpus)), **SPINS}
