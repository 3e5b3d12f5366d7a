"""What a plan must know of a scan, found without reading its frames and without torch."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from hpc.errors import UserError
from hpc.record import Record
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.checks import check_canvas, check_overlap
from ptychopinn_batch.data.npz import NpzScan, geometry_of
from ptychopinn_batch.data.source import canvas_of
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.simulate.layout import recorded_positions
from ptychopinn_batch.stages.params import InputIdentity

HASHED_WHOLE = 2**28  # bytes; of larger files samples are hashed
SAMPLES, SAMPLE_BYTES = 64, 2**20


class ScanHeader(Record):
    """Frames (number, side n, probe modes) and the canvas they cover."""

    frames: int
    n: int
    modes: int
    canvas: Canvas


def read_header(scan: Scan) -> ScanHeader:
    """The header of a scan whose `path` is one file, or of a simulated one.

    UserError for everything that is wrong with it and can be known without reading all frames.
    """
    return _simulated(scan) if scan.path is None else _from_file(scan, Path(scan.path))


def input_identity(path: Path) -> InputIdentity:
    """Identity of an input file.

    Up to `HASHED_WHOLE` bytes: the SHA-256 of its content, so that a copy is the same input.
    Above: of `SAMPLES` blocks spread evenly over it, of its size and its time of modification, so
    that a plan need not read terabytes; a copy is the same input if its time was kept.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size <= HASHED_WHOLE:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            else:
                digest = _sampled(file, status.st_size, status.st_mtime_ns)
    except OSError as error:
        mend = "Check the path; a relative one begins at the spec file"
        raise UserError(f"cannot be read ({error.strerror})", where=str(path), mend=mend) from None
    return InputIdentity(sha256=digest, size=status.st_size)


def _sampled(file: BinaryIO, size: int, modified_ns: int) -> str:
    digest = hashlib.sha256(f"{size} {modified_ns}\n".encode())
    for number in range(SAMPLES):
        file.seek(number * (size - SAMPLE_BYTES) // (SAMPLES - 1))
        digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def _from_file(scan: Scan, path: Path) -> ScanHeader:
    found = NpzScan(path, scan)
    found.check()
    n = found.layout.n
    canvas = canvas_of(found.positions, n, geometry_of(scan))
    return ScanHeader(frames=found.count, n=n, modes=len(found.probe), canvas=canvas)


def _simulated(scan: Scan) -> ScanHeader:
    assert scan.simulate is not None  # a scan has a path or a simulation
    settings = scan.simulate
    n, positions = settings.frame_size, recorded_positions(settings)[: scan.frames]
    check_canvas(positions, n, "simulate")
    diameter = 2 * settings.probe_radius * n
    mend = "Write a smaller step or a larger probe_radius"
    check_overlap(positions, diameter, "simulate.step", mend)
    return ScanHeader(
        frames=len(positions),
        n=n,
        modes=settings.modes,
        canvas=canvas_of(positions, n, geometry_of(scan)),
    )
