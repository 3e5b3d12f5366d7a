"""How work grows: a training on 1, 2 and 4 ranks; prepare and infer of up to 10^6 frames.

    python benchmarks/scaling.py [--ranks 1 2 4] [--frames 10000 100000 1000000] [--out FOLDER]

Trainings are the same but for their ranks: the same lessons, and so the same loss but for rounding.
A machine with fewer cores than ranks shows the loss, not the speed. Scans are of 64 x 64 pixels in
uint16 (`scaling_bench/large.py`), 8 kB a frame on disk below --folder; each stage runs in a process
of its own, whose largest memory is told, and by how much it grew from the scan before.

--out: scaling.json, with `ranks` and `rows`, one for each stage and scan.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from large_scan import Done, Stage
from machine import describe
from measuring import run_measured, script, table, write_report
from scaling_bench.ranks import train

from hpc.record import Record

LARGE_SCAN = Path(__file__).with_name("large_scan.py")
RANK_HEADS = {
    "ranks": "ranks",
    "regions_per_s": "regions/s",
    "loss": "loss",
    "loss_off": "relative to one rank",
}
HEADS = {
    "frames": "frames",
    "stage": "stage",
    "seconds": "s",
    "frames_per_s": "frames/s",
    "opened": "opened in s",
    "peak_mb": "MB",
    "growth": "growth",
}


class Ranks(Record):
    """A training on so many ranks; loss_off: of its loss from that on the first number of them,
    relative."""

    ranks: int
    regions_per_s: float
    loss: float
    loss_off: float


class Row(Record):
    """One stage on a scan of so many frames; growth: of memory, relative to the row before."""

    frames: int
    stage: Stage
    seconds: float
    frames_per_s: float
    opened: float | None
    peak_mb: float
    growth: float | None = None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--ranks", type=int, nargs="*", default=[1, 2, 4], help="none: without trainings")
    add("--epochs", type=int, default=3, help="of a training")
    add("--regions", type=int, default=16, help="of an epoch")
    add("--frames", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    add("--tiles", type=int, default=2, help="that are inferred")
    add("--folder", type=Path, help="for stores; default: that for temporary files")
    add("--out", type=Path, default=Path("scaling"), metavar="FOLDER")
    return parser.parse_args()


def over_ranks(asked: argparse.Namespace) -> Iterator[Ranks]:
    first: float | None = None
    for ranks in asked.ranks:
        with TemporaryDirectory(prefix="bench-", dir=asked.folder) as folder:
            made = train(ranks, asked.epochs, asked.regions, Path(folder))
        first = made.loss if first is None else first
        yield Ranks(
            ranks=ranks,
            regions_per_s=made.regions / made.seconds,
            loss=made.loss,
            loss_off=made.loss / first - 1,
        )


def over_frames(asked: argparse.Namespace) -> Iterator[Row]:
    for frames in asked.frames:
        with TemporaryDirectory(prefix="bench-", dir=asked.folder) as folder:
            for stage in ("prepare", "infer"):
                yield measure(stage, frames, Path(folder), asked.tiles)


def measure(stage: Stage, frames: int, folder: Path, tiles: int) -> Row:
    """One stage in a process of its own."""
    line = script(LARGE_SCAN, stage, str(frames), folder, str(tiles))
    usage, told = run_measured(line)
    done = Done.model_validate_json(told.splitlines()[-1])
    return Row(
        frames=frames,
        stage=stage,
        seconds=done.seconds,
        frames_per_s=done.frames / done.seconds,
        opened=done.opened,
        peak_mb=usage.peak_mb,
    )


def with_growth(rows: Sequence[Row]) -> Iterator[Row]:
    """Each with the growth of its memory since the scan before."""
    before: dict[str, float] = {}
    for row in rows:
        last = before.get(row.stage)
        yield row if last is None else row.model_copy(update={"growth": row.peak_mb / last - 1})
        before[row.stage] = row.peak_mb


def main() -> None:
    asked = arguments()
    machine = describe()
    ranks = list(over_ranks(asked))
    if ranks:
        print("\n".join(table(ranks, RANK_HEADS)) + "\n", flush=True)
    rows = list(with_growth(list(over_frames(asked))))
    print("\n".join(table(rows, HEADS)))
    write_report(asked.out / "scaling.json", "scaling", machine, rows, ranks=ranks)


if __name__ == "__main__":
    main()
