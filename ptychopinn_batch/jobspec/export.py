"""`export`: formats that results and networks are written in."""

from __future__ import annotations

from typing import Literal

ResultExport = Literal["npz", "ptychodus", "png", "tiff", "ome-zarr"]
ModelExport = Literal["bundle", "safetensors"]
Export = Literal[ResultExport, ModelExport]
