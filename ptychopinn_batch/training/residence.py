"""Where the frames of a rank are while it trains: on its GPU where they fit, else on the disk.

On the disk they are memory-mapped, read by the loading processes and kept in memory by the
operating system as long as there is room. On a GPU they are put once, and lessons come without.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.training.lessons import Lesson
from ptychopinn_batch.training.split import Rows
from ptychopinn_batch.training.syllabus import Piece, TrainingScan

SHARE = 0.3  # of a GPU's memory that the frames of all its ranks may take
BLOCK = 2**26  # pixels that are moved at once

_log = logging.getLogger(__name__)


def room_on(device: torch.device, ranks: int) -> int:
    """Bytes that the frames of one of so many ranks may take on a device; none of a CPU's memory.

    What a CPU computes with is mapped already.
    """
    if device.type != "cuda":
        return 0
    return int(SHARE * torch.cuda.get_device_properties(device).total_memory / ranks)


def bytes_of(scans: Sequence[TrainingScan], rows: Sequence[Rows]) -> int:
    """Size of the amplitudes of these rows of each scan, as float32."""
    return sum(4 * len(r) * s.store.info.n**2 for s, r in zip(scans, rows, strict=True))


class Resident:
    """Amplitudes of frames on a device, by scan and row."""

    def __init__(
        self, stores: Sequence[ScanStore], rows: Sequence[Rows], device: torch.device
    ) -> None:
        self._rows = rows
        self._amplitudes = [
            _moved(store, own, device) for store, own in zip(stores, rows, strict=True)
        ]

    @classmethod
    def where_it_fits(
        cls, scans: Sequence[TrainingScan], rows: Sequence[Rows], device: torch.device, ranks: int
    ) -> Self | None:
        """The rows (ascending) of every scan on the device of one of so many ranks that share it.

        None where there are none, or where they do not fit.
        """
        size = bytes_of(scans, rows)
        if not 0 < size <= room_on(device, ranks):
            return None
        _log.info("%.1f GB of frames are kept on %s", size / 1e9, device)
        return cls([scan.store for scan in scans], rows, device)

    def completed(self, lesson: Lesson) -> Lesson:
        """A lesson on the device, with the amplitudes that it lacks."""
        if lesson.piece is None:
            return lesson
        region = replace(lesson.region, amplitudes=self._of(lesson.piece))
        return replace(lesson, region=region, piece=None)

    def _of(self, piece: Piece) -> Tensor:
        """(K, N, N) float32; the rows must be among those kept."""
        kept = self._amplitudes[piece.scan]
        places = np.searchsorted(self._rows[piece.scan], piece.rows)
        return kept[torch.from_numpy(places).to(kept.device)]


def _moved(store: ScanStore, rows: Rows, device: torch.device) -> Tensor:
    n = store.info.n
    moved = torch.empty((len(rows), n, n), dtype=torch.float32, device=device)
    each = max(1, BLOCK // n**2)
    for first in range(0, len(rows), each):
        block = torch.from_numpy(rows[first : first + each])
        moved[first : first + each] = store.amplitudes(block).to(device)
    return moved
