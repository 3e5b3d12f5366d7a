"""All figures of a result, and what is to be thought of it."""

from __future__ import annotations

import numpy as np

from ptychopinn_batch.comparison import Similarity, compare, coverage
from ptychopinn_batch.exports.result import Result
from ptychopinn_batch.metrics import Metrics, Residuals, finite
from ptychopinn_batch.usage import Usage
from ptychopinn_batch.verdict.evidence import Evidence
from ptychopinn_batch.verdict.result import judge_result

__all__ = ["metrics_of"]

NOT_COMPARED = Similarity(phase_corr=None, amp_ssim=None, phase_ssim=None)


def metrics_of(
    result: Result,
    measured: Residuals,
    held_out: float | None,
    evidence: Evidence | None,
    usage: Usage,
    steps: int | None = None,
) -> Metrics:
    """The record of a result; `held_out`: R of frames that were left out of it; `evidence`: of its
    scan; `steps`: that its network took, None for one that takes none.
    """
    store, positions = result.store, result.store.positions.numpy()
    refined = store.info.refinement
    covered = coverage(result.canvas, positions, result.seen)
    judged = judge_result(measured, held_out, covered, evidence, steps, refined=refined is not None)
    similar = _similarity(result) or NOT_COMPARED
    return Metrics(
        R=finite(measured.fitted),
        R_held_out=held_out,
        R_empty=finite(measured.empty),
        R_noise=measured.noise,
        phase_corr=similar.phase_corr,
        amp_ssim=similar.amp_ssim,
        phase_ssim=similar.phase_ssim,
        reference_is_truth=None if store.reference is None else store.info.reference_is_truth,
        coverage=covered,
        frames=store.info.frames,
        frames_per_s=usage.frames_per_s(store.info.frames),
        seconds=usage.seconds,
        peak_rss_mb=usage.peak_rss_mb,
        verdict=judged.judgement,
        reasons=tuple(found.reason for found in judged.findings),
        position_shift_px=refined.shift_rms if refined else None,
        mode_power=refined.mode_power if refined else None,
        findings=judged.findings,
        evidence=evidence,
    )


def _similarity(result: Result) -> Similarity | None:
    store = result.store
    if store.reference is None:
        return None
    reference = np.asarray(store.reference.numpy())
    return compare(result.object, result.seen, reference, result.canvas, store.positions.numpy())
