"""Runs engines of pty-chi, in an environment of pty-chi's own, on the frames of a region."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from hpc.errors import UserError
from ptychopinn_batch.region import Region

from .outcome import Outcome

SCRIPT = Path(__file__).with_name("ptychi_engine.py")
REPORTED = 800  # characters of what an engine that failed said last

SETTINGS: dict[str, dict[str, Any]] = {
    "lsqml": {
        "reconstructor_options.batch_size": 16,
        "reconstructor_options.rescale_probe_intensity_in_first_epoch": False,
    },
    "rpie": {"reconstructor_options.batch_size": 16, "object_options.alpha": 0.5},
    "epie": {"reconstructor_options.batch_size": 16, "object_options.alpha": 1.0},
    "dm": {"reconstructor_options.chunk_length": 64},
}


class EngineFailed(Exception):
    """An engine ended with an error, which the text tells."""


@cache
def _version(python: Path) -> str:
    code = "from importlib.metadata import version; print(version('ptychi'))"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        what, mend = "there is no pty-chi", "Install ptychi there, or leave its engines out"
        raise UserError(what, where=f"--ptychi {python}", mend=mend) from error
    return done.stdout.strip()


@dataclass(frozen=True)
class Engines:
    """The interpreter of the environment that pty-chi is installed in, and threads for it."""

    python: Path
    threads: int

    def version(self) -> str:
        """Of pty-chi; UserError where it is not installed there."""
        return _version(self.python)

    def run(self, engine: str, shown: Region, budgets: Sequence[float], seed: int) -> list[Outcome]:
        """What an engine has made of these frames after each of these seconds, in their order."""
        asked = {
            "engine": engine,
            "budgets": sorted(budgets),
            "settings": SETTINGS[engine],
            "seed": seed,
            "threads": self.threads,
        }
        with TemporaryDirectory(prefix="quality-") as folder:
            source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
            np.savez(source, **arrays_of(shown))
            self._call(engine, [str(source), str(target), json.dumps(asked)])
            with np.load(target, allow_pickle=False) as found:
                return outcomes_of({key: found[key] for key in found.files}, shown)

    def _call(self, engine: str, arguments: list[str]) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        done = subprocess.run(
            [self.python, SCRIPT, *arguments], capture_output=True, text=True, env=environment
        )
        if done.returncode:
            raise EngineFailed(f"{engine} of pty-chi failed: {done.stderr[-REPORTED:]}")


def arrays_of(region: Region) -> dict[str, np.ndarray]:
    """A region as `ptychi_engine` reads it."""
    good = torch.ones(region.n, region.n, dtype=torch.bool) if region.good is None else region.good
    places = region.corners.double() + region.fractions.double()
    return {
        "frames": region.amplitudes.square().numpy(),
        "places": places.numpy(),
        "probe": region.probe.numpy(),
        "shape": np.array(region.shape),
        "good": good.numpy(),
    }


def outcomes_of(found: Mapping[str, np.ndarray], shown: Region) -> list[Outcome]:
    """What `ptychi_engine` wrote, one outcome for each budget."""
    return [
        Outcome(
            object=torch.from_numpy(obj),
            region=_refined(shown, torch.from_numpy(probe), torch.from_numpy(places)),
            seconds=float(seconds),
            peak_mb=float(found["peak_mb"]),
            epochs=int(epochs),
        )
        for obj, probe, places, seconds, epochs in zip(
            *(found[key] for key in ("objects", "probes", "places", "seconds", "epochs")),
            strict=True,
        )
    ]


def _refined(shown: Region, probe: torch.Tensor, places: torch.Tensor) -> Region:
    """A region with the probe and places of an engine."""
    corners = places.floor()
    return replace(shown, probe=probe, corners=corners.long(), fractions=(places - corners).float())
