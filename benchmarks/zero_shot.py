"""The shipped network on scans it never saw, beside the classical update it was trained to replace.

    python benchmarks/zero_shot.py [--also SCAN.npz ...] [--json FILE] [--picture FILE]

R = sum (|model| - amplitude)^2 / sum amplitude^2 over all frames, with the stored probe. Phase
correlation and SSIM are taken over the scanned area after global phase, phase plane and mean
amplitude are matched; the data range of SSIM is the range of the reference. The reference is the
truth for simulated scans, and an iterative reconstruction for the measured Siemens star.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from machine import describe

from ptychopinn_batch.comparison import (
    Similarity,
    align,
    compare,
    scanned_area,
    without_plane,
)
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.npz import read_npz
from ptychopinn_batch.data.source import RawScan
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import region_of
from ptychopinn_batch.jobspec import Scan, Simulation, UnrolledSettings
from ptychopinn_batch.networks.base import Network, Reconstruction
from ptychopinn_batch.networks.unrolled import Unrolled
from ptychopinn_batch.package import load_model
from ptychopinn_batch.precision import mixed
from ptychopinn_batch.simulate.scan import simulate_scan

STAR = Path(__file__).parent.parent / "data" / "siemens_star_128.npz"
SIMULATED = {  # 1,764 frames of 64 x 64, 4.5 px steps, 1e6 photons; pictures new to the network
    "photographs, diffuser (simulated)": Simulation(probe="diffuser", probe_radius=0.15),
    "photographs, lens (simulated)": Simulation(probe="lens", probe_radius=0.15),
}
OWN_SCANS = 1 + len(SIMULATED)  # those that the picture shows
TRIALS = (("shipped", 16), ("shipped", 32), ("untrained", 16), ("untrained", 64))


@dataclass(frozen=True)
class Row:
    """One reconstruction: all of a scan's frames in one region."""

    scan: str
    network: str
    steps: int
    residual: float
    phase_corr: float | None
    amp_ssim: float | None
    phase_ssim: float | None
    seconds: float
    frames_per_s: float


@dataclass(frozen=True)
class Picture:
    """Amplitude and phase of a reconstruction and its reference over the scanned area."""

    title: str
    images: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def scans(also: list[Path]) -> Iterator[tuple[str, RawScan]]:
    """Name and content of every scan of the benchmark."""
    yield "siemens_star_128 (measured)", read_npz(STAR, Scan(path=str(STAR)))
    for name, settings in SIMULATED.items():
        yield name, simulate_scan(settings)
    for path in also:
        yield path.stem, read_npz(path, Scan(path=str(path)))


def networks() -> dict[str, Network]:
    return {"shipped": load_model().network, "untrained": Unrolled(UnrolledSettings()).eval()}


@torch.inference_mode()
def whole_object(network: Network, store: ScanStore, steps: int) -> Reconstruction:
    """A network's object from all frames of a scan in one region."""
    region, _ = region_of(store, store.info.canvas, store.info.canvas.whole)
    with mixed("auto", torch.device("cpu")):
        return network(region, steps=steps)


def likeness(result: Reconstruction, store: ScanStore) -> Similarity:
    found = compare(
        result.object.numpy(),
        result.seen.numpy(),
        store.reference.numpy(),
        store.info.canvas,
        store.positions.numpy(),
    )
    assert found is not None
    return found


def residual_and_likeness(
    network: Network, store: ScanStore, steps: int
) -> tuple[float, Similarity]:
    result = whole_object(network, store, steps)
    return float(result.misfits[-1]), likeness(result, store)


def reconstruct(name: str, store: ScanStore, network: str, steps: int) -> tuple[Row, Picture]:
    started = time.perf_counter()
    result = whole_object(networks()[network], store, steps)
    seconds = time.perf_counter() - started
    row = Row(
        scan=name,
        network=network,
        steps=steps,
        residual=float(result.misfits[-1]),
        seconds=seconds,
        frames_per_s=store.info.frames / seconds,
        **asdict(likeness(result, store)),
    )
    return row, picture(row, store, result.object.numpy(), result.seen.numpy())


def picture(row: Row, store: ScanStore, obj: np.ndarray, seen: np.ndarray) -> Picture:
    canvas, reference = store.info.canvas, store.reference.numpy()
    area = scanned_area(canvas, store.positions.numpy(), reference.shape)
    rows, columns = area.slices
    other = reference[
        rows.start + canvas.y0 : rows.stop + canvas.y0,
        columns.start + canvas.x0 : columns.stop + canvas.x0,
    ]
    mine, seen = align(obj[area.slices], other, seen[area.slices]), seen[area.slices]
    phases = (without_plane(z, seen) for z in (mine, other))
    title = f"{row.scan}, {row.steps} steps, R = {row.residual:.5f}"
    return Picture(title, (abs(mine), abs(other), *phases))


def draw(pictures: list[Picture], path: Path) -> None:
    """Every scan in a row: amplitude, reference, phase, reference."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.9 * len(pictures)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(pictures), 4, squeeze=False)
    for line, shown in zip(grid, pictures, strict=True):
        for axes, image, pair in zip(line, shown.images, (0, 0, 2, 2), strict=True):
            low, high = np.percentile(shown.images[pair + 1], [1, 99])
            axes.imshow(image, cmap="gray", vmin=low, vmax=high)
            axes.set_axis_off()
        heads = f"{shown.title}\namplitude", "reference", "phase", "reference"
        for axes, head in zip(line, heads, strict=True):
            axes.set_title(head, fontsize=9, loc="left")
    figure.savefig(path, dpi=90)


def table(rows: list[Row]) -> Iterator[str]:
    yield "| scan | network | steps | R | phase corr. | amp SSIM | phase SSIM | s | frames/s |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for r in rows:
        alike = " | ".join(
            "-" if v is None else f"{v:.3f}" for v in (r.phase_corr, r.amp_ssim, r.phase_ssim)
        )
        yield (
            f"| {r.scan} | {r.network} | {r.steps} | {r.residual:.5f} | {alike} "
            f"| {r.seconds:.1f} | {r.frames_per_s:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--also", type=Path, nargs="*", default=[], metavar="SCAN.npz")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    machine, rows, pictures = describe(), [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, raw) in enumerate(scans(asked.also)):
            store = build_store(raw, Path(folder) / str(number))
            for network, steps in TRIALS:
                row, shown = reconstruct(name, store, network, steps)
                rows.append(row)
                if (network, steps) == TRIALS[0] and len(pictures) < OWN_SCANS:
                    pictures.append(shown)
    print("\n".join(table(rows)))
    if asked.json:
        figures = {"machine": machine.model_dump(mode="json"), "rows": [asdict(r) for r in rows]}
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")
    if asked.picture:
        draw(pictures, asked.picture)


if __name__ == "__main__":
    main()
