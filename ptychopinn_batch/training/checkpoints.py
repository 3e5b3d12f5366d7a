"""Checkpoints: when they are written, where a training stops, and how it goes on from there.

A checkpoint is written after every epoch, and where a training is asked to stop: after a step of
the optimiser, or between two regions of a validation. All ranks stop at the same place.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from hpc.errors import StateError
from hpc.fsio import write_atomic
from ptychopinn_batch.training.lessons import Lesson
from ptychopinn_batch.training.processes import read_for_all
from ptychopinn_batch.training.spread import Place, Spread

Loops = dict[str, Any]
"""State of Lightning's loops, in a checkpoint."""


class Stopped(Exception):
    """Training was asked to stop.

    An exception, because Lightning's own `should_stop` ends the epoch as if it were whole, and
    the checkpoint would say so.
    """


SEAL = b"ptychopinn-batch checkpoint, SHA-256 "
ANEW = "Remove its folder and submit again: the training begins anew"


def torch_bytes(value: object) -> bytes:
    """What `torch.save` would write."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


class DurableCheckpoints(TorchCheckpointIO):
    """Checkpoints are whole or absent after any crash, and are read without unpickling code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        content = torch_bytes(checkpoint)
        write_atomic(Path(path), SEAL + hashlib.sha256(content).hexdigest().encode() + content)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = "cpu",
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        content = _opened(read_for_all(Path(path)), str(path))
        try:
            loaded: dict[str, Any] = torch.load(
                io.BytesIO(content), map_location=map_location, weights_only=True
            )
        except (RuntimeError, EOFError, UnpicklingError) as error:  # of an earlier version
            raise _damaged(str(path)) from error
        return loaded


def _opened(sealed: bytes, where: str) -> bytes:
    """What is under the seal; earlier versions wrote none. StateError where it was changed."""
    if not sealed.startswith(SEAL):
        return sealed
    start = len(SEAL) + 64
    digest, content = sealed[len(SEAL) : start], sealed[start:]
    if hashlib.sha256(content).hexdigest().encode() != digest:
        raise _damaged(where)
    return content


def _damaged(where: str) -> StateError:
    return StateError("this checkpoint is damaged", where=where, mend=ANEW)


class Checkpoints(Checkpoint):
    """Writes the last checkpoint of a training, and stops it when any rank is asked to.

    begun, saved: how far it was when this attempt began, and how far it is saved.
    """

    def __init__(self, path: Path, spread: Spread, should_stop: Callable[[], bool]) -> None:
        self.path, self.spread, self.should_stop = path, spread, should_stop
        self.begun = self.saved = Place()
        self._expected: Place | None = None
        self._validated = -1  # the epoch that was validated last

    def begin(self) -> tuple[int, int]:
        """The epoch to go on with, and how many of its lessons each rank is through with."""
        return self.saved.epoch, self.spread.lessons_done(self.saved)

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        batch: Lesson,
        batch_idx: int,
    ) -> None:
        """Where Lightning takes up a training is not documented, and was changed before."""
        place = self.spread.place(trainer.current_epoch, batch_idx)
        if self._expected not in (None, place):
            raise RuntimeError(f"Lightning goes on from {place} instead of {self._expected}")
        self._expected = None

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Lesson,
        batch_idx: int,
    ) -> None:
        if self.spread.ends_step(batch_idx):
            self._stop_if_asked(trainer, batch_idx + 1)

    def on_validation_batch_end(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        """All ranks validate equally often. Before the training there is nothing to save."""
        done = 0 if trainer.sanity_checking else self.spread.lessons
        self._stop_if_asked(trainer, done)

    def on_validation_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        self._validated = trainer.current_epoch

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        epoch = trainer.current_epoch
        if self._validated != epoch:
            raise RuntimeError(f"Lightning left out the validation of epoch {epoch}")
        self._save(trainer, Place(epoch + 1))
        if epoch + 1 < int(trainer.max_epochs or 0):
            self._stop_if_asked(trainer, 0)

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        checkpoint["place"] = self.saved._asdict()

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Before Lightning's loops read their state; earlier versions wrote whole epochs only."""
        whole = {"epoch": int(checkpoint["epoch"]) + 1}
        place = Place(**checkpoint.get("place", whole))
        done = self.spread.lessons_done(place)
        if place.lessons:
            go_on_after(checkpoint["loops"]["fit_loop"], done, of=self.spread.lessons)
        self.begun = self.saved = self.spread.place(place.epoch, done)
        self._expected = None if done == self.spread.lessons else self.saved

    def _stop_if_asked(self, trainer: lightning.Trainer, done: int) -> None:
        """`done`: lessons that each rank is through with."""
        if not trainer.strategy.reduce_boolean_decision(self.should_stop(), all=False):
            return
        place = self.spread.place(trainer.current_epoch, done)
        if place > self.saved:
            self._save(trainer, place)
        raise Stopped

    def _save(self, trainer: lightning.Trainer, place: Place) -> None:
        """The first rank writes, the others wait for it."""
        self.saved = place
        trainer.save_checkpoint(self.path)


def go_on_after(loops: Loops, done: int, *, of: int) -> None:
    """Have Lightning go on within an epoch, after `done` lessons `of` so many.

    As saved from a hook, the counters of its loops stand between two lessons, and what it makes of
    that differs from version to version. These say that a lesson is over and none has begun; after
    the last one, that its validation has begun, which is then done from its start.
    """
    lessons = loops["epoch_loop.batch_progress"]
    lessons["current"] = _counts(done)
    lessons["total"] = _counts(lessons["total"]["processed"])
    lessons["is_last_batch"] = done == of
    if done == of:
        begun = {**_counts(0), "ready": 1, "started": 1}
        validation = {"total": begun, "current": dict(begun), "is_last_batch": False}
        loops["epoch_loop.val_loop.batch_progress"] = validation


def _counts(number: int) -> dict[str, int]:
    return dict.fromkeys(("ready", "started", "processed", "completed"), number)
