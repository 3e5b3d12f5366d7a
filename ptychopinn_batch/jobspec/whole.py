"""The whole job spec, and the rules that tie its sections together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from ptychopinn_batch.jobspec.base import SafeName, Section, Seed, wrong
from ptychopinn_batch.jobspec.export import Export
from ptychopinn_batch.jobspec.infer import Infer
from ptychopinn_batch.jobspec.model import Model
from ptychopinn_batch.jobspec.refine import Refine
from ptychopinn_batch.jobspec.resources import Retry, StageResources
from ptychopinn_batch.jobspec.scans import Scan
from ptychopinn_batch.jobspec.sweep import Sweep
from ptychopinn_batch.jobspec.train import Train


class JobSpec(Section):
    """One file: which scans, which network, what to do with them, and what to write."""

    version: Literal[1] = Field(description="version of this language")
    name: SafeName = Field(description="name of the run and of its folder")
    seed: Seed = Field(0, description="seed of everything random but simulated scans")
    scans: tuple[Scan, ...] = Field(
        (), strict=False, description="what to reconstruct; may be empty when train.simulated is 1"
    )
    check: Literal["warn", "stop", "off"] = Field(
        "warn",
        description="whether scans from files can be trusted, asked first of some frames of each; "
        "warn: say what is wrong, go on; stop: do nothing with a scan that is bad; off: not asked",
    )
    model: Model = Field(Model(), description="the network")
    train: Train | None = Field(None, description="training; null: none")
    refine: Refine | None = Field(
        None, description="probe, modes and positions found before it; null: taken as they are"
    )
    infer: Infer = Field(Infer(), description="reconstruction")
    export: tuple[Export, ...] = Field(
        ("npz", "ptychodus", "png"),
        strict=False,
        description="formats of the results, and of the network (bundle, safetensors)",
    )
    sweep: Sweep | None = Field(None, description="variants to compare; null: one, 'default'")
    resources: StageResources = Field(StageResources(), description="limits of the tasks")
    retry: Retry = Field(Retry(), description="what is tried again by itself, and how often")
    profiles: dict[str, dict[str, JsonValue]] = Field(
        {}, description="named sets of dotted keys and values that `--profile` applies"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in self._problems():
            raise problem
        return self

    def _problems(self) -> Iterator[PydanticCustomError]:
        if not self.scans and not (self.train and self.train.simulated == 1):
            mend = "Write at least one scan, or train.simulated: 1 to train on simulations alone"
            yield wrong("scans", "there is no scan", mend)
        if len(set(self.export)) < len(self.export):
            yield wrong("export", "a format is named twice", "Name each format once")
        yield from self._name_problems()
        if self.refine and self.model.architecture == "cnn":
            mend = "Remove the section, or use an 'unrolled' network"
            yield wrong("refine", "a 'cnn' has no steps to refine anything between", mend)
        if self.train and self.train.start_share and self.model.pretrained == "none":
            mend = "Remove the key, or name a pretrained network"
            yield wrong("train.start_share", "a new network has nothing to keep", mend)
        yield from self._cnn_problems()
        gpus = self.resources.train.gpus
        if self.train and 0 < gpus < self.train.devices:
            what = f"train.devices is {self.train.devices}, but the task has {gpus} GPUs"
            yield wrong("resources.train.gpus", what, f"Write {self.train.devices}, or 0")

    def _name_problems(self) -> Iterator[PydanticCustomError]:
        seen: dict[str, int] = {}
        for index, name in enumerate(scan.name for scan in self.scans):
            if name in seen:
                what = f"two scans are named '{name}' (scans.{seen[name]} and scans.{index})"
                yield wrong(f"scans.{index}.name", what, "Give each scan a name of its own")
            if name is not None:
                seen[name] = index

    def _cnn_problems(self) -> Iterator[PydanticCustomError]:
        if self.model.architecture != "cnn" or self.model.cnn is None:
            return
        if self.train is None:
            mend = "Write a train section, or use pretrained: default"
            yield wrong("model.architecture", "a new 'cnn' is of no use without training", mend)
        elif self.model.cnn.group > self.train.frames_per_region:
            most = self.train.frames_per_region
            what = f"a group holds {self.model.cnn.group} frames, a region only {most}"
            yield wrong("model.cnn.gridsize", what, "Write a larger train.frames_per_region")
        elif self.train.simulated:
            what = "a 'cnn' knows one size of frame, simulated regions have many"
            yield wrong("train.simulated", what, "Write 0, and a simulated scan under scans")
        for index, scan in enumerate(self.scans):
            side = scan.simulate.frame_size if scan.simulate else self.model.cnn.n
            if side != self.model.cnn.n:
                what = f"scans.{index} has frames of {side} pixels, the network {self.model.cnn.n}"
                yield wrong("model.cnn.n", what, f"Write {side}")
