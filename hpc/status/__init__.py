"""How a run stands: its plan, ledgers and heartbeats as one table. Reads only, and reads little."""

from hpc.status.reader import StatusReader, read_status
from hpc.status.table import Row, RunStatus, StageSummary, estimate

__all__ = ["Row", "RunStatus", "StageSummary", "StatusReader", "estimate", "read_status"]
