"""The whole job spec language, version 1: every key with its type, unit, default and range.

A job spec is a YAML file. What it may say is these models and nothing else: unknown keys are
errors. `speclang.file` reads files into them, the JSON Schema and `docs/jobspec.md` are generated
from them. Units stand in square brackets at the end of a description. Each module here owns one
section of the spec; `whole` is the spec itself.

Rules that tie several keys together are raised through `wrong`, which names the key at fault and
the mend; `speclang.file` adds file and line.
"""

from ptychopinn_batch.jobspec.base import NAME, Section, Seed, wrong
from ptychopinn_batch.jobspec.export import ModelExport, ResultExport
from ptychopinn_batch.jobspec.files import Datasets, Files
from ptychopinn_batch.jobspec.infer import Infer, Tiled
from ptychopinn_batch.jobspec.loss import Weights
from ptychopinn_batch.jobspec.model import Architecture, CnnSettings, Model, UnrolledSettings
from ptychopinn_batch.jobspec.refine import Refine
from ptychopinn_batch.jobspec.resources import (
    InferLimits,
    RefineLimits,
    Retry,
    StageLimits,
    StageResources,
    TrainLimits,
)
from ptychopinn_batch.jobspec.scans import FILE_KEYS, GEOMETRY, OWN_READERS, SIMULATED_KEYS, Scan
from ptychopinn_batch.jobspec.schedule import Rates, Schedule
from ptychopinn_batch.jobspec.simulate import Simulation
from ptychopinn_batch.jobspec.sweep import Sweep
from ptychopinn_batch.jobspec.train import Stage, Train
from ptychopinn_batch.jobspec.whole import JobSpec

__all__ = [
    "FILE_KEYS",
    "GEOMETRY",
    "NAME",
    "OWN_READERS",
    "SIMULATED_KEYS",
    "Architecture",
    "CnnSettings",
    "Datasets",
    "Files",
    "Infer",
    "InferLimits",
    "JobSpec",
    "Model",
    "ModelExport",
    "Rates",
    "Refine",
    "RefineLimits",
    "ResultExport",
    "Retry",
    "Scan",
    "Schedule",
    "Section",
    "Seed",
    "Simulation",
    "Stage",
    "StageLimits",
    "StageResources",
    "Sweep",
    "Tiled",
    "Train",
    "TrainLimits",
    "UnrolledSettings",
    "Weights",
    "wrong",
]
