"""What a scan must fulfil before work is spent on it. Each check raises one UserError.

`where` is the file, or file and key, that a message names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hpc.errors import UserError
from ptychopinn_batch.canvas import PIXEL_BYTES
from ptychopinn_batch.simulate.probes import radius90

Positions = NDArray[np.float64]

STRAY = 4.0  # times the median distance from the middle
FARTHEST = 1e12  # pixels; their fractions would be lost
FAINTEST = 1e-15  # of a probe's largest number: squares of its others must not vanish
LISTED = 10  # frames named in a message
NEIGHBOURS_LOOKED_AT = 20_000
_PROBE = "Reconstruct it again, or give another one"
_UNITS = (
    "Positions are object pixels: divide lengths by the object's pixel size, "
    "wavelength * distance / (N * detector pitch)"
)
_METRES = "Check position_unit, energy_ev, distance_m and detector_pixel_m"


def listed(rows: NDArray[np.integer[Any]]) -> str:
    """Frame numbers for a message: the first few of many."""
    names = ", ".join(str(row) for row in rows[:LISTED])
    return names + (f" and {len(rows) - LISTED} more" if len(rows) > LISTED else "")


def check_frame_shape(height: int, width: int, where: str) -> None:
    """Frames must be square, of even size."""
    if height != width:
        what = f"frames are {height} x {width} pixels, not square"
        mend = f"Write crop: {min(height, width) // 2 * 2}, and centre where the beam is elsewhere"
        raise UserError(what, where=where, mend=mend)
    if height % 2:
        what = f"frames have an odd size, {height} x {width} pixels"
        raise UserError(what, where=where, mend=f"Write crop: {height - 1}")


def check_probe(probe: NDArray[Any], n: int, where: str) -> None:
    """A probe must be (M, n, n), complex, finite and not dark."""
    if probe.ndim != 3 or probe.shape[1:] != (n, n):
        size = " x ".join(map(str, probe.shape))
        what = f"the probe is {size}, but frames are {n} x {n} pixels"
        raise UserError(what, where=where, mend=f"Give a probe of {n} x {n} or modes x {n} x {n}")
    if not np.iscomplexobj(probe):
        what = f"the probe is real ({probe.dtype}), so its phase is missing"
        raise UserError(what, where=where, mend="Give the complex wave, not its amplitude")
    if not np.isfinite(probe).all():
        bad = np.count_nonzero(~np.isfinite(probe))
        raise UserError(f"the probe is NaN or infinite in {bad} pixels", where=where, mend=_PROBE)
    if not probe.any():
        raise UserError("the probe is zero everywhere", where=where, mend=_PROBE)
    largest = max(float(np.abs(part).max()) for part in (probe.real, probe.imag))
    if not FAINTEST < largest < 1 / FAINTEST:
        what = f"the probe's largest number is {largest:.3g}"
        raise UserError(what, where=where, mend="Scale it to something near 1")


def check_positions(positions: Positions, where: str) -> None:
    """Several positions, all finite."""
    if len(positions) < 2:
        what = f"a scan needs several frames, this one has {len(positions)}"
        raise UserError(what, where=where, mend="Give a whole scan")
    bad = np.flatnonzero(~np.isfinite(positions).all(1))
    if len(bad):
        what = f"{len(bad)} positions are NaN or infinite (frames {listed(bad)})"
        raise UserError(what, where=where, mend="Correct them, or remove these frames")


def check_canvas(positions: Positions, n: int, where: str, mend: str = _UNITS) -> None:
    """Positions must span more than a pixel, and no more than a canvas in memory can hold."""
    if np.abs(positions).max() > FARTHEST:
        what = f"positions are up to {np.abs(positions).max():.3g} pixels from zero"
        raise UserError(what, where=where, mend=mend)
    span = np.ptp(positions, axis=0)
    if not span.any():
        what = "all frames have the same position"
        raise UserError(what, where=where, mend="Give the position of each")
    if span.max() < 1:
        what = f"all positions lie within {span.max():.3g} pixels; they look like metres"
        raise UserError(what, where=where, mend=mend)
    width, height = (float(v) for v in span + n + 1)
    size, room = width * height * PIXEL_BYTES, psutil.virtual_memory().total
    if size > room:
        what = (
            f"the canvas would be {height:.0f} x {width:.0f} pixels and take {size / 1e9:.3g} GB "
            f"(this machine has {room / 1e9:.3g}): positions span {span.max():.3g} pixels"
        )
        raise UserError(what, where=where, mend=mend)


def lit_diameter(probe: NDArray[np.complexfloating]) -> float:
    """Diameter in pixels of the circle that holds 90 % of the light of modes (M, N, N)."""
    light = (np.abs(probe.astype(np.complex128)) ** 2).sum(0)
    return 2 * max(radius90(np.sqrt(light).astype(np.complex128)), 0.5)


def reach_of(positions: Positions, n: int) -> tuple[NDArray[np.float64], float]:
    """The middle (x, y) of a scan, and how far from it its frames lie, in x or y [pixels].

    A frame that is further off lies elsewhere: its position is wrong, or it is of another scan.
    """
    middle = np.median(positions, axis=0)
    return middle, STRAY * float(np.median(np.abs(positions - middle).max(1))) + n


def step_between(positions: Positions, neighbour: int = 4) -> float:
    """Median distance of the so-manyth nearest neighbours of positions (K, 2), K > 1.

    On a grid the fourth are a step away. Those of the nearest would follow jitter, repeated
    positions and the speed along the lines of a fly scan.
    """
    some = positions[:: -(-len(positions) // NEIGHBOURS_LOOKED_AT)]
    rank = min(neighbour, len(positions) - 1) + 1  # the first is the position itself
    return float(np.median(cKDTree(positions).query(some, k=[rank])[0]))


def check_overlap(positions: Positions, diameter: float, where: str, mend: str) -> None:
    """Most frames must see something of what their nearest neighbour sees."""
    distance = step_between(positions, neighbour=1)
    if distance >= diameter:
        what = (
            f"frames do not overlap: neighbours are {distance:.3g} pixels apart (median), the "
            f"probe lights up {diameter:.3g} pixels"
        )
        raise UserError(what, where=where, mend=mend)


def check_scan(
    positions: Positions,
    probe: NDArray[Any],
    n: int,
    *,
    positions_at: str,
    probe_at: str,
    unit: str = "px",
) -> None:
    """All checks of positions (K, 2) and a probe (M, n, n), found at these places in this unit."""
    mend = _UNITS if unit == "px" else _METRES
    check_positions(positions, positions_at)
    check_canvas(positions, n, positions_at, mend)
    check_probe(probe, n, probe_at)
    check_overlap(positions, lit_diameter(probe), positions_at, f"{mend}; or check the probe")
