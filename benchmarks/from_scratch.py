"""Training from random weights on the measured Siemens star alone, for several seeds.

    python benchmarks/from_scratch.py [--seeds 5] [--architecture unrolled|cnn] [--json FILE]

Nothing but the scan's own frames is used. Prints, for every seed, the time, R over all frames, R on
the frames held out of training and reconstruction, and the phase correlation with the reference.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from machine import describe
from quality_bench.prepared import residual, whole_region
from quality_bench.scenes import STAR

from ptychopinn_batch.comparison import compare
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import held_out_residual, reconstruct
from ptychopinn_batch.jobspec import CnnSettings, Infer, Scan, Train, UnrolledSettings
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.networks.registry import build_network
from ptychopinn_batch.readers.opened import read_scan
from ptychopinn_batch.training.fit import fit

SETTINGS = {"unrolled": UnrolledSettings(), "cnn": CnnSettings(n=128)}
INFER = Infer(steps=16)


@dataclass(frozen=True)
class Row:
    """One training and the object its network makes."""

    seed: int
    seconds: float
    residual: float
    held_out: float
    phase_corr: float


def train_once(store: ScanStore, architecture: str, train: Train, seed: int) -> Row:
    torch.manual_seed(seed)
    network = build_network(architecture, SETTINGS[architecture])
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fit(network, train, [store], seed=seed, folder=Path(folder))
    seconds = time.perf_counter() - started
    fitted, phase_corr = residual_and_correlation(network.eval(), store)
    held_out = held_out_residual(network, store, store.info.canvas, INFER, train.validation)
    return Row(seed, seconds, fitted, held_out, phase_corr)


def residual_and_correlation(network: Network, store: ScanStore) -> tuple[float, float]:
    """R over all frames, and the phase correlation with the reference."""
    region = whole_region(store)
    obj, seen = reconstruct(network, region, INFER)
    reference, canvas, positions = store.reference, store.info.canvas, store.positions.numpy()
    assert reference is not None
    alike = compare(obj.numpy(), seen.numpy(), reference.numpy(), canvas, positions)
    return residual(obj, region), (alike.phase_corr or 0.0) if alike else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--architecture", choices=SETTINGS, default="unrolled")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    train = Train(
        epochs=asked.epochs,
        regions_per_epoch=10,
        lr=1.5e-3,
        window=160,
        frames_per_region=48,
        split="frames",  # apart in space, half of so small a scan would be left
    )
    machine, rows = describe(), []
    print("| seed | s | R | R held out | phase corr. |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        store = build_store(read_scan(Scan(path=str(STAR))), Path(folder) / "star")
        for seed in range(asked.seeds):
            row = train_once(store, asked.architecture, train, seed)
            rows.append(row)
            print(
                f"| {row.seed} | {row.seconds:.0f} | {row.residual:.5f} | {row.held_out:.5f} "
                f"| {row.phase_corr:.3f} |",
                flush=True,
            )
    if asked.json:
        figures = {"machine": machine.model_dump(mode="json"), "rows": [asdict(r) for r in rows]}
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
