"""The verbs of a run without the command line: load, train, refine, reconstruct, export.

They call what the stages of a run call, and keep no files but scan stores, which they share with
runs: the same scan, settings and seed give the same numbers. Keys are those of a job spec. Only
what computes imports torch.
"""

from ptychopinn_batch.api.exporting import export
from ptychopinn_batch.api.reconstruction import Reconstruction, reconstruct
from ptychopinn_batch.api.refining import refine
from ptychopinn_batch.api.scan import LoadedScan, load_scan
from ptychopinn_batch.api.training import train
from ptychopinn_batch.package import LoadedModel, load_model

__all__ = [
    "LoadedModel",
    "LoadedScan",
    "Reconstruction",
    "export",
    "load_model",
    "load_scan",
    "reconstruct",
    "refine",
    "train",
]
