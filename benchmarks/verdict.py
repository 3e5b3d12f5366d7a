"""Measures what the verdict finds, misses and makes up, on simulated scans with known faults.

    python benchmarks/verdict.py [--scans 240] [--jobs N] [--kinds sound,axes] [--out FOLDER]

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
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from machine import describe
from pydantic import ValidationError
from verdict_bench.scans import case, kind_of
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
    add("--scans", type=int, default=240, metavar="N")
    add("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="scans at once")
    add("--out", type=Path, default=Path("verdict"), metavar="FOLDER")
    add("--kinds", metavar="KIND,...", help="measure scans of these alone; 'sound': without fault")
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
    """What was recorded; what was torn by an interruption, or is of another version, is not."""
    for line in path.read_text().splitlines() if path.exists() else ():
        with suppress(ValidationError):
            yield Row.model_validate_json(line)


def record(seeds: Iterable[int], path: Path, jobs: int) -> None:
    """Measure these scans, and write each down at once."""
    with path.open("a") as file, ProcessPoolExecutor(jobs) as pool:
        for row in pool.map(measure, seeds):
            begin = "\n" if file.tell() else ""  # the line before may be torn
            file.write(begin + row.model_dump_json())
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


def _is_meant(seed: int, kinds: str | None) -> bool:
    return kinds is None or (kind_of(seed) or "sound") in kinds.split(",")


def main() -> None:
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / "evidence.jsonl"
    if not asked.report:
        there = {row.seed for row in known(path)}
        wanted = (seed for seed in range(asked.scans) if _is_meant(seed, asked.kinds))
        record([seed for seed in wanted if seed not in there], path, asked.jobs)
    newest = {row.seed: row for row in known(path) if row.seed < asked.scans}
    rows = [newest[seed] for seed in sorted(newest)]
    describe()
    text = report(rows)
    print(text)
    write_atomic(asked.out / "verdict.md", text + "\n")


if __name__ == "__main__":
    main()
