"""The scans of the bench: what is looked at, how it was measured, and what is known of the truth.

Simulated objects are made of pictures that the training simulator never uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptychopinn_batch.data.source import RawScan
from ptychopinn_batch.jobspec import Scan, Simulation
from ptychopinn_batch.readers.opened import read_scan
from ptychopinn_batch.simulate.scan import simulate_scan

STAR = Path(__file__).parents[2] / "data" / "siemens_star_128.npz"
ERRORS = {"position_error": 0.0, "probe_defocus_error": 0.0, "recorded_modes": None}
"""Keys of a simulation that make what is recorded wrong, and what they are where it is right."""


@dataclass(frozen=True)
class Scene:
    """One scan. right: its probe and positions are those that nature used, as far as is known."""

    name: str
    about: str
    scan: Scan
    right: bool = True

    def with_seed(self, seed: int) -> Scene:
        """The same kind of scan with other noise and positions; a measured scan is what it is."""
        if self.scan.simulate is None:
            return self
        simulation = self.scan.simulate.model_copy(update={"seed": seed})
        return Scene(self.name, self.about, Scan(simulate=simulation), self.right)

    @property
    def varies(self) -> bool:
        """Whether another seed makes another scan."""
        return self.scan.simulate is not None

    def raw(self) -> RawScan:
        """The scan as its file says."""
        return raw_scan(self.scan)

    def true(self) -> RawScan | None:
        """The same frames with the probe and the positions that nature used; None if unknown."""
        if self.scan.simulate is None:
            return None
        return simulate_scan(self.scan.simulate.model_copy(update=ERRORS))


def raw_scan(scan: Scan) -> RawScan:
    """A scan from its file or from the simulator."""
    return simulate_scan(scan.simulate) if scan.simulate else read_scan(scan)


def measured(name: str, about: str, path: Path, **options: Any) -> Scene:
    return Scene(
        name, about, Scan(path=str(path), **options), right=options.get("positions") != "start"
    )


def simulated(name: str, about: str, **settings: Any) -> Scene:
    """600 frames of 64 x 64, 4.5 px steps, 1e6 photons, a wide probe, but for `settings`."""
    usual = {"frames": 600, "probe": "diffuser", "probe_radius": 0.15}
    simulation = Simulation(**{**usual, **settings})
    right = all(getattr(simulation, key) == value for key, value in ERRORS.items())
    return Scene(name, about, Scan(simulate=simulation), right)


def own_scenes() -> Iterator[Scene]:
    """The scans that come with the project."""
    yield measured("siemens_star_128", "measured: a Siemens star, X-rays, N = 128", STAR)
    yield from _doses()
    yield from _objects()
    yield from _patterns()
    yield from _light()
    yield from _wrong()
    yield from _sizes()


def _doses() -> Iterator[Scene]:
    for dose in (1e3, 1e4, 1e6, 1e9):
        name = f"photo_1e{len(str(int(dose))) - 1}"
        yield simulated(name, f"photographs, diffuser, {dose:.0e} photons", photons=dose)


def _objects() -> Iterator[Scene]:
    yield simulated("star", "Siemens star, half of it opaque to 20 %", object="star", probe="lens")
    yield simulated("weak", "phase of 0.2 rad, no absorption", **WEAK, probe="lens", photons=1e6)
    yield simulated(
        "weak_noisy",
        "phase of 0.2 rad, raster, 1e4 photons",
        **WEAK,
        probe="lens",
        pattern="raster",
        photons=1e4,
    )
    yield simulated("strong", "phase over 12 rad", phase_range=12.0)
    yield simulated(
        "opaque",
        "no light through 15 % of it, 1e8 photons",  # at 1e6 some frames would be empty
        opaque=0.15,
        amplitude_min=0.2,
        photons=1e8,
    )


def _patterns() -> Iterator[Scene]:
    yield simulated("raster", "regular raster, lens", probe="lens", pattern="raster")
    yield simulated("spiral", "Fermat spiral, lens", probe="lens", pattern="spiral")
    yield simulated("lines", "fly scan in lines with gaps", pattern="lines")


def _light() -> Iterator[Scene]:
    yield simulated("lens", "photographs, lens", probe="lens")
    yield simulated("zone_plate", "zone plate with a central stop", probe="ring")
    yield simulated("modes_3", "three modes, all known", probe="lens", modes=3)
    yield simulated("modes_6", "six modes, all known", probe="lens", modes=6)
    yield simulated("beamstop", "a beamstop of 3 px radius", beamstop=3.0)
    yield simulated("bad_pixels", "40 dead and 20 hot pixels", bad_pixels=40, hot_pixels=20)


def _wrong() -> Iterator[Scene]:
    yield simulated(
        "modes_3_from_1", "three modes, one known", probe="lens", modes=3, recorded_modes=1
    )
    for error in (1.0, 3.0):
        yield simulated(
            f"positions_{error:.0f}", f"positions off by {error:g} px", position_error=error
        )
    yield simulated(
        "positions_10",
        "positions off by 10 px, N = 128, 80 % overlap",
        frames=200,
        frame_size=128,
        probe_radius=0.2,
        step=10.0,
        position_error=10.0,
    )
    yield simulated(
        "defocus_20", "probe off by 20 % of defocus", probe="lens", probe_defocus_error=0.2
    )


def _sizes() -> Iterator[Scene]:
    yield simulated("n_32", "N = 32", frames=900, frame_size=32, step=2.5)
    yield simulated("n_128", "N = 128", frames=200, frame_size=128, step=9.0)
    yield simulated("n_256", "N = 256", frames=64, frame_size=256, step=18.0)


WEAK: dict[str, Any] = {"amplitude_min": 1.0, "phase_range": 0.2}


def scenes_beside(folder: Path) -> Iterator[Scene]:
    """Scans that do not come with the project, as far as their files are in a folder."""
    run, duck = folder / "run1084_semireal_64.npz", folder / "ducky_128.npz"
    if run.is_file():
        yield measured("run1084", "measured probe and object, counts simulated, strong phase", run)
        yield measured(
            "run1084_start", "the same from its nominal positions", run, positions="start"
        )
    if duck.is_file():
        yield measured("ducky", "electrons, multislice simulation by others, raster", duck)
