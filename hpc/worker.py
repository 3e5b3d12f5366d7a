"""The process that runs one task and keeps the ledger true about it."""

from __future__ import annotations

from hpc.context import Requeue, TaskContext

__all__ = ["Requeue", "TaskContext"]
