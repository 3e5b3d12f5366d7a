"""What compressing the object array costs and saves: bytes, and how fast it is written and read.

    python benchmarks/codecs_bench.py [--scan FILE.npz] [--side 2048] [--out FILE.json]

The object is a real reconstruction (the Siemens star by default), repeated to a canvas of `side`
pixels with fresh noise in its last bits, so that repetition is not what is compressed. Written and
read in shards and chunks as a run does it, to a temporary folder; the best of three.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from machine import describe
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from ptychopinn_batch import api
from ptychopinn_batch.objectstore import CHUNK

SHARD = 1024  # pixels, side
REPEATS = 3
NOISE = 1e-6  # relative: the last bits of a float32
CODECS: dict[str, BloscCodec | None] = {
    "none": None,
    "lz4, bytes of 8 shuffled": BloscCodec(cname="lz4", clevel=5, shuffle="shuffle", typesize=8),
    "zstd 1, bytes of 4 shuffled": BloscCodec(
        cname="zstd", clevel=1, shuffle="shuffle", typesize=4
    ),
    "zstd 3, as runs write": BloscCodec(cname="zstd", clevel=3),
    "zstd 3, bits of 4 shuffled": BloscCodec(
        cname="zstd", clevel=3, shuffle="bitshuffle", typesize=4
    ),
    "zstd 9, bytes of 4 shuffled": BloscCodec(
        cname="zstd", clevel=9, shuffle="shuffle", typesize=4
    ),
}


@dataclass(frozen=True)
class Row:
    """One codec: share of the bytes that is left, and MB of the array per second."""

    codec: str
    share: float
    written: float
    read: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scan", type=Path, default=Path("data/siemens_star_128.npz"))
    parser.add_argument("--side", type=int, default=2 * SHARD)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    machine, obj = describe(), canvas(asked.scan, asked.side)
    rows = list(measured(obj))
    print(f"complex64, {asked.side} x {asked.side} pixels, {obj.nbytes / 1e6:.0f} MB\n")
    print("| codec | bytes left | written [MB/s] | read [MB/s] |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.codec} | {row.share:.0%} | {row.written:.0f} | {row.read:.0f} |")
    if asked.out:
        found = {"machine": machine.model_dump(mode="json"), "rows": [asdict(row) for row in rows]}
        asked.out.write_text(json.dumps(found, indent=1) + "\n")


def canvas(scan: Path, side: int) -> NDArray[np.complex64]:
    """A reconstruction repeated over (side, side) pixels, no two of them alike to the last bit."""
    found = api.reconstruct(api.load_scan(scan), steps=8).object
    obj = np.nan_to_num(np.asarray(found), nan=1.0)
    times = [-(-side // length) for length in obj.shape]
    whole = np.tile(obj, times)[:side, :side]
    random = np.random.default_rng(0)
    return (whole * (1 + NOISE * random.standard_normal(whole.shape))).astype(np.complex64)


def measured(obj: NDArray[np.complex64]) -> Iterator[Row]:
    """Every codec, in turn."""
    for name, codec in CODECS.items():
        with tempfile.TemporaryDirectory() as folder:
            array = _array(Path(folder), obj.shape, codec)
            written = _best(lambda array=array: array.__setitem__(slice(None), obj))
            read = _best(lambda array=array: array[:])
            left = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        rates = (obj.nbytes / 1e6 / seconds for seconds in (written, read))
        yield Row(name, left / obj.nbytes, *rates)


def _array(folder: Path, shape: tuple[int, ...], codec: BloscCodec | None) -> Any:
    return zarr.create_array(
        folder,
        shape=shape,
        dtype="complex64",
        chunks=(CHUNK, CHUNK),
        shards=(SHARD, SHARD),
        compressors=(Crc32cCodec(),) if codec is None else (codec, Crc32cCodec()),
        overwrite=True,
    )


def _best(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
