"""The commented job spec that `ptychopinn-batch init` writes: a start for a user's own."""

from __future__ import annotations

import re

from ptychopinn_batch.jobspec import NAME
from ptychopinn_batch.speclang.expected import as_yaml

_FROM_FILE = """\
  - path: {path}
    # name: sample_a            # the file's own name unless said otherwise
    # measurement: auto         # or counts, amplitude: what the numbers in the frames are
    # positions: final          # or start: the nominal positions, if the file holds both
    # axis_order: auto          # or frames_first, frames_last
    # swap_xy: false            # and flip_x, flip_y: where positions and frames disagree
    # energy_ev: 8800.0         # the geometry, if the file lacks it: all three or none
    # distance_m: 1.9
    # detector_pixel_m: 75e-6
"""

_SIMULATED = """\
  - simulate:                   # put `path: data/my_scan.npz` here to use your own data
      object: star              # or natural, shapes, field, weak
      frames: 1764
      # frame_size: 64          # pixels
      # photons: 1000000.0      # mean dose of a frame
      # step: 4.5               # distance of neighbouring frames, object pixels
      # seed: 0                 # same seed, same scan
"""

_TEMPLATE = """\
# A job spec of ptychopinn-batch. Keys in comments show their defaults or an example.
#
#   ptychopinn-batch validate FILE    is it right?
#   ptychopinn-batch plan FILE        what would be done, and why?
#   ptychopinn-batch submit FILE      do it; the same command again continues what is unfinished
#   ptychopinn-batch schema           every key, type and range, as JSON Schema for your editor
version: 1
name: {name}  # and of the folder of its results in runs/

# One or many; `path: data/*.npz` takes every file that matches.
scans:
{scans}
# The network that ships with the package needs no training: it is used as it is.
model:
  pretrained: default           # or a folder with model.pth, or none: a new one, trained below

# Take the comments away to adapt the network to the scans above.
# train:
#   epochs: 10
#   regions_per_epoch: 100
#   loss: amplitude             # or poisson, mae
#   lr: 0.001

infer:
  steps: 16                     # 4 for a look, 32 for the last bit of quality

export: [npz, ptychodus, png]   # also tiff, ome-zarr; of the network: safetensors, bundle

# Compare variants: every combination of these values.
# sweep:
#   infer.steps: [8, 16, 32]

# Limits for the batch system.
# resources:
#   train: {{time: 04:00:00, mem_gb: 16.0, cpus: 2, gpus: 0}}
#   infer: {{time: 01:00:00, mem_gb: 8.0, array_parallelism: 32}}

# `--profile quick` applies these.
# profiles:
#   quick: {{infer.steps: 4, infer.precision: bf16}}
"""


def init_spec_text(name: str, scan_path: str | None = None) -> str:
    """A spec that is valid as it stands: for a scan's file or pattern, else for a simulated star.

    Characters that a run's name cannot hold become `_`.
    """
    safe = name if re.fullmatch(NAME, name) else re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")
    scans = _SIMULATED if scan_path is None else _FROM_FILE.format(path=as_yaml(scan_path))
    return _TEMPLATE.format(name=as_yaml(safe[:64] or "run"), scans=scans)
