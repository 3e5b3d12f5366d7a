"""The object in a scan's own file, true or a reference, as what a network is to learn."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from hpc.errors import UserError
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Train


def check_objects(train: Train, stores: Iterable[ScanStore]) -> None:
    """UserError for the first scan without an object, where the loss looks at it."""
    for store in stores if train.needs_object else ():
        if store.reference is None:
            what = "this scan brings no object that a network could be taught"
            mend = "Train on its frames alone: write train.weights.object: 0"
            where = f"{store.info.origin}, train.weights.object"
            raise UserError(what, where=where, mend=mend)


def known_object(store: ScanStore, canvas: Canvas) -> Tensor:
    """The object of a scan on a canvas, (H, W) complex64; NaN where the file's does not reach."""
    known = torch.full(canvas.shape, complex(math.nan, math.nan), dtype=torch.complex64)
    reference = store.reference
    assert reference is not None
    top, left = max(0, canvas.y0), max(0, canvas.x0)
    found = reference[top : canvas.y0 + canvas.height, left : canvas.x0 + canvas.width]
    height, width = found.shape
    row, column = top - canvas.y0, left - canvas.x0
    known[row : row + height, column : column + width] = found
    return known
