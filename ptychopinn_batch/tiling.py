"""How large the tiles of a scan are, where its spec leaves that open.

Large tiles repeat less work in their halos, small ones need less memory and share a scan out to
more tasks. A canvas is cut evenly, so that no sliver is left that is nearly all halo.
"""

from __future__ import annotations

import math

from ptychopinn_batch.canvas import ALIGNMENT, Canvas
from ptychopinn_batch.jobspec import Infer, Tiled

LARGEST = 2048
STEP = 128  # sides are multiples of it: pieces of an object array that can be read alone
FRAMES_BYTES = 2**31  # of amplitudes that a tile and its halo may hold


def reach(steps: int, n: int) -> int:
    """The halo [pixels] that keeps seams of the unrolled network below 1e-3 of the object.

    Measured on scans of 12,100 and 48,400 frames under lenses and diffusers, not derived. At 16
    steps: 0.002 to 0.02 with 96 pixels, 0.0001 to 0.01 with 128, 0.001 with 160, less than 0.0001
    with 192. At 32 steps: 0.006 to 0.03 with 192, 0.0007 to 0.002 with 256, 0.0003 with 320.
    """
    return max(n, 64 + 8 * steps)


def planned_halo(infer: Infer, n: int) -> int:
    """The halo as written, or that of the unrolled network: no other network's is wider."""
    return reach(infer.steps, n) if infer.halo == "auto" else infer.halo


def tiled(infer: Infer, *, frames: int, n: int, canvas: Canvas) -> Tiled:
    """`infer` for a scan of so many frames (n, n) on a canvas: its tile as written, or chosen."""
    given, halo = frames * 4 * n**2, planned_halo(infer, n)
    side = _side(given, canvas, halo) if infer.tile == "auto" else infer.tile
    return Tiled(**{**infer.model_dump(), "tile": side})


def _side(frames_bytes: int, canvas: Canvas, halo: int) -> int:
    """The side that cuts a canvas evenly into the fewest tiles whose frames fit."""
    longest = max(canvas.shape)
    return _rounded(longest / math.ceil(longest / _largest(frames_bytes, canvas, halo)))


def _largest(frames_bytes: int, canvas: Canvas, halo: int) -> int:
    """The largest side whose frames fit, were they as dense everywhere; never less than `STEP`."""
    per_pixel = frames_bytes / (canvas.height * canvas.width)
    around = halo + ALIGNMENT  # windows begin and end at multiples of it
    room = int((FRAMES_BYTES / per_pixel) ** 0.5) - 2 * around
    return min(LARGEST, max(STEP, room // STEP * STEP))


def _rounded(side: float) -> int:
    return math.ceil(side / STEP) * STEP
