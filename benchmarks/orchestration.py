"""What tasks cost beside their work: `plan`, `submit`, `status` and `watch` of up to 10,000.

    python benchmarks/orchestration.py [--tasks 100 1000 10000] [--out FOLDER]
    python benchmarks/orchestration.py --slurm 2500

Every command runs in a process of its own, whose start and largest memory count; of several tries
the quickest is told. `submit` ends where the first worker would be started. `status`, `watch` and
`plan again` see ledgers as they are when most of a run is over. --slurm hands tasks that do nothing
to a real SLURM, such as the one that `tests/cluster/slurm up` starts, and waits for them.

--out: orchestration.json, with one row for each command (`Row` below).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from machine import describe
from measuring import Usage, best, module, run_measured, script, seconds_of, table, write_report
from orchestration_bench import cluster
from orchestration_bench.ledgers import fill
from orchestration_bench.specs import write_spec

from hpc.paths import RunPaths
from hpc.record import Record
from hpc.slurm.status import ClusterReader
from hpc.submission import read_plan

HANDOVER = Path(__file__).with_name("handover.py")
SHAPES = ("scans", "tiles")
HEADS = {
    "tasks": "tasks",
    "of": "of",
    "command": "command",
    "seconds": "s",
    "cpu_seconds": "CPU s",
    "peak_mb": "MB",
}


class Row(Record):
    """One command on one run. of: many `scans` in a sweep, or the `tiles` of one; peak_mb: None for
    a look in a process that goes on."""

    tasks: int
    of: str
    command: str
    seconds: float
    cpu_seconds: float | None
    peak_mb: float | None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--tasks", type=int, nargs="+", default=[100, 1000, 10_000], metavar="N")
    add("--shapes", nargs="+", choices=SHAPES, default=SHAPES)
    add("--tries", type=int, default=3, metavar="N")
    add("--slurm", type=int, metavar="N", help="so many tasks through SLURM, nothing else")
    add("--out", type=Path, default=Path("orchestration"), metavar="FOLDER")
    return parser.parse_args()


def measure(shape: str, tasks: int, tries: int, folder: Path) -> Iterator[Row]:
    """All commands on one run."""
    spec, runs = write_spec(shape, tasks, folder), folder / "runs"
    run = RunPaths(runs, spec.stem)
    options = (spec, "--runs", runs)
    took = {"plan": command("plan", *options, tries=tries)}
    took["submit"], _ = run_measured(script(HANDOVER, spec, runs))
    fill(run)
    took["plan again"] = command("plan", *options, tries=tries)
    took["status"] = command("status", run.folder, tries=tries)
    took["watch --once"] = command("watch", run.folder, "--once", tries=tries)
    count = len(read_plan(run).tasks)
    for name, usage in took.items():
        yield Row(tasks=count, of=shape, command=name, **usage.model_dump())
    yield Row(
        **{"tasks": count, "of": shape, "command": "watch, each look"},
        **{"seconds": look(run, tries), "cpu_seconds": None, "peak_mb": None},
    )


def command(*words: str | Path, tries: int) -> Usage:
    """The quickest of several tries of a command; `watch` ends with 1 where a task has failed."""
    line = module("ptychopinn_batch", *words)
    return best(run_measured(line, codes=(0, 1))[0] for _ in range(tries))


def look(run: RunPaths, tries: int) -> float:
    """How long `watch` takes to see what has changed since its last look."""
    reader = ClusterReader(run)
    reader.read()
    return min(seconds_of(reader.read) for _ in range(tries))


def main() -> None:
    asked = arguments()
    machine = describe()
    if asked.slurm:
        cluster.measure(asked.slurm)
        return
    rows: list[Row] = []
    for tasks in asked.tasks:
        for shape in asked.shapes:
            with TemporaryDirectory(prefix="bench-") as folder:
                rows += measure(shape, tasks, asked.tries, Path(folder))
    print("\n".join(table(rows, HEADS)))
    write_report(asked.out / "orchestration.json", "orchestration", machine, rows)


if __name__ == "__main__":
    main()
