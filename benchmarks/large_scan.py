"""One stage on a scan of many frames: `large_scan.py prepare|infer FRAMES FOLDER TILES`.

`infer` takes some tiles in the middle of the scan, for no tile depends on another. Prints what it
did as one line of JSON (`Done`).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Literal

from scaling_bench.large import raw_scan, work_at

from hpc.context import TaskContext
from hpc.record import Record
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.stages import infer
from ptychopinn_batch.stages.params import InferParams

Stage = Literal["prepare", "infer"]


class Done(Record):
    """frames: that were worked on, those in halos as often as they were; opened: seconds until the
    store was open, None where it was made."""

    frames: int
    seconds: float
    opened: float | None = None


def prepared(frames: int, folder: Path) -> Done:
    store = work_at(frames, folder / "prepare").store
    raw, began = raw_scan(frames), time.perf_counter()
    build_store(raw, folder / store.name)
    return Done(frames=frames, seconds=time.perf_counter() - began)


def inferred(frames: int, folder: Path, tiles: int) -> Done:
    work = work_at(frames, folder / "infer")
    work.store.parent.mkdir(parents=True, exist_ok=True)
    work.store.symlink_to(folder / work.store.name)
    began = time.perf_counter()
    ScanStore.open(work.store)
    opened = time.perf_counter() - began
    result = infer.run(some_tiles(work.infer, tiles))
    return Done(
        frames=int(str(result["frames"])), seconds=float(str(result["seconds"])), opened=opened
    )


def some_tiles(context: TaskContext, count: int) -> TaskContext:
    """The same task for so many tiles amid the middle row: those at a rim are smaller."""
    asked = InferParams.of(context.task)
    rows, columns = asked.canvas.tile_counts(asked.infer.tile)
    amid = rows // 2 * columns + max(columns - count, 0) // 2
    begin = max(0, min(amid, rows * columns - count))
    params = {**context.task.params, "tiles": [begin, min(begin + count, rows * columns)]}
    return TaskContext(context.run, context.task.model_copy(update={"params": params}))


def main(stage: str, frames: str, folder: str, tiles: str) -> None:
    place = Path(folder).absolute()
    done = (
        prepared(int(frames), place)
        if stage == "prepare"
        else inferred(int(frames), place, int(tiles))
    )
    print(done.model_dump_json())


if __name__ == "__main__":
    main(*sys.argv[1:])
