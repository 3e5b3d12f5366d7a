"""Probes: lenses with aberrations and central stops, and diffusers. All have unit energy."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

Probe = NDArray[np.complex64]
Modes = NDArray[np.complex64]  # (M, N, N)
Real = NDArray[np.float64]

SMALLEST, LARGEST = 1.8, 0.3  # radius of 90 % energy of random probes: in pixels, and of n


def _axes(n: int) -> tuple[Real, Real]:
    k = np.arange(n, dtype=np.float64) - n // 2
    return k[:, None], k


def soft_edge(distance: Real, width: float) -> Real:
    """1 where distance is negative, 0 where positive, over about `width` pixels."""
    return 1 / (1 + np.exp(np.clip(distance / width, -50, 50)))


def unit_energy(probe: NDArray[np.complexfloating]) -> Probe:
    """The same probe with sum |P|^2 = 1."""
    return (probe / np.sqrt((np.abs(probe) ** 2).sum())).astype(np.complex64)


def focus(pupil: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
    """The wave that a pupil (n, n), its axis at n // 2, makes in the focal plane."""
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(pupil), norm="ortho"))


def radius90(probe: NDArray[np.complexfloating]) -> float:
    """Radius in pixels, around the centre of mass, that holds 90 % of the energy."""
    light = np.abs(probe) ** 2
    light = light / light.sum()
    y, x = np.mgrid[: len(probe), : len(probe)]
    distance = np.hypot(y - (light * y).sum(), x - (light * x).sum()).ravel()
    order = np.argsort(distance)
    return float(distance[order][np.searchsorted(np.cumsum(light.ravel()[order]), 0.9)])


def smooth_noise(n: int, width: float, random: Generator) -> Real:
    """(n, n) noise of unit variance, smooth over about `width` pixels."""
    frequency = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    spectrum = np.fft.fft2(random.standard_normal((n, n))) * np.exp(-((frequency * width) ** 2))
    noise = np.fft.ifft2(spectrum).real
    return np.asarray(noise / noise.std())


def lens(n: int, aperture: float, *, defocus: float, stop: float = 0.0) -> Probe:
    """A round lens: aperture radius in detector pixels, defocus phase in rad at its edge.

    `stop` is the radius of a central stop as a share of the aperture's.
    """
    y, x = _axes(n)
    radius = np.hypot(y, x)
    opening = soft_edge(radius - aperture, 0.7)
    if stop:
        opening = opening * (1 - soft_edge(radius - stop * aperture, 0.7))
    return unit_energy(focus(opening * np.exp(1j * defocus * (radius / aperture) ** 2)))


def aperture_of_radius(n: int, radius: float, *, defocus: float, stop: float = 0.0) -> float:
    """The aperture of the lens whose 90 % radius is nearest to `radius` pixels.

    A smaller opening makes a wider beam.
    """
    smallest, largest = 1.0, 0.48 * n
    for _ in range(12):
        middle = (smallest * largest) ** 0.5
        if radius90(lens(n, middle, defocus=defocus, stop=stop)) > radius:
            smallest = middle
        else:
            largest = middle
    return largest


def with_modes(probe: Probe, count: int) -> Modes:
    """`count` orthogonal modes: the probe, then the probe times x, y, xy, x^2 and so on.

    Each has half the energy of the one before; together they have unit energy.
    """
    y, x = _axes(len(probe))
    powers = [(i, total - i) for total in range(count) for i in range(total + 1)][:count]
    modes: list[NDArray[np.complexfloating]] = []
    for i, j in powers:
        mode = probe * x**i * y**j
        for other in modes:
            mode = mode - (other.conj() * mode).sum() * other
        modes.append(mode / np.sqrt((np.abs(mode) ** 2).sum()))
    shares = 0.5 ** np.arange(count)
    return (np.stack(modes) * np.sqrt(shares / shares.sum())[:, None, None]).astype(np.complex64)


def diffuser(n: int, radius: float, *, phase_rms: float, grain: float, random: Generator) -> Probe:
    """A round patch of light of smooth random phase; radius and grain in pixels."""
    y, x = _axes(n)
    return unit_energy(
        soft_edge(np.hypot(y, x) - radius, 1.0)
        * np.exp(1j * phase_rms * smooth_noise(n, grain, random))
    )


def _random_opening(n: int, aperture: float, random: Generator) -> tuple[Real, Real]:
    """Pupil amplitude, and distance from its axis in units of the aperture."""
    y, x = _axes(n)
    radius = np.hypot(y * np.exp(random.uniform(-0.3, 0.3)), x)
    if random.random() < 0.25:
        square = (np.abs(y) < 0.8 * aperture) & (np.abs(x) < 0.8 * aperture)
        opening = ndimage.gaussian_filter(square * 1.0, random.uniform(0.5, 1.5))
    else:
        opening = soft_edge(radius - aperture, random.uniform(0.5, 2))
    if random.random() < 0.3:
        opening = opening * (1 - soft_edge(radius - aperture * random.uniform(0.2, 0.5), 1.0))
    return opening, radius / aperture


def _random_lens(n: int, random: Generator) -> NDArray[np.complexfloating]:
    """Defocus, astigmatism, coma and spherical aberration of up to a few radians."""
    opening, q = _random_opening(n, random.uniform(0.06, 0.3) * n, random)
    y, x = _axes(n)
    angle = np.arctan2(y, x)
    phase = (
        random.uniform(-12, 12) * q**2
        + random.uniform(-2, 2) * q**2 * np.cos(2 * angle + random.uniform(0, 6))
        + random.uniform(-2, 2) * q**3 * np.cos(angle + random.uniform(0, 6))
        + random.uniform(-2, 2) * q**4
    )
    return focus(opening * np.exp(1j * phase))


def _random_patch(n: int, random: Generator) -> NDArray[np.complexfloating]:
    """A Gaussian or flat patch of light of smooth random phase."""
    y, x = _axes(n)
    radius, distance = random.uniform(0.06, 0.22) * n, np.hypot(y, x)
    gaussian = random.random() < 0.5
    light = np.exp(-((distance / radius) ** 2)) if gaussian else soft_edge(distance - radius, 1.2)
    return light * np.exp(
        1j * random.uniform(0, 2.5) * smooth_noise(n, random.uniform(4, 15), random)
    )


def random_probe(n: int, random: Generator) -> Probe:
    """A probe (n, n) of any kind whose 90 % radius is neither below 1.8 px nor above 0.3 n."""
    while True:
        probe = (_random_lens if random.random() < 0.75 else _random_patch)(n, random)
        if random.random() < 0.3:
            probe = probe * np.exp(1j * smooth_noise(n, 8, random) * random.uniform(0, 1))
        if SMALLEST < radius90(probe) < LARGEST * n:
            return unit_energy(probe)
