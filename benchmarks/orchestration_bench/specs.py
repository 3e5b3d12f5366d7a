"""Specs of many tasks. All scans are simulated and small: a plan looks at positions only."""

from __future__ import annotations

import math
from pathlib import Path

TILE = 64  # pixels: the smallest there is
SIZE, STEP = 256, 115  # pixels: of frames, and at most between them, so that they overlap

_MANY = """\
version: 1
name: {name}
scans:
{scans}
sweep: {{infer.steps: [{steps}]}}
"""
_ONE = """\
version: 1
name: {name}
scans:
  - name: wide
    simulate:
      {{frames: {frames}, frame_size: {size}, probe_radius: 0.35, step: {step}, pattern: raster}}
infer: {{tile: {tile}, tiles_per_task: 1}}
resources: {{finalize: {{mem_gb: 100}}}}
"""


def write_spec(shape: str, tasks: int, folder: Path) -> Path:
    """A spec with at least so many tasks, hardly more."""
    path = folder / f"{shape}_{tasks}.yaml"
    path.write_text({"scans": many_scans, "tiles": one_scan}[shape](tasks, path.stem))
    return path


def many_scans(tasks: int, name: str) -> str:
    """Scans reconstructed with so many numbers of steps: a task to prepare each of them, and to
    infer and finalize it every time."""
    scans = max(1, round(math.sqrt(tasks / 2)))
    variants = max(1, math.ceil((tasks - scans) / (1 + 2 * scans)))
    lines = (f"  - {{name: s{k}, simulate: {{frames: 64, seed: {k}}}}}" for k in range(scans))
    steps = ", ".join(str(step) for step in range(1, variants + 1))
    return _MANY.format(name=name, scans="\n".join(lines), steps=steps)


def one_scan(tasks: int, name: str) -> str:
    """One wide scan, and a task for each of its tiles."""
    span = math.ceil(math.sqrt(tasks)) * TILE - SIZE - 1  # of the frames' corners
    across = max(2, math.ceil(span / STEP) + 1)
    step = max(1.0, span / (across - 1))
    return _ONE.format(name=name, frames=across**2, size=SIZE, step=step, tile=TILE)
