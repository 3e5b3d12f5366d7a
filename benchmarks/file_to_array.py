"""From a file to a written array, twice in one process: `file_to_array.py SCAN STEPS FOLDER`.

Cold: the first work of its process, the file not in the page cache. Warm: once more, from the
start. Prints what each took as one line of JSON (`Passes`).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from speed_bench.scans import forget, work_of

from hpc.record import Record
from ptychopinn_batch.stages import infer, prepare


class Pass(Record):
    """Seconds of the two stages."""

    prepare: float
    infer: float


class Passes(Record):
    """The first and the second time."""

    cold: Pass
    warm: Pass


def once(scan: Path, steps: int, folder: Path) -> Pass:
    """Prepare and infer in a new folder."""
    work = work_of(f"path: {scan}", steps, folder)
    began = time.perf_counter()
    prepare.run(work.prepare)
    prepared = time.perf_counter()
    infer.run(work.infer)
    return Pass(prepare=prepared - began, infer=time.perf_counter() - prepared)


def main(scan: str, steps: str, folder: str) -> None:
    forget(Path(scan))
    passes = [once(Path(scan), int(steps), Path(folder) / name) for name in ("cold", "warm")]
    print(Passes(cold=passes[0], warm=passes[1]).model_dump_json())


if __name__ == "__main__":
    main(*sys.argv[1:])
