"""`train`: training, or adaptation of a pretrained network, and its later stages."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ptychopinn_batch.jobspec.base import Section, wrong
from ptychopinn_batch.jobspec.loss import Loss, Weights
from ptychopinn_batch.jobspec.schedule import Rates, Schedule


class Stage(Section):
    """What is different in a training from one of its epochs on; the rest stays as it was."""

    from_epoch: int = Field(ge=2, le=10**6, description="first epoch of the stage, counted from 1")
    ramp: int = Field(
        0, ge=0, le=10**6, description="epochs in which loss and weights change over; 0: at once"
    )
    curve: Literal["linear", "cosine", "quadratic"] = Field(
        "linear", description="how they change over"
    )
    loss: Loss | None = Field(None, description="as `train.loss`; null: as before")
    weights: Weights | None = Field(None, description="all weights anew; null: as before")
    lr: float = Field(1.0, gt=0, le=1e3, description="factor on the learning rate in this stage")
    rates: Rates | None = Field(None, description="as `train.rates`; null: as before")


class Train(Section):
    """Training, or adaptation of a pretrained network. Without this section there is none."""

    epochs: int = Field(10, ge=1, le=10**6, description="number of epochs")
    regions_per_epoch: Literal["cover"] | Annotated[int, Field(ge=1, le=10**6)] = Field(
        100,
        description="regions seen in an epoch; cover: so many that every frame is in exactly one",
    )
    simulated: float = Field(
        0.0, ge=0, le=1, description="share of regions that the simulator makes; 1: no scan needed"
    )
    refined: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of simulated regions whose probe and positions are refined between the "
        "steps, so that the network learns to live with it",
    )
    loss: Loss = Field(
        "amplitude", description="misfit of measured regions: least squares, deviance, absolute"
    )
    weights: Weights = Field(Weights(), description="of the terms of the loss")
    lr: float = Field(1e-3, gt=0, le=1, description="learning rate")
    schedule: Schedule = Field(Schedule(), description="how the learning rate changes")
    rates: Rates = Field(
        {},
        description="factors on the learning rate of parts of the network, by names in those of "
        "its weights, such as {encoder: 0}; 0: the part is frozen",
    )
    stages: tuple[Stage, ...] = Field((), strict=False, description="later parts of the training")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="decay of the weights (AdamW)")
    accumulate: int = Field(2, ge=1, le=1024, description="regions in one step of the optimiser")
    clip_norm: float = Field(1.0, gt=0, le=1e6, description="largest norm of a gradient")
    unroll: tuple[Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=64)]] = Field(
        (3, 6), strict=False, description="fewest and most steps with gradient"
    )
    warm: int = Field(8, ge=0, le=256, description="most steps without gradient before them")
    warm_share: float = Field(0.4, ge=0, le=1, description="share of regions with such steps")
    window: int = Field(
        192, ge=32, le=2048, multiple_of=8, description="side of a measured region [object pixels]"
    )
    frames_per_region: int = Field(256, ge=4, le=10**5, description="most frames of a region")
    validation: float = Field(
        0.1, ge=0, le=0.5, description="share of frames kept from training, to validate on"
    )
    split: Literal["space", "frames"] = Field(
        "space",
        description="which frames those are; space: a square with a guard zone, no patch overlaps "
        "one that is trained on; frames: some between the others",
    )
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the running average of the weights that is validated and kept; "
        "0: the weights themselves",
    )
    start_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share that the weights of the pretrained network have in those that are "
        "validated and kept, so that it forgets less of what it could do; 0: none",
    )
    precision: Literal["32", "bf16"] = Field("32", description="arithmetic of the network")
    devices: int = Field(1, ge=1, le=64, description="processes, each with its device, on a node")
    nodes: int = Field(1, ge=1, le=1024, description="machines")
    workers: int = Field(1, ge=0, le=64, description="processes that load data, for each device")
    compile: bool = Field(False, description="compile the network: slow to begin, then faster")
    track: tuple[Literal["tensorboard", "mlflow"], ...] = Field(
        (), strict=False, description="where else the course of the training is recorded"
    )
    pictures: int = Field(
        10, ge=0, le=10**6, description="epochs between pictures of the training; 0: none"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.regions_per_epoch == "cover" and self.simulated == 1:
            what = "there are no frames to cover where every region is simulated"
            raise wrong("regions_per_epoch", what, "Write a number")
        if len(set(self.track)) < len(self.track):
            raise wrong("track", "a tracker is named twice", "Name each once")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        fewest, most = self.unroll
        if fewest > most:
            what = f"the fewest steps ({fewest}) exceed the most ({most})"
            raise wrong("unroll", what, f"Write [{most}, {fewest}]")
        return self

    @model_validator(mode="after")
    def _stages_follow(self) -> Self:
        before = 1
        for index, stage in enumerate(self.stages):
            key = f"stages.{index}.from_epoch"
            if stage.from_epoch <= before:
                what = f"epoch {stage.from_epoch} does not follow epoch {before}"
                raise wrong(key, what, "Write stages in their order, each with a later epoch")
            if stage.from_epoch > self.epochs:
                what = f"a stage from epoch {stage.from_epoch} on, but there are {self.epochs}"
                raise wrong(key, what, "Write an earlier epoch, or a larger train.epochs")
            before = stage.from_epoch
        return self

    @model_validator(mode="after")
    def _for_measured(self) -> Self:
        """Simulated regions are always judged by their true objects."""
        if self.simulated == 1 and self.weights != Weights():
            mend = "Remove the key, or write a smaller train.simulated"
            raise wrong("weights", "they are of no use where every region is simulated", mend)
        return self

    @property
    def needs_object(self) -> bool:
        """Whether any loss looks at the object in a scan's file."""
        staged = [stage.weights for stage in self.stages if stage.weights]
        return any(weights.object > 0 for weights in (self.weights, *staged))
