"""What the benchmarks of speed share: measured processes, tables, and the JSON that they leave."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hpc.fsio import write_atomic
from hpc.record import Record
from ptychopinn_batch.commands.text import columns
from ptychopinn_batch.provenance import Provenance

STARTER = Path(__file__).with_name("starter.py")


class Usage(Record):
    """What a process took, its start included; peak_mb: its largest memory, in 10^6 bytes."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def run_measured(command: Sequence[str | Path], codes: Sequence[int] = (0,)) -> tuple[Usage, str]:
    """What a command took, and what it printed. CalledProcessError where it ends with another
    exit code."""
    with TemporaryDirectory(prefix="bench-") as folder:
        told = Path(folder) / "usage.json"
        line = [sys.executable, "-I", "-S", STARTER, told, *command]
        ended = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)
        if ended.returncode not in codes:
            ended.check_returncode()
        return Usage.model_validate_json(told.read_bytes()), ended.stdout


def module(name: str, *arguments: str | Path) -> list[str | Path]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", name, *arguments]


def script(path: Path, *arguments: str | Path) -> list[str | Path]:
    """The command that runs a script with this interpreter."""
    return [sys.executable, path, *arguments]


def best(usages: Iterable[Usage]) -> Usage:
    """The quickest of several: the others were disturbed."""
    return min(usages, key=lambda usage: usage.seconds)


def seconds_of(work: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def table(rows: Sequence[Record], heads: Mapping[str, str]) -> Iterator[str]:
    """Lines of a table: one column for every field in `heads`, by its title."""
    yield from columns(list(heads.values()), (_cells(row, heads) for row in rows))


def _cells(row: Record, heads: Mapping[str, str]) -> list[str]:
    return [_shown(getattr(row, field)) for field in heads]


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value >= 99.5 else f"{value:.3g}"


def write_report(
    path: Path,
    benchmark: str,
    machine: Provenance,
    rows: Sequence[Record],
    **facts: Record | int | Sequence[Record],
) -> None:
    """The JSON of a benchmark: `benchmark`, `machine`, more facts, and `rows` as measured."""
    found = {"benchmark": benchmark, "machine": machine, **facts, "rows": rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(_plain(found), indent=1) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value
