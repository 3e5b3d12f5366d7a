"""Simulated scans, every other one with a fault of known kind and size. A seed makes one scan."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from ptychopinn_batch.data.source import ArrayFrames, RawScan
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.verdict.orientation import AXES, turned

Counts: TypeAlias = NDArray[np.int64]
Injected: TypeAlias = tuple[RawScan, float, str]
"""A faulty scan, the fault's size, and what is wrong in words."""


SALT = 20261127  # another one makes other scans of the same kinds
LEAK = 0.003  # of the light goes through a closed shutter


@dataclass(frozen=True)
class Case:
    """A scan, and what is wrong with it: `kind` "" where nothing is."""

    seed: int
    raw: RawScan
    kind: str
    size: float
    about: str


def case(seed: int) -> Case:
    """Even seeds are sound; odd ones go through all kinds of faults in turn."""
    random = np.random.default_rng((seed, SALT))
    kind = kind_of(seed)
    settings = _settings(seed, random, kind)
    raw = _in_memory(simulate_scan(settings))
    about = (
        f"{settings.object}, {settings.probe}, {settings.pattern}, {settings.frames} frames of "
        f"{settings.frame_size}, {settings.photons:.2g} photons"
    )
    if not kind:
        return Case(seed, raw, "", 0.0, about)
    faulty, size, what = FAULTS[kind](raw, settings, random)
    return Case(seed, faulty, kind, size, f"{about}; {what}")


def kind_of(seed: int) -> str:
    """The fault of a scan; "" of one that is sound."""
    return list(FAULTS)[seed // 2 % len(FAULTS)] if seed % 2 else ""


def cases_of_a_round() -> int:
    """After so many seeds every kind of fault has come once, beside as many sound scans."""
    return 2 * len(FAULTS)


def _settings(seed: int, random: Generator, kind: str) -> Simulation:
    n = int(random.choice([32, 32, 40, 48]))
    radius = float(random.uniform(0.12, 0.2))
    overlap = random.uniform(0.1, 0.35) if kind == "overlap" else random.uniform(0.6, 0.8)
    photons = 10 ** (random.uniform(1, 2) if kind == "photons" else random.uniform(3.5, 8))
    probe = "lens" if kind == "probe" else random.choice(["lens", "ring", "diffuser"])
    modes = int(random.integers(2, 5)) if kind == "coherence" else 1
    return Simulation(
        frames=int(random.integers(100, 111)),
        frame_size=n,
        object=str(random.choice(["natural", "shapes", "field", "star"])),  # type: ignore[arg-type]
        amplitude_min=float(random.uniform(0.3, 0.9)),
        phase_range=float(random.uniform(0.5, 3)),
        probe=str(probe),  # type: ignore[arg-type]
        probe_radius=radius,
        defocus=float(random.uniform(2, 6)),
        pattern=str(random.choice(["jittered_grid", "spiral", "raster"])),  # type: ignore[arg-type]
        step=float((1 - overlap) * 2 * radius * n),
        photons=float(photons),
        modes=modes,
        recorded_modes=1,
        probe_defocus_error=_defocus_error(random) if kind == "probe" else 0.0,
        seed=SALT + seed,
    )


def _defocus_error(random: Generator) -> float:
    return float(random.choice([-1, 1]) * random.uniform(0.3, 1.0))


def _in_memory(raw: RawScan) -> RawScan:
    frames = np.concatenate(list(raw.frames.blocks(64))).astype(np.int64)
    return replace(raw, frames=ArrayFrames(frames), reference=None)


def _counts(raw: RawScan) -> Counts:
    assert isinstance(raw.frames, ArrayFrames)
    return raw.frames.array


def _with(raw: RawScan, frames: Counts) -> RawScan:
    return replace(raw, frames=ArrayFrames(frames))


def _noise(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    return _noise_of(float(np.exp(random.uniform(np.log(0.5), np.log(10)))), raw, random)


def _noise_of_3_px(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    return _noise_of(3.0, raw, random)


def _noise_of(size: float, raw: RawScan, random: Generator) -> Injected:
    error = random.normal(0, size / 2**0.5, raw.positions.shape)
    return replace(raw, positions=raw.positions + error), size, f"off by {size:.2f} px r.m.s."


def _axes(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    """Not both signs alone: of a probe equal to its own mirror image that makes a twin."""
    names = [name for name in AXES if name and name != "flip_x, flip_y"]
    name = str(random.choice(names))
    return replace(raw, positions=turned(raw.positions, *AXES[name])), 1.0, name


def _pixel(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    return _distance_off_by(float(random.uniform(0.05, 0.3)), raw, random)


def _distance_off_by_a_fifth(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    return _distance_off_by(0.2, raw, random)


def _distance_off_by(size: float, raw: RawScan, random: Generator) -> Injected:
    factor = 1 + size if random.random() < 0.5 else 1 - size
    return replace(raw, positions=raw.positions * factor), size, f"distance {factor:.2f} of right"


def _probe(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    size = abs(settings.probe_defocus_error)
    return raw, size, f"defocus wrong by {settings.probe_defocus_error:+.0%}"


def _decentred(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    n, size = settings.frame_size, float(random.uniform(0.15, 0.4))
    turn = random.uniform(0, 2 * math.pi)
    shift = [round(size * n * math.cos(turn)), round(size * n * math.sin(turn))]
    return replace(raw, probe=np.roll(raw.probe, shift, (1, 2))), size, f"shifted by {shift}"


def _dead(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    """Among the lit ones: elsewhere a dead pixel counts what it would count anyway."""
    frames = _counts(raw)
    chosen = _lit(frames, int(random.integers(3, 20)), random)
    return _with(raw, np.where(chosen, 0, frames)), float(chosen.sum()), f"{chosen.sum()} dead"


def _hot(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    frames, count = _counts(raw), int(random.integers(3, 20))
    chosen = np.zeros(settings.frame_size**2, bool)
    chosen[random.choice(len(chosen), count, replace=False)] = True
    chosen = chosen.reshape(frames.shape[1:])
    return _with(raw, np.where(chosen, max(10, frames.max() // 2), frames)), float(count), "hot"


def _lit(frames: Counts, count: int, random: Generator) -> NDArray[np.bool_]:
    mean = frames.mean(0).ravel()
    brightest = np.argsort(mean)[-5 * count :]
    chosen = np.zeros(len(mean), bool)
    chosen[random.choice(brightest, count, replace=False)] = True
    return chosen.reshape(frames.shape[1:])


def _saturated(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    frames, size = _counts(raw), float(np.exp(random.uniform(np.log(0.03), np.log(0.4))))
    limit = max(1, int(size * frames.max()))
    return _with(raw, np.minimum(frames, limit)), size, f"full at {size:.0%} of the brightest"


def _dark(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    """Taken with a shutter that was closed but for a little."""
    frames, size = _counts(raw).copy(), float(random.uniform(0.05, 0.3))
    chosen = random.random(len(frames)) < size
    frames[chosen] = random.binomial(frames[chosen], LEAK)
    return _with(raw, frames), size, f"{size:.0%} dark"


def _repeated(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    frames, size = _counts(raw).copy(), float(random.uniform(0.05, 0.3))
    rows = 1 + np.flatnonzero(random.random(len(frames) - 1) < size)
    frames[rows] = frames[rows - 1]
    return _with(raw, frames), size, f"{size:.0%} repeated"


def _incoherent(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    """Several modes of which one is told, and in half of the scans a blurred detector as well."""
    if random.random() < 0.5:
        return raw, float(settings.modes), f"{settings.modes} modes, one told"
    width = float(random.uniform(0.4, 1.2))
    soft = ndimage.gaussian_filter(_counts(raw).astype(float), (0, width, width))
    frames = random.poisson(np.maximum(soft, 0)).astype(np.int64)
    return _with(raw, frames), width, f"{settings.modes} modes, one told; blurred by {width:.2f} px"


def _as_simulated(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    return raw, settings.photons, "as it was set"


def _sparse(raw: RawScan, settings: Simulation, random: Generator) -> Injected:
    overlap = 1 - settings.step / (2 * settings.probe_radius * settings.frame_size)
    return raw, overlap, f"overlap {overlap:.0%}"


FAULTS: dict[str, Callable[[RawScan, Simulation, Generator], Injected]] = {
    "positions": _noise,
    "axes": _axes,
    "pixel size": _pixel,
    "probe": _probe,
    "decentred": _decentred,
    "dead pixels": _dead,
    "hot pixels": _hot,
    "saturation": _saturated,
    "dark frames": _dark,
    "repeated frames": _repeated,
    "coherence": _incoherent,
    "overlap": _sparse,
    "photons": _as_simulated,
    "positions by 3 px": _noise_of_3_px,
    "distance by 20 %": _distance_off_by_a_fifth,
}
