"""`scans`: what is reconstructed, and how its files are read."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ptychopinn_batch.jobspec.base import SafeName, Section, wrong
from ptychopinn_batch.jobspec.files import Datasets, Files
from ptychopinn_batch.jobspec.simulate import Simulation

OWN_READERS = (
    "ptychopinn",
    "ptychodus",
    "ptychodus_npz",
    "ptychodus_training",
    "cxi",
    "hdf5",
    "tiff",
)
FILE_KEYS = ("name", "path", "files")
"""Keys of a scan that say where it lies, not what it holds."""
GEOMETRY = ("energy_ev", "distance_m", "detector_pixel_m")
SIMULATED_KEYS = ("name", "path", "simulate", "frames", *GEOMETRY)


class Scan(Section):
    """One scan, or several of one kind when `path` is a pattern: from files or simulated."""

    name: SafeName | None = Field(
        None, description="name in result folders; null: the file's own name, or 'simulated'"
    )
    path: str | None = Field(
        None,
        min_length=1,
        description="a file or folder, or a pattern such as data/*.npz; looked for beside the spec "
        "file, then in the working folder",
    )
    simulate: Simulation | None = Field(None, description="a simulation in place of `path`")
    format: str = Field(
        "auto",
        pattern=r"^[a-z][a-z0-9_]*$",
        description=f"{', '.join(OWN_READERS)}, or that of an installed reader; auto: found from "
        "the file",
    )
    files: Files | None = Field(None, description="other files that belong to the scan")
    datasets: Datasets | None = Field(None, description="names in an HDF5 or NPZ file")
    measurement: Literal["auto", "counts", "amplitude"] = Field(
        "auto", description="what the numbers in the frames are; auto: found from the file"
    )
    positions: Literal["final", "start"] = Field(
        "final", description="which positions of the file to use: corrected or nominal ones"
    )
    position_unit: Literal["auto", "px", "m", "mm", "um", "nm"] = Field(
        "auto", description="unit of the positions; auto: what format and file say"
    )
    position_columns: tuple[Literal["x", "y"], Literal["x", "y"]] | None = Field(
        None, strict=False, description="columns of a table without a header, [x, y] or [y, x]"
    )
    axis_order: Literal["auto", "frames_first", "frames_last"] = Field(
        "auto", description="which axis of the frames array counts frames"
    )
    swap_xy: bool = Field(False, description="exchange x and y of the positions")
    flip_x: bool = Field(False, description="negate x of the positions")
    flip_y: bool = Field(False, description="negate y of the positions")
    rotation: float = Field(
        0.0, ge=-360, le=360, description="turn the positions, from x towards y, after that [deg]"
    )
    select: str | None = Field(
        None,
        pattern=r"^\d{0,12}:\d{0,12}(:\d{1,12})?$",
        description="which frames of the file to use, START:STOP:STEP counted from 0",
    )
    frames: int | None = Field(None, ge=2, description="use only the first so many of these frames")
    crop: int | None = Field(
        None, ge=8, le=16384, description="side of the square to use of each frame [pixels]"
    )
    centre: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] | None = Field(
        None,
        strict=False,
        description="row and column of the beam's centre in the frames of the file; null: their "
        "middle [pixels]",
    )
    bin: int = Field(1, ge=1, le=64, description="detector pixels a side that are added up")
    energy_ev: float | None = Field(None, ge=1e-3, le=1e9, description="photon energy [eV]")
    distance_m: float | None = Field(
        None, ge=1e-6, le=1e3, description="distance from sample to detector [m]"
    )
    detector_pixel_m: float | None = Field(
        None, ge=1e-9, le=1, description="pitch of the detector's pixels, before binning [m]"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.path and self.simulate:
            raise wrong("simulate", "a scan has either a path or a simulation", "Remove one")
        if not (self.path or self.simulate):
            what = "a scan needs a path or a simulation"
            raise wrong("", what, "Write path: FILE or simulate: {}")
        if self.simulate:
            self._no_file_keys(self.simulate)
        return self

    @model_validator(mode="after")
    def _whole_geometry(self) -> Self:
        """A file may bring what a spec leaves out; a simulation has all three numbers or none."""
        missing = [key for key in GEOMETRY if getattr(self, key) is None]
        if self.simulate and 0 < len(missing) < len(GEOMETRY):
            what = f"the geometry lacks {' and '.join(missing)}"
            raise wrong(missing[0], what, "Write all three of " + ", ".join(GEOMETRY) + ", or none")
        return self

    @model_validator(mode="after")
    def _fitting_keys(self) -> Self:
        side = 2 * self.bin
        if self.crop and self.crop % side:
            mend = f"Write {max(self.crop // side, 1) * side}"
            raise wrong("crop", f"{self.crop} pixels do not make an even number of bins", mend)
        if self.position_columns and len(set(self.position_columns)) == 1:
            raise wrong("position_columns", "x and y are different columns", "Write [x, y]")
        return self

    @model_validator(mode="after")
    def _some_frames(self) -> Self:
        chosen = self.selection
        if chosen.step == 0:
            raise wrong("select", "a step of 0", "Write a step of 1 or more")
        if chosen.stop is not None and chosen.stop <= (chosen.start or 0):
            raise wrong("select", "it stops before its first frame", "Write a larger stop, or none")
        return self

    @property
    def selection(self) -> slice:
        """The frames of the file that `select` names, all of them without it."""
        return slice(*(int(part) if part else None for part in (self.select or ":").split(":")))

    def _no_file_keys(self, simulation: Simulation) -> None:
        for key, field in type(self).model_fields.items():
            if key not in SIMULATED_KEYS and getattr(self, key) != field.default:
                raise wrong(key, "this key tells how to read a file, not a simulation", "Remove it")
        if self.frames and self.frames > simulation.frames:
            what = f"{self.frames} frames asked for, {simulation.frames} simulated"
            raise wrong("frames", what, "Remove the key")
