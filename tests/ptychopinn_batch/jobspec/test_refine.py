"""What a refinement refines, and how far it may move a frame."""

import pytest

from ptychopinn_batch.jobspec import Refine


@pytest.mark.parametrize(
    ("refine", "expected"),
    [
        ({"probe": False}, ("probe", "nothing is refined")),
        (
            {"probe": False, "positions": True, "modes": 3},
            ("modes", "modes are found by refining the probe"),
        ),
    ],
)
def test_a_refinement_refines_what_it_names(complaint, refine, expected):
    assert complaint(refine=refine) == expected


def test_frames_may_be_moved_as_far_as_errors_that_large_are_rare():
    assert Refine(positions=True, position_error=2.0).furthest == 7.0
    assert Refine(positions=True, position_error=0.5).margin == 2
    assert Refine(position_error=2.0).furthest == Refine().margin == 0, "no frame is moved"
