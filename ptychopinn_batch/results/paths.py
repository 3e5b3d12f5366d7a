"""Names of what is left of a reconstructed scan: a contract that scripts may rely on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hpc.paths import RunPaths
from hpc.task import Task
from ptychopinn_batch.jobspec import ResultExport

__all__ = ["ResultPaths", "evidence_path", "tile_record", "tile_records"]


@dataclass(frozen=True)
class ResultPaths:
    """The files in the result folder of one scan of one variant."""

    folder: Path

    @classmethod
    def of(cls, run: RunPaths, task: Task) -> Self:
        """Where the results are that an infer or a finalize task has a part in."""
        variant, scan = (str(task.extras[key]) for key in ("variant", "scan"))
        return cls(run.result(variant, scan))

    @property
    def object_array(self) -> Path:
        return self.folder / "object.zarr"

    @property
    def product_hdf5(self) -> Path:
        return self.folder / "product.h5"

    @property
    def diffraction(self) -> Path:
        return self.folder / "diffraction.h5"

    @property
    def product_npz(self) -> Path:
        return self.folder / "product.npz"

    @property
    def train_npz(self) -> Path:
        return self.folder / "train.npz"

    @property
    def amplitude(self) -> Path:
        return self.folder / "amplitude.png"

    @property
    def phase(self) -> Path:
        return self.folder / "phase.png"

    @property
    def amplitude_tiff(self) -> Path:
        return self.folder / "amplitude.tiff"

    @property
    def phase_tiff(self) -> Path:
        return self.folder / "phase.tiff"

    @property
    def image(self) -> Path:
        """The object as an image of two channels, inside its array: what OME-Zarr viewers show."""
        return self.object_array / "image"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def report(self) -> Path:
        """What the report of the run shows of this result."""
        return self.folder / "report.json"

    @property
    def params(self) -> Path:
        """The legacy dictionary that the scan was finished with."""
        return self.folder / "params.json"

    @property
    def provenance(self) -> Path:
        return self.folder / "provenance.json"

    def exports(self, export: ResultExport) -> tuple[Path, ...]:
        """The files of one kind of export."""
        match export:
            case "npz":
                return self.product_npz, self.train_npz
            case "ptychodus":
                return self.product_hdf5, self.diffraction
            case "png":
                return self.amplitude, self.phase
            case "tiff":
                return self.amplitude_tiff, self.phase_tiff
            case "ome-zarr":
                return (self.image,)


def evidence_path(run: RunPaths, store: str) -> Path:
    """What the frames of a scan say of it, whichever variant asks."""
    return run.folder / "evidence" / f"{store}.json"


def tile_records(array: Path) -> Path:
    """The folder, beside an object array, of what is known of its tiles."""
    return array.with_suffix(".tiles")


def tile_record(array: Path, number: int) -> Path:
    """The record that a tile of an object array is written."""
    return tile_records(array) / f"{number:06d}.json"
