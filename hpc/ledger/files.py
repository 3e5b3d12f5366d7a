"""Ledgers on disk: records appended and read again, one file a task."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from hpc.errors import StateError
from hpc.fsio import append_line, numbered_lines, whole_lines
from hpc.ledger.records import Entry
from hpc.ledger.state import TaskState, fold, settle
from hpc.paths import RunPaths
from hpc.record import explain

__all__ = ["append", "folded_state", "read_entries", "read_state", "read_states"]

_entry: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="event")])
_entries: TypeAdapter[list[Entry]] = TypeAdapter(
    list[Annotated[Entry, Field(discriminator="event")]]
)


def append(path: Path, entry: Entry) -> None:
    """Write one record and sync it."""
    append_line(path, entry.model_dump_json(exclude_none=True))


def read_entries(path: os.PathLike[str]) -> list[Entry]:
    """The records of one task, none where there is no file.

    Raises StateError naming file and line where a whole line is no record.
    """
    try:
        lines = whole_lines(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        what = f"this ledger cannot be read ({error.strerror})"
        raise StateError(what, where=os.fspath(path)) from None
    try:
        return _entries.validate_json(b"[" + b",".join(lines) + b"]")
    except ValidationError:
        return _one_by_one(path)


def _one_by_one(path: os.PathLike[str]) -> list[Entry]:
    entries: list[Entry] = []
    for number, line in numbered_lines(path):
        try:
            entries.append(_entry.validate_json(line))
        except ValidationError as error:
            raise StateError(
                f"this record is damaged ({explain(error)})",
                where=f"{os.fspath(path)}:{number}",
                mend="Look at the line; move the file away to have the task run again",
            ) from None
    return entries


def folded_state(path: os.PathLike[str]) -> TaskState:
    """What the records in a file come to, "unknown" where they are damaged; not settled."""
    try:
        return fold(read_entries(path))
    except StateError as error:
        return TaskState(status="unknown", cause=str(error))


def read_state(run: RunPaths, task_id: str) -> TaskState:
    """The settled state of one task; "unknown", with the reason, where its ledger is damaged."""
    path = run.ledger(task_id)
    state = folded_state(path)
    if settle(state) is state:
        return state
    # Its process is gone, but it may have written its end since we read: nobody writes now.
    return settle(folded_state(path))


def read_states(run: RunPaths, task_ids: Iterable[str]) -> dict[str, TaskState]:
    """The settled state of each of these tasks."""
    written = _names_in(run.ledger_folder)  # asking for ten thousand missing files takes a while
    return {
        task_id: read_state(run, task_id) if run.ledger_name(task_id) in written else TaskState()
        for task_id in task_ids
    }


def _names_in(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
