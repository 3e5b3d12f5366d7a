"""The object of a scan's file, cut for a region."""

from types import SimpleNamespace

import pytest
import torch

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.jobspec import Stage, Train, Weights
from ptychopinn_batch.training.truth import check_objects, known_object

REFERENCE = torch.complex(*torch.rand(2, 20, 30))
STORE = SimpleNamespace(reference=REFERENCE, info=SimpleNamespace(origin="scan.npz"))
WITHOUT = SimpleNamespace(reference=None, info=STORE.info)
TAUGHT = Weights(frames=0, object=1)


def test_a_canvas_within_the_object_is_a_cut_of_it():
    known = known_object(STORE, Canvas(x0=7, y0=3, height=10, width=12))
    assert torch.equal(known, REFERENCE[3:13, 7:19])


@pytest.mark.parametrize(("y0", "x0"), [(-4, 25), (15, -3), (-2, -2)])
def test_where_the_object_does_not_reach_nothing_is_known(y0, x0):
    known = known_object(STORE, Canvas(x0=x0, y0=y0, height=10, width=10))
    row, column = torch.meshgrid(torch.arange(10) + y0, torch.arange(10) + x0, indexing="ij")
    inside = (row >= 0) & (row < 20) & (column >= 0) & (column < 30)
    assert torch.equal(known.isfinite(), inside)
    assert torch.equal(known[inside], REFERENCE[row[inside], column[inside]])


def test_an_object_elsewhere_is_unknown():
    assert not known_object(STORE, Canvas(x0=100, y0=100, height=5, width=5)).isfinite().any()


@pytest.mark.parametrize(
    "train", [Train(weights=TAUGHT), Train(stages=(Stage(from_epoch=3, weights=TAUGHT),))]
)
def test_a_scan_without_an_object_cannot_be_learned_from(refusal_of, train):
    assert refusal_of(check_objects, train, [STORE, WITHOUT]) == (
        "this scan brings no object that a network could be taught",
        "scan.npz, train.weights.object",
        "Train on its frames alone: write train.weights.object: 0",
    )
    check_objects(train, [STORE])
    check_objects(Train(), [WITHOUT])
