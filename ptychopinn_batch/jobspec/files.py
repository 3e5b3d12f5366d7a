"""`scans[].datasets` and `scans[].files`: where the parts of a scan lie."""

from __future__ import annotations

from pydantic import Field

from ptychopinn_batch.jobspec.base import Section


class Datasets(Section):
    """Names in a file of a layout not known here: HDF5 datasets, such as /entry/data/data, or the
    arrays of an NPZ file."""

    frames: str | None = Field(
        None,
        min_length=1,
        description="frames (K, rows, columns), or (grid rows, grid columns, rows, columns); a "
        "pattern such as /entry/data/data_* joins several; null: the signal of the file's NXdata",
    )
    positions: str | None = Field(
        None, min_length=1, description="positions (K, 2 or more) as (x, y)"
    )
    x: str | None = Field(
        None, min_length=1, description="x of each frame, or of each column of a grid"
    )
    y: str | None = Field(None, min_length=1, description="y of each frame, or of each row")
    index: str | None = Field(
        None, min_length=1, description="number of each frame, which results keep"
    )
    probe: str | None = Field(None, min_length=1, description="probe, complex")
    object: str | None = Field(
        None,
        min_length=1,
        description="object to compare with, complex; positions count its pixels",
    )
    mask: str | None = Field(None, min_length=1, description="detector mask, nonzero where bad")
    energy: str | None = Field(None, min_length=1, description="photon energy")
    distance: str | None = Field(None, min_length=1, description="distance from sample to detector")
    detector_pixel: str | None = Field(
        None, min_length=1, description="pitch of the detector's pixels"
    )


class Files(Section):
    """Other files that belong to a scan, looked for as `path` is."""

    frames: str | None = Field(
        None, min_length=1, description="frames, where `path` holds all but them"
    )
    positions: str | None = Field(
        None, min_length=1, description="table of positions: CSV or text, or HDF5 with `datasets`"
    )
    probe: str | None = Field(
        None, min_length=1, description="probe: NPY, NPZ, a product, or HDF5 with `datasets`"
    )
    mask: str | None = Field(
        None, min_length=1, description="detector mask, nonzero where bad: NPY, NPZ, TIFF or HDF5"
    )
