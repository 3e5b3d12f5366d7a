"""What a benchmark of throughput writes down: one row for each kind of work."""

from __future__ import annotations

from typing import Literal

from hpc.record import Record

from .ceilings import Ceiling
from .scans import Case

Work = Literal[
    "predict", "predict + stitch", "predict + stitch + write", "file to array", "prepare", "infer"
]

HEADS = {
    "network": "network",
    "n": "N",
    "steps": "steps",
    "work": "work",
    "state": "state",
    "seconds": "s",
    "frames_per_s": "frames/s",
    "fft_share": "of FFT",
    "memory_share": "of memory",
    "R": "R",
    "peak_mb": "MB",
}


class Row(Record):
    """One kind of work on all frames of a scan.

    network: unrolled, or cnn in a patchwise pipeline; frames: that it was done for; fft_share,
    memory_share: of what the machine can do (`Ceiling`); R: misfit of the object, relative to the
    energy of the frames; peak_mb: of the process, where it did nothing else.
    """

    network: Literal["unrolled", "cnn"]
    n: int
    steps: int | None
    frames: int
    work: Work
    state: Literal["cold", "warm"]
    seconds: float
    frames_per_s: float
    fft_share: float | None = None
    memory_share: float | None = None
    R: float | None = None
    peak_mb: float | None = None


def unrolled_row(
    case: Case, ceiling: Ceiling, work: Work, state: Literal["cold", "warm"], seconds: float
) -> Row:
    """A row of the unrolled network, which transforms and reads every frame in every step."""
    speed = case.frames / seconds
    return Row(
        network="unrolled",
        n=case.n,
        steps=case.steps,
        frames=case.frames,
        work=work,
        state=state,
        seconds=seconds,
        frames_per_s=speed,
        fft_share=speed * case.steps / ceiling.fft_frames_per_s,
        memory_share=speed * case.steps / ceiling.memory_frames_per_s,
    )


def patchwise_row(case: Case, work: Work, seconds: float, residual: float | None) -> Row:
    """A row of the patchwise pipeline, which has no steps."""
    return Row(
        network="cnn",
        n=case.n,
        steps=None,
        frames=case.frames,
        work=work,
        state="warm",
        seconds=seconds,
        frames_per_s=case.frames / seconds,
        R=residual,
    )
