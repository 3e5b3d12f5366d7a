"""Lightning's trainer as a training here wants it: our ranks, our checkpoints, no advice."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning

from hpc.ranks import Ranks
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training.checkpoints import DurableCheckpoints
from ptychopinn_batch.training.processes import RankEnvironment, own_device, strategy
from ptychopinn_batch.training.spread import Spread

__all__ = ["new_trainer", "quiet"]

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}


def new_trainer(
    train: Train, spread: Spread, callbacks: list[lightning.Callback], folder: Path, ranks: Ranks
) -> lightning.Trainer:
    """A trainer that keeps checkpoints our way, on the ranks that there are."""
    trainer = lightning.Trainer(
        accelerator="auto",
        strategy=strategy(ranks, ranks_of_node=train.devices),
        devices=own_device(ranks),
        num_nodes=ranks.size,
        precision=PRECISIONS[train.precision],  # type: ignore[arg-type]
        max_epochs=train.epochs,
        accumulate_grad_batches=spread.accumulate,
        gradient_clip_val=train.clip_norm,
        num_sanity_val_steps=-1,
        use_distributed_sampler=False,
        callbacks=callbacks,
        plugins=[RankEnvironment(ranks), DurableCheckpoints()],
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    # Its handler of SIGTERM would broadcast from within, and end the training without a checkpoint.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning's advice is about other programs: workers, logging intervals, sanity checks."""
    with warnings.catch_warnings():
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
        logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
        warnings.filterwarnings("ignore", module="lightning.*")
        yield
