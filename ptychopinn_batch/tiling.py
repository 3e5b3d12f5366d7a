"""How large the tiles of a scan are, where its spec leaves that open.

Large tiles repeat less work in their halos, small ones need less memory and share a scan out to
more tasks. A canvas is cut evenly, so that no sliver is left that is nearly all halo.
"""

from __future__ import annotations

import math

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.jobspec import Infer, Tiled

LARGEST = 2048
STEP = 128  # sides are multiples of it: pieces of an object array that can be read alone
HALO = 128  # pixels around a tile, roughly
FRAMES_BYTES = 2**31  # of amplitudes that a tile and its halo may hold


def tiled(infer: Infer, *, frames: int, n: int, canvas: Canvas) -> Tiled:
    """`infer` for a scan of so many frames (n, n) on a canvas: its tile as written, or chosen."""
    side = _side(frames * 4 * n**2, canvas) if infer.tile == "auto" else infer.tile
    return Tiled(**{**infer.model_dump(), "tile": side})


def _side(frames_bytes: int, canvas: Canvas) -> int:
    """The side that cuts a canvas evenly into the fewest tiles whose frames fit."""
    longest = max(canvas.shape)
    return _rounded(longest / math.ceil(longest / _largest(frames_bytes, canvas)))


def _largest(frames_bytes: int, canvas: Canvas) -> int:
    """The largest side whose frames fit, were they as dense everywhere; never less than `STEP`."""
    per_pixel = frames_bytes / (canvas.height * canvas.width)
    room = int((FRAMES_BYTES / per_pixel) ** 0.5) - 2 * HALO
    return min(LARGEST, max(STEP, room // STEP * STEP))


def _rounded(side: float) -> int:
    return math.ceil(side / STEP) * STEP
