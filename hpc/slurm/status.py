"""How a run stands, with what SLURM says of the tasks that it has."""

from __future__ import annotations

import time
from collections.abc import Mapping

from hpc.ledger import TaskState
from hpc.paths import RunPaths
from hpc.slurm.client import Slurm
from hpc.slurm.observe import LIVE, observe
from hpc.status import RunStatus, StatusReader

__all__ = ["ClusterReader"]

ASK_EVERY = 3.0  # seconds between two questions to SLURM, however often the status is read


class ClusterReader(StatusReader):
    """Asks SLURM about tasks which have not told their end; writes nothing."""

    def __init__(self, run: RunPaths, slurm: Slurm | None = None) -> None:
        self._slurm_says = _Completion(run, slurm or Slurm(tries=1))
        super().__init__(run, self._slurm_says)

    def read(self) -> RunStatus:
        """The status now, and why SLURM could not be asked, if so."""
        return super().read().model_copy(update={"trouble": self._slurm_says.trouble})


class _Completion:
    """States as SLURM completes them; what it said lately is not asked again."""

    def __init__(self, run: RunPaths, slurm: Slurm) -> None:
        self._run = run
        self._slurm = slurm
        self._asked = -ASK_EVERY
        self.trouble: str | None = None
        self._told: dict[str, tuple[TaskState, TaskState]] = {}  # what a state was completed to

    def __call__(self, states: Mapping[str, TaskState]) -> dict[str, TaskState]:
        live = {name: s for name, s in states.items() if s.batch and s.status in LIVE}
        if live and time.monotonic() - self._asked >= ASK_EVERY:
            self._asked = time.monotonic()
            seen = observe(self._run, live, self._slurm)
            self._told = {name: (state, seen.states[name]) for name, state in live.items()}
            self.trouble = seen.trouble
        known = ((name, state, self._told.get(name)) for name, state in states.items())
        return {
            name: told[1] if told is not None and told[0] == state else state
            for name, state, told in known
        }
