"""How far an object is from the truth, once what frames do not fix is matched.

That is a global phase, a phase plane, the mean amplitude, as in `comparison`, and here also a
shift: an object and a probe that move together explain the same frames, and so do wrong positions
with an object that moved with them. Errors of the phase are taken on the circle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.comparison import (
    Complex,
    Mask,
    Real,
    align,
    amplitude_images,
    contrast_of,
    over_scanned_area,
    phase_images,
    similarity,
)
from ptychopinn_batch.resolution import hann_window, ring_correlation

LARGEST_SHIFT = 0.1  # of the smaller side of the compared area; what is further off is not the same
LEAST_SHIFT = 0.02  # pixels: below, interpolation would cost more than it mends
PARTS = 50  # of a pixel, to which shifts are found
SPLINE = 5  # order of the interpolation
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


@dataclass(frozen=True)
class Pair:
    """An object and its reference (H, W) in one gauge, and which pixels of the object were seen."""

    object: Complex
    reference: Complex
    seen: Mask
    shift: float = 0.0


def matched(
    obj: Complex, seen: Mask, reference: Complex, canvas: Canvas, positions: NDArray[np.float64]
) -> Pair | None:
    """A canvas object and a reference in scan pixels over the scanned area, in one gauge.

    None if they share too small an area, or less than half of it was seen.
    """
    both = over_scanned_area(obj, seen, reference, canvas, positions)
    return both and in_one_gauge(*both)


def in_one_gauge(obj: Complex, reference: Complex, seen: Mask) -> Pair | None:
    """Two images of one shape, the first aligned with the second, without what a shift cut off.

    None if less than half of the first was seen.
    """
    seen = seen & np.isfinite(obj)
    if seen.mean() < 0.5:
        return None
    start = Pair(
        align(np.where(seen, obj, 0).astype(np.complex64), reference, seen), reference, seen
    )
    shift, most = _shift(start), LARGEST_SHIFT * min(reference.shape)
    if np.hypot(*shift) < most:
        shift = shift + _shift(_shifted(start, shift))  # once more, in the better gauge
    if not LEAST_SHIFT < np.hypot(*shift) < most:
        return start
    still, moved = _cut(start, _margin(shift)), _shifted(start, shift)
    return moved if _error(moved) < _error(still) else start


def _shift(pair: Pair) -> NDArray[np.float64]:
    """By how much (y, x) the object must be shifted, in pixels, to lie on its reference."""
    taper = hann_window(pair.reference.shape)
    reference, obj = (
        taper * (z - z[pair.seen].mean()) * pair.seen for z in (pair.reference, pair.object)
    )
    return _registered(reference, obj)


def _registered(
    reference: NDArray[np.complex128], moving: NDArray[np.complex128]
) -> NDArray[np.float64]:
    """The shift (y, x) in pixels where the correlation of two images is largest."""
    from skimage.registration import phase_cross_correlation

    found = phase_cross_correlation(  # type: ignore[no-untyped-call]
        reference, moving, upsample_factor=PARTS, normalization=None
    )[0]
    return np.asarray(found, dtype=np.float64)


def _shifted(pair: Pair, shift: NDArray[np.float64]) -> Pair:
    """The object shifted by (y, x), in the reference's gauge again, without the margins."""
    if not shift.any():
        return pair
    obj = ndimage.shift(pair.object, shift, order=SPLINE, mode="nearest")
    seen = ndimage.shift(pair.seen.astype(np.float64), shift, order=1, cval=0) > 1 - 1e-6
    cut = _cut(Pair(obj, pair.reference, seen, float(np.hypot(*shift))), _margin(shift))
    return replace(cut, object=align(cut.object, cut.reference, cut.seen))


def _margin(shift: NDArray[np.float64]) -> int:
    return int(np.ceil(np.abs(shift).max())) + 2


def _cut(pair: Pair, margin: int) -> Pair:
    inside = (slice(margin, -margin), slice(margin, -margin))
    return Pair(pair.object[inside], pair.reference[inside], pair.seen[inside], pair.shift)


def _error(pair: Pair) -> float:
    """Squared error relative to the reference's power."""
    power = np.abs(pair.reference[pair.seen]) ** 2
    return float((np.abs(pair.object - pair.reference)[pair.seen] ** 2).sum() / power.sum())


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
