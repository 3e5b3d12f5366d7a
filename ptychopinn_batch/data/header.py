"""What a plan must know of a scan, found without reading its frames and without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpc.errors import UserError
from hpc.record import Record
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.checks import check_canvas, check_overlap
from ptychopinn_batch.data.source import Geometry, canvas_of
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.opened import input_files, open_scan, reader_id
from ptychopinn_batch.simulate.layout import recorded_positions
from ptychopinn_batch.stages.params import InputIdentity
from ptychopinn_batch.training.split import largest_share

HASHED_WHOLE = 2**28  # bytes; of larger files samples are hashed
SAMPLES, SAMPLE_BYTES = 64, 2**20


class ScanHeader(Record):
    """Frames (number, side n, probe modes), the canvas they cover, and which reader reads them.

    apart: the largest share of frames that can be validated on apart from those trained on.
    """

    reader: str | None
    frames: int
    n: int
    modes: int
    canvas: Canvas
    apart: float


def read_header(scan: Scan) -> ScanHeader:
    """The header of a scan whose `path` is one file or folder, or of a simulated one.

    UserError for everything that is wrong with it and can be known without reading all frames.
    """
    return _simulated(scan) if scan.path is None else _from_file(scan)


def geometry_of(scan: Scan) -> Geometry | None:
    """The geometry that a spec gives to a simulated scan: all three numbers, or none."""
    if scan.energy_ev is None or scan.distance_m is None or scan.detector_pixel_m is None:
        return None
    return Geometry(
        energy_ev=scan.energy_ev,
        distance_m=scan.distance_m,
        detector_pixel_m=scan.detector_pixel_m,
    )


def scan_identity(scan: Scan) -> InputIdentity:
    """Identity of all files that a scan is read from."""
    return input_identity(*input_files(scan))


def input_identity(*paths: Path) -> InputIdentity:
    """Identity of input files, in their order.

    Up to `HASHED_WHOLE` bytes: the SHA-256 of their content, so that a copy is the same input.
    Above: of `SAMPLES` blocks spread evenly over them, of their sizes and times of modification, so
    that a plan need not read terabytes; a copy is the same input if its times were kept.
    """
    states = [_state(path) for path in paths]
    total = sum(size for size, _ in states)
    whole = total <= HASHED_WHOLE
    digest = hashlib.sha256()
    if len(paths) > 1 or not whole:
        lines = (f"{size} {changed}\n" if not whole else f"{size}\n" for size, changed in states)
        digest.update("".join(lines).encode())
    for path, parts in _parts(paths, [size for size, _ in states], whole):
        _hash(path, parts, digest)
    return InputIdentity(sha256=digest.hexdigest(), size=total)


Parts = list[tuple[int, int]]


def _parts(paths: Sequence[Path], sizes: list[int], whole: bool) -> Iterator[tuple[Path, Parts]]:
    """What to hash of each file, as (start, length): all of it, or its share of the samples."""
    total, begin = sum(sizes), 0
    starts = [number * max(total - SAMPLE_BYTES, 0) // (SAMPLES - 1) for number in range(SAMPLES)]
    for path, size in zip(paths, sizes, strict=True):
        here = [(start - begin, SAMPLE_BYTES) for start in starts if begin <= start < begin + size]
        if whole or here:
            yield path, [(0, size)] if whole else here
        begin += size


def _hash(path: Path, parts: Parts, digest: Any) -> None:
    with _told(path), path.open("rb") as file:
        for start, length in parts:
            file.seek(start)
            while length > 0 and (data := file.read(min(length, SAMPLE_BYTES))):
                digest.update(data)
                length -= len(data)


def _state(path: Path) -> tuple[int, int]:
    with _told(path):
        status = path.stat()
        return status.st_size, status.st_mtime_ns


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        mend = "Check the path; a relative one begins at the spec file"
        raise UserError(f"cannot be read ({error.strerror})", where=str(path), mend=mend) from None


def _from_file(scan: Scan) -> ScanHeader:
    found = open_scan(scan)
    found.check()
    canvas = canvas_of(found.positions, found.n, found.geometry)
    return ScanHeader(
        reader=reader_id(scan),
        frames=len(found.positions),
        n=found.n,
        modes=len(found.probe),
        canvas=canvas,
        apart=largest_share(found.positions, found.n),
    )


def _simulated(scan: Scan) -> ScanHeader:
    assert scan.simulate is not None  # a scan has a path or a simulation
    settings = scan.simulate
    n, positions = settings.frame_size, recorded_positions(settings)[: scan.frames]
    check_canvas(positions, n, "simulate")
    diameter = 2 * settings.probe_radius * n
    mend = "Write a smaller step or a larger probe_radius"
    check_overlap(positions, diameter, "simulate.step", mend)
    return ScanHeader(
        reader=None,
        frames=len(positions),
        n=n,
        modes=settings.modes,
        canvas=canvas_of(positions, n, geometry_of(scan)),
        apart=largest_share(positions, n),
    )
