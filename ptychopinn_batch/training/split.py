"""Which frames of a scan are trained on and which validated on. Pure, without torch.

`space`: the validated frames fill a square of the scan, and none of their patches overlaps one that
is trained on: the frames in between, the guard zone, are used for neither. `frames`: validated are
those that are held out, every so-manieth along the store, between others that overlap them. Either
way held-out frames are not trained on, so that a result may be judged by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Train

Positions = NDArray[np.float64]
Rows = NDArray[np.int64]

WITHHELD = 0.15  # share of a validated square's frames that the network is judged on
HELD_OUT = 0.1  # share that it is judged on where none is kept from training
LEAST_VALIDATED = 4  # frames
LEAST_LEFT = 0.25  # of a scan's frames that must lie apart from the square
PLENTY = 0.5  # of them: where so many do, the square may lie in the middle
MOST_LOOKED_AT = 10**5  # frames, where only an estimate is asked for


@dataclass(frozen=True)
class Split:
    """Rows of a scan in the order of its store.

    training: frames that lessons are made of; validation: those that validated regions are cut
    from; withheld: those of them that the network is not shown, but judged on.
    """

    training: Rows
    validation: Rows
    withheld: Rows


def split_frames(positions: Positions, n: int, train: Train, where: str = "the scan") -> Split:
    """The split of a scan of n x n frames at these positions (K, 2) as a spec asks for it.

    UserError, told of `where`, if frames that lie apart would leave too few to train on.
    """
    everything = np.arange(len(positions))
    held_out = every_so_manieth(len(positions), train.validation or HELD_OUT)
    if train.validation == 0:
        return Split(everything, everything, held_out)
    if train.split == "frames":
        return Split(np.setdiff1d(everything, held_out), everything, held_out)
    found = _apart(positions, n, round(train.validation * len(positions)))
    if found is None:
        raise too_small(train.validation, n, where)
    return replace(found, training=np.setdiff1d(found.training, held_out))


def every_so_manieth(frames: int, share: float) -> Rows:
    """Rows of that share of the frames, evenly spread along the store; at least one."""
    count = max(1, round(frames * share))
    return ((np.arange(count) + 0.5) * frames / count).astype(np.int64)


def too_small(share: float, n: int, where: str) -> UserError:
    """What to tell of a scan that cannot be validated on apart from what is trained on."""
    what = (
        f"a validated square of {share:.0%} of its frames and the guard zone around it, where "
        f"patches of {n} pixels overlap, leave too few frames to train on"
    )
    mend = (
        "Write train.split: frames, which holds out frames between the others although they "
        "overlap, or a smaller train.validation"
    )
    return UserError(what, where=where, mend=mend)


def largest_share(positions: Positions, n: int) -> float:
    """The largest share of frames that can be validated on apart from the others; 0: none can.

    Of a large scan it is estimated from every so-manieth frame.
    """
    positions = positions[:: -(-len(positions) // MOST_LOOKED_AT)]
    possible, impossible = LEAST_VALIDATED - 1, len(positions) // 2 + 1
    while impossible - possible > 1:
        middle = (possible + impossible) // 2
        if _apart(positions, n, middle) is None:
            impossible = middle
        else:
            possible = middle
    return possible / len(positions) if possible >= LEAST_VALIDATED else 0.0


def _apart(positions: Positions, n: int, count: int) -> Split | None:
    """A square of `count` frames in the middle, or in a corner where that leaves too few."""
    if count < LEAST_VALIDATED:
        return None
    middle, *corners = (_around(positions, n, anchor, count) for anchor in _anchors(positions))
    if len(middle.training) >= PLENTY * len(positions):
        return middle
    best = max(corners, key=lambda split: len(split.training))
    return best if len(best.training) >= LEAST_LEFT * len(positions) else None


def _anchors(positions: Positions) -> Iterator[Positions]:
    """The middle of the scan's box, then its corners."""
    low, high = positions.min(0), positions.max(0)
    yield (low + high) / 2
    for x, y in product((low[0], high[0]), (low[1], high[1])):
        yield np.array([x, y])


def _around(positions: Positions, n: int, anchor: Positions, count: int) -> Split:
    """The `count` frames nearest to a point, and those whose patches overlap none of theirs."""
    near = np.argsort(np.abs(positions - anchor).max(1), kind="stable")[:count]
    chosen, guard = positions[near], n + 1  # a patch and the pixel that its fraction spills into
    low, high = chosen.min(0) - guard, chosen.max(0) + guard
    training = np.flatnonzero(((positions < low) | (positions > high)).any(1))
    validation = np.sort(near)
    return Split(training, validation, validation[every_so_manieth(count, WITHHELD)])
