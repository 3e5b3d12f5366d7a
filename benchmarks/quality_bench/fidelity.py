"""How far an object is from the truth, once what frames do not fix is matched.

Errors of the phase are taken on the circle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.comparison import (
    Complex,
    Mask,
    Real,
    amplitude_images,
    contrast_of,
    over_scanned_area,
    phase_images,
    similarity,
)
from ptychopinn_batch.registration import Pair, in_one_gauge
from ptychopinn_batch.resolution import ring_correlation

MOST_PSNR = 120.0  # dB: beyond are rounding errors
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang, Simoncelli and Bovik 2003
MS_SSIM_KERNEL = 11  # pixels


@dataclass(frozen=True)
class Fidelity:
    """Errors of an object over the scanned area.

    mae: mean absolute error, of amplitudes and of phases [rad]; psnr: [dB] up to 120, its range
    that of the reference over the area; ssim, phase_corr: see `comparison.Similarity`; ms_ssim:
    multi-scale SSIM over as many of the five scales as fit into the area; frc50: frequency up to
    which the Fourier ring correlation with the reference is at least one half, of the Nyquist
    frequency; shift: how far the object lay off [pixels]; flat: whether phase or amplitude has
    next to no contrast. None where the reference is constant.
    """

    amp_mae: float
    phase_mae: float
    amp_psnr: float | None
    phase_psnr: float | None
    amp_ssim: float | None
    phase_ssim: float | None
    amp_ms_ssim: float | None
    phase_ms_ssim: float | None
    phase_corr: float | None
    frc50: float
    shift: float
    flat: bool


def matched(
    obj: Complex, seen: Mask, reference: Complex, canvas: Canvas, positions: NDArray[np.float64]
) -> Pair | None:
    """A canvas object and a reference in scan pixels over the scanned area, in one gauge.

    None if they share too small an area, or less than half of it was seen.
    """
    both = over_scanned_area(obj, seen, reference, canvas, positions)
    return both and in_one_gauge(*both)


def fidelity(pair: Pair) -> Fidelity:
    """All errors of an object in its reference's gauge; at least half of it was seen."""
    obj, reference, seen = pair.object, pair.reference, pair.seen
    alike = similarity(obj, reference, seen)
    assert alike is not None
    error = np.angle(obj * reference.conj()).astype(np.float64)
    amplitudes, phases = amplitude_images(obj, reference), phase_images(obj, reference, seen)
    has_amplitude, has_phase = alike.amp_ssim is not None, alike.phase_ssim is not None
    whole = np.where(seen, obj, reference[seen].mean())
    return Fidelity(
        amp_mae=float(np.abs(amplitudes[0] - amplitudes[1])[seen].mean()),
        phase_mae=float(np.abs(error)[seen].mean()),
        amp_psnr=_psnr(*amplitudes, seen) if has_amplitude else None,
        phase_psnr=_psnr(phases[1] + error, phases[1], seen) if has_phase else None,
        amp_ssim=alike.amp_ssim,
        phase_ssim=alike.phase_ssim,
        amp_ms_ssim=_ms_ssim(*amplitudes, seen) if has_amplitude else None,
        phase_ms_ssim=_ms_ssim(*phases, seen) if has_phase else None,
        phase_corr=alike.phase_corr,
        frc50=ring_correlation(whole, reference).limit,
        shift=pair.shift,
        flat=contrast_of(obj, reference, seen).is_flat,
    )


def _psnr(image: Real, expected: Real, seen: Mask) -> float:
    """Peak signal-to-noise ratio in dB; the peak is the range of what is expected."""
    from skimage.metrics import peak_signal_noise_ratio

    data_range = float(np.ptp(expected[seen]))
    with np.errstate(divide="ignore"):
        found = peak_signal_noise_ratio(  # type: ignore[no-untyped-call]
            expected[seen], image[seen], data_range=data_range
        )
    return min(float(found), MOST_PSNR)


def _ms_ssim(image: Real, expected: Real, seen: Mask) -> float | None:
    """Multi-scale SSIM; what was not seen counts as right. None where not even one scale fits."""
    import torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    weights = np.array(MS_SSIM_WEIGHTS[: scales(min(image.shape))])
    if not len(weights):
        return None
    preds, target = (
        torch.from_numpy(z)[None, None] for z in (np.where(seen, image, expected), expected)
    )
    found = multiscale_structural_similarity_index_measure(
        preds,
        target,
        data_range=float(np.ptp(expected[seen])),
        betas=tuple(weights / weights.sum()),
        normalize="relu",
    )
    return float(found)


def scales(side: int) -> int:
    """How many scales of MS-SSIM fit into an image of this smaller side; 0 to 5.

    The kernel must fit into the coarsest of them; torchmetrics wants (scales - 1)^2 kernels too.
    """
    most = len(MS_SSIM_WEIGHTS)
    room = side // MS_SSIM_KERNEL
    return next((k for k in range(most, 0, -1) if room >= max(2 ** (k - 1), (k - 1) ** 2)), 0)
