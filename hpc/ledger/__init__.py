"""The truth about every task: append-only records, one file per task, folded into a state.

A record is written and synced before anyone acts on it. A torn last line is normal input: its
writer was killed before the record counted. A line damaged in any other way is an error that names
it, for a guess could repeat work or hide a loss.
"""

from hpc.ledger.files import append, folded_state, read_entries, read_state, read_states
from hpc.ledger.records import (
    Blocked,
    CancelAsked,
    Ended,
    Entry,
    Fault,
    Outcome,
    Queued,
    Started,
)
from hpc.ledger.state import FAILED, UNFINISHED, Status, TaskState, fold, settle

__all__ = [
    "FAILED",
    "UNFINISHED",
    "Blocked",
    "CancelAsked",
    "Ended",
    "Entry",
    "Fault",
    "Outcome",
    "Queued",
    "Started",
    "Status",
    "TaskState",
    "append",
    "fold",
    "folded_state",
    "read_entries",
    "read_state",
    "read_states",
    "settle",
]
