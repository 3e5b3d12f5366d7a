"""Frames per second: predicting, with stitching, with writing, and from a file to a written array.

    python benchmarks/throughput.py [--n 64 128] [--steps 16 8] [--frames 10000] [--out FOLDER]

All is done on one simulated scan per size of frames: by the default network, as `infer` does it,
and by a `cnn` trained on that scan in a straightforward patchwise pipeline. Beside each speed
stands which share it is of what the machine can do at most: a forward and an inverse Fourier
transform of every frame in every step, in cache, and every amplitude read from memory once a step.

predict: the network alone. + stitch: tiles with their halo read from the store, put together in
memory. + write: as a zarr array on disk. file to array: the stages prepare and infer, in a process
of their own. cold: for the first time in a process, files not in the page cache; warm: again, the
quickest of --tries.

--out: throughput.json, with one row for each (`speed_bench/rows.py`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from file_to_array import Passes
from machine import describe
from measuring import run_measured, script, seconds_of, table, write_report
from quality_bench.prepared import residual, whole_region
from speed_bench import ceilings, patchwise
from speed_bench.ceilings import Ceiling
from speed_bench.rows import HEADS, Row, patchwise_row, unrolled_row
from speed_bench.scans import Case, forget, work_of, write_scan
from speed_bench.tiles import Tiles

from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import best_device, device_of
from ptychopinn_batch.region import Region

WHOLE = Path(__file__).with_name("file_to_array.py")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--n", type=int, nargs="+", default=[64, 128], help="sides of frames")
    add("--steps", type=int, nargs="+", default=[16, 8], help="of the network")
    add("--frames", type=int, default=10_000, metavar="K", help="of a scan")
    add("--patchwise", type=int, default=2000, metavar="K", help="frames for the cnn; 0: without")
    add("--epochs", type=int, default=8, help="that the cnn is trained for")
    add("--tries", type=int, default=2, metavar="K")
    add("--out", type=Path, default=Path("throughput"), metavar="FOLDER")
    return parser.parse_args()


def measure(n: int, ceiling: Ceiling, asked: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """All rows of one size of frames."""
    scan, store = folder / "scan.npz", None
    write_scan(Case(n, 1, asked.frames), scan)
    for steps in asked.steps:
        case, here = Case(n, steps, asked.frames), folder / f"{steps}"
        tiles = Tiles.of(work_of(f"path: {scan}", steps, here / "tiles"))
        yield from in_parts(case, ceiling, tiles, asked.tries)
        yield from file_to_array(case, ceiling, scan, here / "whole")
        store = tiles.store
    if store is not None and asked.patchwise:
        yield from by_patches(store, asked)


def in_parts(case: Case, ceiling: Ceiling, tiles: Tiles, tries: int) -> Iterator[Row]:
    """Predict, stitch, write; and how good the object is."""
    forget(tiles.store.folder)
    obj: list[torch.Tensor] = []
    parts = {
        "predict": tiles.predict,
        "predict + stitch": lambda: seconds_of(lambda: obj.append(tiles.stitched())),
        "predict + stitch + write": lambda: seconds_of(tiles.write),
    }
    for work, part in parts.items():
        yield unrolled_row(case, ceiling, work, "cold", part())
        row = unrolled_row(case, ceiling, work, "warm", min(part() for _ in range(tries)))
        yield row if work == "predict" else row.model_copy(update={"R": _residual(obj[0], tiles)})


def _residual(obj: torch.Tensor, tiles: Tiles) -> float:
    return residual(obj, whole_region(tiles.store))


def file_to_array(case: Case, ceiling: Ceiling, scan: Path, folder: Path) -> Iterator[Row]:
    """Both stages, apart and together."""
    usage, told = run_measured(script(WHOLE, scan, str(case.steps), folder))
    passes = Passes.model_validate_json(told.splitlines()[-1])
    for state, took in (("cold", passes.cold), ("warm", passes.warm)):
        parts = {"prepare": took.prepare, "infer": took.infer}
        for work, seconds in {**parts, "file to array": took.prepare + took.infer}.items():
            row = unrolled_row(case, ceiling, work, state, seconds)
            shares = {"fft_share": None, "memory_share": None} if work == "prepare" else {}
            yield row.model_copy(update={**shares, "peak_mb": usage.peak_mb})


def by_patches(store: ScanStore, asked: argparse.Namespace) -> Iterator[Row]:
    """The patchwise pipeline on some frames that lie together."""
    network = patchwise.trained(store, asked.epochs).to(best_device())
    region = first_frames(whole_region(store), asked.patchwise).to(device_of(network))
    case, patches = Case(store.info.n, 0, len(region)), []
    predict = _timed(lambda: patches.append(patchwise.predicted(network, region)))
    objects: list[torch.Tensor] = []
    stitch = _timed(lambda: objects.append(patchwise.stitched(patches[0], region)))
    yield patchwise_row(case, "predict", predict, None)
    yield patchwise_row(case, "predict + stitch", predict + stitch, residual(objects[0], region))


def _timed(work: Callable[[], object]) -> float:
    return ceilings.timed(work, best_device())


def first_frames(region: Region, count: int) -> Region:
    """The first so many frames of a store: they lie together, by its order."""
    return region.subset(torch.arange(min(count, len(region))))


def main() -> None:
    asked = arguments()
    machine, rows, tops = describe(), [], []
    for n in asked.n:
        ceiling = ceilings.measure(n)
        tops.append(ceiling)
        print(_told(ceiling), flush=True)
        with TemporaryDirectory(prefix="bench-") as folder:
            rows += measure(n, ceiling, asked, Path(folder))
        print("\n".join(table([row for row in rows if row.n == n], HEADS)) + "\n", flush=True)
    print("\n".join(_ratios(rows)))
    facts = {"ceilings": tops, "threads": torch.get_num_threads(), "epochs": asked.epochs}
    write_report(asked.out / "throughput.json", "throughput", machine, rows, **facts)


def _told(top: Ceiling) -> str:
    return (
        f"N={top.n}: at most {top.fft_frames_per_s:.0f} frames/s and step by Fourier transforms "
        f"of {top.chunk} frames at once, {top.memory_frames_per_s:.0f} by memory "
        f"({top.memory_gb_per_s:.1f} GB/s)"
    )


def _ratios(rows: list[Row]) -> Iterator[str]:
    """How much faster than the patchwise pipeline, stitched, both warm."""
    stitched = [row for row in rows if row.work == "predict + stitch" and row.state == "warm"]
    patchwise_speed = {row.n: row for row in stitched if row.network == "cnn"}
    for row in stitched:
        other = patchwise_speed.get(row.n)
        if row.network == "unrolled" and other is not None:
            times = row.frames_per_s / other.frames_per_s
            yield (
                f"N={row.n}, {row.steps} steps: {times:.1f} times as fast as the patchwise cnn; "
                f"R {row.R:.2g}, the cnn's {other.R:.2g}"
            )


if __name__ == "__main__":
    main()
