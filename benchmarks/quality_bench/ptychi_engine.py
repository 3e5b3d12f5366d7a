"""Runs one iterative engine of pty-chi on one scan; the only module here that imports pty-chi.

    python ptychi_engine.py IN.npz OUT.npz '{"engine": "lsqml", "budgets": [1.0, 10.0], ...}'

It is run by the interpreter of an environment of pty-chi's own, so it imports nothing of this
project: arrays come and go as NPZ files without pickles, settings as JSON.

IN.npz: frames (K, N, N) float32 counts, DC at [0, 0]; places (K, 2) float64 as (x, y), the top-left
object pixel of each patch with its fraction; probe (M, N, N) complex64 with sum |P|^2 = mean
counts; shape (2,); good (N, N) bool. OUT.npz, for each budget of seconds: objects (B, H, W),
probes (B, M, N, N), places (B, K, 2), seconds (B,), epochs (B,), and peak_mb.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import memory
import numpy as np
import ptychi.api as api
import torch
from ptychi.api.task import PtychographyTask

OPTIONS = {
    "lsqml": api.LSQMLOptions,
    "rpie": api.RPIEOptions,
    "epie": api.EPIEOptions,
    "dm": api.DMOptions,
}


@dataclass(frozen=True)
class Scan:
    """See the module."""

    frames: np.ndarray
    places: np.ndarray
    probe: np.ndarray
    shape: tuple[int, int]
    good: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Scan:
        with np.load(path, allow_pickle=False) as file:
            height, width = (int(side) for side in file["shape"])
            arrays = {key: file[key] for key in ("frames", "places", "probe", "good")}
        return cls(**arrays, shape=(height, width))

    @property
    def n(self) -> int:
        return int(self.probe.shape[-1])

    def first(self, count: int) -> Scan:
        return Scan(self.frames[:count], self.places[:count], self.probe, self.shape, self.good)


@dataclass(frozen=True)
class State:
    """Where an engine was after so many seconds and epochs."""

    object: np.ndarray
    probe: np.ndarray
    places: np.ndarray
    seconds: float
    epochs: int


@dataclass(frozen=True)
class Decay:
    """Steps that shrink as 1 / (1 + epoch / half_life): long ones first, fine ones last."""

    half_life: float

    def __call__(self, epoch: int) -> float:
        return 1 / (1 + epoch / self.half_life)


def options_of(asked: dict[str, Any], n: int) -> Any:
    """Options of an engine: its tuned settings as dotted keys, the rest as the library has it.

    With an origin in the middle of a patch, positions are the patches' corners.
    """
    options = OPTIONS[asked["engine"]]()
    options.data_options.fft_shift = False
    options.object_options.determine_position_origin_coords_by = "specified"
    options.object_options.position_origin_coords = [(n - 1) / 2, (n - 1) / 2]
    options.object_options.remove_object_probe_ambiguity.enabled = False
    options.probe_options.optimizable = False
    options.probe_position_options.optimizable = False
    options.reconstructor_options.default_device = "cpu"
    options.reconstructor_options.random_seed = asked.get("seed", 0)
    options.reconstructor_options.displayed_loss_function = None
    if "half_life" in asked:
        plan = options.object_options.optimization_plan
        plan.step_size_scheduler_class = "LambdaLR"
        plan.step_size_scheduler_options = {"lr_lambda": Decay(asked["half_life"])}
    for key, value in asked.get("settings", {}).items():
        *groups, name = key.split(".")
        owner = options
        for group in groups:
            owner = getattr(owner, group)
        if not hasattr(owner, name):
            raise KeyError(key)
        setattr(owner, name, value)
    return options


def task_of(scan: Scan, asked: dict[str, Any]) -> PtychographyTask:
    """pty-chi's Fourier transform is not orthonormal: equal counts need a probe N times weaker."""
    return PtychographyTask(
        options_of(asked, scan.n),
        diffraction_data=scan.frames,
        object_data=np.ones((1, *scan.shape), np.complex64),
        probe_data=(scan.probe / scan.n)[None],
        probe_position_x_px=scan.places[:, 0],
        probe_position_y_px=scan.places[:, 1],
        valid_pixel_mask=scan.good,
    )


def snapshots(task: PtychographyTask, budgets: list[float], n: int) -> Iterator[State]:
    """The state at the end of the epoch in which each budget ran out; only epochs are timed."""
    seconds, epochs = 0.0, 0
    for budget in sorted(budgets):
        while seconds < budget:
            began = time.perf_counter()
            task.run(1)
            seconds += time.perf_counter() - began
            epochs += 1
        y, x = task.get_data_to_cpu("probe_positions", as_numpy=True).T
        yield State(
            object=task.get_data_to_cpu("object", as_numpy=True)[0].astype(np.complex64),
            probe=task.get_data_to_cpu("probe", as_numpy=True)[0].astype(np.complex64) * n,
            places=np.stack([x, y], 1).astype(np.float64),
            seconds=seconds,
            epochs=epochs,
        )


def main() -> None:
    source, target, asked = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    logging.disable(logging.WARNING)
    torch.set_num_threads(asked["threads"])
    scan = Scan.read(source)
    task_of(scan.first(64), asked).run(2)  # what only a first run costs is not measured
    peak = memory.Peak()
    states = list(snapshots(task_of(scan, asked), asked["budgets"], scan.n))
    found: dict[str, Any] = {
        f"{key}s" if key in ("object", "probe") else key: np.stack([vars(s)[key] for s in states])
        for key in ("object", "probe", "places", "seconds", "epochs")
    }
    np.savez(target, **found, peak_mb=peak.mb())


if __name__ == "__main__":
    main()
