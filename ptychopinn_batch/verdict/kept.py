"""The evidence of a scan, kept in its run: all variants of a sweep are judged by the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hpc.errors import StateError
from hpc.fsio import read_json, write_atomic
from hpc.record import Record
from ptychopinn_batch.verdict.evidence import Evidence

__all__ = ["evidence_at"]


class _Kept(Record):
    """key: what decides the evidence of the scan, which the file is named after."""

    key: str
    evidence: Evidence | None


def evidence_at(path: Path, key: str, examined: Callable[[], Evidence | None]) -> Evidence | None:
    """As it is kept there under this key; else examined now, and kept.

    Tasks that ask at once all examine, and find the same.
    """
    try:
        kept = read_json(path, _Kept)
    except StateError:
        kept = None
    if kept is None or kept.key != key:
        kept = _Kept(key=key, evidence=examined())
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, kept.model_dump_json())
    return kept.evidence
