"""Measures what the verdict finds, misses and makes up, on simulated scans with known faults.

    python benchmarks/verdict.py [--scans 208] [--jobs N] [--out FOLDER]

Every other scan is sound; the others have one fault of known kind and size. One half of the scans
is for setting the thresholds in `ptychopinn_batch/verdict/limits.py`, the table of the other half
tells how good they are. Evidence is recorded at once: the same command goes on where it was
interrupted, and after a change of thresholds alone nothing is measured again.

--out: evidence.jsonl, verdict.md.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from verdict_bench.scans import case
from verdict_bench.score import Row, missed, table

from hpc.errors import UserError
from hpc.fsio import write_atomic
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.verdict.examine import examine, shipped


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--scans", type=int, default=208, metavar="N")
    add("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="scans at once")
    add("--out", type=Path, default=Path("verdict"), metavar="FOLDER")
    add("--report", action="store_true", help="measure nothing: tables of what is known")
    return parser.parse_args()


def measure(seed: int) -> Row:
    """One scan, made, looked at and let go; on one thread, the others do the same."""
    torch.set_num_threads(1)
    made = case(seed)
    known = {"seed": seed, "kind": made.kind, "size": made.size, "about": made.about}
    with TemporaryDirectory(prefix="verdict-") as folder:
        try:
            store = build_store(made.raw, Path(folder) / "store")
        except UserError as error:
            return Row(**known, seconds=0.0, evidence=None, refused=str(error))
        started = time.perf_counter()
        evidence = examine(store, shipped(torch.device("cpu")))
    return Row(**known, seconds=time.perf_counter() - started, evidence=evidence)


def known(path: Path) -> Iterator[Row]:
    """What was recorded; a line torn by an interruption is measured again."""
    if path.exists():
        for line in path.read_text().splitlines():
            if line.endswith("}"):
                yield Row.model_validate_json(line)


def record(seeds: Iterable[int], path: Path, jobs: int) -> None:
    """Measure these scans, and write each down at once."""
    with path.open("a") as file, ProcessPoolExecutor(jobs) as pool:
        for row in pool.map(measure, seeds):
            file.write(row.model_dump_json() + "\n")
            file.flush()
            print(f"#{row.seed} {row.kind or 'sound'}: {row.judgement}, {row.seconds:.1f} s")


def report(rows: list[Row]) -> str:
    """Both halves, and what went wrong in the second."""
    tuning, testing = ([r for r in rows if r.is_tuning == which] for which in (True, False))
    return "\n".join(
        (
            *("Thresholds were set on:", "", *table(tuning), ""),
            *("Others:", "", *table(testing), ""),
            *("Misjudged among the others:", "", *(f"- {text}" for text in missed(testing))),
        )
    )


def main() -> None:
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / "evidence.jsonl"
    if not asked.report:
        there = {row.seed for row in known(path)}
        record([seed for seed in range(asked.scans) if seed not in there], path, asked.jobs)
    rows = sorted((r for r in known(path) if r.seed < asked.scans), key=lambda row: row.seed)
    text = report(rows)
    print(text)
    write_atomic(asked.out / "verdict.md", text + "\n")


if __name__ == "__main__":
    main()
