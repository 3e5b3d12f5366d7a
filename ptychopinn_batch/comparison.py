"""How near an object is to a reference: both in one gauge, then phase and amplitude compared.

Frames fix an object only up to a global phase, a phase plane (a shift of all diffraction frames)
and, as far as the probe's strength is uncertain, a factor. All three are matched first. Phases are
compared through the product with the conjugate reference, so that strong phases of many radians
need no unwrapping.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.canvas import Canvas, Window

Complex: TypeAlias = NDArray[np.complex64]
Real: TypeAlias = NDArray[np.floating[Any]]
Mask: TypeAlias = NDArray[np.bool_]

TRIM = (3.0, 97.0)  # percentiles of the frames' centres that bound the compared area
LARGEST = 2048  # pixels, side of a compared area: a comparison takes 130 bytes of each pixel
SSIM_WINDOW = 7  # pixels, scikit-image's default
FLAT = 0.1  # of the reference's contrast: an object with less is called flat and scores zero
NO_CONTRAST = 1e-5  # rad, or relative amplitude: rounding errors of a constant reference
REFINEMENTS = 4  # least-squares passes after the coarse plane; two are enough on clean data


@dataclass(frozen=True)
class Similarity:
    """Agreement of an object with a reference over the scanned area; 1 is equality, 0 is none.

    phase_corr: Pearson correlation of the phases; amp_ssim, phase_ssim: mean structural
    similarity (Wang et al. 2004), data range = range of the reference over the area. None where
    the reference itself is constant.
    """

    phase_corr: float | None
    amp_ssim: float | None
    phase_ssim: float | None


class Contrast(NamedTuple):
    """Contrast of an object relative to its reference's; None where that has none."""

    phase: float | None
    amplitude: float | None

    @property
    def is_flat(self) -> bool:
        """Whether phase or amplitude of the reference is not to be seen in the object at all."""
        return any(value is not None and value < FLAT for value in self)


def scan_box(canvas: Canvas, positions: NDArray[np.float64]) -> Window:
    """The box of the frames' centres in canvas pixels, between their 3rd and 97th percentiles.

    Positions are (K, 2) as (x, y) in scan pixels. At least a pixel wide and high.
    """
    (left, right), (top, bottom) = (
        np.percentile(np.floor(canvas.centres(positions)[:, axis]), TRIM).astype(int)
        for axis in (0, 1)
    )
    return Window(
        top=int(top),
        left=int(left),
        bottom=int(max(bottom, top + 1)),
        right=int(max(right, left + 1)),
    )


def coverage(canvas: Canvas, positions: NDArray[np.float64], seen: Mask) -> float:
    """Share of the scan's box that was seen, 0 to 1; `seen` is (H, W) on the canvas."""
    return float(seen[scan_box(canvas, positions).slices].mean())


def scanned_area(
    canvas: Canvas, positions: NDArray[np.float64], reference_shape: tuple[int, int]
) -> Window | None:
    """Where objects are compared: the scan's box, as far as a reference (H, W) reaches.

    Of a large one the middle. In canvas pixels; the reference's are those of the scan. None where
    no window of it fits.
    """
    box, (height, width) = scan_box(canvas, positions), reference_shape
    area = Window(
        top=max(box.top, -canvas.y0),
        left=max(box.left, -canvas.x0),
        bottom=min(box.bottom, height - canvas.y0),
        right=min(box.right, width - canvas.x0),
    )
    return area.middle(LARGEST) if min(area.shape) > SSIM_WINDOW else None


def compare(
    obj: Complex, seen: Mask, reference: Complex, canvas: Canvas, positions: NDArray[np.float64]
) -> Similarity | None:
    """Compare a canvas object (H, W) with a reference (H', W') in scan pixels.

    None if they share too small an area, or less than half of it was seen.
    """
    both = over_scanned_area(obj, seen, reference, canvas, positions)
    return both and similarity(*both)


def over_scanned_area(
    obj: Complex, seen: Mask, reference: Complex, canvas: Canvas, positions: NDArray[np.float64]
) -> tuple[Complex, Complex, Mask] | None:
    """Object, reference and seen pixels over the scanned area, all of one shape.

    None if they share too small an area.
    """
    area = scanned_area(canvas, positions, reference.shape)
    if area is None:
        return None
    moved = area.relative_to(Window(top=-canvas.y0, left=-canvas.x0, bottom=0, right=0))
    return obj[area.slices], reference[moved.slices], seen[area.slices]


def similarity(obj: Complex, reference: Complex, seen: Mask | None = None) -> Similarity | None:
    """Compare two images of one shape after bringing `obj` into the gauge of `reference`.

    `seen`, bool (H, W): pixels of `obj` to be trusted, all if None; windows that hold others
    are left out of SSIM. None where less than half was seen.
    """
    seen = np.isfinite(obj) if seen is None else seen & np.isfinite(obj)
    if seen.mean() < 0.5:
        return None
    aligned = align(np.where(seen, obj, 0).astype(np.complex64), reference, seen)
    phases, amplitudes = (
        phase_images(aligned, reference, seen),
        amplitude_images(aligned, reference),
    )
    contrast = contrast_of(aligned, reference, seen)
    return Similarity(
        phase_corr=_score(_correlation, phases, seen, contrast.phase),
        amp_ssim=_score(_ssim, amplitudes, seen, contrast.amplitude),
        phase_ssim=_score(_ssim, phases, seen, contrast.phase),
    )


def contrast_of(aligned: Complex, reference: Complex, seen: Mask) -> Contrast:
    """The contrast of an object, in the gauge of the reference, relative to that of the latter."""
    size = np.abs(reference[seen]).mean()
    amplitudes = amplitude_images(aligned, reference)
    return Contrast(
        phase=_contrast(_spread(aligned, seen), _spread(reference, seen)),
        amplitude=_contrast(*(image[seen].std() / size for image in amplitudes)),
    )


def align(obj: Complex, reference: Complex, seen: Mask) -> Complex:
    """`obj` with the global phase, phase plane and mean amplitude of `reference` (both (H, W)).

    The plane is the one under which the product with the conjugate reference adds up best: coarse
    by the peak of its Fourier transform, then by least squares of its phase, weighted by its size.
    """
    product = np.where(seen, obj * reference.conj(), 0).astype(np.complex128)
    turn = np.exp(-1j * _plane(product))
    size = np.abs(obj[seen]).mean()
    factor = np.abs(reference[seen]).mean() / size if size > 0 else 0.0
    return np.asarray(obj * turn * factor, dtype=np.complex64)


def without_plane(obj: Complex, seen: Mask) -> NDArray[np.float64]:
    """The phase (H, W) in rad of an object without its phase plane, on the branch it fills best.

    The mean phase of the `seen` pixels is near zero, as long as they do not fill the circle.
    """
    unit = _unit(obj, seen)
    flat = np.where(np.isfinite(obj), obj, 1) * np.exp(-1j * _plane(unit))
    middle = _emptiest(np.angle(flat[seen])) - np.pi if seen.any() else 0.0
    return np.asarray(np.angle(flat * np.exp(-1j * middle)) + middle)


def _unit(image: Complex, seen: Mask) -> NDArray[np.complex128]:
    """exp(i phase) of the seen pixels, 0 elsewhere."""
    return np.where(seen, np.exp(1j * np.angle(np.where(seen, image, 1))), 0)


def _plane(product: NDArray[np.complex128]) -> NDArray[np.float64]:
    """The phase plane (H, W), rad, of a complex image; where it is zero it has no weight."""
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in product.shape)
    peak = np.unravel_index(np.argmax(np.abs(np.fft.fft2(product))), product.shape)
    slopes = [2 * np.pi * np.fft.fftfreq(n)[k] for n, k in zip(product.shape, peak, strict=True)]
    plane: NDArray[np.float64] = slopes[0] * rows[:, None] + slopes[1] * columns
    for _ in range(REFINEMENTS):
        plane = plane + np.angle((product * np.exp(-1j * plane)).sum())
        plane = plane + _fitted_plane(product * np.exp(-1j * plane), rows, columns)
    return plane


def _fitted_plane(product: NDArray[np.complex128], rows: Real, columns: Real) -> Real:
    """Weighted least-squares plane through the phase of an image whose phase is small."""
    weight = np.abs(product).ravel()
    y, x = (v.ravel() for v in np.meshgrid(rows, columns, indexing="ij"))
    terms = np.stack([y, x, np.ones_like(x)])
    normal, right = (terms * weight) @ terms.T, (terms * weight) @ np.angle(product).ravel()
    solution = np.linalg.lstsq(normal, right, rcond=None)[0]
    return np.asarray(solution @ terms).reshape(product.shape)


def amplitude_images(aligned: Complex, reference: Complex) -> tuple[Real, Real]:
    """Amplitudes (H, W) of an object in the gauge of the reference, and of the latter."""
    return np.abs(aligned).astype(np.float64), np.abs(reference).astype(np.float64)


def phase_images(aligned: Complex, reference: Complex, seen: Mask) -> tuple[Real, Real]:
    """Phases of object and reference in rad, cut open where the reference has the fewest phases.

    Where they agree within an eighth of a turn the object is put on the reference's branch, so
    that an error across the cut is as small as it is; elsewhere not, lest noise follow it.
    """
    middle = _emptiest(np.angle(reference[seen])) - np.pi
    image, expected = (np.angle(z * np.exp(-1j * middle)) + middle for z in (aligned, reference))
    error = np.angle(aligned * reference.conj())
    return np.where(np.abs(error) < np.pi / 4, expected + error, image), expected


def _emptiest(phases: Real) -> float:
    """Middle, in [0, 2 pi), of the largest gap between phases on the circle."""
    ordered = np.sort(phases)
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    k = int(gaps.argmax())
    return float((ordered[k] + gaps[k] / 2) % (2 * np.pi))


def _spread(image: Complex, seen: Mask) -> float:
    """Circular standard deviation (rad) of the phase of an image left after its own plane."""
    unit = _unit(image, seen)
    resultant = abs((unit * np.exp(-1j * _plane(unit))).sum()) / seen.sum()
    return float(np.sqrt(-2 * np.log(np.clip(resultant, 1e-300, 1))))


def _contrast(image: float, reference: float) -> float | None:
    """Contrast relative to that of the reference; None where that has none."""
    return image / reference if reference > NO_CONTRAST else None


def _score(
    measure: Callable[[Real, Real, Mask], float],
    pair: tuple[Real, Real],
    seen: Mask,
    contrast: float | None,
) -> float | None:
    """A similarity, 0 for a flat image, whose structure would be that of its noise."""
    if contrast is None:
        return None
    return measure(*pair, seen) if contrast >= FLAT else 0.0


def _correlation(image: Real, reference: Real, seen: Mask) -> float:
    return float(np.corrcoef(image[seen], reference[seen])[0, 1])


def _ssim(image: Real, reference: Real, seen: Mask) -> float:
    """Mean structural similarity over the windows of 7 x 7 pixels that were wholly seen."""
    from scipy.ndimage import minimum_filter
    from skimage.metrics import structural_similarity

    whole = minimum_filter(seen, SSIM_WINDOW, mode="constant", cval=False)
    if not whole.any():
        return 0.0
    data_range = float(np.ptp(reference[seen]))
    similar = structural_similarity(  # type: ignore[no-untyped-call]
        np.where(seen, image, 0), reference, data_range=data_range, full=True
    )[1]
    return float(similar[whole].mean())
