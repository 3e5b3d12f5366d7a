"""Simulated scans: what a job spec's `simulate:` describes, frame by frame and reproducibly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.data.source import GeneratedFrames, RawScan
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate import fields, probes
from ptychopinn_batch.simulate.layout import (
    COUNTS,
    OBJECT,
    PIXELS,
    PROBE,
    object_shape,
    recorded_positions,
    true_positions,
)
from ptychopinn_batch.simulate.objects import Object, complex_object

WEAK_PHASE = 0.2  # rad, largest phase range of a weak object
SPOKES = 36
STOP = 0.4  # radius of a ring's central stop, of its aperture
EDGE = 0.7  # pixels, softness of the edges of opaque places
SAMPLE = 64  # frames looked at to choose the integer type of all


def simulate_scan(settings: Simulation) -> RawScan:
    """The scan of these settings. Frames are made when they are read, block by block.

    Reference and probe explain them up to noise, unless the probe is recorded with an error.
    """
    light, detector = _Light.of(settings), Detector.of(settings)
    dtype = light.dtype()
    return RawScan(
        frames=GeneratedFrames(
            count=settings.frames,
            n=settings.frame_size,
            dtype=dtype,
            generate=lambda first, end: _as_integers(
                detector.read(light.counts(first, end)), dtype
            ),
        ),
        measurement="counts",
        positions=recorded_positions(settings),
        probe=recorded_probe(settings) * light.brightness,
        scan_index=np.arange(settings.frames, dtype=np.int64),
        origin="simulated",
        bad_pixels=detector.bad if detector.bad.any() else None,
        reference=light.object.numpy(),
        reference_is_truth=True,
    )


@dataclass(frozen=True)
class _Light:
    """Object (H, W), modes (M, N, N) with the photons of the dose, and where they meet.

    brightness: the root of the photons in the modes, which had unit energy.
    """

    object: Tensor
    probe: Tensor
    corners: Tensor
    fractions: Tensor
    seed: int
    brightness: float = 1.0

    @classmethod
    def of(cls, settings: Simulation) -> _Light:
        obj = torch.from_numpy(make_object(settings))
        probe = torch.from_numpy(make_probe(settings))
        exact = true_positions(settings) - settings.frame_size // 2
        corners = torch.from_numpy(np.floor(exact).astype(np.int64))
        fractions = torch.from_numpy((exact % 1).astype(np.float32))
        unit = cls(obj, probe, corners, fractions, settings.seed)
        brightness = float(settings.photons / unit.sample().sum((1, 2)).mean()) ** 0.5
        return replace(unit, probe=probe * brightness, brightness=brightness)

    def sample(self) -> Tensor:
        """Mean counts of frames spread evenly over the scan."""
        count = len(self.corners)
        frames = np.linspace(0, count - 1, min(SAMPLE, count)).astype(np.int64)
        return self.expected(torch.from_numpy(frames))

    def expected(self, frames: Tensor) -> Tensor:
        """Mean counts (k, N, N) of these frames, DC at the centre."""
        waves = physics.exit_to_detector(
            self.object, self.corners[frames], physics.shifted(self.probe, self.fractions[frames])
        )
        return torch.fft.fftshift(physics.intensity(waves), dim=(1, 2))

    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Unsigned integers that hold four times the largest count of the sample."""
        largest = 4 * float(self.sample().max()) + 100
        kinds = (np.uint16, np.uint32, np.uint64)
        return np.dtype(next(kind for kind in kinds if largest < np.iinfo(kind).max))

    def counts(self, first: int, end: int) -> NDArray[np.int64]:
        """Photons counted in frames [first, end): every frame has a seed of its own."""
        means = self.expected(torch.arange(first, end)).double().numpy()
        seeds = ((self.seed, COUNTS, frame) for frame in range(first, end))
        return np.stack(
            [np.random.default_rng(seed).poisson(m) for seed, m in zip(seeds, means, strict=True)]
        )


def _as_integers(
    counts: NDArray[np.int64], dtype: np.dtype[np.unsignedinteger]
) -> NDArray[np.unsignedinteger]:
    if counts.max() > np.iinfo(dtype).max:
        raise OverflowError(f"a count of {counts.max()} does not fit into {dtype}")
    return counts.astype(dtype)


def make_probe(settings: Simulation) -> probes.Modes:
    """The modes (M, N, N) that nature used, together of unit energy."""
    return probes.with_modes(_coherent(settings, settings.defocus), settings.modes)


def recorded_probe(settings: Simulation) -> probes.Modes:
    """The modes that the scan says: perhaps fewer of them, perhaps of a wrong defocus."""
    wrong = settings.defocus * (1 + settings.probe_defocus_error)
    modes = probes.with_modes(_coherent(settings, wrong), settings.modes)
    return modes[: settings.recorded_modes]


def _coherent(settings: Simulation, defocus: float) -> probes.Probe:
    """One mode, its aperture chosen for the true defocus."""
    n, radius = settings.frame_size, settings.probe_radius * settings.frame_size
    if settings.probe == "diffuser":
        random = np.random.default_rng((settings.seed, PROBE))
        return probes.diffuser(n, radius / 0.9**0.5, phase_rms=1.0, grain=n / 8, random=random)
    stop = STOP if settings.probe == "ring" else 0.0
    aperture = probes.aperture_of_radius(n, radius, defocus=settings.defocus, stop=stop)
    return probes.lens(n, aperture, defocus=defocus, stop=stop)


def make_object(settings: Simulation) -> Object:
    """The object (H, W) that all patches of the scan lie on."""
    shape = object_shape(settings)
    random = np.random.default_rng((settings.seed, OBJECT))
    absorption, delay = _materials(settings, max(shape), random)
    weak = settings.object == "weak"
    obj = complex_object(
        absorption,
        delay,
        lowest=1.0 if weak else settings.amplitude_min,
        phase_range=min(settings.phase_range, WEAK_PHASE) if weak else settings.phase_range,
    )
    obj = np.ascontiguousarray(obj[: shape[0], : shape[1]])
    return obj * _openness(absorption[: shape[0], : shape[1]], settings.opaque)


def _openness(absorption: fields.Image, opaque: float) -> NDArray[np.float32]:
    """0 where the sample absorbs most, on this share of its area, 1 elsewhere; edges are soft."""
    if not opaque:
        return np.ones(absorption.shape, np.float32)
    blocked = absorption <= np.quantile(absorption, opaque)
    return 1 - ndimage.gaussian_filter(blocked.astype(np.float32), EDGE)


def _materials(
    settings: Simulation, side: int, random: Generator
) -> tuple[fields.Image, fields.Image]:
    """What absorbs and what delays, both (side, side) in [0, 1]."""
    match settings.object:
        case "natural":
            face, cat = fields.picture("astronaut.png"), fields.picture("chelsea.png")
            return (
                fields.resized(face[:300, 80:380], side),
                fields.resized(cat[:300, 20:320], side),
            )
        case "star":
            image = ndimage.gaussian_filter(
                fields.star(side, (side / 2, side / 2), SPOKES, 0.3), 0.7
            )
            return image, image
        case "shapes":
            return fields.shapes(side, random), fields.shapes(side, random)
        case "field" | "weak":
            return fields.power_law(side, random), fields.power_law(side, random)


@dataclass(frozen=True)
class Detector:
    """Masks (N, N), DC at the centre: pixels that count nothing, and those that count on."""

    blind: NDArray[np.bool_]
    hot: NDArray[np.bool_]

    @classmethod
    def of(cls, settings: Simulation) -> Detector:
        n = settings.frame_size
        random = np.random.default_rng((settings.seed, PIXELS))
        chosen = random.choice(n * n, settings.bad_pixels + settings.hot_pixels, replace=False)
        blind, hot = np.zeros((2, n * n), dtype=np.bool_)
        blind[chosen[: settings.bad_pixels]] = True
        hot[chosen[settings.bad_pixels :]] = True
        y, x = np.mgrid[:n, :n] - n // 2
        stopped = np.hypot(y, x) < settings.beamstop
        return cls(blind.reshape(n, n) | stopped, hot.reshape(n, n) & ~stopped)

    @property
    def bad(self) -> NDArray[np.bool_]:
        return self.blind | self.hot

    def read(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """What it reads where so many photons (k, N, N) arrive."""
        brightest = counts.max((1, 2), keepdims=True)
        return np.where(self.hot, brightest, counts * ~self.blind)
